/** Command lines: what is accepted, and the one sentence for what is not. */
import { describe, expect, test } from '@jest/globals';
import { flagHelp, parseFlags } from '../../../config/flags.ts';
import type { FlagSpec } from '../../../config/flags.ts';

const SPEC = {
  manifests: { kind: 'needed', hint: 'DIR', help: 'directory of manifests' },
  port: { kind: 'number', default: 7472, min: 0, max: 65535, help: 'port of /metrics' },
  'log-level': {
    kind: 'choice',
    default: 'info',
    choices: ['debug', 'info', 'warn', 'error'],
    help: 'least level that is logged',
  },
  host: { kind: 'text', default: '127.0.0.1', help: 'address of /metrics' },
  exclude: { kind: 'list', help: 'interfaces to leave alone' },
  verbose: { kind: 'switch', help: 'say more' },
} as const satisfies FlagSpec;

const parse = (...argv: string[]) => parseFlags('controller', SPEC, argv);
const sentence = (...argv: string[]): string => {
  const parsed = parse(...argv);
  return parsed.ok ? 'accepted' : parsed.error;
};

describe('parseFlags', () => {
  test('takes every spelling of Go', () => {
    const parsed = parse('--manifests=/m', '-port', '80', '--log-level', 'warn', '-verbose');
    expect(parsed).toEqual({
      ok: true,
      value: {
        help: false,
        manifests: '/m',
        port: 80,
        'log-level': 'warn',
        host: '127.0.0.1',
        exclude: [],
        verbose: true,
      },
    });
  });

  test('keeps what follows the first equals sign, also nothing', () => {
    const parsed = parse('--manifests=a=b', '--host=');
    expect(parsed.ok && [parsed.value.manifests, parsed.value.host]).toEqual(['a=b', '']);
  });

  test('joins lists and honours a switch with a value', () => {
    const parsed = parse('--manifests=m', '--exclude=a,b', '--exclude', ' c', '--verbose=false');
    expect(parsed.ok && [parsed.value.exclude, parsed.value.verbose]).toEqual([
      ['a', 'b', 'c'],
      false,
    ]);
  });

  test.each([
    [['--manifest=m'], 'controller: unknown flag --manifest; did you mean --manifests?'],
    [['--prot=1'], 'controller: unknown flag --prot; did you mean --port?'],
    [['--constructor=1'], 'controller: unknown flag --constructor; --help lists the flags'],
    [['m'], 'controller: "m" is not a flag; --help lists the flags'],
    [['--'], 'controller: "--" is not a flag; --help lists the flags'],
    [['--manifests'], 'controller: --manifests needs a value: --manifests=DIR'],
    [['--manifests', '--port=1'], 'controller: --manifests needs a value: --manifests=DIR'],
    [[], 'controller: --manifests=DIR is missing: directory of manifests'],
    [['--manifests='], 'controller: --manifests is empty: directory of manifests'],
    [['--port=http'], 'controller: --port is "http", which is not a whole number from 0 to 65535'],
    [
      ['--port=65536'],
      'controller: --port is "65536", which is not a whole number from 0 to 65535',
    ],
    [
      ['--log-level=all'],
      'controller: --log-level is "all"; choose one of debug, info, warn, error',
    ],
    [
      ['--verbose=yes'],
      'controller: --verbose is "yes"; it is either given or not (or =true, =false)',
    ],
  ])('%j: one sentence', (argv, message) => {
    expect(sentence(...argv)).toBe(message);
  });

  test.each(['--help', '-h', '-help'])('%s wins over everything else', (word) => {
    const parsed = parse('--nonsense', word);
    expect(parsed.ok && parsed.value.help).toBe(true);
  });
});

const LIST = '(comma-separated, may be repeated)';

test('help is a table of all flags with their defaults', () => {
  expect(flagHelp('controller', 'allocates addresses', SPEC)).toBe(
    [
      'controller: allocates addresses',
      '',
      'usage: controller [flags]',
      '',
      '  --manifests=DIR                    directory of manifests (needed)',
      '  --port=N                           port of /metrics (default 7472)',
      '  --log-level=debug|info|warn|error  least level that is logged (default info)',
      '  --host=TEXT                        address of /metrics (default 127.0.0.1)',
      `  --exclude=TEXT                     interfaces to leave alone ${LIST}`,
      '  --verbose                          say more',
      '  --help                             this text',
      '',
    ].join('\n'),
  );
});
