/** The simulation itself: it repeats, its checkers find what is wrong, and failures get smaller. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readArguments } from '../../sim/arguments.ts';
import { Heap } from '../../sim/heap.ts';
import { KINDS, newScenario } from '../../sim/scenario.ts';
import type { Fault, Scenario } from '../../sim/scenario.ts';
import { shrink } from '../../sim/shrink.ts';
import { simulate } from '../../sim/simulate.ts';

const all = new Set(KINDS);
const small = { nodes: 3, minutes: 0.6, vips: 3, kinds: all };
const calm = newScenario({ ...small, seed: 1, kinds: new Set() });
const faults: readonly Fault[] = [
  { kind: 'link', at: 3000, until: 3100, who: 'n2' },
  { kind: 'freeze', at: 3200, until: 6000, who: 'n0', lost: false },
  { kind: 'freeze', at: 3200, until: 6000, who: 'n1', lost: false },
];

/** Clocks that differ by a half: no lease is safe. */
const mad: Scenario = { ...calm, weather: { ...calm.weather, loss: 0, drift: 0.8 }, faults };

describe('a run', () => {
  test('repeats: same seed, same hash, and another seed another one', () => {
    const hashes = [7, 7, 8].map((seed) => simulate(newScenario({ ...small, seed })).hash);
    expect(hashes[0]).toBe(hashes[1]);
    expect(hashes[0]).not.toBe(hashes[2]);
  });

  test('without faults moves nothing', () => {
    const { breach, judge, seconds } = simulate(calm);
    expect({ breach, seconds }).toEqual({ breach: undefined, seconds: 36 });
    expect(judge.counts).toMatchObject({ falseTakeovers: 0, doubles: 0, takeovers: 3 });
  });

  test('that breaks an invariant says which, when, where and by whom, and gets smaller', () => {
    const { breach, capture } = simulate(mad);
    expect(breach?.checker).toBe('steady');
    expect(breach?.at).toBeGreaterThan(6000);
    expect(breach?.ip).not.toBe('');
    expect(breach?.nodes).toHaveLength(1);
    const pcap = capture.pcap();
    expect([...pcap.subarray(0, 4)]).toEqual([0xd4, 0xc3, 0xb2, 0xa1]);
    expect(pcap.length).toBeGreaterThan(1000);
    const { scenario, outcome } = shrink(mad, 'steady');
    expect(outcome?.breach?.checker).toBe('steady');
    expect(scenario.faults.length).toBeLessThan(faults.length);
  });
});

test('what is due comes soonest first, and of the same instant in the order it came', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 9 })), (ats) => {
      const heap = new Heap<{ at: number; order: number }>();
      for (const at of ats) heap.push({ at, order: 0 });
      const out = ats.map(() => heap.pop());
      const wanted = ats.map((at, order) => ({ at, order }));
      expect(out).toEqual(wanted.toSorted((a, b) => a.at - b.at || a.order - b.order));
      expect(heap.pop()).toBeUndefined();
    }),
  );
});

test('arguments that mean nothing are refused', () => {
  for (const word of ['--nodes=x', '--nodes=5-3', '--seed=0', '--faults=rain', '--fast']) {
    expect(readArguments([word])).toMatchObject({ ok: false });
  }
  expect(readArguments(['--nodes=3-5', '--faults=crash,freeze', '--hunt'])).toMatchObject({
    ok: true,
    value: { nodes: [3, 5], seeds: Infinity, kinds: new Set(['crash', 'freeze']) },
  });
});
