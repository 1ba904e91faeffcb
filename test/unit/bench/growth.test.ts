/** The slope that a soak judges by, on series whose slope and error are known. */
import { describe, expect, test } from '@jest/globals';
import { floors, growth, secondHalf } from '../../../bench/growth.ts';
import type { Sample } from '../../../bench/growth.ts';

const MINUTE = 60_000;

function samples(...values: readonly (readonly [minutes: number, value: number])[]): Sample[] {
  return values.map(([minutes, value]) => ({ at: minutes * MINUTE, value }));
}

describe('growth', () => {
  test('is the slope of the line, in an hour', () => {
    const { perHour, error, points } = growth(samples([0, 10], [10, 11], [20, 12], [30, 13]));
    expect(perHour).toBeCloseTo(6, 9);
    expect(error).toBeCloseTo(0, 9);
    expect(points).toBe(4);
  });

  test('comes with its error where samples scatter', () => {
    // Slope 0 by symmetry; residuals 1, -1, -1, 1: sqrt(4 / 2 / 5) a minute.
    const { perHour, error } = growth(samples([0, 1], [1, -1], [2, -1], [3, 1]));
    expect(perHour).toBeCloseTo(0, 9);
    expect(error).toBeCloseTo(60 * Math.sqrt(2 / 5), 9);
  });

  test('of one sample is none', () => {
    expect(growth(samples([0, 10])).perHour).toBe(0);
  });
});

describe('what is looked at', () => {
  test('the least of each minute: garbage that is collected later is no growth', () => {
    const seen = samples([0, 50], [0.5, 40], [1, 45], [1.5, 60]);
    expect(floors(seen)).toEqual(samples([0.5, 40], [1, 45]));
  });

  test('the second half by time', () => {
    const seen = samples([0, 1], [1, 2], [2, 3], [9, 4], [10, 5]);
    expect(secondHalf(seen)).toEqual(samples([9, 4], [10, 5]));
  });
});
