/**
 * Whether something grows: the slope of a line through samples, by least squares, per hour. Of what
 * a garbage collector takes away now and then only the least of each minute counts; and only the
 * second half of a run, because a program that has just started fills its caches.
 */
import type { Instant } from '../lib/time.ts';

export interface Sample {
  readonly at: Instant;
  readonly value: number;
}

export interface Growth {
  readonly perHour: number;
  /** Standard error of `perHour`; NaN with fewer than three points. */
  readonly error: number;
  readonly points: number;
}

const MINUTE = 60_000;
const HOUR = 3_600_000;

/** The least of each minute, at the time it was seen. */
export function floors(samples: readonly Sample[]): readonly Sample[] {
  const least = new Map<number, Sample>();
  for (const sample of samples) {
    const minute = Math.floor(sample.at / MINUTE);
    const known = least.get(minute);
    if (known === undefined || sample.value < known.value) least.set(minute, sample);
  }
  return [...least.values()];
}

/** By time, not by number. */
export function secondHalf(samples: readonly Sample[]): readonly Sample[] {
  const [first, last] = [samples.at(0)?.at ?? 0, samples.at(-1)?.at ?? 0];
  return samples.filter(({ at }) => at >= (first + last) / 2);
}

export function growth(samples: readonly Sample[]): Growth {
  const count = samples.length;
  const mean = (of: (sample: Sample) => number): number =>
    samples.reduce((sum, each) => sum + of(each), 0) / count;
  const [meanAt, meanValue] = [mean(({ at }) => at), mean(({ value }) => value)];
  let [across, along] = [0, 0];
  for (const { at, value } of samples) {
    across += (at - meanAt) * (value - meanValue);
    along += (at - meanAt) ** 2;
  }
  const slope = along === 0 ? 0 : across / along;
  const rest = samples.reduce(
    (sum, { at, value }) => sum + (value - meanValue - slope * (at - meanAt)) ** 2,
    0,
  );
  const error = Math.sqrt(rest / (count - 2) / along);
  return { perHour: slope * HOUR, error: count < 3 ? Number.NaN : error * HOUR, points: count };
}
