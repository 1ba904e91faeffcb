/**
 * Durations as Go writes them (`time.ParseDuration`), which is what metav1.Duration holds: numbers
 * with units, `1m30s`, `1.5h`. The result is in milliseconds.
 */
import { err, ok } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';
import type { Millis } from '../../lib/time.ts';
import { quote } from '../../lib/quote.ts';

const UNITS: ReadonlyMap<string, number> = new Map([
  ['ns', 1e-6],
  ['us', 1e-3],
  ['µs', 1e-3],
  ['μs', 1e-3],
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
]);

/** Longer ones make no sense, and need not be read at all. */
const MOST_LETTERS = 64;

export function parseDuration(text: string): Result<Millis, string> {
  if (text === '0') return ok(0);
  const whole = /^(?:\d+(?:\.\d*)?(?:ns|us|µs|μs|ms|s|m|h))+$/;
  if (text.length > MOST_LETTERS || !whole.test(text)) {
    return err(`${quote(text)} is not a duration; write a number and a unit, such as 90s or 1m30s`);
  }
  let sum = 0;
  for (const [, number, unit] of text.matchAll(/(\d+(?:\.\d*)?)([a-zµμ]+)/g)) {
    sum += Number(number) * (UNITS.get(unit ?? '') ?? 0);
  }
  return ok(sum);
}
