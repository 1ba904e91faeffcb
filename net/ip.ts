/**
 * IPv4 and IPv6 addresses as (family, value). Stub of the type; the module follows.
 */
export type Family = 4 | 6;

export interface Ip {
  readonly family: Family;
  /** 32 or 128 bits, network order. */
  readonly value: bigint;
}
