/**
 * The beat: one UDP datagram, the same bytes to every peer. It says "I am here", and for each
 * peer which of its beats was heard last; those acknowledgements are what leases and takeovers
 * are computed from. Layout, big endian:
 *
 *   0  magic 'ARPG'   4  version 1    5  flags (1 ready, 2 leaving, 4 asks, 8 impaired,
 *                                       16 reaches)
 *   6  number of acks (16 bits)
 *   8  sender id      16 boot id      24 beat number (48 bits)        30 number of MACs (16 bits)
 *   32 acks of 24 bytes: id 8, boot 8, number 6, age in ms 2 (saturating)
 *   .. MACs of 6 bytes
 *   .. tag 16: keyed hash over all before it
 *
 * A replayed beat never counts: that takes the receiver's present boot id and a number higher than
 * the last (what it can still do is in SECURITY.md). JSON was not taken: this is parsed ten times
 * a second per peer on a thread that must not allocate much.
 */
import { sha256Hex } from '../lib/sha256.ts';
import { assert } from '../lib/assert.ts';
import { err, ok } from '../lib/result.ts';
import type { Result } from '../lib/result.ts';
import type { Millis } from '../lib/time.ts';
import { macFromBytes, macToBytes } from '../net/mac.ts';
import type { Mac } from '../net/mac.ts';

/** 16 hexadecimal digits: the start of sha256 of the node's name. */
export type NodeId = string;
/** 16 hexadecimal digits, random for each start of the process. */
export type BootId = string;

export interface Ack {
  readonly id: NodeId;
  readonly boot: BootId;
  /** Newest beat heard from it. */
  readonly number: number;
  /** How long ago its newest counted beat was heard, on the sender's clock. */
  readonly ago: Millis;
}

export interface Beat {
  readonly sender: NodeId;
  readonly boot: BootId;
  readonly number: number;
  /** Willing to own: has listened long enough and is confirmed. */
  readonly ready: boolean;
  /** Stops on purpose and has already fallen silent. */
  readonly leaving: boolean;
  /** A claim waits for acknowledgements: answer at once, not with the next regular beat. */
  readonly asks: boolean;
  /** Should own only what nobody better can: it does not reach its gateway. */
  readonly impaired: boolean;
  /** Its gateway answers it. */
  readonly reaches: boolean;
  readonly acks: readonly Ack[];
  /** Of the interfaces it answers on: who is seen with one of these is no stranger. */
  readonly macs: readonly Mac[];
}

/** Keyed hash of a datagram; made by the rim, because keys and speed are its business. */
export interface Seal {
  /** 16 bytes. */
  tag(body: Uint8Array): Uint8Array;
  verify(body: Uint8Array, tag: Uint8Array): boolean;
}

/** Why a datagram was not taken; the names are metric labels. */
export type BeatFault = 'malformed' | 'version' | 'unauthenticated';

const MAGIC = 0x41525047;
const VERSION = 1;
const HEADER = 32;
const ACK = 24;
const MAC = 6;
const TAG = 16;
const NEVER = 0xffff;
const SPARE_ACKS = 256;
/** A plane has 64 links at most. */
const MOST_MACS = 256;

export function nodeId(name: string): NodeId {
  return sha256Hex(name).slice(0, 16);
}

export function emitBeat(beat: Beat, seal: Seal): Uint8Array {
  const macsAt = HEADER + beat.acks.length * ACK;
  const bytes = new Uint8Array(macsAt + beat.macs.length * MAC + TAG);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC);
  view.setUint8(4, VERSION);
  view.setUint8(5, flagsOf(beat));
  view.setUint16(6, beat.acks.length);
  putId(view, 8, beat.sender);
  putId(view, 16, beat.boot);
  putNumber(view, 24, beat.number);
  view.setUint16(30, beat.macs.length);
  beat.acks.forEach((ack, i) => {
    const at = HEADER + i * ACK;
    putId(view, at, ack.id);
    putId(view, at + 8, ack.boot);
    putNumber(view, at + 16, ack.number);
    view.setUint16(at + 22, Math.min(NEVER, Math.max(0, Math.floor(ack.ago))));
  });
  beat.macs.forEach((mac, i) => bytes.set(macToBytes(mac), macsAt + i * MAC));
  const body = bytes.subarray(0, bytes.length - TAG);
  bytes.set(seal.tag(body), body.length);
  return bytes;
}

