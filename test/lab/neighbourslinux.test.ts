/**
 * Linux as neighbour of every plane: its own tables (`ip neigh`, `ip addr`) say what announcements,
 * answers and probes did, and the bytes on the wire say why. Announcements are those that the
 * announcer makes; the client's kernel and a packet host hear them on one interface.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { Lab } from '../../lab/namespace.ts';
import { Segment } from '../../lab/segment.ts';
import type { Host } from '../../lab/segment.ts';
import { until } from '../../lab/until.ts';
import { monotonic } from '../../lib/io/clock.ts';
import { emitArp, gratuitousReply, parseArp } from '../../net/arp.ts';
import { formatIp } from '../../net/ip.ts';
import type { Ip } from '../../net/ip.ts';
import { BROADCAST } from '../../net/mac.ts';
import { parseNdp } from '../../net/ndp.ts';
import { Announcer } from '../../speaker/announce.ts';
import { ip } from '../contract/questions.ts';
import { PlaneProcess } from './cable.ts';
import { NeighbourHost } from './neighbourhost.ts';

jest.setTimeout(40_000);

const VIP4 = ip('192.168.100.240');
const VIP6 = ip('fd00:100::240');
const NODE = '02:64:00:00:00:64';
/** Of the owner before, and of the one before that. */
const OLD = '02:64:00:00:00:aa';
const OLDER = '02:64:00:00:00:bb';
const LOCKTIME_MS = 1000;
const HOUR = 3_600_000;

/** Ethernet header, then the fields of RFC 826: 02:64:00:00:00:64 has 192.168.100.240. */
const HEADER = 'ffffffffffff 026400000064 0806 000108000604';
const REQUEST_BYTES = `${HEADER} 0001 026400000064 c0a864f0 000000000000 c0a864f0`;
const REPLY_BYTES = `${HEADER} 0002 026400000064 c0a864f0 026400000064 c0a864f0`;

/** IPv6 with hop limit 255; type 136 code 0; flags; target; option 2 with the MAC. */
function advertisementBytes(group: number, sum: string, flags: string): string {
  const vip = 'fd000100000000000000000000000240';
  const ethernet = `33330000000${group} 026400000064 86dd`;
  const ipv6 = `6000000000203aff ${vip} ff02${'0'.repeat(27)}${group}`;
  return `${ethernet} ${ipv6} 8800${sum}${flags}000000 ${vip} 0201026400000064`;
}
const OVERRIDE_BYTES = advertisementBytes(1, '5356', '20');
const TO_ROUTERS_BYTES = advertisementBytes(2, '7355', '00');

interface Entry {
  readonly lladdr?: string;
  readonly state: readonly string[];
}

function hex(frame: Uint8Array): string {
  return Buffer.from(frame).toString('hex');
}

/** What is announced of an address in a round after its takeover. */
function round(vip: Ip, number: 0 | 1): [Uint8Array, ...Uint8Array[]] {
  const announcer = new Announcer({ random: () => 0.5 });
  announcer.change({ put: new Map([['', { ip: vip, link: 1, mac: NODE }]]), remove: [] }, 0);
  const first = announcer.due(0);
  const [one, ...more] = number === 0 ? first : announcer.due(200);
  if (one === undefined) throw new Error('nothing is announced');
  return [one.frame, ...more.map(({ frame }) => frame)];
}

