/**
 * Until when the plane answers, as both threads of a speaker see it: the reflex writes it with
 * every renewal, the main thread tells the truth about readiness by it. A reflex that hangs cannot
 * say so, but its lease runs out all the same. Nanoseconds of CLOCK_MONOTONIC in one atomic word.
 */
import type { Instant } from '../../lib/time.ts';

export class SharedLease {
  readonly buffer: SharedArrayBuffer;
  readonly #until: BigInt64Array<SharedArrayBuffer>;

  /** Over the buffer of another thread's, or over one of its own. */
  constructor(buffer = new SharedArrayBuffer(8)) {
    this.buffer = buffer;
    this.#until = new BigInt64Array(buffer);
  }

  renew(until: Instant): void {
    Atomics.store(this.#until, 0, BigInt(Math.round(Math.max(0, until) * 1e6)));
  }

  /** What keeps addresses from being answered; undefined: the lease runs. */
  notReady(now: Instant): string | undefined {
    const until = Number(Atomics.load(this.#until, 0)) / 1e6;
    if (now < until) return undefined;
    const ago = until === 0 ? '' : ` ${Math.ceil(now - until)} ms ago`;
    return `the lease of the answers ended${ago} and is not renewed`;
  }
}
