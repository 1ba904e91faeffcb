/**
 * An interval of addresses of one family, both ends included: what one entry of an IPAddressPool's
 * `spec.addresses` means.
 *
 * The text is MetalLB's: `a-b` (spaces around the hyphen are allowed) or a CIDR, whose host bits
 * are masked as Go's net.ParseCIDR does. A lone address is an error there and here. Kept as an
 * interval, never as a list of CIDRs: every question asked of a pool is a comparison of ends.
 */
import { assert } from '../lib/assert.ts';
import { err, ok } from '../lib/result.ts';
import type { Result } from '../lib/result.ts';
import { quote } from '../lib/quote.ts';
import { formatIp, parseIp } from './ip.ts';
import type { Family, Ip } from './ip.ts';

export interface Range {
  readonly family: Family;
  readonly first: bigint;
  /** Included. */
  readonly last: bigint;
}

export function parseRange(text: string): Result<Range, string> {
  if (text.includes('-')) return parseEnds(text);
  if (text.includes('/')) return parseCidr(text);
  const alone = parseIp(text);
  if (!alone.ok) return err(`${quote(text)} is neither a range a-b nor a CIDR a/prefix`);
  return err(
    `"${text}" is one address, not a range: write "${text}/${bitsOf(alone.value.family)}"`,
  );
}

function parseEnds(text: string): Result<Range, string> {
  const hyphen = text.indexOf('-');
  const first = parseIp(text.slice(0, hyphen).trim());
  const last = parseIp(text.slice(hyphen + 1).trim());
  if (!first.ok) return err(`range ${quote(text)}: its start ${first.error}`);
  if (!last.ok) return err(`range ${quote(text)}: its end ${last.error}`);
  const { family } = first.value;
  if (family !== last.value.family) {
    return err(`range ${quote(text)} starts in IPv${family} and ends in IPv${last.value.family}`);
  }
  if (first.value.value > last.value.value) {
    return err(`range ${quote(text)} starts after its end: swap the two addresses`);
  }
  return ok({ family, first: first.value.value, last: last.value.value });
}

function parseCidr(text: string): Result<Range, string> {
  const slash = text.indexOf('/');
  const address = parseIp(text.slice(0, slash));
  if (!address.ok) return err(`CIDR ${quote(text)}: ${address.error}`);
  const { family, value } = address.value;
  const bits = bitsOf(family);
  const prefix = text.slice(slash + 1);
  if (!/^(?:0|[1-9][0-9]{0,2})$/.test(prefix)) {
    return err(`CIDR ${quote(text)}: its prefix is not a number from 0 to ${bits}`);
  }
  if (Number(prefix) > bits) {
    return err(`CIDR ${quote(text)}: an IPv${family} prefix has at most ${bits} bits`);
  }
  const host = (1n << BigInt(bits - Number(prefix))) - 1n;
  const first = value - (value & host);
  return ok({ family, first, last: first + host });
}

function bitsOf(family: Family): 32 | 128 {
  return family === 4 ? 32 : 128;
}

/** A CIDR when the interval is one, else `a-b`; `parseRange` gives the same interval back. */
export function formatRange(range: Range): string {
  const { family, first, last } = range;
  const count = size(range);
  const powerOfTwo = (count & (count - 1n)) === 0n;
  if (powerOfTwo && first % count === 0n) {
    const hostBits = count.toString(2).length - 1;
    return `${formatIp({ family, value: first })}/${bitsOf(family) - hostBits}`;
  }
  return `${formatIp({ family, value: first })}-${formatIp({ family, value: last })}`;
}

export function contains(range: Range, ip: Ip): boolean {
  return range.family === ip.family && range.first <= ip.value && ip.value <= range.last;
}

export function overlaps(a: Range, b: Range): boolean {
  return a.family === b.family && a.first <= b.last && b.first <= a.last;
}

/** How many addresses; never 0. */
export function size(range: Range): bigint {
  assert(range.first <= range.last, 'a range starts at or before its end');
  return range.last - range.first + 1n;
}
