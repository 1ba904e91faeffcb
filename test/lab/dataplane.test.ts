/**
 * The bpf plane keeps the contract in the kernel, on tcx and on clsact; it falls silent when its
 * process dies or freezes; and on random frames it agrees with respond.ts byte for byte.
 */
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Lab } from '../../lab/namespace.ts';
import { arpRequest, emitArp } from '../../net/arp.ts';
import { formatIp } from '../../net/ip.ts';
import { dataPlaneContract } from '../contract/dataplane.ts';
import type { RemotePlane } from '../contract/planebench.ts';
import { ip } from '../contract/questions.ts';
import { Cable, PlaneProcess, openBench } from './cable.ts';

dataPlaneContract('bpf on tcx, in a worker', () => openBench('tcx', '--worker', '--guard', 'tcx'));
dataPlaneContract('bpf on clsact', () => openBench('clsact', '--guard', 'clsact'));

test.each([
  ['no capability', '-all', 'cannot create a BPF map (EPERM)'],
  ['CAP_BPF alone', '-all,+bpf', 'cannot load the BPF responder (EPERM)'],
  ['CAP_NET_ADMIN alone', '-all,+net_admin', 'cannot create a BPF map (EPERM)'],
])('with %s it says what is missing', (_, capabilities, what) => {
  const lab = new Lab('rights');
  try {
    const script = join(import.meta.dirname, 'planehost.ts');
    // Root without capabilities: it may read the sources, and nothing more.
    const drop = ['setpriv', '--inh-caps', capabilities, '--bounding-set', capabilities, '--'];
    const run = lab.namespace('node').execSync([...drop, process.execPath, script, 'tcx']);
    expect(run.code).toBe(1);
    expect(run.stderr).toContain(`Error: ${what}: the speaker needs CAP_BPF and CAP_NET_ADMIN`);
  } finally {
    lab.close();
  }
});

const VIP = ip('192.0.2.240');
const REQUEST = arpRequest(VIP, ip('192.0.2.1'), '02:64:00:00:00:01');
const QUESTION = emitArp(REQUEST);

describe('a plane whose process is gone', () => {
  let cable: Cable;
  let processes: PlaneProcess[];

  beforeEach(() => {
    cable = new Cable('fate');
    processes = [];
  });
  afterEach(async () => {
    for (const one of processes) {
      one.signal('SIGCONT');
      one.signal('SIGKILL');
      await one.exited;
    }
    cable.close();
  });

  function start(mode: string): PlaneProcess {
    const started = new PlaneProcess(cable.node, mode);
    processes.push(started);
    return started;
  }

  async function announce(plane: RemotePlane): Promise<void> {
    await plane.attach(cable.links[0]);
    const announcement = { ip: VIP, links: 'all', role: 'answer' } as const;
    await plane.apply({ put: new Map([[formatIp(VIP), announcement]]), remove: [] });
  }

  async function asked(): Promise<readonly Uint8Array[]> {
    return cable.ask(cable.links[0].index, QUESTION);
  }

  /** Asks without pause until `until`; true if every question before was answered. */
  async function steadyUntil(until: number): Promise<boolean> {
    let steady = true;
    for (;;) {
      const answers = await asked();
      // The answer may have been decided on either side of the deadline.
      if (cable.now() >= until) return steady;
      steady &&= answers.length === 1;
    }
  }

  test('tcx: nothing answers after kill -9, whatever the lease', async () => {
    const host = start('tcx');
    await announce(host.plane);
    await host.plane.renew(cable.now() + 3_600_000);
    expect(await asked()).toHaveLength(1);
    host.signal('SIGKILL');
    await host.exited;
    expect(await asked()).toEqual([]);
  });

  test('clsact: after kill -9 the answers end with the lease', async () => {
    const host = start('clsact');
    await announce(host.plane);
    const until = cable.now() + 400;
    await host.plane.renew(until);
    host.signal('SIGKILL');
    await host.exited;
    expect(await steadyUntil(until)).toBe(true);
    expect(await asked()).toEqual([]);
  });

  test.each(['tcx', 'clsact'])('%s: a new process takes over from a killed one', async (mode) => {
    const first = start('clsact');
    await announce(first.plane);
    await first.plane.renew(cable.now() + 3_600_000);
    first.signal('SIGKILL');
    await first.exited;
    expect(await asked()).toHaveLength(1);
    const second = start(mode);
    await second.plane.attach(cable.links[0]);
    expect(await asked()).toEqual([]);
    await announce(second.plane);
    await second.plane.renew(cable.now() + 3_600_000);
    expect(await asked()).toHaveLength(1);
    await second.call('close');
    expect(await asked()).toEqual([]);
    const filters = cable.node.execSync(['tc', 'filter', 'show', 'dev', 'eth0', 'ingress']);
    expect(filters.stdout).toBe('');
  });

  test.each(['tcx', 'clsact'])('%s: SIGSTOP ends the answers with the lease', async (mode) => {
    const host = start(mode);
    await announce(host.plane);
    await host.call('keepRenewing');
    expect(await steadyUntil(cable.now() + 400)).toBe(true);
    host.signal('SIGSTOP');
    const stopped = cable.now();
    while (cable.now() < stopped + 300) await asked();
    expect(await asked()).toEqual([]);
    host.signal('SIGCONT');
    expect(await host.plane.read()).toMatchObject({ ok: true });
    expect(await asked()).toHaveLength(1);
  });

  test('clsact leaves a filter of somebody else in its place', async () => {
    cable.node.execSync(['tc', 'qdisc', 'add', 'dev', 'eth0', 'clsact']);
    const place = ['dev', 'eth0', 'ingress', 'pref', '7', 'protocol', 'ip'];
    const theirs = ['u32', 'match', 'u32', '0', '0', 'classid', '1:1'];
    const added = ['tc', 'filter', 'add', ...place, ...theirs];
    expect(cable.node.execSync(added)).toMatchObject({ code: 0 });
    const host = start('clsact');
    await announce(host.plane);
    await host.plane.renew(cable.now() + 3_600_000);
    expect(await asked()).toHaveLength(1);
    await host.call('close');
    const filters = cable.node.execSync(['tc', 'filter', 'show', 'dev', 'eth0', 'ingress']);
    expect(filters.stdout).toContain('u32');
    expect(filters.stdout).not.toContain('arpeggio');
  });
});
