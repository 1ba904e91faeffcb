/**
 * Sightings as the native planes hand them over, in memory shared with the kernel or with a thread:
 * read by polling, so that a flood on the network wakes nobody here.
 */
import { assert } from '../../lib/assert.ts';
import { ipFromBytes } from '../../net/ip.ts';
import type { Ip } from '../../net/ip.ts';
import { macFromBytes } from '../../net/mac.ts';
import type { Form, Sighting } from '../dataplane.ts';

/** struct sighting: at 0, ip 8, link 24, mac 28, form 34 */
export const SIGHTING_BYTES = 40;
/** In the order of enum form. */
const FORMS: readonly Form[] = ['request', 'reply', 'probe'];

/** What BPF_MAP_TYPE_RINGBUF writes before a record: its length and two flags, and a spare word. */
const HEADER_BYTES = 8;
const BUSY = 0x8000_0000;
const DISCARDED = 0x4000_0000;

/** An address of either family, from the 16 bytes it has in a table (struct in6). */
export function ipFromMapped(key: Uint8Array): Ip {
  const mapped = key.subarray(0, 12).every((byte, index) => byte === (index < 10 ? 0 : 0xff));
  return ipFromBytes(mapped ? key.subarray(12) : key);
}

function sightingAt(memory: ArrayBuffer, at: number): Sighting {
  const bytes = new Uint8Array(memory, at, SIGHTING_BYTES);
  const view = new DataView(memory, at, SIGHTING_BYTES);
  const form = FORMS[view.getUint8(34)];
  assert(form !== undefined, 'a sighting has one of three forms');
  return {
    at: Number(view.getBigUint64(0, true)) / 1e6,
    link: view.getUint32(24, true),
    ip: ipFromMapped(bytes.slice(8, 24)),
    mac: macFromBytes(bytes.subarray(28, 34)),
    form,
  };
}

export interface RingPages {
  /** How far user space has read; the only word it writes. */
  readonly consumer: ArrayBuffer;
  /** How far the kernel has written. */
  readonly producer: ArrayBuffer;
  /** Twice in a row, so that no record is torn. */
  readonly data: ArrayBuffer;
}

/** The BPF ring buffer (linux/bpf.h, BPF_MAP_TYPE_RINGBUF), without libbpf and without epoll. */
export class KernelRing {
  readonly #consumer: BigUint64Array;
  readonly #producer: BigUint64Array;
  readonly #data: ArrayBuffer;
  readonly #headers: Uint32Array;
  readonly #size: number;

  constructor({ consumer, producer, data }: RingPages) {
    this.#consumer = new BigUint64Array(consumer, 0, 1);
    this.#producer = new BigUint64Array(producer, 0, 1);
    this.#data = data;
    this.#headers = new Uint32Array(data);
    this.#size = data.byteLength / 2;
  }

  drain(): readonly Sighting[] {
    const found: Sighting[] = [];
    let read = Atomics.load(this.#consumer, 0);
    const written = Atomics.load(this.#producer, 0);
    while (read < written) {
      const at = Number(read % BigInt(this.#size));
      const header = Atomics.load(this.#headers, at / 4);
      // Reserved, and about to be filled by another processor: next time.
      if ((header & BUSY) !== 0) break;
      if ((header & DISCARDED) === 0) found.push(sightingAt(this.#data, at + HEADER_BYTES));
      const length = (header & ~(BUSY | DISCARDED)) + HEADER_BYTES;
      read += BigInt((length + 7) & ~7);
    }
    Atomics.store(this.#consumer, 0, read);
    return found;
  }
}

/** Where a ring lies in memory shared with a thread of this process: words and bytes. */
export interface RingPlace {
  readonly writtenAt: number;
  readonly readAt: number;
  readonly recordsAt: number;
  readonly records: number;
}

/** The ring of the packet plane (struct shared). */
export class ThreadRing {
  readonly #words: BigUint64Array;
  readonly #memory: ArrayBuffer;
  readonly #place: RingPlace;

  constructor(memory: ArrayBuffer, place: RingPlace) {
    this.#memory = memory;
    this.#words = new BigUint64Array(memory);
    this.#place = place;
  }

  drain(): readonly Sighting[] {
    const { writtenAt, readAt, recordsAt, records } = this.#place;
    const found: Sighting[] = [];
    const written = Atomics.load(this.#words, writtenAt);
    for (let read = Atomics.load(this.#words, readAt); read < written; read++) {
      const at = recordsAt + Number(read % BigInt(records)) * SIGHTING_BYTES;
      found.push(sightingAt(this.#memory, at));
    }
    Atomics.store(this.#words, readAt, written);
    return found;
  }
}
