/**
 * The place of our programs on a link: before everybody else's, taken back when somebody comes
 * before us, and nothing of ours left where a process was killed.
 */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { childEnv } from '../../lab/execute.ts';
import { arpRequest, emitArp } from '../../net/arp.ts';
import { formatIp } from '../../net/ip.ts';
import type { PlaneLink } from '../../speaker/dataplane.ts';
import { ip } from '../contract/questions.ts';
import { Cable, PlaneProcess } from './cable.ts';

jest.setTimeout(30_000);

const VIP = ip('192.0.2.240');
const QUESTION = emitArp(arpRequest(VIP, ip('192.0.2.1'), '02:64:00:00:00:01'));
const OURS = { ip: VIP, links: 'all', role: 'answer' } as const;

let cable: Cable;
let near: PlaneLink;
let planes: PlaneProcess[];
let intruders: ChildProcess[];

beforeEach(() => {
  cable = new Cable('hook');
  [near] = cable.links;
  planes = [];
  intruders = [];
});
afterEach(async () => {
  for (const one of intruders.filter(({ exitCode }) => exitCode === null)) one.kill('SIGKILL');
  for (const one of planes) {
    one.signal('SIGKILL');
    await one.exited;
  }
  cable.close();
});

async function start(...args: readonly string[]): Promise<PlaneProcess> {
  const host = new PlaneProcess(cable.node, ...args);
  planes.push(host);
  expect(await host.plane.attach(near)).toEqual({ ok: true, value: undefined });
  await host.plane.apply({ put: new Map([[formatIp(VIP), OURS]]), remove: [] });
  await host.plane.renew(cable.now() + 3_600_000);
  return host;
}

async function kill(host: PlaneProcess): Promise<void> {
  host.signal('SIGKILL');
  await host.exited;
}

async function intrude(side: 'ingress' | 'egress'): Promise<void> {
  const script = join(import.meta.dirname, 'intruder.ts');
  const [command = '', ...args] = cable.node.wrap([process.execPath, script, 'eth0', side]);
  const stdio = ['ignore', 'pipe', 'inherit'] as const;
  const child = spawn(command, args, { stdio: [...stdio], env: childEnv() });
  intruders.push(child);
  await once(child.stdout, 'data');
}

async function isAnswered(): Promise<boolean> {
  return (await cable.ask(near.index, QUESTION)).length === 1;
}

function tc(...args: readonly string[]): string {
  return cable.node.execSync(['tc', ...args]).stdout;
}

describe('somebody hangs a program before ours', () => {
  test.each(['ingress', 'egress'] as const)(
    '%s: it is found, and ours is first again',
    async (side) => {
      const host = await start('--guard', 'tcx');
      expect([...(await host.plane.mend())]).toEqual([]);
      await intrude(side);
      expect(await isAnswered()).toBe(side === 'egress');
      expect([...(await host.plane.mend())]).toEqual([
        [near.index, { ok: true, value: 'displaced' }],
      ]);
      expect(await isAnswered()).toBe(true);
      expect([...(await host.plane.mend())]).toEqual([]);
    },
  );

  test('who comes again at once is displaced again, but not at once', async () => {
    const host = await start('tcx');
    await intrude('ingress');
    expect((await host.plane.mend()).size).toBe(1);
    const first = cable.now();
    await intrude('ingress');
    expect(await isAnswered()).toBe(false);
    let mended = await host.plane.mend();
    while (mended.size === 0) mended = await host.plane.mend();
    expect(cable.now() - first).toBeGreaterThan(800);
    expect(cable.now() - first).toBeLessThan(3000);
    expect(await isAnswered()).toBe(true);
  });
});

describe('what a killed process left', () => {
  const guards = [['--guard'], []];
  const cases = guards.flatMap((flags) => ['tcx', 'clsact'].map((mode) => ({ flags, mode })));

  test.each(cases)('is gone when $mode $flags has come and gone', async ({ flags, mode }) => {
    await kill(await start('--guard', 'clsact'));
    expect(tc('filter', 'show', 'dev', 'eth0', 'ingress')).toContain('arpeggio');
    expect(tc('filter', 'show', 'dev', 'eth0', 'egress')).toContain('arpeggio');
    const second = await start(...flags, mode);
    const guarded = mode === 'clsact' && flags.length > 0;
    expect(tc('filter', 'show', 'dev', 'eth0', 'egress').includes('arpeggio')).toBe(guarded);
    expect(tc('qdisc', 'show', 'dev', 'eth0').includes('clsact')).toBe(mode === 'clsact');
    expect(await isAnswered()).toBe(true);
    await second.call('close');
    expect(tc('qdisc', 'show', 'dev', 'eth0')).not.toContain('clsact');
    expect(await isAnswered()).toBe(false);
  });

  test.each(['tcx', 'clsact'])(
    '%s: a qdisc that others use stays, with their filters',
    async (mode) => {
      await kill(await start('--guard', 'clsact'));
      const place = ['dev', 'eth0', 'egress', 'pref', '7', 'protocol', 'ip'];
      tc('filter', 'add', ...place, 'u32', 'match', 'u32', '0', '0', 'classid', '1:1');
      const second = await start('--guard', mode);
      await second.call('close');
      expect(tc('filter', 'show', 'dev', 'eth0', 'egress')).toContain('u32');
      expect(tc('filter', 'show', 'dev', 'eth0', 'egress')).not.toContain('arpeggio');
    },
  );

  test.each(['tcx', 'clsact'])('%s: an empty qdisc of somebody else stays', async (mode) => {
    tc('qdisc', 'add', 'dev', 'eth0', 'clsact');
    const host = await start('--guard', mode);
    await host.call('close');
    expect(tc('qdisc', 'show', 'dev', 'eth0')).toContain('clsact');
  });
});
