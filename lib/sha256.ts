/**
 * The one door to SHA-256 in pure code. Used for MetalLB's owner order (sha256 of `node#ip`) and
 * for short node identifiers; keyed hashes of heartbeats go through the speaker's `Seal`.
 */
import { sha256 as hash } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';

/** Digest of UTF-8 text: 32 bytes. */
export function sha256(text: string): Uint8Array {
  return hash(utf8ToBytes(text));
}

/** Digest of UTF-8 text as 64 lower-case hexadecimal digits; sorts like its bytes. */
export function sha256Hex(text: string): string {
  return bytesToHex(sha256(text));
}
