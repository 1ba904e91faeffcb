/**
 * Neighbours of every habit live through the death of an owner: a real speaker on each of two
 * nodes, on both data planes. All have learnt the owner's MAC by asking; while it lives, their
 * unicast probes are answered; when it dies, each is moved by what docs/neighbours.md says, and
 * none is left with the dead one's MAC.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { neighbour } from '../../lab/probe.ts';
import type { Host } from '../../lab/segment.ts';
import { until } from '../../lab/until.ts';
import { monotonic } from '../../lib/io/clock.ts';
import type { Instant } from '../../lib/time.ts';
import { ALL_NODES, parseNdp } from '../../net/ndp.ts';
import { parseArp } from '../../net/arp.ts';
import { sameIp } from '../../net/ip.ts';
import { ANNOUNCE_AT } from '../../speaker/timing.ts';
import { ip } from '../contract/questions.ts';
import { Neighbourhood, PLANES } from './neighbourhood.ts';
import type { NeighbourHost } from './neighbourhost.ts';
import { ARP_HABITS, ArpStack, Claimant, NDP_HABITS, NdpStack } from './stacks.ts';
import type { Stack } from './stacks.ts';

jest.setTimeout(90_000);

const [TEXT4, TEXT6] = ['192.168.100.240', 'fd00:100::240'] as const;
const [VIP4, VIP6] = [ip(TEXT4), ip(TEXT6)];

/** What moves them, as docs/neighbours.md has it; what is not named here needs an answer. */
const MOVED_BY: Readonly<Record<string, string>> = {
  'the merge rule': 'request',
  Linux: 'request',
  'Linux that learns': 'request',
  'requests only': 'request',
  'replies only': 'reply',
  'replies with target MAC = sender MAC only': 'reply',
  'three alike': 'reply',
  'a host': 'advertisement',
  'a router that learns': 'advertisement',
  'a host that sends no options': 'advertisement',
  'a host that sends a nonce': 'advertisement',
};

/** One host for each habit. */
function everybody(): Stack[] {
  const self = (n: number): ArpStack['self'] => ({
    mac: `02:64:00:00:02:${n.toString(16).padStart(2, '0')}`,
    ip4: ip(`192.168.100.${150 + n}`),
    ip6: ip(`fd00:100::${150 + n}`),
  });
  const arp = ARP_HABITS.map((habit, n) => new ArpStack(habit, self(n), VIP4));
  const ndp = NDP_HABITS.map((habit, n) => new NdpStack(habit, self(50 + n), VIP6));
  return [...arp, ...ndp];
}