describe.each(['tcx', 'clsact', 'packet'])('beside a plane (%s)', (mode) => {
  const directory = mkdtempSync(join(tmpdir(), 'arpeggio-linux-'));
  let lab: Lab;
  let node: Host;
  let client: Host;
  let link: number;
  let plane: PlaneProcess;
  let hears: NeighbourHost;
  let asked: NeighbourHost;

  beforeAll(async () => {
    lab = new Lab('linux');
    const segment = new Segment(lab, { nodes: 1 });
    [node, client] = [segment.node('node1'), segment.client];
    link = Number(node.namespace.execSync(['cat', '/sys/class/net/eth0/ifindex']).stdout);
    plane = new PlaneProcess(node.namespace, mode);
    const every = [VIP4, VIP6].map(
      (vip) => [formatIp(vip), { ip: vip, links: 'all', role: 'answer' }] as const,
    );
    await plane.plane.attach({ index: link, mac: NODE });
    await plane.plane.apply({ put: new Map(every), remove: [] });
    await plane.plane.renew(monotonic() + HOUR);
    hears = await NeighbourHost.start(lab, client.namespace, directory);
    asked = await NeighbourHost.start(lab, node.namespace, directory);
  });
  afterAll(async () => {
    plane.signal('SIGKILL');
    await plane.exited;
    lab.close();
    rmSync(directory, { recursive: true, force: true });
  });
  beforeEach(() => {
    for (const vip of [VIP4, VIP6]) client.namespace.ip(`neigh flush to ${formatIp(vip)}`);
  });

  function entry(vip: Ip): Entry | undefined {
    const argv = ['ip', '-json', 'neigh', 'show', 'to', formatIp(vip), 'dev', 'eth0'];
    const [found] = JSON.parse(client.namespace.execSync(argv).stdout) as Entry[];
    return found;
  }

  function learn(vip: Ip, mac: string, state: string): void {
    client.namespace.ip(`neigh replace ${formatIp(vip)} lladdr ${mac} nud ${state} dev eth0`);
  }

  /** Sends them through the plane; returns when the client's side has heard the last. */
  async function announce(...frames: readonly Uint8Array[]): Promise<void> {
    const before = monotonic();
    for (const frame of frames) {
      expect(await plane.plane.send(link, frame)).toEqual({ ok: true, value: undefined });
    }
    const last = frames.at(-1) ?? new Uint8Array();
    const arrived = (): boolean => hears.since(before).some((frame) => hex(frame) === hex(last));
    await until(arrived, { withinMs: 3000, what: 'the announcement arrives' });
  }

  /** The client's entry was changed a moment ago; where it points after these frames. */
  async function withinLocktime(frame: Uint8Array): Promise<string | undefined> {
    for (let attempt = 0; attempt < 10; attempt++) {
      const before = monotonic();
      learn(VIP4, OLDER, 'reachable');
      learn(VIP4, OLD, 'reachable');
      await announce(frame);
      const mac = entry(VIP4)?.lladdr;
      // A slow machine: it may have been changed longer ago than that.
      if (monotonic() - before < LOCKTIME_MS) return mac;
    }
    throw new Error('never within locktime');
  }

  test('what is announced has these bytes', async () => {
    const before = monotonic();
    await announce(...round(VIP4, 0), ...round(VIP4, 1), ...round(VIP6, 0), ...round(VIP6, 1));
    const ours = hears.since(before).map(hex);
    const [first, second] = [
      [REQUEST_BYTES, REQUEST_BYTES, REPLY_BYTES],
      [OVERRIDE_BYTES, OVERRIDE_BYTES, TO_ROUTERS_BYTES],
    ];
    const expected = [...first, ...second].map((bytes) => bytes.replaceAll(' ', ''));
    // The kernel reports its own multicast groups at any time.
    const isOurs = (frame: string): boolean =>
      frame.slice(12, 24) === hexOf(NODE) && !frame.startsWith('333300000016');
    expect(ours.filter(isOurs)).toEqual(expected);
  });

  test('an entry that was changed a moment ago moves with the first round', async () => {
    expect(await withinLocktime(round(VIP4, 0)[0])).toBe(NODE);
  });

  test('and with the reply of the second, whose target MAC is the sender MAC', async () => {
    const [, reply] = round(VIP4, 1);
    expect(await withinLocktime(reply ?? new Uint8Array())).toBe(NODE);
  });

  test('but not with a reply that names everybody as target', async () => {
    const reply = emitArp({ ...gratuitousReply(VIP4, NODE), targetMac: BROADCAST });
    expect(await withinLocktime(reply)).toBe(OLD);
  });

  test('with arp_accept=0 no entry is made; with 1 one is', async () => {
    for (const [accept, mac] of [
      [0, undefined],
      [1, NODE],
    ] as const) {
      client.namespace.sysctl({ 'ipv4/conf/eth0/arp_accept': accept });
      await announce(...round(VIP4, 1));
      expect([accept, entry(VIP4)?.lladdr]).toEqual([accept, mac]);
    }
    client.namespace.sysctl({ 'ipv4/conf/eth0/arp_accept': 0 });
  });

  test('IPv6: Override moves a REACHABLE entry at once', async () => {
    learn(VIP6, OLD, 'reachable');
    await announce(...round(VIP6, 0));
    expect(entry(VIP6)).toMatchObject({ lladdr: NODE, state: ['STALE'] });
  });

  test('IPv6: a router makes an entry of what is told to routers, and changes none', async () => {
    const [, toRouters] = round(VIP6, 1);
    const values = { 'ipv6/conf/eth0/forwarding': 1, 'ipv6/conf/eth0/accept_untracked_na': 1 };
    client.namespace.sysctl(values);
    await announce(toRouters ?? new Uint8Array());
    expect(entry(VIP6)).toMatchObject({ lladdr: NODE, state: ['STALE'] });
    learn(VIP6, OLD, 'reachable');
    await announce(toRouters ?? new Uint8Array());
    expect(entry(VIP6)).toMatchObject({ lladdr: OLD, state: ['STALE'] });
    client.namespace.sysctl({ 'ipv6/conf/eth0/forwarding': 0 });
    await announce(...round(VIP6, 0));
    expect(entry(VIP6)).toMatchObject({ lladdr: NODE });
  });

  test.each([VIP4, VIP6])(
    'a unicast probe is answered and keeps the entry ($family)',
    async (vip) => {
      const before = monotonic();
      learn(vip, NODE, 'probe');
      const reachable = (): boolean => entry(vip)?.state[0] === 'REACHABLE';
      await until(reachable, { withinMs: 3000, what: 'it is reachable' });
      const questions = (): Uint8Array[] =>
        asked.since(before).filter((frame) => questionFor(frame) === formatIp(vip));
      await until(() => questions().length > 0, { withinMs: 3000, what: 'the question is seen' });
      expect(questions().map((frame) => hex(frame.subarray(0, 6)))).toEqual([hexOf(NODE)]);
    },
  );

  test('DAD by Linux for an address of ours ends in dadfailed', async () => {
    const address = `${formatIp(VIP6)}/64 dev eth0`;
    client.namespace.sysctl({ 'ipv6/conf/eth0/accept_dad': 1 });
    client.namespace.ip(`addr add ${address}`);
    const shown = (): string => client.namespace.ip(`addr show dev eth0 to ${formatIp(VIP6)}`);
    await until(() => shown().includes('dadfailed'), { withinMs: 5000, what: 'DAD fails' });
    expect(shown()).toContain('dadfailed tentative');
    client.namespace.ip(`addr del ${address}`);
  });

  test('arping -D finds that an address of ours is taken', async () => {
    const argv = ['arping', '-D', '-I', 'eth0', '-c', '2', '-w', '3', formatIp(VIP4)];
    const done = await client.namespace.exec(argv);
    expect(done).toMatchObject({ code: 1, stdout: expect.stringContaining(NODE.toUpperCase()) });
  });
});

function hexOf(mac: string): string {
  return mac.replaceAll(':', '');
}

/** The address that a frame asks for. */
function questionFor(frame: Uint8Array): string | undefined {
  const arp = parseArp(frame);
  if (arp.ok && arp.value.kind === 'request') return formatIp(arp.value.targetIp);
  const ndp = parseNdp(frame);
  if (ndp.ok && ndp.value.kind === 'solicitation') return formatIp(ndp.value.target);
  return undefined;
}
