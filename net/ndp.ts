/**
 * Neighbor Discovery (RFC 4861): Neighbor Solicitation and Advertisement as whole frames of
 * Ethernet, IPv6 and ICMPv6.
 *
 *     Ethernet 14 | IPv6 40                               | ICMPv6 24                     | options
 *                 | 6.. length 58 255 | source | destin.  | 135|136 0 sum | R S O | target| (8 n)
 *
 * Options known: source and target link-layer address (1, 2), nonce (14, RFC 7527, which tells a
 * node its own looped-back probe). Others are stepped over; one of length zero would never end,
 * so it makes the frame malformed (RFC 4861 4.6). Hop limit 255 proves that no router forwarded
 * the frame. Frames with extension headers before ICMPv6 are not taken apart: no host sends them.
 */
import { assert } from '../lib/assert.ts';
import { err, ok } from '../lib/result.ts';
import type { Result } from '../lib/result.ts';
import { ICMPV6, icmp6Checksum } from './checksum.ts';
import { ETHERTYPE, emitEthernet, parseEthernet, untagged } from './ethernet.ts';
import { ipFromBytes, ipToBytes, sameIp, solicitedNode } from './ip.ts';
import type { Ip } from './ip.ts';
import { macFromBytes, macToBytes, multicastMac } from './mac.ts';
import type { Mac } from './mac.ts';

interface NdpHeader {
  /** Of the Ethernet header. */
  readonly destination: Mac;
  readonly source: Mac;
  /** Of the IPv6 header. */
  readonly from: Ip;
  readonly to: Ip;
  /** The address asked for, or answered for. */
  readonly target: Ip;
}

export interface NeighborSolicitation extends NdpHeader {
  readonly kind: 'solicitation';
  /** Option 1; never there when `from` is `::`. */
  readonly sourceMac: Mac | undefined;
  /** Option 14; 6 bytes, or 8 more at a time. */
  readonly nonce: Uint8Array | undefined;
}

export interface NeighborAdvertisement extends NdpHeader {
  readonly kind: 'advertisement';
  readonly router: boolean;
  readonly solicited: boolean;
  readonly override: boolean;
  /** Option 2. */
  readonly targetMac: Mac | undefined;
}

export type NdpFrame = NeighborSolicitation | NeighborAdvertisement;

const SOLICITATION = 135;
const ADVERTISEMENT = 136;

const ROUTER = 0x80;
const SOLICITED = 0x40;
const OVERRIDE = 0x20;

const SOURCE_LINK_LAYER = 1;
const TARGET_LINK_LAYER = 2;
const NONCE = 14;

const IPV6_BYTES = 40;
const MESSAGE_BYTES = 24;
const HOP_LIMIT = 255;

/** "No address yet": the source of duplicate address detection (RFC 4862 5.4.2). */
export const UNSPECIFIED_V6: Ip = { family: 6, value: 0n };

/** ff02::1, every node on the link. */
export const ALL_NODES: Ip = { family: 6, value: (0xff02n << 112n) | 1n };

/** ff02::2, every router on the link. */
export const ALL_ROUTERS: Ip = { family: 6, value: (0xff02n << 112n) | 2n };

export function parseNdp(frame: Uint8Array): Result<NdpFrame, string> {
  const ethernet = parseEthernet(frame);
  if (!ethernet.ok) return ethernet;
  const packet = untagged(ethernet.value, ETHERTYPE.ipv6);
  if (!packet.ok) return packet;
  const ipv6 = parseIpv6(packet.value);
  if (!ipv6.ok) return ipv6;
  const { from, to, message } = ipv6.value;
  const [type, code] = message;
  if (type !== SOLICITATION && type !== ADVERTISEMENT) {
    return err(`ICMPv6 type ${type ?? 'missing'} is no neighbor message`);
  }
  if (code !== 0) return err(`ICMPv6 code is ${code ?? 'missing'}, not 0`);
  if (message.length < MESSAGE_BYTES) {
    return err(`neighbor message of ${message.length} bytes, needs ${MESSAGE_BYTES}`);
  }
  if (icmp6Checksum(from, to, message) !== 0) return err('ICMPv6 checksum is wrong');
  const target = ipFromBytes(message.subarray(8, 24));
  if (isMulticast(target)) return err('target of a neighbor message is a multicast address');
  const options = parseOptions(message.subarray(MESSAGE_BYTES));
  if (!options.ok) return options;
  const { destination, source } = ethernet.value.header;
  const header = { destination, source, from, to, target };
  if (type === SOLICITATION) return solicitation(header, options.value);
  return advertisement(header, message[4] ?? 0, options.value);
}

