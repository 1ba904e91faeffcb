/**
 * The habits themselves, and the tables of docs/neighbours.md: each habit with an entry of the old
 * owner hears the announcements of the new one, and the row says which of them moved it.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import {
  arpProbe,
  arpReply,
  arpRequest,
  emitArp,
  gratuitousReply,
  gratuitousRequest,
} from '../../../net/arp.ts';
import { formatIp } from '../../../net/ip.ts';
import { BROADCAST } from '../../../net/mac.ts';
import {
  advertisementToRouters,
  emitNdp,
  neighborAdvertisement,
  neighborSolicitation,
  parseNdp,
  unsolicitedAdvertisement,
} from '../../../net/ndp.ts';
import { Announcer } from '../../../speaker/announce.ts';
import { ANNOUNCE_AT } from '../../../speaker/timing.ts';
import { VIP4, VIP6, changed, ip } from '../../contract/questions.ts';
import { ARP_HABITS, ArpStack, Claimant, NDP_HABITS, NdpStack } from '../../lab/stacks.ts';
import type { ArpHabit, NdpHabit, Stack } from '../../lab/stacks.ts';

const A = '02:64:00:00:00:0a';
const B = '02:64:00:00:00:0b';
const SELF = { mac: '02:64:00:00:00:01', ip4: ip('192.0.2.1'), ip6: ip('2001:db8::1') };
const ASKED4 = arpRequest(VIP4, SELF.ip4, SELF.mac);
const ASKED6 = neighborSolicitation(VIP6, SELF.ip6, SELF.mac);
const DOCS = readFileSync(join(import.meta.dirname, '../../../docs/neighbours.md'), 'utf8');

function answerOf(mac: string, family: 4 | 6): Uint8Array {
  return family === 4
    ? emitArp(arpReply(ASKED4, mac))
    : emitNdp(neighborAdvertisement(ASKED6, mac));
}

/** Its entry is the old owner's since half a second, which asked and answered. */
function arpStack(habit: ArpHabit, since = -500): ArpStack {
  const stack = new ArpStack(habit, SELF, VIP4);
  expect(stack.use(since)).toEqual([emitArp(ASKED4)]);
  stack.receive(answerOf(A, 4), since);
  expect(stack.mac).toBe(A);
  return stack;
}

function ndpStack(name: string): NdpStack {
  const habit = NDP_HABITS.find((one) => one.name === name);
  if (habit === undefined) throw new Error(`no habit ${name}`);
  return new NdpStack(habit, SELF, VIP6);
}

interface Move {
  readonly by: string;
  readonly at: number;
}

/** What of a takeover at 0 moves it, as the announcer sends it. */
function announcedTo(stack: Stack, target: typeof VIP4): Move | undefined {
  const announcer = new Announcer({ random: () => 0.5, refresh: 0 });
  announcer.change(
    { put: new Map([[formatIp(target), { ip: target, link: 1, mac: B }]]), remove: [] },
    0,
  );
  for (let at = announcer.deadline(); at !== undefined; at = announcer.deadline()) {
    for (const { frame } of announcer.due(at)) {
      stack.receive(frame, at);
      if (stack.mac === B) return { by: String(stack.by), at };
    }
  }
  return undefined;
}

/** Uses the address without pause while nobody answers: when it asks everybody again, if ever. */
function givesUp(stack: Stack): number | undefined {
  for (let now = 0; now < 600_000; now += 100) {
    stack.use(now);
    if (stack.lost > 0) return now;
  }
  return undefined;
}

function seconds(at: number): string {
  return at === 0 ? 'at once' : `after ${at / 1000} s`;
}

function row(name: string, source: string, move: Move | undefined, stack: Stack): string {
  const end = givesUp(stack);
  const own = end === undefined ? 'nothing' : `its own question, ${seconds(end)} of silence`;
  const by = move === undefined ? own : `${move.by}, ${seconds(move.at)}`;
  return `| ${name} | ${source} | ${by} |`;
}

