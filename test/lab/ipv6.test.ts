/**
 * IPv6 as complete as IPv4. Each clause, and what proves it on every plane (model, bpf on tcx and
 * on clsact, packet; `contract` is test/contract/dataplane.ts with its questions):
 *
 *   solicited NA with Override            contract: QUESTIONS; neighbourslinux: keeps REACHABLE
 *   unsolicited NA: ff02::1, Override,    neighbourslinux: these bytes, hop limit 255 among them,
 *     target link-layer option              and what Linux makes of them
 *   to routers, ff02::2 (RFC 9131)        neighbourslinux: a router makes an entry
 *   unicast probes (NUD)                  contract; neighbourslinux; neighbours: every habit
 *   DAD answered                          contract; neighbourslinux: dadfailed; neighbours
 *   NS without and with options, nonce    contract; neighbours: hosts that send each
 *   wrong hop limit, code, checksum       contract: IGNORED
 *   MLD, also where a link appears later  here, and ipv6snooping
 *   thousands of groups                   groups
 */
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { whoHas } from '../../lab/probe.ts';
import { until } from '../../lab/until.ts';
import { ALL_NODES, ALL_ROUTERS, parseNdp } from '../../net/ndp.ts';
import type { NeighborAdvertisement } from '../../net/ndp.ts';
import { formatIp, sameIp } from '../../net/ip.ts';
import { Neighbourhood, PLANES } from './neighbourhood.ts';
import { NeighbourHost } from './neighbourhost.ts';

jest.setTimeout(60_000);

const VIP = 'fd00:100::240';
/** ff02::1:ff00:240, as /proc/net/igmp6 writes it. */
const GROUP = 'ff0200000000000000000001ff000240';
const LATE_MAC = '02:64:00:00:01:64';

describe.each(PLANES)('a link that appears while a speaker runs (%s plane)', (plane) => {
  let hood: Neighbourhood;

  beforeAll(async () => {
    hood = new Neighbourhood('ipv6', { nodes: 1, plane });
    hood.serve({ web: [VIP] });
    await hood.startSpeakers();
  });
  afterAll(() => hood.close());

  function joined(device: string): boolean {
    const { namespace } = hood.segment.node('node1');
    const lines = namespace.execSync(['cat', '/proc/net/igmp6']).stdout.split('\n');
    return lines.some((line) => line.includes(` ${device} `) && line.includes(GROUP));
  }

  test('is joined, announced on to nodes and routers, and answered on', async () => {
    await until(() => joined('eth0'), { withinMs: 5000, what: 'the group is joined on eth0' });
    const { namespace } = hood.segment.node('node1');
    const far = hood.lab.namespace('far');
    far.ip(`link add eth0 type veth peer name eth1 address ${LATE_MAC} netns ${namespace.name}`);
    far.ip('link set eth0 up', 'addr add fd00:100::9/64 dev eth0 nodad');
    const host = await NeighbourHost.start(hood.lab, far, hood.directory);
    expect(joined('eth1')).toBe(false);
    namespace.ip('link set eth1 up');
    await until(() => joined('eth1'), { withinMs: 5000, what: 'the group is joined on eth1' });

    const told = (): NeighborAdvertisement[] =>
      host.since(0).flatMap((frame) => {
        const parsed = parseNdp(frame);
        const ours = parsed.ok && formatIp(parsed.value.target) === VIP;
        return ours && parsed.value.kind === 'advertisement' ? [parsed.value] : [];
      });
    const base = { source: LATE_MAC, targetMac: LATE_MAC, solicited: false, router: false };
    const toNodes = { ...base, to: ALL_NODES, override: true };
    const toRouters = { ...base, to: ALL_ROUTERS, override: false };
    const both = (): boolean => told().some(({ to }) => sameIp(to, ALL_ROUTERS));
    await until(both, { withinMs: 10_000, what: 'a second round' });
    // What comes with a new link (its carrier, its address) may begin the rounds anew.
    for (const one of told()) expect(one).toMatchObject(one.override ? toNodes : toRouters);
    expect(told()[0]).toMatchObject(toNodes);

    const farHost = { name: 'far', namespace: far, mac: '', ip4: '', ip6: 'fd00:100::9' };
    expect(await whoHas(farHost, VIP, 3000)).toBe(LATE_MAC);
  });
});
