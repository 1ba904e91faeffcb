/** Nodes that do not reach their gateway: last choice, and never two voices over it. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Impairment } from '../../../speaker/impairment.ts';
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
  cluster.run(3000);
  expect(cluster.answering(VIP)).toEqual(['a']);
  return cluster;
}

describe('an impaired node', () => {
  test('hands over within milliseconds, and is the owner again when it has recovered', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const cluster = settled(seed);
      cluster.impair('a', true);
      expect(cluster.until(() => cluster.answering(VIP).join() === 'b', 1000)).toBeLessThan(30);
      cluster.run(5000);
      cluster.impair('a', false);
      expect(cluster.until(() => cluster.answering(VIP).join() === 'a', 1000)).toBeLessThan(50);
    }
  });

  test('goes on with what nobody else may own, without a gap', () => {
    const cluster = settled();
    const isSilent = (): boolean => cluster.answering(LOCAL).length === 0;
    cluster.impair('a', true);
    expect(cluster.until(isSilent, 2000)).toBeUndefined();
    cluster.impair('a', false);
    expect(cluster.until(isSilent, 2000)).toBeUndefined();
  });

  test('behind another one changes nothing', () => {
    const cluster = settled();
    cluster.impair('b', true);
    cluster.run(1000);
    cluster.crash('a');
    expect(cluster.until(() => cluster.answering(VIP).join() === 'c', 1000)).toBeDefined();
  });

  test('takes over all the same when no better one is left', () => {
    const cluster = settled();
    cluster.impair('b', true);
    cluster.impair('c', true);
    cluster.run(500);
    cluster.crash('a');
    expect(cluster.until(() => cluster.answering(VIP).join() === 'b', 1000)).toBeDefined();
  });

  test('that starts again does not take its addresses back', () => {
    const cluster = settled();
    cluster.crash('a');
    cluster.run(1000);
    cluster.restart('a');
    cluster.impair('a', true);
    const isTaken = (): boolean => cluster.answering(VIP).join() !== 'b';
    expect(cluster.until(isTaken, 5000)).toBeUndefined();
  });
});

describe('all of them impaired', () => {
  test('at the same time: nothing moves for longer than a few milliseconds', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const cluster = settled(seed);
      for (const name of ABC) cluster.impair(name, true);
      expect(cluster.until(() => cluster.answering(VIP).join() === 'a', 1000)).toBeLessThan(50);
      const moves = cluster.until(() => cluster.answering(VIP).join() !== 'a', 5000);
      expect(moves).toBeUndefined();
    }
  });

  test('one after the other, within a beat of the check: the first owns again in the end', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const cluster = settled(seed);
      for (const name of ABC) {
        cluster.impair(name, true);
        cluster.run((seed * 97) % 900);
      }
      cluster.run(500);
      expect(cluster.answering(VIP)).toEqual(['a']);
      for (const name of ['c', 'a', 'b']) {
        cluster.impair(name, false);
        cluster.run((seed * 131) % 900);
      }
      cluster.run(500);
      expect(cluster.answering(VIP)).toEqual(['a']);
    }
  });

  test('from the start', () => {
    const cluster = new Cluster(ABC, { seed: 1, orders, check: oneVoice });
    for (const name of ABC) cluster.impair(name, true);
    cluster.run(3000);
    expect(cluster.answering(VIP)).toEqual(['a']);
  });
});

describe('one voice', () => {
  const act = fc.record({
    what: fc.constantFrom('impair', 'mend', 'impair', 'mend', 'freeze', 'crash', 'restart'),
    who: fc.constantFrom(...ABC),
    wait: fc.integer({ min: 0, max: 400 }),
  });

  test('property: whatever is lost and late, and in the end the best one answers', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.double({ min: 0, max: 0.3, noNaN: true }),
        fc.integer({ min: 1, max: 60 }),
        fc.array(act, { maxLength: 20 }),
        (seed, loss, late, acts) => {
          const how = { isolation: 'stop', loss, delay: [0.1, late], check: oneVoice } as const;
          const cluster = new Cluster(ABC, { seed, orders, ...how });
          const impaired = new Set<string>();
          cluster.run(1500);
          for (const { what, who, wait } of acts) {
            if (what === 'impair') impaired.add(who);
            if (what === 'mend') impaired.delete(who);
            if (what === 'freeze') cluster.freeze(who);
            else cluster.thaw(who);
            if (what === 'crash') cluster.crash(who);
            if (what === 'restart') cluster.restart(who);
            cluster.impair(who, impaired.has(who));
            cluster.run(wait);
          }
          for (const name of ABC) {
            cluster.thaw(name);
            if (cluster.isCrashed(name)) cluster.restart(name);
            cluster.impair(name, impaired.has(name));
          }
          cluster.run(2000);
          if (loss > 0.02 || late > 20) return;
          cluster.run(3000);
          const best = ABC.find((name) => !impaired.has(name)) ?? 'a';
          expect(cluster.answering(VIP)).toEqual([best]);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('the rules', () => {
  const nobody = (): boolean => false;
  const everybody = (): boolean => true;

  test('counted at once, over only when everybody has heard so', () => {
    const impairment = new Impairment();
    expect(impairment.set(true, 10)).toBe(true);
    expect([impairment.isTold, impairment.isCounted]).toEqual([true, true]);
    expect(impairment.advance(20, everybody)).toBe(false);
    impairment.set(false, 20);
    expect([impairment.isTold, impairment.isCounted]).toEqual([false, true]);
    // The beat that says so has not been sent yet.
    expect(impairment.advance(20, everybody)).toBe(false);
    expect(impairment.advance(21, nobody)).toBe(false);
    expect(impairment.advance(21, (number) => number <= 20)).toBe(false);
    expect(impairment.advance(21, (number) => number <= 21)).toBe(true);
    expect(impairment.isCounted).toBe(false);
  });

  test('impaired again before it was over', () => {
    const impairment = new Impairment();
    impairment.set(true, 1);
    impairment.set(false, 2);
    impairment.set(true, 3);
    expect(impairment.advance(9, everybody)).toBe(false);
    impairment.set(false, 9);
    expect(impairment.advance(9, everybody)).toBe(false);
    expect(impairment.advance(10, everybody)).toBe(true);
  });

  test('the same again is no news', () => {
    const impairment = new Impairment();
    expect(impairment.set(false, 1)).toBe(false);
    impairment.set(true, 1);
    expect(impairment.set(true, 2)).toBe(false);
  });

  test('who owns: the good ones first, and among equals the order', () => {
    const order = { ip: { family: 4, value: 1n }, owners: ABC, interfaces: 'all', isNew: false };
    const owner = (holders: string, impaired: string): string | undefined =>
      ownerOf(
        order as Parameters<typeof ownerOf>[0],
        (node) => holders.includes(node),
        (node) => impaired.includes(node),
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