describe('the tables of docs/neighbours.md', () => {
  test.each(ARP_HABITS)('ARP: $name', (habit) => {
    const move = announcedTo(arpStack(habit), VIP4);
    expect(DOCS).toContain(`${row(habit.name, habit.source, move, arpStack(habit, 0))}\n`);
  });

  test.each(NDP_HABITS)('NDP: $name', (habit: NdpHabit) => {
    const [stack, alone] = [new NdpStack(habit, SELF, VIP6), new NdpStack(habit, SELF, VIP6)];
    for (const one of [stack, alone]) one.put('reachable', A, 0);
    const move = announcedTo(stack, VIP6);
    expect(DOCS).toContain(`${row(habit.name, habit.source, move, alone)}\n`);
  });

  test('nothing else stands in them', () => {
    const [tables = ''] = DOCS.split('\n## ');
    const rows = tables
      .split('\n')
      .filter((line) => line.startsWith('| ') && !line.includes('---'));
    const names = [...ARP_HABITS, ...NDP_HABITS].map(({ name }) => name);
    const told = rows.map((line) => line.split(' | ')[0]?.slice(2) ?? '');
    expect(told.filter((name) => !name.startsWith('neighbour ('))).toEqual(names);
  });

  test('every habit that heeds announcements has moved by the second round', () => {
    for (const habit of ARP_HABITS.filter(({ probes }) => probes === undefined)) {
      const move = announcedTo(arpStack(habit), VIP4);
      expect(move?.at ?? Infinity).toBeLessThanOrEqual(ANNOUNCE_AT[1] ?? 0);
    }
  });
});

describe('ARP', () => {
  const linux = ARP_HABITS[1] as ArpHabit;
  const merge = ARP_HABITS[0] as ArpHabit;

  test('Linux: a reply that names everybody as target is no announcement within locktime', () => {
    const metallb = emitArp({ ...gratuitousReply(VIP4, B), targetMac: BROADCAST });
    const stack = arpStack(linux, 0);
    stack.receive(metallb, 1000);
    expect(stack.mac).toBe(A);
    stack.receive(metallb, 1001);
    expect([stack.mac, stack.by]).toEqual([B, 'reply']);
  });

  test('an announcement makes an entry only where the habit says so', () => {
    for (const habit of ARP_HABITS) {
      const stack = new ArpStack(habit, SELF, VIP4);
      stack.receive(emitArp(gratuitousRequest(VIP4, B)), 0);
      expect([habit.name, stack.mac]).toEqual([habit.name, habit.creates && B]);
    }
  });

  test('the merge rule: a question from the address moves it, a probe does not', () => {
    const stack = arpStack(merge);
    stack.receive(emitArp(arpProbe(VIP4, B)), 0);
    expect(stack.mac).toBe(A);
    stack.receive(emitArp(arpRequest(ip('192.0.2.9'), VIP4, B)), 0);
    expect(stack.mac).toBe(B);
  });

  test('what is sent to another host is not heard', () => {
    const stack = arpStack(merge);
    stack.receive(emitArp({ ...gratuitousRequest(VIP4, B), destination: A }), 0);
    expect(stack.mac).toBe(A);
  });

  test('probes go to the MAC of the entry, and an answer is good for another while', () => {
    const stack = arpStack(ARP_HABITS.find(({ probes }) => probes) as ArpHabit, 0);
    const probe = emitArp({ ...ASKED4, destination: A, targetMac: A });
    expect(stack.use(49_999)).toEqual([]);
    expect(stack.use(50_000)).toEqual([probe]);
    expect(stack.use(50_500)).toEqual([]);
    stack.receive(answerOf(A, 4), 50_600);
    expect([stack.use(100_599), stack.confirmed]).toEqual([[], 1]);
    const asked = [100_600, 101_600, 102_600, 103_600].flatMap((now) => stack.use(now));
    expect(asked).toEqual([probe, probe, probe, emitArp(ASKED4)]);
    expect([stack.mac, stack.lost]).toEqual([undefined, 1]);
  });
});