function flagsOf({ ready, leaving, asks, impaired, reaches }: Beat): number {
  const flags = [ready, leaving, asks, impaired, reaches];
  return flags.reduce((sum, flag, bit) => sum + (flag ? 1 << bit : 0), 0);
}

/**
 * The longest beat of a cluster in which a node has that many peers: of each one it acknowledges
 * its life, and one that may be the next. Far above that, for lists of nodes differ for a while.
 */
export function mostBytes(peers: number): number {
  return HEADER + (SPARE_ACKS + 2 * peers) * ACK + MOST_MACS * MAC + TAG;
}

/** What is longer than `most` is refused before it costs a hash over all of it. */
export function parseBeat(bytes: Uint8Array, seal: Seal, most = Infinity): Result<Beat, BeatFault> {
  if (bytes.length < HEADER + TAG || bytes.length > most) return err('malformed');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0) !== MAGIC) return err('malformed');
  const count = view.getUint16(6);
  const macsAt = HEADER + count * ACK;
  const macs = view.getUint16(30);
  // Another version's may be another.
  const isOurs = view.getUint8(4) === VERSION;
  if (isOurs && bytes.length !== macsAt + macs * MAC + TAG) return err('malformed');
  const body = bytes.subarray(0, bytes.length - TAG);
  if (!seal.verify(body, bytes.subarray(body.length))) return err('unauthenticated');
  if (!isOurs) return err('version');
  const flags = view.getUint8(5);
  let acks: readonly Ack[] | undefined;
  const beat: Beat = {
    sender: getId(view, 8),
    boot: getId(view, 16),
    number: getNumber(view, 24),
    ready: (flags & 1) !== 0,
    leaving: (flags & 2) !== 0,
    asks: (flags & 4) !== 0,
    impaired: (flags & 8) !== 0,
    reaches: (flags & 16) !== 0,
    // Not read before somebody asks: with 100 nodes these are 100,000 a second.
    get acks() {
      return (acks ??= Array.from({ length: count }, (_, i) => getAck(view, HEADER + i * ACK)));
    },
    macs: Array.from({ length: macs }, (_, i) => {
      const at = macsAt + i * MAC;
      return macFromBytes(body.subarray(at, at + MAC));
    }),
  };
  UNREAD.set(beat, view);
  return ok(beat);
}

/** The datagrams of beats. */
const UNREAD = new WeakMap<Beat, DataView>();

/** What the beat acknowledges of that life of a node; nothing else in it is read for that. */
export function ackOf(beat: Beat, id: NodeId, boot: BootId): Ack | undefined {
  const view = UNREAD.get(beat);
  if (view === undefined) return beat.acks.find((ack) => ack.id === id && ack.boot === boot);
  const words = [id.slice(0, 8), id.slice(8), boot.slice(0, 8), boot.slice(8)].map((hex) =>
    Number.parseInt(hex, 16),
  );
  const end = HEADER + view.getUint16(6) * ACK;
  for (let at = HEADER; at < end; at += ACK) {
    if (words.every((word, i) => view.getUint32(at + 4 * i) === word)) return getAck(view, at);
  }
  return undefined;
}

function getAck(view: DataView, at: number): Ack {
  const ago = view.getUint16(at + 22);
  return {
    id: getId(view, at),
    boot: getId(view, at + 8),
    number: getNumber(view, at + 16),
    ago: ago === NEVER ? Infinity : ago,
  };
}

function putId(view: DataView, at: number, id: string): void {
  assert(id.length === 16, 'an id has 16 hexadecimal digits');
  view.setUint32(at, Number.parseInt(id.slice(0, 8), 16));
  view.setUint32(at + 4, Number.parseInt(id.slice(8), 16));
}

function getId(view: DataView, at: number): string {
  const hex = (word: number): string => word.toString(16).padStart(8, '0');
  return hex(view.getUint32(at)) + hex(view.getUint32(at + 4));
}

function putNumber(view: DataView, at: number, value: number): void {
  view.setUint16(at, Math.floor(value / 2 ** 32));
  view.setUint32(at + 2, value % 2 ** 32);
}

function getNumber(view: DataView, at: number): number {
  return view.getUint16(at) * 2 ** 32 + view.getUint32(at + 2);
}
