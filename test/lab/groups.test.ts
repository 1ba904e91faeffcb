/** Memberships on a real kernel, as /proc/net/igmp6 of the namespace lists them. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, jest, test } from '@jest/globals';
import { childEnv } from '../../lab/execute.ts';
import { Lab } from '../../lab/namespace.ts';
import type { Namespace } from '../../lab/namespace.ts';
import { until } from '../../lab/until.ts';
import type { GroupAnswer, GroupCall } from './grouphost.ts';

jest.setTimeout(60_000);

let lab: Lab;
let node: Namespace;
let child: ChildProcess;
let answers: ((stall: number) => void)[] = [];
let complaints: string[] = [];

beforeAll(() => {
  lab = new Lab('groups');
  node = lab.namespace('node');
  node.ip(
    'link add eth0 type veth peer name far0',
    'link add eth1 type veth peer name far1',
    'link set eth0 up',
    'link set eth1 up',
  );
  const [command, ...args] = node.wrap([
    process.execPath,
    join(import.meta.dirname, 'grouphost.ts'),
  ]);
  child = spawn(command ?? '', args, {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: childEnv(),
  });
  child.on('message', (message) => {
    const answer = message as GroupAnswer;
    if (answer.kind === 'done') answers.shift()?.(answer.stall);
    else complaints.push(answer.text);
  });
});
beforeEach(() => {
  complaints = [];
});
afterAll(() => {
  child.kill('SIGKILL');
  lab.close();
});

function call(name: GroupCall['name'], groups: GroupCall['groups'] = []): Promise<number> {
  return new Promise((done) => {
    answers.push(done);
    child.send({ name, groups } satisfies GroupCall);
  });
}

function indexOf(name: string): number {
  return Number(node.execSync(['cat', `/sys/class/net/${name}/ifindex`]).stdout);
}

/** The nth solicited-node group on a link. */
function group(n: number, link: number): GroupCall['groups'][number] {
  return { group: `ff02::1:ff${hex(n >> 16)}:${hex(n >> 8)}${hex(n)}`, link };
}

function hex(byte: number): string {
  return (byte & 0xff).toString(16).padStart(2, '0');
}

/** Our groups as `eth0 42`: the kernel's own solicited-node groups are not among them. */
function joined(): string[] {
  const lines = node.execSync(['cat', '/proc/net/igmp6']).stdout.split('\n');
  const found = lines.map((line) => /^\d+\s+(\S+)\s+ff0200.*01ff(00[0-9a-f]{4})\s/.exec(line));
  return found.flatMap((match) =>
    match === null ? [] : [`${match[1]} ${Number.parseInt(match[2] ?? '', 16)}`],
  );
}

/** What there is once it is as expected, or when patience ends. */
async function settled(expected: readonly string[]): Promise<string[]> {
  const as = expected.toSorted().join();
  const equal = (): boolean => joined().toSorted().join() === as;
  await until(equal, { withinMs: 8000, what: as }).catch(() => {});
  return joined().toSorted();
}

test('joins and leaves; the same group on two links is two memberships', async () => {
  const [eth0, eth1] = [indexOf('eth0'), indexOf('eth1')];
  await call('put', [group(1, eth0), group(1, eth1), group(2, eth0)]);
  expect(await settled(['eth0 1', 'eth0 2', 'eth1 1'])).toEqual(['eth0 1', 'eth0 2', 'eth1 1']);
  await call('remove', [group(1, eth1), group(2, eth0)]);
  expect(await settled(['eth0 1'])).toEqual(['eth0 1']);
  await call('remove', [group(1, eth0)]);
  expect(await settled([])).toEqual([]);
});

test('the newest wish counts', async () => {
  const eth0 = indexOf('eth0');
  const many = Array.from({ length: 200 }, (_, n) => group(n, eth0));
  void call('put', many);
  await call('remove', many.slice(1));
  expect(await settled(['eth0 0'])).toEqual(['eth0 0']);
  void call('remove', many.slice(0, 1));
  await call('put', many.slice(0, 1));
  expect(await settled(['eth0 0'])).toEqual(['eth0 0']);
  await call('remove', many.slice(0, 1));
  expect(await settled([])).toEqual([]);
});

test('where IPv6 is off it is said once, and joined once it is on', async () => {
  const eth0 = indexOf('eth0');
  // Less than 1280, and the kernel takes IPv6 off the link.
  node.ip('link set eth0 mtu 1000');
  await call('put', [group(1, eth0), group(2, eth0)]);
  await until(() => complaints.length > 0, { withinMs: 2000, what: 'a complaint' });
  node.ip('link set eth0 mtu 1500');
  expect(await settled(['eth0 1', 'eth0 2'])).toEqual(['eth0 1', 'eth0 2']);
  expect(complaints).toEqual([
    expect.stringMatching(/^cannot join ff02::1:ff00:[12] on eth0 \(E[A-Z]+\): /),
  ]);
  await call('remove', [group(1, eth0), group(2, eth0)]);
  expect(await settled([])).toEqual([]);
});

test('a link that is told later is joined then', async () => {
  const next = Math.max(...['eth0', 'far0', 'eth1', 'far1'].map(indexOf)) + 100;
  await call('put', [group(3, next)]);
  node.ip(`link add late0 index ${next} type bridge`, 'link set late0 up');
  expect(await settled(['late0 3'])).toEqual(['late0 3']);
  node.ip('link del late0');
  await call('remove', [group(3, next)]);
  expect(await settled([])).toEqual([]);
  expect(complaints).toEqual([]);
});

test('after a rename the old link is left, not the one that has its name now', async () => {
  const [eth0, eth1] = [indexOf('eth0'), indexOf('eth1')];
  await call('put', [group(1, eth0), group(1, eth1)]);
  expect(await settled(['eth0 1', 'eth1 1'])).toEqual(['eth0 1', 'eth1 1']);
  node.ip('link set eth0 down', 'link set eth1 down', 'link set eth0 name old0');
  node.ip('link set eth1 name eth0', 'link set eth0 up', 'link set old0 up');
  await call('remove', [group(1, eth0)]);
  expect(await settled(['eth0 1'])).toEqual(['eth0 1']);
  await call('remove', [group(1, eth1)]);
  expect(await settled([])).toEqual([]);
  node.ip('link set eth0 down', 'link set old0 down', 'link set eth0 name eth1');
  node.ip('link set old0 name eth0', 'link set eth0 up', 'link set eth1 up');
});

test('ten thousand groups never hold up the event loop for long', async () => {
  const eth0 = indexOf('eth0');
  const many = Array.from({ length: 10_000 }, (_, n) => group(n, eth0));
  await call('put', many);
  const all = (): boolean => joined().length === many.length;
  await until(all, {
    withinMs: 30_000,
    everyMs: 200,
    what: 'all',
    lastSeen: () => `${joined().length}`,
  });
  const joining = await call('stall');
  await call('remove', many);
  await until(() => joined().length === 0, { withinMs: 30_000, everyMs: 200, what: 'none' });
  const leaving = await call('stall');
  // The fastest profile sends a beat every 50 ms; measured are 8.
  expect(Math.max(joining, leaving)).toBeLessThan(40);
});

test('the end leaves everything at once', async () => {
  const eth0 = indexOf('eth0');
  await call('put', [group(1, eth0)]);
  expect(await settled(['eth0 1'])).toEqual(['eth0 1']);
  void call(
    'put',
    Array.from({ length: 300 }, (_, n) => group(n, eth0)),
  );
  await call('close');
  expect(await settled([])).toEqual([]);
});
