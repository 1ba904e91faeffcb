/**
 * Failover as users feel it, on real reflexes in virtual time.
 */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { seeded } from '../../../lib/random.ts';
import { PROFILES, TAKEOVER } from '../../../speaker/timing.ts';
import type { ProfileName } from '../../../speaker/timing.ts';
import { Cluster } from '../../sim/cluster.ts';

const VIP = '192.0.2.240';
const ABC = ['a', 'b', 'c'];
const orders = { [VIP]: ABC };

/** The invariant: at no instant do two kernels answer for one address. */
function oneVoice(cluster: Cluster): void {
  const voices = cluster.answering(VIP);
  if (voices.length > 1) throw new Error(`two voices at ${cluster.now}: ${voices.join(' ')}`);
}

function settled(seed: number, options: object = {}): Cluster {
  const cluster = new Cluster(ABC, { seed, orders, check: oneVoice, ...options });
  cluster.until(() => cluster.answering(VIP).join() === 'a', 5000);
  expect(cluster.answering(VIP)).toEqual(['a']);
  return cluster;
}

describe('ownership', () => {
  test('all nodes start at once: the first of the order owns, alone', () => {
    expect(settled(1).answering(VIP)).toEqual(['a']);
  });

  test('a node alone in its cluster owns after it has listened', () => {
    const cluster = new Cluster(['a'], { seed: 1, orders });
    expect(cluster.until(() => cluster.answering(VIP).length === 1, 2000)).toBeLessThan(600);
  });

  test('nobody answers before having listened for the dead time', () => {
    const cluster = new Cluster(ABC, { seed: 1, orders });
    cluster.run(PROFILES.default.dead);
    expect(cluster.answering(VIP)).toEqual([]);
  });

  test('a steady state sends one beat per node and period, and changes nothing', () => {
    const cluster = settled(1);
    const before = ABC.map((name) => cluster.state(name));
    cluster.run(60_000);
    expect(ABC.map((name) => cluster.state(name))).toEqual(before);
  });

  test.each(['fast', 'default', 'vm'] as ProfileName[])('killed owner, profile %s', (profile) => {
    const timing = PROFILES[profile];
    for (let seed = 1; seed <= 20; seed++) {
      const cluster = settled(seed, { timing });
      cluster.run(seeded(seed)() * 1000);
      cluster.crash('a');
      const took = cluster.until(() => cluster.answering(VIP).join() === 'b', 10_000);
      expect(took).toBeLessThanOrEqual(timing.dead + 10 + TAKEOVER.clear);
    }
  });

  test.each([2, 5, 12])('the time to take over does not grow: %i nodes', (count) => {
    const names = Array.from({ length: count }, (_, i) => `n${String(i).padStart(2, '0')}`);
    const cluster = new Cluster(names, { seed: count, orders: { [VIP]: names }, check: oneVoice });
    cluster.run(2000);
    expect(cluster.answering(VIP)).toEqual(['n00']);
    cluster.crash('n00');
    const took = cluster.until(() => cluster.answering(VIP).join() === 'n01', 10_000);
    expect(took).toBeLessThanOrEqual(PROFILES.default.dead + 10 + TAKEOVER.clear);
  });

  test('two nodes die one after the other: the last one owns (keep)', () => {
    const cluster = settled(1);
    cluster.crash('a');
    cluster.run(1000);
    cluster.crash('b');
    expect(cluster.until(() => cluster.answering(VIP).join() === 'c', 2000)).toBeDefined();
  });

  test('two nodes die at once: the last one owns (keep)', () => {
    const cluster = settled(1);
    cluster.crash('a');
    cluster.crash('b');
    expect(cluster.until(() => cluster.answering(VIP).join() === 'c', 2000)).toBeDefined();
  });

  test('a node that stops on purpose hands over within milliseconds', () => {
    const cluster = settled(1);
    cluster.stop('a');
    expect(cluster.until(() => cluster.answering(VIP).join() === 'b', 2000)).toBeLessThan(20);
  });

  test('a node that comes back takes its address again, with one voice throughout', () => {
    const cluster = settled(1);
    cluster.crash('a');
    cluster.run(1000);
    expect(cluster.answering(VIP)).toEqual(['b']);
    cluster.restart('a');
    expect(cluster.until(() => cluster.answering(VIP).join() === 'a', 3000)).toBeDefined();
  });

  test('a quick restart does not give two voices and does not wait for the dead time twice', () => {
    const cluster = settled(1);
    cluster.crash('a');
    cluster.run(20);
    cluster.restart('a');
    expect(cluster.until(() => cluster.answering(VIP).length === 1, 3000)).toBeLessThan(500);
    cluster.run(3000);
    expect(cluster.answering(VIP)).toEqual(['a']);
  });
});

