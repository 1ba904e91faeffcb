/**
 * Link-layer addresses: six bytes, printed as `02:64:00:00:00:01`.
 *
 * Canonical text, not bytes, because an address is compared, logged and used as a key far more
 * often than it is put into a frame.
 */
import { assert } from '../lib/assert.ts';
import { err, ok } from '../lib/result.ts';
import type { Result } from '../lib/result.ts';
import { ipToBytes } from './ip.ts';
import type { Ip } from './ip.ts';

/** Canonical text: lower case, colons. */
export type Mac = string;

export const BROADCAST: Mac = 'ff:ff:ff:ff:ff:ff';

/** "Unknown" in an ARP request (RFC 826, RFC 5227 1.1). */
export const ZERO_MAC: Mac = '00:00:00:00:00:00';

const SIX_BYTES = /^[0-9a-f]{2}(?:([:-])[0-9a-f]{2})(?:\1[0-9a-f]{2}){4}$/;

/** Six two-digit bytes between colons or between hyphens, in either case. */
export function parseMac(text: string): Result<Mac, string> {
  const lower = text.toLowerCase();
  if (SIX_BYTES.test(lower)) return ok(lower.replaceAll('-', ':'));
  return err(`${JSON.stringify(text)} is not a MAC address such as 02:64:00:00:00:01`);
}

export function macToBytes(mac: Mac): Uint8Array {
  const bytes = Uint8Array.from(mac.split(':'), (byte) => Number.parseInt(byte, 16));
  assert(bytes.length === 6, `a MAC address has 6 bytes: ${mac}`);
  return bytes;
}

export function macFromBytes(bytes: Uint8Array): Mac {
  assert(bytes.length === 6, `a MAC address has 6 bytes, not ${bytes.length}`);
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** Where frames for an IPv6 multicast group go: 33:33 and its low 32 bits (RFC 2464 7). */
export function multicastMac(group: Ip): Mac {
  assert(group.family === 6 && group.value >> 120n === 0xffn, 'not an IPv6 multicast group');
  const low = ipToBytes(group).subarray(12);
  return macFromBytes(Uint8Array.of(0x33, 0x33, ...low));
}
