/**
 * Behind a switch with MLD snooping and a querier, a solicitation reaches only ports that joined
 * the solicited-node group of the address. So a plane alone is never asked; with the membership it
 * is, as long as it lasts; and a speaker sees to it by itself.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { childEnv } from '../../lab/execute.ts';
import { Namespace } from '../../lab/namespace.ts';
import { whoHas } from '../../lab/probe.ts';
import { until } from '../../lab/until.ts';
import { monotonic } from '../../lib/io/clock.ts';
import { formatIp, solicitedNode } from '../../net/ip.ts';
import { ip } from '../contract/questions.ts';
import { PlaneProcess } from './cable.ts';
import type { GroupCall } from './grouphost.ts';
import { Neighbourhood, PLANES } from './neighbourhood.ts';

jest.setTimeout(60_000);

const VIP = 'fd00:100::240';
const GROUP = formatIp(solicitedNode(ip(VIP)));
const HOUR = 3_600_000;
/** Enough for a solicitation and its repetition. */
const SILENCE_MS = 1500;

describe.each(PLANES)('behind a snooping switch (%s plane)', (mode) => {
  let hood: Neighbourhood;
  let bridge: Namespace;
  const started: ChildProcess[] = [];

  beforeEach(async () => {
    hood = new Neighbourhood('snooping', { nodes: 1, plane: mode });
    bridge = new Namespace(`${hood.lab.prefix}-switch`);
    await until(hasAddress, { withinMs: 20_000, everyMs: 50, what: 'the switch has an address' });
    // Times in hundredths of a second: a querier counts once its first query could be answered.
    const quick = 'mcast_query_response_interval 10 mcast_last_member_interval 10';
    bridge.ip(
      `link set br0 type bridge ${quick}`,
      'link set br0 type bridge mcast_snooping 1 mcast_querier 1',
    );
  });
  afterEach(() => {
    for (const child of started.splice(0)) child.kill('SIGKILL');
    hood.close();
  });

  /** To send queries from; usable, that is. */
  function hasAddress(): boolean {
    const argv = ['ip', '-6', 'addr', 'show', 'dev', 'br0', 'scope', 'link'];
    const shown = bridge.execSync(argv).stdout;
    return shown.includes('fe80:') && !shown.includes('tentative');
  }

  function members(): boolean {
    const shown = bridge.execSync(['bridge', 'mdb', 'show', 'dev', 'br0']).stdout;
    return shown.split('\n').some((line) => line.includes(GROUP) && line.includes('node1'));
  }

  function answered(withinMs: number): Promise<string | undefined> {
    return whoHas(hood.client, VIP, withinMs);
  }

  test('a plane is asked while somebody on its node is a member, and only then', async () => {
    const { namespace, mac } = hood.segment.node('node1');
    const index = Number(namespace.execSync(['cat', '/sys/class/net/eth0/ifindex']).stdout);
    const { child, plane } = new PlaneProcess(namespace, mode === 'bpf' ? 'tcx' : mode);
    started.push(child);
    const announcement = { ip: ip(VIP), links: 'all', role: 'answer' } as const;
    await plane.attach({ index, mac });
    await plane.apply({ put: new Map([[VIP, announcement]]), remove: [] });
    await plane.renew(monotonic() + HOUR);
    const snoops = async (): Promise<boolean> => (await answered(300)) === undefined;
    await until(snoops, { withinMs: 10_000, what: 'the switch snoops' });
    expect(await answered(SILENCE_MS)).toBeUndefined();

    const script = join(import.meta.dirname, 'grouphost.ts');
    const [command = '', ...args] = namespace.wrap([process.execPath, script]);
    const stdio = ['ignore', 'inherit', 'inherit', 'ipc'] as const;
    const joining = spawn(command, args, { stdio: [...stdio], env: childEnv() });
    started.push(joining);
    const groups = [{ group: GROUP, link: index }];
    joining.send({ name: 'put', groups } satisfies GroupCall);
    await until(members, { withinMs: 10_000, everyMs: 50, what: 'the switch knows the member' });
    expect(await answered(3000)).toBe(mac);

    joining.kill('SIGKILL');
    await until(() => !members(), { withinMs: 10_000, everyMs: 50, what: 'it forgot the member' });
    expect(await answered(SILENCE_MS)).toBeUndefined();
  });

  test('a speaker joins, and is asked', async () => {
    hood.serve({ web: [VIP] });
    await hood.startSpeakers();
    await until(members, { withinMs: 10_000, everyMs: 50, what: 'the switch knows the member' });
    expect(await answered(3000)).toBe(hood.segment.node('node1').mac);
  });
});
