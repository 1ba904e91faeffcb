/**
 * The addresses of one pool: which is the lowest free one, and how many there are. Ranges are in
 * declared order, which is the order of allocation.
 *
 * The search remembers per range the first address that it never looked at, and those given back
 * below it. So an allocation costs O(log n) whatever the size of the pool, and so does a release;
 * MetalLB scans the pool for each.
 */
import type { Pool } from '../config/model.ts';
import { Least } from '../lib/least.ts';
import type { Family, Ip } from '../net/ip.ts';
import type { Range } from '../net/range.ts';
import { capacity } from './usage.ts';

export interface Stretch {
  readonly stock: Stock;
  readonly range: Range;
  /** Its place among the ranges of the pool and family. */
  readonly rank: number;
  /** From here on nothing was looked at. */
  next: bigint;
  /** Given back, below `next`; may be in use again. */
  readonly released: Least;
}

/** An address and where it stands in the order of its pool. */
export interface Place {
  readonly ip: Ip;
  readonly rank: number;
}

export class Stock {
  readonly pool: Pool;
  readonly stretches: Readonly<Record<Family, readonly Stretch[]>>;
  /** Addresses that may be given out. */
  readonly capacity: Readonly<Record<Family, bigint>>;
  /** How many of them somebody has; kept by the ledger. */
  readonly inUse: Record<Family, number> = { 4: 0, 6: 0 };
  /** How many are still shown by somebody who gives them back; kept by the ledger. */
  readonly leaving: Record<Family, number> = { 4: 0, 6: 0 };
  /** Before these stretches nothing is free. */
  readonly #open: Record<Family, number> = { 4: 0, 6: 0 };

  constructor(pool: Pool) {
    this.pool = pool;
    const of = (family: Family): readonly Stretch[] =>
      pool.ranges
        .filter((range) => range.family === family)
        .map((range, rank) => {
          return { stock: this, range, rank, next: range.first, released: new Least() };
        });
    this.stretches = { 4: of(4), 6: of(6) };
    this.capacity = { 4: capacity(pool, 4), 6: capacity(pool, 6) };
  }

  /** IPv4 addresses ending in .0 or .255: some devices take them for network or broadcast. */
  avoids({ family, value }: Ip): boolean {
    if (!this.pool.avoidBuggyIPs || family === 6) return false;
    const last = value & 0xffn;
    return last === 0n || last === 0xffn;
  }

  /** The first free address in declared order of the ranges. */
  lowest(family: Family, isUsed: (ip: Ip) => boolean): Place | undefined {
    const stretches = this.stretches[family];
    for (; this.#open[family] < stretches.length; this.#open[family] += 1) {
      const stretch = stretches[this.#open[family]];
      const ip = stretch === undefined ? undefined : this.#first(stretch, isUsed);
      if (ip !== undefined) return { ip, rank: this.#open[family] };
    }
    return undefined;
  }

  #first(stretch: Stretch, isUsed: (ip: Ip) => boolean): Ip | undefined {
    const { released, range } = stretch;
    const { family } = range;
    for (; released.first !== undefined; released.removeFirst()) {
      const ip = { family, value: released.first };
      if (!isUsed(ip)) return ip;
    }
    for (; stretch.next <= range.last; stretch.next += 1n) {
      const ip = { family, value: stretch.next };
      if (!isUsed(ip) && !this.avoids(ip)) return ip;
    }
    return undefined;
  }

  /** Nobody has it any more. */
  release(stretch: Stretch, ip: Ip): void {
    if (ip.value >= stretch.next || this.avoids(ip)) return;
    stretch.released.add(ip.value);
    const { family } = ip;
    if (stretch.rank < this.#open[family]) this.#open[family] = stretch.rank;
  }
}
