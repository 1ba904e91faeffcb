/** How an outage is read off the answers a client got; the times are literals. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { longestGap } from '../../../lab/outage.ts';
import type { Beat } from '../../../lab/outage.ts';

const good = (at: number): Beat => ({ sent: at - 1, at, ok: true, text: '' });
const bad = (at: number): Beat => ({ sent: at - 1, at, ok: false, text: 'ECONNREFUSED' });

describe('the longest gap', () => {
  test('is between the last success before and the first after', () => {
    const beats = [good(10), good(20), bad(30), bad(40), good(350), good(360)];
    expect(longestGap(beats, 25)).toEqual({ ms: 330, from: 20, to: 350 });
  });

  test('counts completions: a late answer to an early question ends it', () => {
    const late: Beat = { sent: 25, at: 1025, ok: true, text: '' };
    expect(longestGap([good(10), good(20), good(400), late], 22)?.ms).toBe(625);
  });

  test('ignores what was over before the event', () => {
    expect(longestGap([good(0), good(500), good(510), good(525)], 505)?.ms).toBe(15);
  });

  test('has no value without a success on either side', () => {
    expect(longestGap([good(10), bad(20)], 15)).toBeUndefined();
    expect(longestGap([bad(10), good(20)], 15)).toBeUndefined();
    expect(longestGap([], 15)).toBeUndefined();
  });

  test('does not depend on the order of completion, nor on failures', () => {
    const times = fc.uniqueArray(fc.integer({ min: 0, max: 10_000 }), { minLength: 2 });
    fc.assert(
      fc.property(times, fc.integer({ min: 0, max: 10_000 }), (list, since) => {
        const beats = list.map(good);
        const expected = longestGap(beats, since);
        const noisy = [...beats.toReversed(), bad(since), bad(since + 1)];
        expect(longestGap(noisy, since)).toEqual(expected);
      }),
    );
  });
});
