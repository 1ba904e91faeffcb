/**
 * Who announced what, and when first: the record of `native/sweeper.c listen`, and what it says
 * about one takeover of many addresses.
 */
import type { Instant, Millis } from '../lib/time.ts';

export interface Claim {
  /** Of the wall clock. */
  readonly at: Instant;
  readonly ip: string;
  readonly mac: string;
}

/** The first claim of each address by that MAC since then, in the order they came. */
export function firstClaims(record: string, mac: string, since: Instant): readonly Claim[] {
  const first = new Map<string, Claim>();
  for (const line of record.split('\n')) {
    const [what, time, ip = '', by] = line.split(' ');
    const at = Number(time);
    if (what !== 'claim' || by !== mac || at < since || first.has(ip)) continue;
    first.set(ip, { at, ip, mac: by });
  }
  return [...first.values()];
}

/** From the first to the last. */
export function span(claims: readonly Claim[]): Millis {
  return (claims.at(-1)?.at ?? 0) - (claims.at(0)?.at ?? 0);
}

/** The most that came within so many milliseconds. */
export function densest(claims: readonly Claim[], within: Millis): number {
  let [most, from] = [0, 0];
  for (const [to, { at }] of claims.entries()) {
    while (at - (claims[from]?.at ?? at) >= within) from += 1;
    most = Math.max(most, to - from + 1);
  }
  return most;
}

/**
 * Where the chosen ones came, as a mean of places: 0 when they came before all others, 1 when after
 * them, 0.5 when nobody looked.
 */
export function place(claims: readonly Claim[], chosen: ReadonlySet<string>): number {
  const places = claims.flatMap(({ ip }, at) => (chosen.has(ip) ? [at] : []));
  const [count, others] = [places.length, claims.length - places.length];
  if (count === 0 || others === 0) return Number.NaN;
  const before = places.reduce((sum, at, n) => sum + at - n, 0);
  return before / count / others;
}
