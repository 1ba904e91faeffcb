/** Nodes that do not reach their gateway: last choice, and never two voices over it. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ALONE, Impairment } from '../../../speaker/impairment.ts';
import type { Company } from '../../../speaker/impairment.ts';
import { ownerOf } from '../../../speaker/vip.ts';
import { Cluster } from '../../sim/cluster.ts';

const VIP = '192.0.2.240';
/** Only `a` may have it, as with externalTrafficPolicy Local. */
const LOCAL = '192.0.2.241';
const ABC = ['a', 'b', 'c'];
const orders = { [VIP]: ABC, [LOCAL]: ['a'] };

function oneVoice(cluster: Cluster): void {
  const voices = cluster.answering(VIP);
  if (voices.length > 1) throw new Error(`two voices at ${cluster.now}: ${voices.join(' ')}`);
}

function settled(seed = 1): Cluster {
  const cluster = new Cluster(ABC, { seed, orders, check: oneVoice });
  for (const name of ABC) cluster.gateway(name, 'reached');
  cluster.run(3000);
  expect(cluster.answering(VIP)).toEqual(['a']);
  return cluster;
}

describe('a node that misses its gateway', () => {
  test('waits, hands over within milliseconds, and is the owner again afterwards', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const cluster = settled(seed);
      cluster.gateway('a', 'missed');
      cluster.run(ALONE - 10);
      expect(cluster.answering(VIP)).toEqual(['a']);
      expect(cluster.until(() => cluster.answering(VIP).join() === 'b', 1000)).toBeLessThan(40);
      cluster.run(5000);
      cluster.gateway('a', 'reached');
      expect(cluster.until(() => cluster.answering(VIP).join() === 'a', 1000)).toBeLessThan(150);
    }
  });

  test('is silent for milliseconds at most while it hands over, and back', () => {
    const cluster = settled();
    let silent = 0;
    const run = (ms: number): void => {
      for (let n = 0; n < ms; n++) {
        cluster.run(1);
        if (cluster.answering(VIP).length === 0) silent += 1;
      }
    };
    cluster.gateway('a', 'missed');
    run(4000);
    cluster.gateway('a', 'reached');
    run(2000);
    expect(cluster.answering(VIP)).toEqual(['a']);
    expect(silent).toBeLessThan(60);
  });

  test('goes on with what nobody else may own, without a gap', () => {
    const cluster = settled();
    const isSilent = (): boolean => cluster.answering(LOCAL).length === 0;
    cluster.gateway('a', 'missed');
    expect(cluster.until(isSilent, 4000)).toBeUndefined();
    cluster.gateway('a', 'reached');
    expect(cluster.until(isSilent, 2000)).toBeUndefined();
  });

  test('behind another one is passed over when that one dies', () => {
    const cluster = settled();
    cluster.gateway('b', 'missed');
    cluster.run(3000);
    cluster.crash('a');
    expect(cluster.until(() => cluster.answering(VIP).join() === 'c', 1000)).toBeDefined();
  });

  test('takes over all the same when no better one is left', () => {
    const cluster = settled();
    cluster.gateway('b', 'missed');
    cluster.gateway('c', 'missed');
    cluster.run(3000);
    cluster.crash('a');
    expect(cluster.until(() => cluster.answering(VIP).join() === 'b', 1000)).toBeDefined();
  });

  test('that starts again does not take its addresses back', () => {
    const cluster = settled();
    cluster.crash('a');
    cluster.run(1000);
    cluster.restart('a');
    cluster.gateway('a', 'missed');
    const isTaken = (): boolean => cluster.answering(VIP).join() !== 'b';
    expect(cluster.until(isTaken, 5000)).toBeUndefined();
  });
});

describe('a gateway that is gone for everybody', () => {
  const notA = (cluster: Cluster) => (): boolean => cluster.answering(VIP).join() !== 'a';

  test('found, and back again, within a beat of the check of each other: nothing moves', () => {
    for (let seed = 1; seed <= 6; seed++) {
      const cluster = settled(seed);
      for (const reach of ['missed', 'reached'] as const) {
        for (const name of seed % 2 === 0 ? ABC : ['c', 'a', 'b']) {
          cluster.gateway(name, reach);
          expect(cluster.until(notA(cluster), (seed * 97) % 500)).toBeUndefined();
        }
        expect(cluster.until(notA(cluster), 3500)).toBeUndefined();
      }
    }
  });

  test('from the start', () => {
    const cluster = new Cluster(ABC, { seed: 1, orders, check: oneVoice });
    for (const name of ABC) cluster.gateway(name, 'missed');
    cluster.run(3000);
    expect(cluster.answering(VIP)).toEqual(['a']);
  });

  test('one that nobody else checks is no reason either', () => {
    const cluster = settled();
    for (const name of ['b', 'c']) cluster.gateway(name, 'unknown');
    cluster.run(1000);
    cluster.gateway('a', 'missed');
    expect(cluster.until(notA(cluster), 10_000)).toBeUndefined();
  });
});