interface Ipv6Packet {
  readonly from: Ip;
  readonly to: Ip;
  readonly message: Uint8Array;
}

/** RFC 8200 3, as far as a neighbor message needs it; Ethernet padding is cut off. */
function parseIpv6(bytes: Uint8Array): Result<Ipv6Packet, string> {
  if (bytes.length < IPV6_BYTES) return err(`IPv6 packet of ${bytes.length} bytes, needs 40`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = view.getUint8(0) >> 4;
  if (version !== 6) return err(`IP version is ${version}, not 6`);
  const end = IPV6_BYTES + view.getUint16(4);
  if (end > bytes.length) return err('IPv6 packet is cut short');
  const next = view.getUint8(6);
  if (next !== ICMPV6) return err(`IPv6 next header is ${next}, not ICMPv6`);
  const hops = view.getUint8(7);
  if (hops !== HOP_LIMIT) return err(`hop limit is ${hops}, not 255: not from this link`);
  const from = ipFromBytes(bytes.subarray(8, 24));
  if (isMulticast(from)) return err('IPv6 source is a multicast address');
  return ok({
    from,
    to: ipFromBytes(bytes.subarray(24, 40)),
    message: bytes.subarray(IPV6_BYTES, end),
  });
}

interface Options {
  sourceMac: Mac | undefined;
  targetMac: Mac | undefined;
  nonce: Uint8Array | undefined;
}

/** RFC 4861 4.6: type, length in units of 8 bytes, data. The first of each type counts. */
function parseOptions(bytes: Uint8Array): Result<Options, string> {
  const found: Options = { sourceMac: undefined, targetMac: undefined, nonce: undefined };
  for (let at = 0; at < bytes.length;) {
    const type = bytes[at];
    const length = (bytes[at + 1] ?? 0) * 8;
    if (length === 0) return err('neighbor option has length zero');
    if (at + length > bytes.length) return err('neighbor option is cut short');
    const data = bytes.subarray(at + 2, at + length);
    const linkLayer = type === SOURCE_LINK_LAYER || type === TARGET_LINK_LAYER;
    if (linkLayer && data.length !== 6) return err('link-layer option is not for Ethernet');
    if (type === SOURCE_LINK_LAYER) found.sourceMac ??= macFromBytes(data);
    if (type === TARGET_LINK_LAYER) found.targetMac ??= macFromBytes(data);
    if (type === NONCE) found.nonce ??= data.slice();
    at += length;
  }
  return ok(found);
}

/** RFC 4861 7.1.1. */
function solicitation(header: NdpHeader, options: Options): Result<NdpFrame, string> {
  const { sourceMac, nonce } = options;
  if (header.from.value === 0n) {
    if (!sameIp(header.to, solicitedNode(header.target))) {
      return err('solicitation from :: is not sent to the solicited-node group of its target');
    }
    if (sourceMac !== undefined) return err('solicitation from :: has a source link-layer option');
  }
  return ok({ ...header, kind: 'solicitation', sourceMac, nonce });
}

/** RFC 4861 7.1.2. */
function advertisement(
  header: NdpHeader,
  flags: number,
  { targetMac }: Options,
): Result<NdpFrame, string> {
  const router = (flags & ROUTER) !== 0;
  const solicited = (flags & SOLICITED) !== 0;
  const override = (flags & OVERRIDE) !== 0;
  if (solicited && isMulticast(header.to)) {
    return err('advertisement to a multicast group claims to be solicited');
  }
  return ok({ ...header, kind: 'advertisement', router, solicited, override, targetMac });
}

export function emitNdp(frame: NdpFrame): Uint8Array {
  const { from, to, target } = frame;
  assert(from.family === 6 && to.family === 6, 'NDP runs over IPv6');
  assert(target.family === 6, 'NDP resolves IPv6 addresses');
  const options = emitOptions(frame);
  const packet = new Uint8Array(IPV6_BYTES + MESSAGE_BYTES + options.length);
  const view = new DataView(packet.buffer);
  view.setUint8(0, 6 << 4);
  view.setUint16(4, MESSAGE_BYTES + options.length);
  view.setUint8(6, ICMPV6);
  view.setUint8(7, HOP_LIMIT);
  packet.set(ipToBytes(from), 8);
  packet.set(ipToBytes(to), 24);
  view.setUint8(40, frame.kind === 'solicitation' ? SOLICITATION : ADVERTISEMENT);
  view.setUint8(44, frame.kind === 'solicitation' ? 0 : emitFlags(frame));
  packet.set(ipToBytes(target), 48);
  packet.set(options, IPV6_BYTES + MESSAGE_BYTES);
  view.setUint16(42, icmp6Checksum(from, to, packet.subarray(IPV6_BYTES)));
  const { destination, source } = frame;
  return emitEthernet({ destination, source, tag: undefined, type: ETHERTYPE.ipv6 }, packet);
}

function emitFlags(frame: NeighborAdvertisement): number {
  const { router, solicited, override } = frame;
  return (router ? ROUTER : 0) | (solicited ? SOLICITED : 0) | (override ? OVERRIDE : 0);
}

function emitOptions(frame: NdpFrame): Uint8Array {
  const mac = frame.kind === 'solicitation' ? frame.sourceMac : frame.targetMac;
  const nonce = frame.kind === 'solicitation' ? frame.nonce : undefined;
  const type = frame.kind === 'solicitation' ? SOURCE_LINK_LAYER : TARGET_LINK_LAYER;
  const bytes: number[] = [];
  if (mac !== undefined) bytes.push(type, 1, ...macToBytes(mac));
  if (nonce !== undefined) {
    assert(nonce.length % 8 === 6, 'a nonce fills its option: 6 bytes, or 8 more at a time');
    bytes.push(NONCE, (nonce.length + 2) / 8, ...nonce);
  }
  return Uint8Array.from(bytes);
}

/**
 * Who has `target`? From `::` it is a probe (duplicate address detection, RFC 4862 5.4.2), which
 * must not carry our MAC: nobody may learn an address that is not ours yet.
 */
export function neighborSolicitation(
  target: Ip,
  from: Ip,
  mac: Mac,
  nonce?: Uint8Array,
): NeighborSolicitation {
  const to = solicitedNode(target);
  const sourceMac = from.value === 0n ? undefined : mac;
  return {
    kind: 'solicitation',
    destination: multicastMac(to),
    source: mac,
    from,
    to,
    target,
    sourceMac,
    nonce,
  };
}

/**
 * The answer (RFC 4861 7.2.4): solicited, Override, to the asker. A probe from `::` has no address
 * to answer to, so all nodes hear it, unsolicited (RFC 4862 5.4.4): the prober then gives up.
 */
export function neighborAdvertisement(
  asked: NeighborSolicitation,
  mac: Mac,
): NeighborAdvertisement {
  const unsolicited = unsolicitedAdvertisement(asked.target, mac);
  if (asked.from.value === 0n) return unsolicited;
  const destination = asked.sourceMac ?? asked.source;
  return { ...unsolicited, destination, to: asked.from, solicited: true };
}

/** RFC 4861 7.2.6, the announcement: Override makes caches replace the MAC they have. */
export function unsolicitedAdvertisement(ip: Ip, mac: Mac): NeighborAdvertisement {
  return {
    kind: 'advertisement',
    destination: multicastMac(ALL_NODES),
    source: mac,
    from: ip,
    to: ALL_NODES,
    target: ip,
    router: false,
    solicited: false,
    override: true,
    targetMac: mac,
  };
}

/**
 * RFC 9131 6.1, a new address told to the routers: without Override, so that it makes an entry
 * where there is none, and the first packet from outside need not wait for a resolution.
 */
export function advertisementToRouters(ip: Ip, mac: Mac): NeighborAdvertisement {
  const destination = multicastMac(ALL_ROUTERS);
  return { ...unsolicitedAdvertisement(ip, mac), destination, to: ALL_ROUTERS, override: false };
}

function isMulticast(ip: Ip): boolean {
  return ip.value >> 120n === 0xffn;
}