describe('a node with a wrong idea of the cluster', () => {
  test('one that was told of no others does not claim beside speakers with its secret', () => {
    const cluster = settled(1);
    cluster.crash('a');
    cluster.run(1000);
    cluster.restart('a', ['a']);
    cluster.run(5000);
    expect(cluster.answering(VIP)).toEqual(['b']);
    cluster.brief('a');
    expect(cluster.until(() => cluster.answering(VIP).join() === 'a', 2000)).toBeDefined();
  });

  test('one that is no member lets go, and others own at once', () => {
    const cluster = settled(1);
    cluster.brief('a', ABC, false);
    expect(cluster.until(() => cluster.answering(VIP).join() === 'b', 1000)).toBeLessThan(20);
    cluster.run(3000);
    expect(cluster.answering(VIP)).toEqual(['b']);
  });
});

describe('the link', () => {
  test('an owner without a usable link hands over at once, and earns it again', () => {
    const cluster = settled(1);
    cluster.plug('a', false);
    expect(cluster.until(() => cluster.answering(VIP).join() === 'b', 1000)).toBeLessThan(20);
    cluster.run(1000);
    expect(cluster.state('a')?.held).toEqual([]);
    cluster.plug('a', true);
    expect(cluster.until(() => cluster.answering(VIP).join() === 'a', 2000)).toBeDefined();
  });

  test('a cable that comes back brings the owner back, and no silence', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const cluster = settled(seed);
      cluster.cut('a');
      cluster.plug('a', false);
      cluster.run(3000);
      expect(cluster.answering(VIP)).toEqual(['b']);
      cluster.heal();
      cluster.plug('a', true);
      let silent = 0;
      for (let ms = 0; ms < 2000; ms++) {
        cluster.run(1);
        if (cluster.answering(VIP).length === 0) silent += 1;
      }
      expect(cluster.answering(VIP)).toEqual(['a']);
      expect(silent).toBeLessThan(20);
    }
  });

  test('a port of a switch that forwards late, to one sooner than to another: one voice', () => {
    const pairs = ['b', 'c'].flatMap((peer) => [['a', peer] as const, [peer, 'a'] as const]);
    for (let seed = 1; seed <= 60; seed++) {
      const cluster = settled(seed);
      cluster.cut('a');
      cluster.plug('a', false);
      cluster.run(3000);
      cluster.plug('a', true);
      const opens = pairs.map((_, index) => ((seed * 7919 * (index + 3)) % 12) * 100);
      let silent = 0;
      let double = 0;
      for (let ms = 0; ms < 4000; ms++) {
        pairs.forEach(([from, to], index) => {
          if (opens[index] === ms) cluster.healOneWay(from, to);
        });
        cluster.run(1);
        const voices = cluster.answering(VIP).length;
        if (voices === 0) silent += 1;
        if (voices > 1) double += 1;
      }
      expect(cluster.answering(VIP)).toEqual(['a']);
      expect({ seed, silent: silent < 20, double }).toEqual({ seed, silent: true, double: 0 });
    }
  });

  test('a healed partition is announced by the one who keeps the address', () => {
    const cluster = new Cluster(ABC, { seed: 1, orders });
    cluster.run(2000);
    cluster.cut('a');
    cluster.run(20_000);
    expect(cluster.answering(VIP)).toEqual(['a', 'b']);
    const before = cluster.announced('a');
    cluster.heal();
    cluster.run(1000);
    expect(cluster.answering(VIP)).toEqual(['a']);
    expect(cluster.announced('a')).toBeGreaterThan(before);
  });
});