describe('one voice', () => {
  const act = fc.record({
    what: fc.constantFrom('miss', 'reach', 'miss', 'reach', 'freeze', 'crash', 'restart'),
    who: fc.constantFrom(...ABC),
    wait: fc.oneof(fc.integer({ min: 0, max: 400 }), fc.constant(ALONE)),
  });
  type Act = typeof act extends fc.Arbitrary<infer T> ? T : never;

  function play(cluster: Cluster, acts: readonly Act[]): ReadonlySet<string> {
    const missing = new Set<string>();
    const tell = (name: string): void =>
      cluster.gateway(name, missing.has(name) ? 'missed' : 'reached');
    ABC.forEach(tell);
    cluster.run(1500);
    for (const { what, who, wait } of acts) {
      if (what === 'miss') missing.add(who);
      if (what === 'reach') missing.delete(who);
      if (what === 'freeze') cluster.freeze(who);
      else cluster.thaw(who);
      if (what === 'crash') cluster.crash(who);
      if (what === 'restart') cluster.restart(who);
      tell(who);
      cluster.run(wait);
    }
    for (const name of ABC) {
      cluster.thaw(name);
      if (cluster.isCrashed(name)) cluster.restart(name);
      tell(name);
    }
    cluster.run(2000);
    return missing;
  }

  test('property: whatever is lost and late', () => {
    const loss = fc.double({ min: 0, max: 0.3, noNaN: true });
    const late = fc.integer({ min: 1, max: 60 });
    fc.assert(
      fc.property(fc.nat(), loss, late, fc.array(act, { maxLength: 20 }), (seed, ...rest) => {
        const [lost, most, acts] = rest;
        const how = { isolation: 'stop', loss: lost, check: oneVoice } as const;
        const cluster = new Cluster(ABC, { seed, orders, ...how, delay: [0.1, most] });
        play(cluster, acts);
        expect(cluster.answering(VIP).length).toBeLessThanOrEqual(1);
      }),
      { numRuns: 60 },
    );
  });

  test('property: in the end one answers that reaches its gateway, if any does', () => {
    fc.assert(
      fc.property(fc.nat(), fc.array(act, { maxLength: 20 }), (seed, acts) => {
        const cluster = new Cluster(ABC, { seed, orders, isolation: 'stop', check: oneVoice });
        const missing = play(cluster, acts);
        cluster.run(ALONE);
        const voices = cluster.answering(VIP);
        expect(voices).toHaveLength(1);
        const best = ABC.find((name) => !missing.has(name)) ?? voices[0];
        expect(voices).toEqual([best]);
      }),
      { numRuns: 40 },
    );
  });
});

describe('the rules', () => {
  const company = (sent: number, heard: number, someReaches = true): Company => ({
    sent,
    someReaches,
    allHeard: (number) => number <= heard,
  });

  function impaired(): Impairment {
    const impairment = new Impairment();
    impairment.take('missed');
    expect(impairment.weigh(company(10, 10), false, 0)).toBe(true);
    return impairment;
  }

  test('counted at once, over only when everybody has heard so', () => {
    const impairment = impaired();
    expect([impairment.isTold, impairment.isCounted]).toEqual([true, true]);
    expect(impairment.advance(company(20, 20), 1)).toBe(false);
    impairment.take('reached');
    expect(impairment.weigh(company(20, 20), true, 1)).toBe(true);
    expect([impairment.isTold, impairment.isCounted]).toEqual([false, true]);
    // The beat that says so has not been sent yet.
    expect(impairment.advance(company(20, 99), 1)).toBe(false);
    expect(impairment.advance(company(21, 20), 1)).toBe(false);
    expect(impairment.advance(company(21, 21), 1)).toBe(true);
    expect(impairment.isCounted).toBe(false);
  });

  test('impaired again before it was over', () => {
    const impairment = impaired();
    impairment.take('reached');
    impairment.weigh(company(20, 20), false, 1);
    impairment.take('missed');
    impairment.weigh(company(21, 21), false, 2);
    expect(impairment.advance(company(99, 99), 3)).toBe(false);
  });

  test('who answers waits, and only as long as another one reaches its gateway', () => {
    const impairment = new Impairment();
    impairment.take('missed');
    expect(impairment.weigh(company(1, 1), true, 100)).toBe(false);
    expect(impairment.deadline()).toBe(100 + ALONE);
    expect(impairment.weigh(company(1, 1, false), true, 200)).toBe(false);
    expect(impairment.deadline()).toBeUndefined();
    expect(impairment.weigh(company(1, 1), true, 300)).toBe(false);
    expect(impairment.weigh(company(1, 1), true, 299 + ALONE)).toBe(false);
    expect(impairment.weigh(company(1, 1), true, 300 + ALONE)).toBe(true);
    // When the others lose theirs too, what has moved stays where it is.
    expect(impairment.weigh(company(1, 1, false), true, 9999)).toBe(false);
    expect(impairment.isTold).toBe(true);
  });

  test('who owns: the good ones first, and among equals the order', () => {
    const order = { ip: { family: 4, value: 1n }, owners: ABC, interfaces: 'all', isNew: false };
    const owner = (holders: string, bad: string): string | undefined =>
      ownerOf(
        order as Parameters<typeof ownerOf>[0],
        (node) => holders.includes(node),
        (node) => bad.includes(node),
      );
    expect(owner('abc', '')).toBe('a');
    expect(owner('abc', 'a')).toBe('b');
    expect(owner('abc', 'ab')).toBe('c');
    expect(owner('abc', 'abc')).toBe('a');
    expect(owner('bc', 'b')).toBe('c');
    expect(owner('b', 'b')).toBe('b');
    expect(owner('', 'a')).toBeUndefined();
  });
});

test('the wait is over at the deadline, to the last bit', () => {
  const company: Company = { sent: 1, someReaches: true, allHeard: () => false };
  for (let i = 0; i < 1000; i++) {
    const impairment = new Impairment();
    impairment.take('missed');
    // Sums lose bits where they pass a power of two.
    impairment.weigh(company, true, 2 ** 20 - ALONE / 2 - i / 1000);
    expect(impairment.weigh(company, true, impairment.deadline() ?? 0)).toBe(true);
  }
});
