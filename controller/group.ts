/**
 * Shared addresses of one pool, in the order in which claims of one kind try them: those with the
 * same sharing key, family and ports. What one of them cannot have the next cannot have either,
 * because addresses are only added while an allocation runs; so nothing is looked at twice.
 */
import type { Ip } from '../net/ip.ts';

interface Candidate {
  /** Of the range in its pool. */
  readonly rank: number;
  readonly ip: Ip;
}

export class Candidates {
  /** Sorted from `#head` on; what is before it is refused for good. */
  readonly #sorted: Candidate[] = [];
  #head = 0;
  /** How many addresses of the sharing key are known here. */
  #known = 0;

  /** Takes over what was appended; `rankOf` is undefined for what is not of the pool. */
  learn(addresses: readonly Ip[], rankOf: (ip: Ip) => number | undefined): void {
    for (; this.#known < addresses.length; this.#known += 1) {
      const ip = addresses[this.#known];
      const rank = ip === undefined ? undefined : rankOf(ip);
      if (ip !== undefined && rank !== undefined) this.#insert({ rank, ip });
    }
  }

  first(fits: (ip: Ip) => boolean): Ip | undefined {
    for (; this.#head < this.#sorted.length; this.#head += 1) {
      const ip = this.#sorted[this.#head]?.ip;
      if (ip !== undefined && fits(ip)) return ip;
    }
    return undefined;
  }

  /** Nearly always at the end: addresses are given in their order. */
  #insert(candidate: Candidate): void {
    let low = this.#head;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#sorted[middle];
      if (other !== undefined && isBefore(other, candidate)) low = middle + 1;
      else high = middle;
    }
    this.#sorted.splice(low, 0, candidate);
  }
}

function isBefore(a: Candidate, b: Candidate): boolean {
  return a.rank === b.rank ? a.ip.value < b.ip.value : a.rank < b.rank;
}
