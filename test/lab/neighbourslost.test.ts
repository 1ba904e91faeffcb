/**
 * Nothing is said for an address that a node has lost: neither the rounds that were still to come
 * nor a refresh. Two real speakers that refresh every second, on both planes; that other addresses
 * go on being announced shows that silence means something.
 */
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { Host } from '../../lab/segment.ts';
import { until } from '../../lab/until.ts';
import { monotonic } from '../../lib/io/clock.ts';
import type { Instant } from '../../lib/time.ts';
import { parseArp } from '../../net/arp.ts';
import { formatIp } from '../../net/ip.ts';
import { parseNdp } from '../../net/ndp.ts';
import { ANNOUNCE_AT } from '../../speaker/timing.ts';
import { Neighbourhood, PLANES } from './neighbourhood.ts';
import type { NeighbourHost } from './neighbourhost.ts';

jest.setTimeout(90_000);

const KEPT = ['192.168.100.240', 'fd00:100::240'] as const;
const LOST = ['192.168.100.241', 'fd00:100::241'] as const;

/** From a changed manifest to the silence that follows, on a busy machine. */
const NOTICED_MS = 3000;
/** Frames that left before the other node was heard again. */
const ON_THE_WAY_MS = 300;

/** Of a frame that says who has an address: the address and the MAC. */
function claim(frame: Uint8Array): { ip: string; mac: string } | undefined {
  const arp = parseArp(frame);
  if (arp.ok) return { ip: formatIp(arp.value.senderIp), mac: arp.value.senderMac };
  const ndp = parseNdp(frame);
  if (!ndp.ok || ndp.value.kind !== 'advertisement') return undefined;
  return { ip: formatIp(ndp.value.target), mac: ndp.value.source };
}

describe.each(PLANES)('on the %s plane', (plane) => {
  let hood: Neighbourhood;
  let host: NeighbourHost;

  beforeAll(async () => {
    const flags = ['--gratuitous-arp-interval', '1'];
    hood = new Neighbourhood('lost', { nodes: 2, plane, flags });
    hood.serve({ kept: KEPT, lost: LOST });
    host = await hood.packetHost();
    await hood.startSpeakers();
  });
  afterAll(() => hood.close());

  /** When these addresses were claimed, by whom, since an instant. */
  function claims(ips: readonly string[], since: Instant): { at: Instant; mac: string }[] {
    return host.heard.flatMap(({ at, frame }) => {
      const one = at < since ? undefined : claim(frame);
      return one !== undefined && ips.includes(one.ip) ? [{ at, mac: one.mac }] : [];
    });
  }

  function told(ips: readonly string[], since: Instant, by?: Host): boolean {
    const heard = claims(ips, since);
    return heard.some(({ mac }) => by === undefined || mac === by.mac);
  }

  /** Both families of an address were announced at least so often by a node. */
  async function announcedOften(ips: readonly string[], since: Instant, by?: Host): Promise<void> {
    const often = (): boolean =>
      ips.every((ip) => {
        const mine = claims([ip], since).filter(({ mac }) => by === undefined || mac === by.mac);
        return mine.length >= 6;
      });
    await until(often, { withinMs: 20_000, what: `${ips.join()} is announced again and again` });
  }

  test('an address whose Service is gone is heard no more', async () => {
    const all = (): boolean => LOST.every((ip) => told([ip], 0));
    await until(all, { withinMs: 10_000, what: 'the addresses are announced' });
    const begin = claims(LOST, 0)[0]?.at ?? 0;
    hood.serve({ kept: KEPT });
    const written = monotonic();
    // Its last round would have been due by then, and several refreshes of a second each.
    const last = begin + Math.max(...ANNOUNCE_AT) + 1000;
    await until(() => monotonic() > Math.max(last, written + NOTICED_MS), {
      withinMs: 20_000,
      what: 'its rounds are over',
    });
    await announcedOften(KEPT, written + NOTICED_MS);
    expect(claims(LOST, written + NOTICED_MS)).toEqual([]);
  });

  test('a node whose address went back to another one says no more of it', async () => {
    const start = monotonic();
    const owner = await until(() => hood.nodeOf(claims(KEPT, start)[0]?.mac), {
      withinMs: 10_000,
      what: 'a refresh',
    });
    const other = hood.segment.nodes.find((node) => node !== owner);
    if (other === undefined) throw new Error('no other node');
    hood.speakerOn(owner).signal('SIGSTOP');
    const both = (node: Host, since: Instant) => (): boolean =>
      KEPT.every((ip) => told([ip], since, node));
    await until(both(other, start), { withinMs: 10_000, what: 'the other one takes over' });
    const woken = monotonic();
    hood.speakerOn(owner).signal('SIGCONT');
    await until(both(owner, woken), { withinMs: 15_000, what: 'the first one is back' });
    const back = monotonic() + ON_THE_WAY_MS;
    await announcedOften(KEPT, back, owner);
    expect(claims(KEPT, back).filter(({ mac }) => mac === other.mac)).toEqual([]);
  });
});
