/**
 * IPv4 and IPv6 addresses as (family, value): comparable, countable, fit for ranges.
 *
 * Text goes in through `ip-num`, and this file is its only door: a strict parser, too slow for
 * IPv6 (14 µs) to be used anywhere but at the border. Bytes and the RFC 5952 text are our own.
 * A v4-mapped address (`::ffff:192.0.2.1`) stays IPv6, as in Go's netip; Go's older net.ParseIP,
 * which turns it into IPv4, was not followed, because two texts would then name one address.
 */
import { IPv4, IPv6 } from 'ip-num';
import { assert } from '../lib/assert.ts';
import { err, ok } from '../lib/result.ts';
import type { Result } from '../lib/result.ts';
import { quote } from '../lib/quote.ts';

export type Family = 4 | 6;

export interface Ip {
  readonly family: Family;
  /** 32 or 128 bits, network order. */
  readonly value: bigint;
}

/** RFC 4291 2.5.5.2: the high 96 bits of a v4-mapped address. */
const MAPPED_PREFIX = 0xffffn;

/** RFC 4291 2.7.1: ff02:0:0:0:0:1:ff00::/104. */
const SOLICITED_NODE = 0xff02_0000_0000_0000_0000_0001_ff00_0000n;

/** Also keeps zones (`%eth0`), spaces and prefixes from ip-num, which accepts zones. */
const V4_LETTERS = /^[0-9.]{7,15}$/;
const V6_LETTERS = /^[0-9a-fA-F:.]{2,45}$/;

export function parseIp(text: string): Result<Ip, string> {
  try {
    if (V4_LETTERS.test(text)) return ok({ family: 4, value: new IPv4(text).getValue() });
    if (V6_LETTERS.test(text)) return ok({ family: 6, value: new IPv6(text).getValue() });
  } catch {
    // ip-num throws Errors and bare strings that name no text; the sentence below does.
  }
  return err(`${quote(text)} is not an IPv4 or IPv6 address`);
}

/** Canonical text: dotted decimal, or RFC 5952 (its section 5 for v4-mapped). */
export function formatIp(ip: Ip): string {
  if (ip.family === 4) return dotted(ip.value);
  if (ip.value >> 32n === MAPPED_PREFIX) return `::ffff:${dotted(ip.value & 0xffffffffn)}`;
  const groups: string[] = [];
  for (let shift = 112n; shift >= 0n; shift -= 16n) {
    groups.push(((ip.value >> shift) & 0xffffn).toString(16));
  }
  const gap = longestZeros(groups);
  if (gap.length < 2) return groups.join(':');
  const head = groups.slice(0, gap.start).join(':');
  const tail = groups.slice(gap.start + gap.length).join(':');
  return `${head}::${tail}`;
}

function dotted(value: bigint): string {
  const bits = Number(value);
  return `${bits >>> 24}.${(bits >>> 16) & 255}.${(bits >>> 8) & 255}.${bits & 255}`;
}

/** RFC 5952 4.2.3: the longest run of zero groups, the first of equals. */
function longestZeros(groups: readonly string[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let length = 0;
  for (const [at, group] of groups.entries()) {
    length = group === '0' ? length + 1 : 0;
    if (length > best.length) best = { start: at - length + 1, length };
  }
  return best;
}

/** 4 or 16 bytes, network order. */
export function ipToBytes(ip: Ip): Uint8Array {
  const bytes = new Uint8Array(ip.family === 4 ? 4 : 16);
  const view = new DataView(bytes.buffer);
  if (ip.family === 4) {
    view.setUint32(0, Number(ip.value));
  } else {
    view.setBigUint64(0, ip.value >> 64n);
    view.setBigUint64(8, ip.value & 0xffff_ffff_ffff_ffffn);
  }
  return bytes;
}

export function ipFromBytes(bytes: Uint8Array): Ip {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length === 4) return { family: 4, value: BigInt(view.getUint32(0)) };
  assert(bytes.length === 16, `an address has 4 or 16 bytes, not ${bytes.length}`);
  return { family: 6, value: (view.getBigUint64(0) << 64n) | view.getBigUint64(8) };
}

/** 16 bytes for both families, IPv4 as v4-mapped: one key shape for the kernel's table. */
export function mappedBytes(ip: Ip): Uint8Array {
  if (ip.family === 6) return ipToBytes(ip);
  return ipToBytes({ family: 6, value: (MAPPED_PREFIX << 32n) | ip.value });
}

export function sameIp(a: Ip, b: Ip): boolean {
  return a.family === b.family && a.value === b.value;
}

/** IPv4 before IPv6, then by value: the order of lists that users see. */
export function compareIp(a: Ip, b: Ip): number {
  if (a.family !== b.family) return a.family - b.family;
  if (a.value === b.value) return 0;
  return a.value < b.value ? -1 : 1;
}

/** The multicast group that every holder of this IPv6 address listens on (RFC 4291 2.7.1). */
export function solicitedNode(ip: Ip): Ip {
  assert(ip.family === 6, 'solicited-node groups exist for IPv6 only');
  return { family: 6, value: SOLICITED_NODE | (ip.value & 0xffffffn) };
}
