/**
 * The Internet checksum (RFC 1071) of an ICMPv6 message under its IPv6 pseudo-header
 * (RFC 8200 8.1, RFC 4443 2.3). Frames of ours have at most a few hundred bytes, so one plain
 * loop; a Number holds the sum of 2^37 words exactly, so carries are folded once, at the end.
 */
import { ipToBytes } from './ip.ts';
import type { Ip } from './ip.ts';

export const ICMPV6 = 58;

/** Over a message that carries its checksum, the answer is 0; otherwise the value to store. */
export function icmp6Checksum(from: Ip, to: Ip, message: Uint8Array): number {
  let sum = addWords(ipToBytes(from)) + addWords(ipToBytes(to));
  sum += message.length + ICMPV6 + addWords(message);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return 0xffff - sum;
}

/** Sum of 16-bit words; an odd last byte is the high half of one. */
function addWords(bytes: Uint8Array): number {
  let sum = 0;
  for (const [at, byte] of bytes.entries()) sum += at % 2 === 0 ? byte * 256 : byte;
  return sum;
}