describe('the lease', () => {
  test('a frozen owner is silent after its fence, and stays silent when it wakes', () => {
    const cluster = settled(1, { isolation: 'stop' });
    cluster.freeze('a');
    cluster.run(PROFILES.default.fence);
    expect(cluster.answering(VIP)).toEqual([]);
    cluster.run(5000);
    expect(cluster.answering(VIP)).toEqual(['b']);
    cluster.thaw('a');
    expect(cluster.answering(VIP)).toEqual(['b']);
    cluster.run(3000);
    expect(cluster.answering(VIP)).toEqual(['a']);
  });

  test('a stall just longer than the lease costs milliseconds, and no move of the address', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const cluster = settled(seed);
      cluster.freeze('a');
      cluster.run(PROFILES.default.fence + seed * 3);
      expect(cluster.answering(VIP)).toEqual([]);
      cluster.thaw('a');
      expect(cluster.until(() => cluster.answering(VIP).join() === 'a', 1000)).toBeLessThan(20);
    }
  });

  test('who starts in the smaller part of a partition claims nothing under stop', () => {
    const names = ['a', 'b', 'c', 'd', 'e'];
    const part = (node: string): number => ('abc'.includes(node) ? 0 : 1);
    for (let seed = 1; seed <= 20; seed++) {
      const of = { [VIP]: ['d', 'a', 'b', 'c', 'e'] };
      const cluster = new Cluster(names, { seed, orders: of, isolation: 'stop', check: oneVoice });
      cluster.run(1500);
      for (const from of names) {
        for (const to of names) if (part(from) !== part(to)) cluster.cutOneWay(from, to);
      }
      cluster.run(1000);
      for (const name of ['d', 'e']) {
        cluster.crash(name);
        cluster.restart(name);
      }
      cluster.run(3000);
      expect(cluster.answering(VIP)).toEqual(['a']);
      cluster.heal();
      expect(cluster.until(() => cluster.answering(VIP).join() === 'd', 3000)).toBeDefined();
    }
  });

  test('the owner cut off in both directions falls silent under stop', () => {
    const cluster = settled(1, { isolation: 'stop' });
    cluster.cut('a');
    cluster.run(2000);
    expect(cluster.answering(VIP)).toEqual(['b']);
    cluster.heal();
    cluster.run(3000);
    expect(cluster.answering(VIP)).toEqual(['a']);
  });

  test('an owner that hears everybody but is heard by nobody falls silent under keep too', () => {
    const cluster = settled(1);
    cluster.cutOneWay('a', 'b');
    cluster.cutOneWay('a', 'c');
    cluster.run(2000);
    expect(cluster.answering(VIP)).toEqual(['b']);
  });

  test('a pause with packets lost, of any length, gives no second voice (keep)', () => {
    for (let seed = 1; seed <= 60; seed++) {
      const cluster = settled(seed);
      const paused = seed % 2 === 0 ? 'a' : 'b';
      cluster.freeze(paused);
      cluster.run(100 + seed * 15);
      cluster.thaw(paused, true);
      cluster.run(2000);
      expect(cluster.answering(VIP)).toEqual(['a']);
    }
  });

  test('two nodes, one direction cut: the unheard owner falls silent under keep', () => {
    const cluster = new Cluster(['a', 'b'], { seed: 1, orders: { [VIP]: ['a', 'b'] } });
    cluster.run(2000);
    expect(cluster.answering(VIP)).toEqual(['a']);
    cluster.cutOneWay('a', 'b');
    cluster.run(2000);
    expect(cluster.answering(VIP)).toEqual(['b']);
  });

  test('one broken path out of three changes nothing', () => {
    const cluster = settled(1);
    cluster.cutOneWay('a', 'b');
    cluster.cutOneWay('b', 'a');
    cluster.run(5000);
    expect(cluster.answering(VIP)).toEqual(['a']);
  });
});

