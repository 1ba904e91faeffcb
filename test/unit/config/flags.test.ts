/** Command lines: what is accepted, and the one sentence for what is not. */
import { describe, expect, test } from '@jest/globals';
import { flagHelp, parseFlags } from '../../../config/flags.ts';
import type { FlagSpec } from '../../../config/flags.ts';
import { CONTROLLER_FLAGS } from '../../../controller/flags.ts';
import { SPEAKER_FLAGS } from '../../../speaker/flags.ts';

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
  bind: {
    kind: 'number',
    default: 7946,
    min: 1,
    max: 65535,
    also: ['ml-bindport'],
    env: ['FIRST_BIND_PORT', 'BIND_PORT'],
    help: 'port of the beats',
  },
  pprof: { kind: 'moot', takesValue: true, help: 'nobody profiles' },
  http2: { kind: 'moot', takesValue: false, help: 'not spoken' },
} as const satisfies FlagSpec;

const parse = (...argv: string[]) => parseFlags('controller', SPEC, argv);
const remarks = (...argv: string[]): readonly string[] => {
  const parsed = parse('--manifests=m', ...argv);
  if (!parsed.ok) return [parsed.error];
  return parsed.value.remarks.map(({ level, message }) => `${level} ${message}`);
};
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
        bind: 7946,
        pprof: false,
        http2: false,
        given: new Set(['manifests', 'port', 'log-level', 'verbose']),
        remarks: [],
      },
    });
  });

  test('keeps what follows the first equals sign, also nothing', () => {
    const parsed = parse('--manifests=a=b', '--host=');
    expect(parsed.ok && [parsed.value.manifests, parsed.value.host]).toEqual(['a=b', '']);
  });

  test('takes another name, and a variable where the command line says nothing', () => {
    const bind = (argv: string[], environment: Record<string, string>): unknown => {
      const parsed = parseFlags('controller', SPEC, ['--manifests=m', ...argv], environment);
      return parsed.ok ? [parsed.value.bind, parsed.value.given.has('bind')] : parsed.error;
    };
    expect(bind([], {})).toEqual([7946, false]);
    expect(bind(['-ml-bindport', '1'], { BIND_PORT: '2' })).toEqual([1, true]);
    expect(bind([], { FIRST_BIND_PORT: '', BIND_PORT: '2' })).toEqual([2, true]);
    expect(bind([], { FIRST_BIND_PORT: '3', BIND_PORT: '2' })).toEqual([3, true]);
    expect(bind([], { BIND_PORT: 'two' })).toBe(
      'controller: BIND_PORT is "two", which is not a whole number from 1 to 65535',
    );
  });

  test.each([
    [['--manifest=n'], 'warn unknown flag --manifest is left out; did you mean --manifests?'],
    [['--prot=1'], 'warn unknown flag --prot is left out; did you mean --port?'],
    [['--constructor=1'], 'warn unknown flag --constructor is left out; --help lists the flags'],
    [['--new', 'value'], 'warn unknown flag --new is left out; --help lists the flags'],
    [['--new'], 'warn unknown flag --new is left out; --help lists the flags'],
    [['n'], 'warn "n" is not a flag and is left out; --help lists the flags'],
    [['--'], 'warn "--" is not a flag and is left out; --help lists the flags'],
    [['---x'], 'warn "---x" is not a flag and is left out; --help lists the flags'],
    [['--pprof', ':6060'], 'info --pprof has no effect: nobody profiles'],
    [['--http2'], 'info --http2 has no effect: not spoken'],
  ])('%j: a remark, and it goes on', (argv, remark) => {
    expect(remarks(...argv)).toEqual([remark]);
    const parsed = parse('--manifests=m', ...argv, '--port=80');
    expect(parsed.ok && parsed.value.port).toBe(80);
  });

  test('joins lists and honours a switch with a value', () => {
    const parsed = parse('--manifests=m', '--exclude=a,b', '--exclude', ' c', '--verbose=false');
    expect(parsed.ok && [parsed.value.exclude, parsed.value.verbose]).toEqual([
      ['a', 'b', 'c'],
      false,
    ]);
  });

  test.each([
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

test.each([
  [CONTROLLER_FLAGS, '--webhook-http2'],
  [CONTROLLER_FLAGS, '--pprof-bind-address=:6060'],
  [SPEAKER_FLAGS, '--ml-labels=app=metallb,component=speaker'],
  [SPEAKER_FLAGS, '--frrk8s-namespace=frr-k8s-system'],
])('MetalLB has it, and it does nothing here: %#', (spec, argument) => {
  const parsed = parseFlags('x', spec as FlagSpec, [argument]);
  expect(parsed.ok && parsed.value.remarks.map(({ event }) => event)).toEqual(['MootFlag']);
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
      '  --bind=N                           port of the beats (default 7946)',
      '  --help                             this text',
      '  taken, without effect              --pprof --http2',
      '',
    ].join('\n'),
  );
});