describe.each(PLANES)('on the %s plane', (plane) => {
  let hood: Neighbourhood;
  let host: NeighbourHost;
  let stacks: Stack[];

  beforeAll(async () => {
    hood = new Neighbourhood('neighbours', { nodes: 2, plane });
    hood.serve({ web: [TEXT4, TEXT6] });
    await hood.startSpeakers();
    host = await hood.packetHost();
  });
  afterAll(() => hood.close());
  beforeEach(() => {
    stacks = everybody();
    host.house(stacks);
  });

  function all(mac: string): boolean {
    return stacks.every((stack) => stack.mac === mac);
  }

  /** When a node announced an address, one instant for each round. */
  function rounds(mac: string, since: Instant): { arp: Instant[]; ndp: Instant[] } {
    const ours = host.heard.filter(({ at }) => at >= since);
    const arp = ours.filter(({ frame }) => {
      const parsed = parseArp(frame);
      if (!parsed.ok || parsed.value.kind !== 'request') return false;
      const { senderIp, targetIp, senderMac } = parsed.value;
      return senderMac === mac && sameIp(senderIp, VIP4) && sameIp(targetIp, VIP4);
    });
    const ndp = ours.filter(({ frame }) => {
      const parsed = parseNdp(frame);
      if (!parsed.ok || parsed.value.kind !== 'advertisement') return false;
      return parsed.value.source === mac && sameIp(parsed.value.to, ALL_NODES);
    });
    return { arp: arp.map(({ at }) => at), ndp: ndp.map(({ at }) => at) };
  }

  /** Everybody asks, and believes the one who answers. */
  async function owner(): Promise<Host> {
    await host.live(() => hood.nodeOf(stacks[0]?.mac) !== undefined && agree(), 'all have asked');
    const found = hood.nodeOf(stacks[0]?.mac);
    if (found === undefined) throw new Error('no owner');
    return found;
  }

  function agree(): boolean {
    return stacks.every(({ mac }) => mac !== undefined && mac === stacks[0]?.mac);
  }

  test('a node that lives and has lost the address keeps nobody, not even the deaf', async () => {
    const first = await owner();
    const second = hood.segment.nodes.find((node) => node !== first);
    if (second === undefined) throw new Error('no other node');
    hood.speakerOn(first).signal('SIGSTOP');
    await host.live(() => all(second.mac), 'all have moved to the other');
    const woken = monotonic();
    hood.speakerOn(first).signal('SIGCONT');
    await until(() => rounds(first.mac, woken).arp.length > 0, {
      withinMs: 15_000,
      what: 'the first one is back',
    });
    // The second one is asked in unicast, which it would hear; its silence moves them.
    await host.live(() => all(first.mac), 'all have moved back');
    const deaf = stacks.filter(({ name }) => MOVED_BY[name] === undefined);
    expect(deaf.map(({ by, lost }) => [by, lost])).toEqual(deaf.map(() => ['answer', 2]));
  });

  test('who wants an address for itself is told, by either family and with a nonce', async () => {
    const { mac } = await owner();
    const theirs = '02:64:00:00:03:01';
    const nonce = Uint8Array.of(6, 5, 4, 3, 2, 1);
    const claimants = [
      new Claimant(VIP4, theirs),
      new Claimant(VIP6, theirs),
      new Claimant(VIP6, theirs, nonce),
    ];
    for (const claimant of claimants) {
      host.onHeard(({ frame }) => claimant.receive(frame));
      host.send(claimant.question);
      await until(() => claimant.holder !== undefined, { withinMs: 3000, what: 'an answer' });
      expect(claimant.holder).toBe(mac);
    }
  });

  test('all move to the new owner, none stays with the dead one', async () => {
    const old = await owner();
    const probing = stacks.filter(({ name }) => MOVED_BY[name] === undefined);
    await host.live(() => probing.every(({ confirmed }) => confirmed >= 1), 'probes are answered');
    expect(stacks.map(({ name, lost, mac }) => [name, lost, mac])).toEqual(
      stacks.map(({ name }) => [name, 0, old.mac]),
    );

    const linux = [TEXT4, TEXT6] as const;
    hood.client.namespace.ip(...linux.map((vip) => `neigh replace ${vip} dev eth0 use`));
    const knows = (mac: string): boolean =>
      linux.every((vip) => neighbour(hood.client, vip) === mac);
    await until(() => knows(old.mac), { withinMs: 5000, what: 'Linux has learnt the owner' });

    const killed = monotonic();
    await hood.speakerOn(old).kill();
    const next = hood.segment.nodes.find((node) => node !== old);
    if (next === undefined) throw new Error('no other node');
    const heeding = stacks.filter(({ name }) => MOVED_BY[name] !== undefined);
    const told = (): string => stacks.map(({ name, mac, by }) => `${name} ${mac} ${by}`).join('\n');
    await until(() => heeding.every(({ mac }) => mac === next.mac), {
      withinMs: 15_000,
      what: 'those that heed announcements have moved',
      lastSeen: told,
    });
    const moved = Object.fromEntries(heeding.map(({ name, by }) => [name, by]));
    expect(moved).toEqual(MOVED_BY);
    // The first two rounds were enough, which are over within a quarter of a second.
    const { arp, ndp } = rounds(next.mac, killed);
    expect(Math.max(arp.length, ndp.length)).toBeLessThan(ANNOUNCE_AT.length);
    await until(() => knows(next.mac), { withinMs: 2000, what: 'Linux has moved' });

    // The others find the old owner silent, and ask everybody.
    await host.live(() => all(next.mac), 'all have moved');
    expect(probing.map(({ name, by, lost }) => [name, by, lost])).toEqual(
      probing.map(({ name }) => [name, 'answer', 1]),
    );
    await host.live(() => probing.every(({ confirmed }) => confirmed >= 2), 'all stay');
    expect(all(next.mac)).toBe(true);
    expect(rounds(old.mac, killed)).toEqual({ arp: [], ndp: [] });
  });
});
