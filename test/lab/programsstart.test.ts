/**
 * A program that cannot start says why in one sentence on standard error, with an exit code that
 * is not 0 and without a stack trace. Each case takes away one thing a program needs.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { executeSync } from '../../lab/execute.ts';
import { Lab } from '../../lab/namespace.ts';
import { Program } from '../../lab/process.ts';
import { Segment } from '../../lab/segment.ts';

jest.setTimeout(40_000);

const ROOT = join(import.meta.dirname, '../..');
const PORT = 7472;
const TAKEN = 7999;

const directory = mkdtempSync(join(tmpdir(), 'arpeggio-start-'));
const manifests = join(directory, 'manifests');
const secret = join(directory, 'secret');
const short = join(directory, 'short');
const brokenList = join(directory, 'excludel2.yaml');
const nobpf = join(directory, 'nobpf');
let lab: Lab;
let segment: Segment;
let count = 0;

beforeAll(async () => {
  mkdirSync(manifests);
  writeFileSync(secret, 'a secret that is long enough');
  writeFileSync(short, 'short');
  writeFileSync(brokenList, 'announcedInterfacesToExclude: eth0\n');
  const source = join(import.meta.dirname, 'nobpf.c');
  const built = executeSync(['cc', '-o', nobpf, source]);
  if (built.code !== 0) throw new Error(built.stderr);
  lab = new Lab('start');
  segment = new Segment(lab, { nodes: 1 });
  const argv = [process.execPath, join(ROOT, 'demo/backend.ts'), 'squatter', String(TAKEN)];
  for (const namespace of [segment.control, segment.node('node1').namespace]) {
    const name = `squatter-${namespace.name}`;
    const squatter = Program.start(lab, { name, argv, namespace, directory });
    await squatter.line((line) => line === 'listening', 20_000, 'it listens');
  }
});

afterAll(() => {
  lab.close();
  rmSync(directory, { recursive: true, force: true });
});

type Flags = Readonly<Record<string, string | number | undefined>>;

function controller(flags: Flags): readonly string[] {
  return [join(ROOT, 'controller/main.ts'), ...asArgs({ manifests, port: PORT, ...flags })];
}

function speaker(flags: Flags): readonly string[] {
  const all = { manifests, node: 'node1', 'secret-file': secret, port: PORT, ...flags };
  return [join(ROOT, 'speaker/main.ts'), ...asArgs(all)];
}

function asArgs(flags: Flags): string[] {
  return Object.entries(flags).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}`, String(value)],
  );
}

/** Capabilities taken away for good, also from what root gets at exec. */
function without(...names: readonly string[]): string[] {
  const list = names.map((name) => `-${name}`).join(',');
  return ['setpriv', `--bounding-set=${list}`, `--inh-caps=${list}`, '--'];
}

/** Starts, waits for the end, and returns the one sentence. */
async function complaint(
  args: readonly string[],
  wrapper: readonly string[] = [],
): Promise<string> {
  const isSpeaker = args[0]?.includes('speaker') === true;
  const namespace = isSpeaker ? segment.node('node1').namespace : segment.control;
  count += 1;
  const program = Program.start(lab, {
    name: `program-${count}`,
    argv: [...wrapper, process.execPath, ...args],
    directory,
    namespace,
  });
  await program.until(() => program.exit !== undefined, 15_000, 'it gives up');
  const { code } = await program.exited;
  const lines = program.errors().trimEnd().split('\n');
  expect({ code, lines, trace: /^\s+at /m.exec(program.log()) }).toEqual({
    code: expect.any(Number),
    lines: [expect.any(String)],
    trace: null,
  });
  expect(code).not.toBe(0);
  return lines[0] ?? '';
}

const nowhere = join(directory, 'nowhere');

function eventOf(line: string): readonly unknown[] {
  const { level, event, msg } = JSON.parse(line) as Record<string, unknown>;
  return [level, event, msg];
}

