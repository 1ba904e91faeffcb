/**
 * The tables of a native plane, wherever they are: in the kernel (`bpf`) or beside a thread of
 * this process (`packet`). Keys and values are laid out as responder.h says. Results are 0 or a
 * negative errno.
 */
export interface PlaneTables {
  /** struct in6 to struct vip; no value removes the entry. */
  setVip(key: Uint8Array, value?: Uint8Array): number;
  /** ifindex to struct link. */
  setLink(key: Uint8Array, value?: Uint8Array): number;
  /** Every address, as it is in force. */
  vips(): readonly (readonly [key: Uint8Array, value: Uint8Array])[] | number;
  /** Eight words per address, see struct slot. */
  readonly slots: BigUint64Array;
}
