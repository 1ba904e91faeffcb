/**
 * Addresses that a host has no business to answer for, to tell a host that answers for its own
 * from a router that answers for everything (proxy ARP, RFC 1027). One is of the blocks for
 * documentation (RFC 5737, RFC 3849), which nobody has; a router that answers only for the
 * segment's own network is found by two addresses by chance beside the one in question. One of
 * these may be a real one of the same host; both are not.
 */
import type { Random } from '../lib/random.ts';
import { formatIp } from '../net/ip.ts';
import type { Ip } from '../net/ip.ts';
import type { Mac } from '../net/mac.ts';
import type { Question } from './question.ts';

export interface Decoys {
  /** By `formatIp`; the first is of the documentation's. */
  readonly ips: ReadonlyMap<string, Ip>;
  readonly question: Question;
  /** `address MAC` of every answer. */
  readonly answered: Set<string>;
}

/** 203.0.113.0/24, 2001:db8::/32; and a neighbourhood: the last 8 bits, the last 64. */
const NOBODYS = { 4: { base: 0xcb007100n, bits: 8n }, 6: { base: 0x20010db8n << 96n, bits: 64n } };

export function decoysFor(
  ip: Ip,
  random: Random,
  isTaken: (key: string) => boolean,
): ReadonlyMap<string, Ip> {
  const { base, bits } = NOBODYS[ip.family];
  const ips = new Map<string, Ip>();
  const add = (network: bigint): void => {
    // All ones and all zeros are not a host's.
    const hosts = Number((1n << (bits < 32n ? bits : 32n)) - 2n);
    const value = network + 1n + BigInt(Math.floor(random() * hosts));
    const decoy: Ip = { family: ip.family, value };
    const key = formatIp(decoy);
    if (value !== ip.value && !isTaken(key)) ips.set(key, decoy);
  };
  add(base);
  const network = (ip.value >> bits) << bits;
  for (let tries = 0; ips.size < 3 && tries < 100; tries++) add(network);
  return ips;
}

export function isProxy({ ips, answered }: Pick<Decoys, 'ips' | 'answered'>, mac: Mac): boolean {
  const [nobodys, ...beside] = [...ips.keys()].map((key) => answered.has(`${key} ${mac}`));
  return nobodys === true || (beside.length > 1 && beside.every(Boolean));
}
