/**
 * The last of what was on the segment, for Wireshark: frames as they were, beats as the UDP
 * datagrams that they would be. Kept as references; bytes are made when somebody wants them.
 */
import type { Instant } from '../../lib/time.ts';
import { emitBeat } from '../../speaker/heartbeat.ts';
import type { Beat, Seal } from '../../speaker/heartbeat.ts';

type Seen = { readonly at: Instant } & (
  | { readonly frame: Uint8Array }
  | { readonly beat: Beat; readonly from: number; readonly to: number }
);

const KEPT = 20_000;
const PORT = 7946;
/** Nobody checks it here. */
const SEAL: Seal = { tag: () => new Uint8Array(16), verify: () => true };

export class Capture {
  #seen: Seen[] = [];

  frame(at: Instant, frame: Uint8Array): void {
    this.#keep({ at, frame });
  }

  /** `from`, `to`: numbers of nodes. */
  beat(at: Instant, beat: Beat, from: number, to: number): void {
    this.#keep({ at, beat, from, to });
  }

  /** A file in the format of libpcap (magic 0xa1b2c3d4, version 2.4, Ethernet). */
  pcap(): Uint8Array {
    const parts = [header()];
    for (const seen of this.#seen) {
      const bytes = 'frame' in seen ? seen.frame : datagram(seen.beat, seen.from, seen.to);
      parts.push(record(seen.at, bytes), bytes);
    }
    return Buffer.concat(parts);
  }

  #keep(seen: Seen): void {
    this.#seen.push(seen);
    if (this.#seen.length >= 2 * KEPT) this.#seen = this.#seen.slice(-KEPT);
  }
}

function header(): Uint8Array {
  const bytes = Buffer.alloc(24);
  bytes.writeUInt32LE(0xa1b2c3d4, 0);
  bytes.writeUInt16LE(2, 4);
  bytes.writeUInt16LE(4, 6);
  bytes.writeUInt32LE(0xffff, 16);
  bytes.writeUInt32LE(1, 20);
  return bytes;
}

function record(at: Instant, { length }: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32LE(Math.floor(at / 1000), 0);
  bytes.writeUInt32LE(Math.floor((at % 1000) * 1000), 4);
  bytes.writeUInt32LE(length, 8);
  bytes.writeUInt32LE(length, 12);
  return bytes;
}

/** Ethernet, IPv4 (RFC 791), UDP (RFC 768) without checksum. */
function datagram(beat: Beat, from: number, to: number): Uint8Array {
  const payload = emitBeat(beat, SEAL);
  const bytes = Buffer.alloc(42 + payload.length);
  for (const [at, number] of [
    [0, to],
    [6, from],
  ] as const) {
    bytes.writeUInt16BE(0x0264, at);
    bytes.writeUInt32BE(number + 1, at + 2);
  }
  bytes.writeUInt16BE(0x0800, 12);
  bytes.writeUInt16BE(0x4500, 14);
  bytes.writeUInt16BE(28 + payload.length, 16);
  bytes.writeUInt16BE(0x4011, 22);
  bytes.writeUInt32BE(addressOf(from), 26);
  bytes.writeUInt32BE(addressOf(to), 30);
  let sum = 0;
  for (let at = 14; at < 34; at += 2) sum += bytes.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  bytes.writeUInt16BE(0xffff - sum, 24);
  bytes.writeUInt16BE(PORT, 34);
  bytes.writeUInt16BE(PORT, 36);
  bytes.writeUInt16BE(8 + payload.length, 38);
  bytes.set(payload, 42);
  return bytes;
}

/** Of 198.18.0.0/15, which is for such networks (RFC 2544). */
function addressOf(number: number): number {
  return 0xc6120000 + number + 1;
}
