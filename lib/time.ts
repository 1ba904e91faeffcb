/**
 * Time as plain numbers. An Instant counts milliseconds (with fractions) of one monotonic clock;
 * in production that is CLOCK_MONOTONIC, the clock of the kernel's own lease check. Instants of
 * different nodes are never compared: only durations cross the wire.
 */
export type Instant = number;

/** A duration in milliseconds. */
export type Millis = number;

/** The earlier of two optional instants; undefined means "never". */
export function earlier(a: Instant | undefined, b: Instant | undefined): Instant | undefined {
  if (a === undefined) return b;
  if (b === undefined) return a;
  return Math.min(a, b);
}
