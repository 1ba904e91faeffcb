/**
 * A speaker keeps its place on an interface by itself: somebody who hangs a program before its own
 * is displaced within about a second, and said to have been there. The guard is on the way out
 * unless it is switched off.
 */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, jest, test } from '@jest/globals';
import { childEnv } from '../../lab/execute.ts';
import { Lab } from '../../lab/namespace.ts';
import { Program } from '../../lab/process.ts';
import { Segment } from '../../lab/segment.ts';

jest.setTimeout(40_000);

const ROOT = join(import.meta.dirname, '../..');
const directory = mkdtempSync(join(tmpdir(), 'arpeggio-hook-'));
const manifests = join(directory, 'manifests');
const secret = join(directory, 'secret');
let lab: Lab;
let segment: Segment;
let speaker: Program | undefined;
let intruder: ChildProcess | undefined;
let count = 0;

beforeAll(() => {
  mkdirSync(manifests);
  writeFileSync(secret, 'a secret that is long enough');
  lab = new Lab('speakerhook');
  segment = new Segment(lab, { nodes: 1 });
});
afterEach(async () => {
  intruder?.kill('SIGKILL');
  speaker?.endSync();
  await speaker?.exited;
});
afterAll(() => {
  lab.close();
  rmSync(directory, { recursive: true, force: true });
});

async function start(...flags: readonly string[]): Promise<Program> {
  const { namespace } = segment.node('node1');
  count += 1;
  const own = ['--manifests', manifests, '--node', 'node1', '--secret-file', secret];
  const started = (speaker = Program.start(lab, {
    name: `speaker-${count}`,
    argv: [process.execPath, join(ROOT, 'speaker/main.ts'), ...own, '--port', '7472', ...flags],
    directory,
    namespace,
  }));
  await started.line((one) => one.includes('answering on eth0'), 20_000, 'it has attached');
  return started;
}

/** How many programs hang on one side of the node's interface. */
function hung(side: 'ingress' | 'egress'): number {
  const script = join(import.meta.dirname, 'attached.ts');
  const asked = segment.node('node1').namespace.execSync([process.execPath, script, 'eth0', side]);
  return Number(asked.stdout);
}

test('the guard hangs on the way out, unless it is switched off', async () => {
  const first = await start();
  expect([hung('ingress'), hung('egress')]).toEqual([1, 1]);
  first.endSync();
  await first.exited;
  expect([hung('ingress'), hung('egress')]).toEqual([0, 0]);
  await start('--arp-guard=off');
  expect([hung('ingress'), hung('egress')]).toEqual([1, 0]);
});

test('who hangs a program before ours is displaced and told of', async () => {
  const own = await start();
  const script = join(import.meta.dirname, 'intruder.ts');
  const argv = [process.execPath, script, 'eth0', 'ingress'];
  const [command = '', ...args] = segment.node('node1').namespace.wrap(argv);
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'], env: childEnv() });
  intruder = child;
  await once(child.stdout, 'data');
  const told = await own.line((one) => one.includes('"LinkMended"'), 3000, 'it is first again');
  expect(told).toContain('somebody hung a program before it on eth0; it is back in its place');
  expect(hung('ingress')).toBe(2);
});
