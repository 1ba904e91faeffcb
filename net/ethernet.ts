/**
 * Ethernet II frames as Linux hands them to a packet socket or a tc program: no preamble, no FCS.
 *
 *      0            6            12      14
 *     | destination | source     | type  | payload ...
 *     | destination | source     | 0x8100, tag | type | payload ...      (IEEE 802.1Q)
 *
 * A tag inside the bytes is recognised so that nobody takes a frame of VLAN 100 for an untagged
 * one: such frames belong to the VLAN's own link, which receives them without the tag.
 * Frames are never mutated; parse gives a view of the payload, emit makes new bytes.
 */
import { assert } from '../lib/assert.ts';
import { err, ok } from '../lib/result.ts';
import type { Result } from '../lib/result.ts';
import { macFromBytes, macToBytes } from './mac.ts';
import type { Mac } from './mac.ts';

export const ETHERTYPE = {
  ipv4: 0x0800,
  arp: 0x0806,
  vlan: 0x8100,
  ipv6: 0x86dd,
  /** IEEE 802.1ad: the outer of two tags. */
  serviceVlan: 0x88a8,
} as const;

export const ETHERNET_HEADER_BYTES = 14;

/** The shortest frame on a wire, without its FCS; shorter ones are padded with zeros. */
export const ETHERNET_LEAST_BYTES = 60;

const TAG_BYTES = 4;

export interface VlanTag {
  readonly protocol: typeof ETHERTYPE.vlan | typeof ETHERTYPE.serviceVlan;
  /** Priority (3 bits), drop eligible (1), VLAN id (12). */
  readonly control: number;
}

export interface EthernetHeader {
  readonly destination: Mac;
  readonly source: Mac;
  /** The outermost tag; with two tags, `type` is 0x8100 again and no protocol of ours. */
  readonly tag: VlanTag | undefined;
  readonly type: number;
}

export interface EthernetFrame {
  readonly header: EthernetHeader;
  /** A view, with whatever padding the frame had. */
  readonly payload: Uint8Array;
}

export function parseEthernet(frame: Uint8Array): Result<EthernetFrame, string> {
  if (frame.length < ETHERNET_HEADER_BYTES) {
    return err(`frame of ${frame.length} bytes is shorter than an Ethernet header`);
  }
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const destination = macFromBytes(frame.subarray(0, 6));
  const source = macFromBytes(frame.subarray(6, 12));
  const type = view.getUint16(12);
  if (type !== ETHERTYPE.vlan && type !== ETHERTYPE.serviceVlan) {
    const header = { destination, source, tag: undefined, type };
    return ok({ header, payload: frame.subarray(ETHERNET_HEADER_BYTES) });
  }
  if (frame.length < ETHERNET_HEADER_BYTES + TAG_BYTES) {
    return err(`frame of ${frame.length} bytes ends inside its VLAN tag`);
  }
  const tag = { protocol: type, control: view.getUint16(14) };
  const header = { destination, source, tag, type: view.getUint16(16) };
  return ok({ header, payload: frame.subarray(ETHERNET_HEADER_BYTES + TAG_BYTES) });
}

/** A whole frame, padded with zeros up to `least` bytes. */
export function emitEthernet(header: EthernetHeader, payload: Uint8Array, least = 0): Uint8Array {
  assert(header.type >= 0 && header.type <= 0xffff, 'an EtherType has 16 bits');
  const offset = ETHERNET_HEADER_BYTES + (header.tag === undefined ? 0 : TAG_BYTES);
  const frame = new Uint8Array(Math.max(offset + payload.length, least));
  const view = new DataView(frame.buffer);
  frame.set(macToBytes(header.destination), 0);
  frame.set(macToBytes(header.source), 6);
  if (header.tag !== undefined) {
    view.setUint16(12, header.tag.protocol);
    view.setUint16(14, header.tag.control);
  }
  view.setUint16(offset - 2, header.type);
  frame.set(payload, offset);
  return frame;
}

/** The 12 bits that name a VLAN; 0 is a priority tag without a VLAN. */
export function vlanId(tag: VlanTag): number {
  return tag.control & 0xfff;
}

/** For parsers of untagged protocols: the payload, if the frame is one of theirs. */
export function untagged(frame: EthernetFrame, type: number): Result<Uint8Array, string> {
  const { tag, type: found } = frame.header;
  if (tag !== undefined) return err(`frame is tagged for VLAN ${vlanId(tag)}`);
  if (found !== type) return err(`EtherType is ${hex16(found)}, not ${hex16(type)}`);
  return ok(frame.payload);
}

function hex16(value: number): string {
  return `0x${value.toString(16).padStart(4, '0')}`;
}
