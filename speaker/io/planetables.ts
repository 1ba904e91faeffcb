/**
 * The tables of a native plane, wherever they are: in the kernel (`bpf`) or beside a thread of
 * this process (`packet`). Keys and values are laid out as responder.h says. Results are 0 or a
 * negative errno.
 */
import { DEEDS, VERDICTS } from '../respond.ts';

export interface PlaneTables {
  /** struct in6 to struct vip; no value removes the entry. */
  setVip(key: Uint8Array, value?: Uint8Array): number;
  /** ifindex to struct link. */
  setLink(key: Uint8Array, value?: Uint8Array): number;
  /** Makes a MAC one of ours, whose claims are not told; missing where the links suffice. */
  readonly setMac?: (key: Uint8Array, value?: Uint8Array) => number;
  /** Every address, as it is in force. */
  vips(): readonly (readonly [key: Uint8Array, value: Uint8Array])[] | number;
  /** Eight words per address, see struct slot. */
  readonly slots: BigUint64Array;
}

/** Counters by verdict and deed, in the order of tables.h. */
export function* frameCounters(words: BigUint64Array): Generator<readonly [string, bigint]> {
  for (const [index, name] of [...VERDICTS, ...DEEDS].entries()) {
    // `other` is every data packet, which nobody counts.
    if (name !== 'other') yield [name, Atomics.load(words, index)];
  }
}
