/**
 * The guard against a kernel that has the address too: on another interface, as kube-proxy in IPVS
 * mode keeps all of them on `kube-ipvs0`, with the sysctls as Linux ships them. On a node that does
 * not hold the address nobody answers for it, and no neighbour learns that it is here. Without the
 * guard both happen, or this would prove nothing.
 */
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { arpRequest, emitArp, parseArp } from '../../net/arp.ts';
import { formatIp } from '../../net/ip.ts';
import type { PlaneLink } from '../../speaker/dataplane.ts';
import { ip } from '../contract/questions.ts';
import { Cable, PlaneProcess } from './cable.ts';

jest.setTimeout(30_000);

const VIP = ip('192.0.2.240');
/** Of the first cable; see `Cable`. */
const NODE = ip('198.51.100.1');
const CLIENT = ip('198.51.100.3');
const OWNER_MAC = '02:64:00:00:00:99';
const WATCHED = { ip: VIP, links: 'all', role: 'watch' } as const;
const SHIPPED = { arp_ignore: 0, arp_announce: 0 };

describe.each(['tcx', 'clsact'])('%s, the address on kube-ipvs0', (mode) => {
  let cable: Cable;
  let host: PlaneProcess;
  let near: PlaneLink;

  beforeEach(() => {
    cable = new Cable('guard');
    [near] = cable.links;
    const { node, client } = cable;
    for (const [name, value] of Object.entries(SHIPPED)) {
      node.sysctl({ [`ipv4/conf/all/${name}`]: value, [`ipv4/conf/eth0/${name}`]: value });
    }
    node.ip('link add kube-ipvs0 type bridge', 'link set kube-ipvs0 up');
    node.ip(`addr add ${formatIp(VIP)}/32 dev kube-ipvs0`);
    // Traffic of the address, as a Service's connections make it.
    node.ip(`route add ${formatIp(CLIENT)}/32 dev eth0 src ${formatIp(VIP)}`);
    client.sysctl({ 'ipv4/neigh/eth0/locktime': 0 });
    client.ip(`addr add ${formatIp(CLIENT)}/25 dev eth0`);
    client.ip(`neigh replace ${formatIp(VIP)} lladdr ${OWNER_MAC} dev eth0 nud reachable`);
  });
  afterEach(async () => {
    host.signal('SIGKILL');
    await host.exited;
    cable.close();
  });

  async function start(...flags: readonly string[]): Promise<void> {
    host = new PlaneProcess(cable.node, ...flags, mode);
    await host.plane.attach({ ...near, ip4: NODE });
    await host.plane.apply({ put: new Map([[formatIp(VIP), WATCHED]]), remove: [] });
    await host.plane.renew(cable.now() + 3_600_000);
  }

  /** The MACs that answer. */
  async function answers(): Promise<readonly string[]> {
    const question = emitArp(arpRequest(VIP, ip('198.51.100.2'), '02:64:00:00:00:77'));
    const frames = (await cable.ask(near.index, question)).map(parseArp);
    const replies = frames.map((one) => (one.ok && one.value.kind === 'reply' ? one.value : null));
    return replies.filter((one) => one !== null).map(({ senderMac }) => senderMac);
  }

  /** Who asks for the client when the address has something to send to it. */
  async function askers(): Promise<readonly string[]> {
    cable.node.ip(`neigh flush to ${formatIp(CLIENT)} dev eth0`);
    await cable.heard(near.index);
    cable.node.execSync(['bash', '-c', `echo > /dev/udp/${formatIp(CLIENT)}/9`]);
    const frames = (await cable.heard(near.index)).map(parseArp);
    const requests = frames.map((one) =>
      one.ok && one.value.kind === 'request' ? one.value : null,
    );
    return requests.filter((one) => one !== null).map(({ senderIp }) => formatIp(senderIp));
  }

  function neighbours(at: 'node' | 'client', of: string): string {
    return cable[at].ip(`neigh show to ${of} dev eth0`);
  }

  test('with the guard, the kernel neither answers for it nor speaks as it', async () => {
    await start('--guard');
    expect(await answers()).toEqual([]);
    expect(await askers()).toEqual([formatIp(NODE)]);
    expect(neighbours('client', formatIp(VIP))).toContain(OWNER_MAC);
    // And yet it has learnt whom to send to.
    expect(neighbours('node', formatIp(CLIENT))).toContain('lladdr');
    const counters = await host.plane.counters();
    expect(counters.get('silenced')).toBe(1n);
    expect(counters.get('rewritten')).toBe(1n);
  });

  test('without it, the kernel does both', async () => {
    await start();
    expect(await answers()).toEqual([near.mac]);
    expect(await askers()).toEqual([formatIp(VIP)]);
    expect(neighbours('client', formatIp(VIP))).toContain(near.mac);
    const counters = await host.plane.counters();
    expect([counters.get('silenced'), counters.get('rewritten')]).toEqual([0n, 0n]);
  });
});
