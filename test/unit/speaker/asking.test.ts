/**
 * What the segment is asked, and what becomes of it where several addresses are in question at
 * once: on the machine alone, with answers as planes tell them.
 */
import { describe, expect, test } from '@jest/globals';
import { formatIp, parseIp } from '../../../net/ip.ts';
import type { Ip } from '../../../net/ip.ts';
import { parseArp } from '../../../net/arp.ts';
import { Asking } from '../../../speaker/asking.ts';
import type { Bid, Whose } from '../../../speaker/asking.ts';
import type { Sighting } from '../../../speaker/dataplane.ts';
import { Pacer } from '../../../speaker/pacer.ts';

const MAC = '02:00:5e:10:00:01';
const PATH = { index: 1, mac: '02:00:00:00:00:01' };

function ip(text: string): Ip {
  const parsed = parseIp(text);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}

function bid(text: string, over: Partial<Bid> = {}): readonly [string, Bid] {
  return [text, { ip: ip(text), paths: [PATH], isNew: true, suspects: [], ...over }];
}

function bidFor(asking: Asking, bids: ReadonlyMap<string, Bid>, now: number): void {
  for (const [key, each] of bids) asking.put(key, each, now);
}

function newAsking(whose: Whose = 'stranger'): Asking {
  const pacer = new Pacer();
  const options = { random: () => 0.5, probe: 'optimistic', again: 100, pacer } as const;
  return new Asking({ ...options, whose: () => whose, nodeOf: () => undefined });
}

/** Lets time pass, deadline by deadline; who `has` an address answers each question for it. */
function run(asking: Asking, from: number, to: number, has: (ip: string) => boolean): number {
  let ticks = 0;
  for (let now = from; now <= to; ticks++) {
    asking.tick(now);
    for (const { link, frame } of [...asking.due(now, 'waited for'), ...asking.due(now, 'later')]) {
      const arp = parseArp(frame);
      if (!arp.ok || !has(formatIp(arp.value.targetIp))) continue;
      const sighting = { at: now, link, ip: arp.value.targetIp, mac: MAC, form: 'reply' } as const;
      asking.hear(sighting, now);
    }
    const next = asking.deadline() ?? Infinity;
    if (ticks > 10_000) throw new Error(`no progress at ${now}: the deadline is ${next}`);
    now = Math.max(now, next);
  }
  return ticks;
}

describe('who answers for several addresses that are in question at once', () => {
  const both = new Map([bid('192.0.2.1'), bid('192.0.2.2')]);

  test('a router that answers for everything blocks none of them', () => {
    const asking = newAsking();
    bidFor(asking, both, 0);
    run(asking, 0, 200, () => true);
    expect([...both.keys()].map((key) => asking.isClear(key))).toEqual([true, true]);
  });

  test('a stranger is told of for each', () => {
    const asking = newAsking();
    bidFor(asking, both, 0);
    run(asking, 0, 200, (each) => both.has(each));
    expect(asking.events.map(({ key }) => key)).toEqual([...both.keys()]);
  });
});

describe('a node holds', () => {
  test('an address that joins the question for others at the moment of the answer', () => {
    const asking = newAsking('after');
    const over = { isNew: false, suspects: ['b'] };
    bidFor(asking, new Map([bid('192.0.2.1', over)]), 0);
    run(asking, 0, 20, () => false);
    asking.tick(30);
    bidFor(asking, new Map([bid('192.0.2.1', over), bid('192.0.2.2', over)]), 30);
    run(asking, 30, 500, () => false);
    expect(asking.isClear('192.0.2.2')).toBe(true);
  });
});

test('an answer from a link that was not asked is none', () => {
  const asking = newAsking();
  bidFor(asking, new Map([bid('192.0.2.1')]), 0);
  asking.due(0, 'waited for');
  asking.hear({ at: 1, link: 2, ip: ip('192.0.2.1'), mac: MAC, form: 'reply' }, 1);
  run(asking, 1, 100, () => false);
  expect(asking.isClear('192.0.2.1')).toBe(true);
});

test('a thousand questions wait for the pace without a busy loop', () => {
  const asking = newAsking();
  const many = Array.from({ length: 1000 }, (_, i) => bid(`198.51.${100 + (i >> 8)}.${i & 255}`));
  bidFor(asking, new Map(many), 0.3);
  // Three probes each, 100 in 10 ms; and the ends of the questions.
  expect(run(asking, 0.3, 2000, () => false)).toBeLessThan(1000);
  expect(many.every(([key]) => asking.isClear(key))).toBe(true);
});

describe('a host that makes up MAC addresses', () => {
  const claim = (n: number, at: number): Sighting => {
    const mac = `02:00:5e:11:${hex(n >> 8)}:${hex(n & 255)}`;
    return { at, link: 1, ip: ip('192.0.2.1'), mac, form: 'reply' };
  };

  test('cannot keep a question from being judged', () => {
    const asking = newAsking();
    bidFor(asking, new Map([bid('192.0.2.1', { isNew: false, suspects: ['b'] })]), 0);
    for (let now = 0, n = 0; now < 1000; now += 1) {
      asking.tick(now);
      asking.due(now, 'waited for');
      if (now % 20 === 0) asking.hear(claim(n++, now), now);
    }
    expect(asking.isClear('192.0.2.1')).toBe(true);
  });

  test.each([
    ['is judged again when a thousand others came after it', 1100, true],
    ['is not judged again before', 100, false],
  ])('%s', (_, others, again) => {
    const asking = newAsking('after');
    bidFor(asking, new Map([bid('192.0.2.1', { isNew: false, suspects: ['b'] })]), 0);
    const askAnew = (asked: Asking, now: number): void => {
      asked.drop('192.0.2.1');
      bidFor(asked, new Map([bid('192.0.2.1', { isNew: false, suspects: ['b'] })]), now);
    };
    const hearRound = (from: number, claims: readonly number[]): number => {
      let tempts = 0;
      for (let now = from; now < from + 200; now += 1) {
        asking.tick(now);
        asking.due(now, 'waited for');
        // One millisecond after the question was put.
        if (now === from + 1) for (const n of claims) asking.hear(claim(n, now), now);
        tempts += [...asking.decoys()].length;
      }
      return tempts;
    };
    expect(hearRound(0, [0])).toBeGreaterThan(0);
    let at = 200;
    for (let n = 1; n <= others; n += 100, at += 200) {
      askAnew(asking, at);
      hearRound(
        at,
        Array.from({ length: 100 }, (__, i) => n + i),
      );
    }
    askAnew(asking, at);
    expect(hearRound(at, [0]) > 0).toBe(again);
  });
});

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}