const ALL = ['a', 'b', 'c', 'd', 'e'];

const act = fc.record({
  what: fc.constantFrom(
    ...(['freeze', 'thaw', 'resume', 'crash', 'restart', 'stop', 'unplug', 'plug'] as const),
    ...(['cut', 'oneway', 'heal'] as const),
  ),
  who: fc.constantFrom(...ALL),
  whom: fc.constantFrom(...ALL),
  wait: fc.integer({ min: 1, max: 900 }),
});

type Act = typeof act extends fc.Arbitrary<infer T> ? T : never;

function play(cluster: Cluster, { what, who, whom, wait }: Act): void {
  if (what === 'freeze') cluster.freeze(who);
  if (what === 'thaw') cluster.thaw(who);
  if (what === 'resume') cluster.thaw(who, true);
  if (what === 'unplug' || what === 'plug') cluster.plug(who, what === 'plug');
  if (what === 'crash') cluster.crash(who);
  if (what === 'restart') cluster.restart(who);
  if (what === 'cut') cluster.cut(who);
  if (what === 'oneway') cluster.cutOneWay(who, whom);
  if (what === 'heal') cluster.heal();
  if (what === 'stop') cluster.stop(who);
  cluster.run(wait);
}

describe('under any mix of loss, delay, cuts, freezes, crashes and restarts', () => {
  test('there is one voice (stop)', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.double({ min: 0, max: 0.3, noNaN: true }),
        fc.integer({ min: 1, max: 60 }),
        fc.array(act, { maxLength: 12 }),
        (seed, loss, delay, acts) => {
          const cluster = new Cluster(ALL, {
            seed,
            orders: { [VIP]: ALL },
            isolation: 'stop',
            loss,
            delay: [0.1, delay],
            check: oneVoice,
          });
          cluster.run(1500);
          for (const step of acts) play(cluster, step);
          expect(cluster.answering(VIP).length).toBeLessThanOrEqual(1);
        },
      ),
      { numRuns: 120 },
    );
  });

  test('there is one voice as long as the network holds (keep)', () => {
    fc.assert(
      fc.property(fc.integer(), fc.array(act, { maxLength: 12 }), (seed, acts) => {
        const cluster = new Cluster(ALL, { seed, orders: { [VIP]: ALL }, check: oneVoice });
        cluster.run(1500);
        for (const step of acts) {
          if (step.what !== 'cut' && step.what !== 'oneway') play(cluster, step);
        }
        expect(cluster.answering(VIP).length).toBeLessThanOrEqual(1);
      }),
      { numRuns: 120 },
    );
  });

  test.each(['keep', 'stop'] as const)(
    'all comes right again once the trouble ends (%s)',
    (isolation) => {
      fc.assert(
        fc.property(fc.integer(), fc.array(act, { maxLength: 12 }), (seed, acts) => {
          const cluster = new Cluster(ALL, { seed, orders: { [VIP]: ALL }, isolation });
          cluster.run(1500);
          for (const step of acts) play(cluster, step);
          cluster.heal();
          for (const name of ALL) {
            if (cluster.isCrashed(name)) cluster.restart(name);
            cluster.thaw(name);
            cluster.plug(name, true);
          }
          cluster.run(3000);
          expect(cluster.answering(VIP)).toEqual(['a']);
        }),
        { numRuns: 40 },
      );
    },
  );
});
