/**
 * What befalls the packet plane: it freezes and wakes, interfaces come and go under it, a flood of
 * foreign questions passes by, it lacks the right. It runs with NET_RAW and nothing else.
 */
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  jest,
  test,
} from '@jest/globals';
import { executeSync } from '../../lab/execute.ts';
import { Lab } from '../../lab/namespace.ts';
import type { Namespace } from '../../lab/namespace.ts';
import { monotonic } from '../../lib/io/clock.ts';
import { arpRequest, emitArp, gratuitousRequest } from '../../net/arp.ts';
import { formatIp } from '../../net/ip.ts';
import { macToBytes } from '../../net/mac.ts';
import type { PlaneLink } from '../../speaker/dataplane.ts';
import { ip } from '../contract/questions.ts';
import { Cable, PlaneProcess, onlyWith } from './cable.ts';

jest.setTimeout(30_000);

const VIP = ip('192.0.2.240');
const QUESTION = emitArp(arpRequest(VIP, ip('192.0.2.1'), '02:64:00:00:00:01'));
const HOUR = 3_600_000;
const ANNOUNCED = {
  put: new Map([[formatIp(VIP), { ip: VIP, links: 'all', role: 'answer' } as const]]),
  remove: [],
};

/** Ten milliseconds of processor time are one tick. */
function ticks(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const [user, system] = stat.slice(stat.lastIndexOf(')')).split(' ').slice(12, 14);
  return Number(user) + Number(system);
}

/** Returns when every thread stands. */
function freeze(host: PlaneProcess): void {
  host.signal('SIGSTOP');
  const tasks = `/proc/${host.child.pid}/task`;
  const stands = (id: string): boolean =>
    readFileSync(`${tasks}/${id}/stat`, 'utf8').includes(') T ');
  while (!readdirSync(tasks).every(stands));
}

