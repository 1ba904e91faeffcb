/**
 * The production clock: CLOCK_MONOTONIC in milliseconds, the same clock as the kernel's
 * bpf_ktime_get_ns, and the one timer a driver needs.
 */
import type { Instant } from '../time.ts';

export function monotonic(): Instant {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** One replaceable timer at an Instant of `monotonic`. */
export class Alarm {
  #timer: NodeJS.Timeout | undefined;
  readonly #ring: () => void;

  constructor(ring: () => void) {
    this.#ring = ring;
  }

  set(at: Instant | undefined): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (at === undefined) return;
    // Rounded up: waking before the deadline would only mean waking twice.
    const delay = Math.max(0, Math.ceil(at - monotonic()));
    this.#timer = setTimeout(this.#ring, Math.min(delay, 2 ** 31 - 1));
  }
}
