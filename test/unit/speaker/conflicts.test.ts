/** Strangers that claim addresses of ours: who is told of, and for how long. */
import { describe, expect, test } from '@jest/globals';
import { Conflicts } from '../../../speaker/conflicts.ts';
import { CONFLICT_KEPT, STRANGER_KEPT } from '../../../speaker/timing.ts';

const [PRINTER, CAMERA] = ['02:00:5e:10:00:01', '02:00:5e:10:00:02'];
const clash = { key: '192.0.2.1', mac: PRINTER, link: 1, withheld: false };

describe('of several strangers', () => {
  test('the first is told of for as long as it is seen', () => {
    const conflicts = new Conflicts();
    for (let now = 0; now < 10 * STRANGER_KEPT; now += STRANGER_KEPT / 2) {
      conflicts.put(clash, now);
      conflicts.put({ ...clash, mac: CAMERA }, now + 1);
    }
    expect(conflicts.all()).toMatchObject([{ mac: PRINTER }]);
    expect(conflicts.version).toBe(1);
  });

  test('another one takes its place when the first is seen no more', () => {
    const conflicts = new Conflicts();
    conflicts.put(clash, 0);
    conflicts.put({ ...clash, mac: CAMERA }, STRANGER_KEPT - 1);
    expect(conflicts.all()).toMatchObject([{ mac: PRINTER }]);
    conflicts.put({ ...clash, mac: CAMERA }, STRANGER_KEPT);
    expect(conflicts.all()).toMatchObject([{ mac: CAMERA }]);
  });

  test('one that makes up MACs is news once a minute', () => {
    const conflicts = new Conflicts();
    for (let n = 0; n < 6000; n++) conflicts.put({ ...clash, mac: `mac ${n}` }, n * 100);
    expect(conflicts.version).toBeLessThanOrEqual(6_000_00 / STRANGER_KEPT);
  });
});

test('an address that is withheld from now on is news at once', () => {
  const conflicts = new Conflicts();
  conflicts.put(clash, 0);
  conflicts.put({ ...clash, withheld: true }, 1);
  expect(conflicts.all()).toMatchObject([{ withheld: true }]);
});

test('it is over when nobody claimed it for a while, at the deadline to the last bit', () => {
  const conflicts = new Conflicts();
  for (let i = 0; i < 1000; i++) {
    // Sums lose bits where they pass a power of two.
    const now = 2 ** 20 - i / 1000;
    conflicts.put(clash, now);
    conflicts.put({ ...clash, mac: CAMERA }, now + 0.1);
    expect(conflicts.deadline()).toBe(now + 0.1 + CONFLICT_KEPT);
    conflicts.tick(conflicts.deadline() ?? 0);
    expect(conflicts.all()).toEqual([]);
  }
});