describe('with NET_RAW', () => {
  const drive = (capabilities: readonly string[]): { code: number | null; stderr: string } => {
    const lab = new Lab('rights');
    try {
      const script = join(import.meta.dirname, 'planehost.ts');
      const argv = [...onlyWith(...capabilities), process.execPath, script, 'packet'];
      return lab.namespace('node').execSync(argv);
    } finally {
      lab.close();
    }
  };

  test('it opens, and ends with its process', () => {
    expect(drive(['net_raw'])).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  test('without, it says what is missing', () => {
    const { code, stderr } = drive(['bpf', 'net_admin']);
    const sentence = 'cannot open a packet socket (EPERM): the speaker needs CAP_NET_RAW, or root';
    expect(code).toBe(1);
    expect(stderr).toContain(`Error: ${sentence}\n`);
  });
});

describe('a plane on a cable', () => {
  let cable: Cable;
  let host: PlaneProcess;
  let near: PlaneLink;

  beforeEach(async () => {
    cable = new Cable('packet');
    host = new PlaneProcess(cable.node, 'packet');
    [near] = cable.links;
    await host.plane.attach(near);
    await host.plane.apply(ANNOUNCED);
    await host.plane.renew(cable.now() + HOUR);
    cable.settle = () => host.call('settle');
  });
  afterEach(async () => {
    host.signal('SIGCONT');
    host.signal('SIGKILL');
    await host.exited;
    cable.close();
  });

  test('a frozen process answers no stale question when it wakes, whatever the lease', async () => {
    expect(await cable.ask(near.index, QUESTION)).toHaveLength(1);
    // The kernel begins to stamp frames a moment after it was asked to, by a worker of its own.
    await setTimeout(300);
    freeze(host);
    cable.settle = undefined;
    for (let n = 0; n < 5; n++) expect(await cable.ask(near.index, QUESTION)).toEqual([]);
    const asked = cable.now();
    while (cable.now() < asked + 250) await cable.heard(near.index);
    host.signal('SIGCONT');
    await host.call('settle');
    expect(await cable.heard(near.index)).toEqual([]);
    const counters = await host.plane.counters();
    expect([counters.get('stale'), counters.get('answered')]).toEqual([5n, 1n]);
    cable.settle = () => host.call('settle');
    expect(await cable.ask(near.index, QUESTION)).toHaveLength(1);
  });

  test('it answers again when its interface was down', async () => {
    cable.node.ip('link set eth0 down');
    const announcement = emitArp(gratuitousRequest(VIP, near.mac));
    expect(await host.plane.send(near.index, announcement)).toEqual({
      ok: false,
      error: expect.stringContaining('the network interface is down'),
    });
    cable.node.ip('link set eth0 up');
    cable.introduce(near.index);
    expect(await cable.ask(near.index, QUESTION)).toHaveLength(1);
    expect(await host.plane.send(near.index, announcement)).toEqual({ ok: true, value: undefined });
    expect(await cable.heard(near.index)).toEqual([announcement]);
  });

  test('an address that is removed no longer wakes it, after it mended', async () => {
    await host.plane.apply({ put: new Map(), remove: [formatIp(VIP)] });
    expect(await cable.ask(near.index, QUESTION)).toEqual([]);
    expect((await host.plane.counters()).get('unknown')).toBe(1n);
    await host.plane.mend();
    expect(await cable.ask(near.index, QUESTION)).toEqual([]);
    expect((await host.plane.counters()).get('unknown')).toBe(1n);
  });

  test.each([
    ['a priority tag changes nothing', 0, 1],
    ['a question in a VLAN without an interface is not ours', 5, 0],
  ])('%s', async (_, vlan, answers) => {
    const rest = [0x81, 0, 0, vlan, ...QUESTION.subarray(12)];
    const toAll = Uint8Array.of(...QUESTION.subarray(0, 12), ...rest);
    const toLink = Uint8Array.of(...macToBytes(near.mac), ...toAll.subarray(6));
    expect(await cable.ask(near.index, toAll)).toHaveLength(answers);
    expect(await cable.ask(near.index, toLink)).toHaveLength(answers);
    expect((await host.plane.counters()).get('otherhost')).toBe(0n);
  });

  test('while it cannot wait for frames it rests, and counts its failures', async () => {
    const { pid = 0 } = host.child;
    const limit = (soft: string): void => {
      const done = executeSync(['prlimit', `--nofile=${soft}:`, '-p', `${pid}`]);
      expect(done).toMatchObject({ code: 0 });
    };
    // poll() refuses three descriptors to a process that may have two.
    limit('2');
    cable.settle = undefined;
    await cable.ask(near.index, QUESTION);
    const before = ticks(pid);
    await setTimeout(1000);
    expect(ticks(pid) - before).toBeLessThan(30);
    expect(Number((await host.plane.counters()).get('failed'))).toBeGreaterThan(8);
    limit('1024');
    await setTimeout(200);
    await cable.heard(near.index);
    cable.settle = () => host.call('settle');
    expect(await cable.ask(near.index, QUESTION)).toHaveLength(1);
  });

  test('nothing answers after kill -9', async () => {
    host.signal('SIGKILL');
    await host.exited;
    cable.settle = undefined;
    expect(await cable.ask(near.index, QUESTION)).toEqual([]);
  });
});

describe('a plane beside a pinger', () => {
  const directory = mkdtempSync(join(tmpdir(), 'arpeggio-pinger-'));
  const pinger = join(directory, 'pinger');
  let lab: Lab;
  let node: Namespace;
  let client: Namespace;
  let host: PlaneProcess;

  beforeAll(() => {
    const source = join(import.meta.dirname, '../../bench/native/pinger.c');
    const built = executeSync(['cc', '-O2', '-Wall', '-Wextra', '-o', pinger, source]);
    if (built.code !== 0) throw new Error(built.stderr);
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  beforeEach(async () => {
    lab = new Lab('packet');
    node = lab.namespace('node');
    client = lab.namespace('client');
    host = new PlaneProcess(node, 'packet');
    await host.plane.apply(ANNOUNCED);
    await host.plane.renew(monotonic() + HOUR);
  });
  afterEach(async () => {
    host.signal('SIGKILL');
    await host.exited;
    lab.close();
  });

  function connect(): PlaneLink {
    node.ip(`link add eth0 type veth peer name eth0 netns ${client.name}`, 'link set eth0 up');
    client.ip('link set eth0 up');
    const shown = node.execSync(['ip', '-json', 'link', 'show', 'eth0']);
    const [link] = JSON.parse(shown.stdout) as { ifindex: number; address: string }[];
    return { index: link?.ifindex ?? 0, mac: link?.address ?? '' };
  }

  async function ping(...mode: readonly string[]): Promise<{ lost: number; cpu_us: number }> {
    const done = await client.exec([pinger, 'eth0', ...mode]);
    expect(done).toMatchObject({ code: 0, stderr: '' });
    return JSON.parse(done.stdout) as { lost: number; cpu_us: number };
  }

  test('it answers on an interface that was deleted and made again', async () => {
    const first = connect();
    await host.plane.attach(first);
    expect(await ping('arp', 'rtt', '20')).toMatchObject({ lost: 0 });
    node.ip('link del eth0');
    const sent = await host.plane.send(first.index, emitArp(gratuitousRequest(VIP, first.mac)));
    expect(sent.ok ? '' : sent.error).toContain('the network interface is gone');
    const before = ticks(host.child.pid ?? 0);
    await setTimeout(300);
    await host.plane.detach(first.index);
    const second = connect();
    expect(second.index).not.toBe(first.index);
    await host.plane.attach(second);
    expect(await ping('arp', 'rtt', '20')).toMatchObject({ lost: 0 });
    expect(ticks(host.child.pid ?? 0) - before).toBeLessThan(15);
  });

  test('a hundred thousand foreign questions a second pass it by', async () => {
    const flood = ['arp', 'foreign', '100000', '1000'];
    await host.plane.attach(connect());
    const beset = async (): Promise<{ lost: number; own: number; beside: number }> => {
      const before = ticks(host.child.pid ?? 0);
      const asking = ping('arp', 'paced', '100', '1000');
      const [paced, beside] = await Promise.all([asking, ping(...flood)]);
      const own = (ticks(host.child.pid ?? 0) - before) * 10_000;
      return { lost: paced.lost, own, beside: beside.cpu_us };
    };
    // A machine that is busy otherwise may lose some; one that loses some every time, we do.
    let best = await beset();
    for (let n = 0; n < 2 && best.lost > 0; n++) best = await beset();
    const { lost, own, beside } = best;
    expect(lost).toBe(0);
    expect((await host.plane.counters()).get('unknown')).toBe(0n);
    host.signal('SIGKILL');
    await host.exited;
    // The filter runs in the sender's time, which is more than that of nobody's listening.
    const alone = await ping(...flood);
    expect(own + beside - alone.cpu_us).toBeLessThan(0.2 * 1_000_000);
  });
});
