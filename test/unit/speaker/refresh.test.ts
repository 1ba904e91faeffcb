/** How often an address is announced when nothing happens: below switch ageing, never together. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Announcer } from '../../../speaker/announce.ts';
import type { Target } from '../../../speaker/announce.ts';
import { SPEAKER_FLAGS } from '../../../speaker/flags.ts';
import { ANNOUNCE_AT, REFRESH_EVERY } from '../../../speaker/timing.ts';

const MAC = '02:64:00:00:00:64';
const LAST = Math.max(...ANNOUNCE_AT);
/** Refreshes fall due together with others of the same second. */
const SLOT = 1000;

function targets(count: number): Map<string, Target> {
  const one = (n: number): [string, Target] => {
    const ip = { family: 4, value: 0xc0000200n + BigInt(n) } as const;
    return [String(n), { ip, link: 1, mac: MAC }];
  };
  return new Map(Array.from({ length: count }, (_, n) => one(n)));
}

/** When announcements left, until `end`. */
function times(announcer: Announcer, end: number): number[] {
  const sent: number[] = [];
  for (;;) {
    const at = announcer.deadline();
    if (at === undefined || at > end) return sent;
    if (announcer.due(at).length > 0) sent.push(at);
  }
}

test('the flag says 90 seconds, the announcer the same', () => {
  expect(SPEAKER_FLAGS['gratuitous-arp-interval'].default * 1000).toBe(REFRESH_EVERY);
});

test('refreshes are 90 s apart, give or take a fifth, whatever chance says', () => {
  const chance = fc.array(fc.double({ min: 0, max: 0.999999, noNaN: true }), {
    minLength: 20,
    maxLength: 20,
  });
  fc.assert(
    fc.property(chance, (values) => {
      let n = 0;
      const announcer = new Announcer({ random: () => values[n++ % values.length] ?? 0 });
      announcer.change({ put: targets(1), remove: [] }, 0);
      const refreshes = times(announcer, 1_000_000).filter((at) => at >= LAST);
      const gaps = refreshes.slice(1).map((at, i) => at - (refreshes[i] ?? 0));
      expect(gaps.length).toBeGreaterThan(8);
      for (const gap of gaps) {
        expect(gap).toBeGreaterThanOrEqual(72_000);
        expect(gap).toBeLessThanOrEqual(108_000 + SLOT);
      }
    }),
  );
});

test('addresses that were taken over together are refreshed apart', () => {
  let n = 0;
  const announcer = new Announcer({ random: () => (n++ * 0.618) % 1 });
  announcer.change({ put: targets(200), remove: [] }, 0);
  const seconds = new Set(times(announcer, 125_000).filter((at) => at > 2 * LAST));
  expect(seconds.size).toBeGreaterThan(30);
});