describe('NDP', () => {
  const OVERRIDE = emitNdp(unsolicitedAdvertisement(VIP6, B));
  const TO_ROUTERS = emitNdp(advertisementToRouters(VIP6, B));

  test.each(['reachable', 'stale', 'delay', 'probe'] as const)(
    'an advertisement with Override moves an entry that is %s',
    (state) => {
      const stack = ndpStack('a host');
      stack.put(state, A, 0);
      stack.receive(OVERRIDE, 1);
      expect([stack.mac, stack.state]).toEqual([B, 'stale']);
    },
  );

  test('without Override it only takes away the trust in the old MAC', () => {
    const stack = ndpStack('a router that learns');
    stack.put('reachable', A, 0);
    stack.receive(TO_ROUTERS, 1);
    expect([stack.mac, stack.state]).toEqual([A, 'stale']);
    // Nobody tells it: five seconds of trust and three probes (RFC 4861 10).
    expect(givesUp(stack)).toBe(8000);
  });

  test('a question that waits takes what comes', () => {
    const stack = ndpStack('a host');
    expect(stack.use(0)).toEqual([emitNdp(ASKED6)]);
    stack.receive(OVERRIDE, 1);
    expect([stack.mac, stack.state]).toEqual([B, 'stale']);
    stack.put('incomplete', undefined, 2);
    stack.receive(answerOf(A, 6), 3);
    expect([stack.mac, stack.state, stack.by]).toEqual([A, 'reachable', 'answer']);
  });

  test('where there is no entry only a router that learns makes one', () => {
    for (const [name, mac] of [
      ['a host', undefined],
      ['a router that learns', B],
    ] as const) {
      const stack = ndpStack(name);
      stack.receive(TO_ROUTERS, 0);
      expect([name, stack.mac]).toEqual([name, mac]);
    }
  });

  test('a probe goes to the MAC of the entry; its answer makes it reachable again', () => {
    const stack = ndpStack('a host');
    stack.put('probe', A, 0);
    const [probe] = stack.use(0).map(parseNdp);
    expect(probe).toMatchObject({ ok: true, value: { destination: A, to: VIP6 } });
    stack.receive(answerOf(A, 6), 1);
    expect([stack.state, stack.confirmed]).toEqual(['reachable', 1]);
  });

  test.each([
    ['a wrong hop limit', changed(OVERRIDE, 21, 64)],
    ['a code', changed(OVERRIDE, 55, 1)],
    ['a wrong checksum', changed(OVERRIDE, 57, 0)],
  ])('ignores an advertisement with %s', (_, frame) => {
    const stack = ndpStack('a host');
    stack.put('reachable', A, 0);
    stack.receive(frame, 1);
    expect(stack.mac).toBe(A);
  });

  test('questions carry the options of the habit', () => {
    const asked = (name: string): unknown => ndpStack(name).use(0).map(parseNdp)[0];
    expect(asked('a host that sends no options')).toMatchObject({
      value: { sourceMac: undefined, nonce: undefined },
    });
    expect(asked('a host that sends a nonce')).toMatchObject({
      value: { sourceMac: SELF.mac, nonce: Uint8Array.of(1, 2, 3, 4, 5, 6) },
    });
  });
});

test('who wants the address for itself learns from either answer that it is taken', () => {
  const probe = arpProbe(VIP4, SELF.mac);
  const detection = neighborSolicitation(VIP6, ip('::'), SELF.mac);
  const [four, six] = [new Claimant(VIP4, SELF.mac), new Claimant(VIP6, SELF.mac)];
  expect([four.question, six.question]).toEqual([emitArp(probe), emitNdp(detection)]);
  four.receive(emitArp(arpReply(probe, A)));
  six.receive(emitNdp(neighborAdvertisement(detection, A)));
  expect([four.holder, six.holder]).toEqual([A, A]);
});
