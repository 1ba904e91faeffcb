/** The inequalities behind failover, and that a profile which breaks one does not load. */
import { expect, test } from '@jest/globals';
import { ANNOUNCE_AT, PROFILES, checkTiming, warmUp } from '../../../speaker/timing.ts';

const base = PROFILES.default;

test.each([
  [{ ...base, dead: base.fence + base.slack }, 'fence + slack < dead'],
  [{ ...base, fence: 2 * base.beat - 1, quiet: 101 }, '2 beats per fence'],
  [{ ...base, quiet: base.beat }, 'beat < quiet'],
  [{ ...base, quiet: base.fence - base.beat + 1 }, 'quiet + beat <= fence'],
])('a broken profile is refused: %j', (timing, message) => {
  expect(() => checkTiming(timing)).toThrow(message);
});

test.each(Object.entries(PROFILES))('profile %s holds them', (_name, timing) => {
  expect(() => checkTiming(timing)).not.toThrow();
});

test.each(Object.entries(PROFILES))(
  'profile %s listens longer than a lease of its earlier life can run',
  (_name, timing) => {
    expect(warmUp(timing)).toBeGreaterThan(timing.fence + timing.slack);
  },
);

test('announcements begin at once and come back when Linux no longer guards an entry', () => {
  expect(ANNOUNCE_AT[0]).toBe(0);
  expect(ANNOUNCE_AT.some((at) => at > 1000 && at < 2000)).toBe(true);
  expect([...ANNOUNCE_AT]).toEqual([...ANNOUNCE_AT].toSorted((a, b) => a - b));
});
