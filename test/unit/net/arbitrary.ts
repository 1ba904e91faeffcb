/** Values for tests of net/: literals that must parse, and generators of every address. */
import fc from 'fast-check';
import { parseIp } from '../../../net/ip.ts';
import type { Ip } from '../../../net/ip.ts';
import { macFromBytes } from '../../../net/mac.ts';

/** A literal in a test; a typing mistake there is a broken test, so it throws. */
export function ip(text: string): Ip {
  const result = parseIp(text);
  if (!result.ok) throw new Error(result.error);
  return result.value;
}

/** Bytes of a dump: hexadecimal digits, spaces and line breaks as one likes. */
export function hex(dump: string): Uint8Array {
  return Uint8Array.from(dump.match(/[0-9a-f]{2}/g) ?? [], (byte) => Number.parseInt(byte, 16));
}

export const anyV4 = fc
  .bigInt({ min: 0n, max: (1n << 32n) - 1n })
  .map((value): Ip => ({ family: 4, value }));

/** Uniform values would hardly ever hold two zero groups in a row, so half are built of groups. */
export const anyV6 = fc
  .oneof(
    fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }),
    fc
      .array(fc.constantFrom(0n, 0n, 1n, 0xdb8n, 0xffffn), { minLength: 8, maxLength: 8 })
      .map((groups) => groups.reduce<bigint>((value, group) => (value << 16n) | group, 0n)),
  )
  .map((value): Ip => ({ family: 6, value }));

export const anyIp = fc.oneof(anyV4, anyV6);

export const anyMac = fc.uint8Array({ minLength: 6, maxLength: 6 }).map(macFromBytes);