describe.each([
  ['controller', controller],
  ['speaker', speaker],
] as const)('%s', (_, program) => {
  test('a value that the flag cannot have', async () => {
    expect(await complaint(program({ 'log-level': 'loud' }))).toMatch(/--log-level is "loud"/);
  });

  test('an unknown flag is a line in the log, and nothing else', async () => {
    expect(await complaint(program({ manifests: nowhere, prot: 1 }))).toMatch(/nowhere/);
    const log = readFileSync(join(directory, `program-${count}.log`), 'utf8');
    expect(log.split('\n').slice(0, -1).map(eventOf)).toEqual([
      ['warn', 'UnknownFlag', 'unknown flag --prot is left out; did you mean --port?'],
    ]);
  });

  test('a flag without its value, and none at all', async () => {
    expect(await complaint([...program({}), '--log-level'])).toMatch(/--log-level/);
    expect(await complaint(program({ manifests: undefined }))).toMatch(/--manifests/);
  });

  test('missing directory', async () => {
    expect(await complaint(program({ manifests: nowhere }))).toMatch(/nowhere.*does not exist/);
  });

  test('a file instead of a directory', async () => {
    expect(await complaint(program({ manifests: secret }))).toMatch(/not a directory/);
  });

  test('port in use', async () => {
    const sentence = await complaint(program({ port: TAKEN, host: '127.0.0.1' }));
    expect(sentence).toMatch(/127\.0\.0\.1:7999 is in use.*--port/);
  });

  test('an address that is not of this machine', async () => {
    expect(await complaint(program({ host: '192.0.2.1' }))).toMatch(/192\.0\.2\.1.*--host/);
  });
});

test('a controller that serves nothing runs all the same, until it is told to end', async () => {
  const argv = [process.execPath, ...controller({ port: 0 })];
  const program = Program.start(lab, {
    name: 'silent',
    argv,
    directory,
    namespace: segment.control,
  });
  await program.line((line) => line.includes('Started'), 20_000, 'it starts');
  const ended = program.until(() => program.exit !== undefined, 2000, 'its end');
  await expect(ended).rejects.toThrow('its end');
  expect(await program.stop()).toMatchObject({ code: 0 });
});

describe('speaker', () => {
  test('secret missing or too short', async () => {
    expect(await complaint(speaker({ 'secret-file': nowhere }))).toMatch(/nowhere/);
    expect(await complaint(speaker({ 'secret-file': short }))).toMatch(/at least 16/);
  });

  test('a list of interfaces that is missing or broken', async () => {
    const missing = speaker({ 'exclude-interfaces': nowhere });
    expect(await complaint(missing)).toMatch(/cannot read .*nowhere.*--exclude-interfaces/);
    const broken = speaker({ 'exclude-interfaces': brokenList });
    expect(await complaint(broken)).toMatch(/line 1: .*announcedInterfacesToExclude is not a list/);
  });

  test('without the capabilities for the plane that is asked for', async () => {
    const bpf = speaker({ 'data-plane': 'bpf' });
    const sentence = await complaint(bpf, without('bpf', 'net_admin', 'sys_admin'));
    expect(sentence).toMatch(/cannot create a BPF map \(EPERM\).*CAP_BPF/);
    const packet = speaker({ 'data-plane': 'packet' });
    expect(await complaint(packet, without('net_raw'))).toMatch(/packet socket.*CAP_NET_RAW/);
  });

  test('without the capabilities for any plane', async () => {
    const none = without('bpf', 'net_admin', 'sys_admin', 'net_raw');
    expect(await complaint(speaker({}), none)).toMatch(/CAP_BPF.*instead.*CAP_NET_RAW/);
  });

  test('without the capability for nftables', async () => {
    const args = speaker({ forward: 'nftables' });
    expect(await complaint(args, without('net_admin'))).toMatch(/NET_ADMIN.*--forward=none/);
  });

  test('without the program nft', async () => {
    const args = speaker({ forward: 'nftables' });
    const hidden = ['unshare', '--mount', 'sh', '-c'];
    const hide = 'mount --bind /dev/null "$(command -v nft)" && exec "$@"';
    expect(await complaint(args, [...hidden, hide, 'sh'])).toMatch(/nftables/);
  });

  test.each([
    ['no bpf(2) in the kernel', 38],
    ['bpf(2) forbidden', 1],
  ])('%s', async (_name, errno) => {
    const args = speaker({ 'data-plane': 'bpf' });
    expect(await complaint(args, [nobpf, String(errno)])).toMatch(/bpf|BPF/);
  });

  test('a failed start leaves no table behind', async () => {
    await complaint(speaker({ forward: 'nftables', port: TAKEN, host: '127.0.0.1' }));
    const { namespace } = segment.node('node1');
    expect(namespace.execSync(['nft', 'list', 'tables']).stdout).toBe('');
  });
});
