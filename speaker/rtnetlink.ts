/**
 * rtnetlink (rtnetlink(7), netlink(7), linux/rtnetlink.h) as far as a speaker needs it: which
 * links, addresses and neighbours there are. Pure: bytes to events, requests to bytes.
 *
 * Integers are in the byte order of the host, little-endian on all that we run on. Messages and
 * attributes are aligned to 4 bytes. Unknown messages and attributes are skipped, as netlink asks.
 */
import { ipFromBytes } from '../net/ip.ts';
import type { Ip } from '../net/ip.ts';
import { ZERO_MAC, macFromBytes } from '../net/mac.ts';
import type { Mac } from '../net/mac.ts';
import type { Link, LinkIndex, LinkPrefix } from './links.ts';
import { HEADER_BYTES, NLM_F_DUMP, align, message, view } from './netlinkmessage.ts';

/** A link without its addresses, which rtnetlink tells separately. */
export type LinkFacts = Omit<Link, 'addresses' | 'prefixes'>;

export type RouteEvent =
  | { readonly kind: 'link'; readonly link: LinkFacts }
  | { readonly kind: 'link-gone'; readonly index: LinkIndex }
  | AddressEvent
  | (Neighbour & { readonly kind: 'neighbour' })
  /** Something changed during a dump: it may be inconsistent and must be repeated. */
  | { readonly kind: 'interrupted' }
  /** The end of a dump. */
  | { readonly kind: 'done'; readonly sequence: number }
  /** The answer to a request: errno 0 for success, else positive, with the kernel's sentence. */
  | {
      readonly kind: 'acknowledged';
      readonly sequence: number;
      readonly errno: number;
      readonly text: string;
    };

export interface AddressEvent extends LinkPrefix {
  readonly kind: 'address' | 'address-gone';
  readonly index: LinkIndex;
}

/** Whom the kernel has resolved: an entry of its ARP or Neighbor Discovery cache that is valid. */
export interface Neighbour {
  readonly ip: Ip;
  readonly mac: Mac;
  readonly link: LinkIndex;
}

export const NETLINK_ROUTE = 0;

/** Multicast groups: RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR. */
export const WATCHED_GROUPS: readonly number[] = [1, 5, 9];

const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;

const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_GETLINK = 18;
const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const RTM_GETADDR = 22;
const RTM_NEWNEIGH = 28;
const RTM_GETNEIGH = 30;

const NLM_F_DUMP_INTR = 0x10;
/** In an acknowledgement: the failed request is not repeated; attributes follow. */
const NLM_F_CAPPED = 0x100;
const NLM_F_ACK_TLVS = 0x200;

const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MASTER = 10;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_FLAGS = 8;
const NDA_DST = 1;
const NDA_LLADDR = 2;
const NLMSGERR_ATTR_MSG = 1;

const IFF_UP = 0x1;
const IFF_BROADCAST = 0x2;
const IFF_LOOPBACK = 0x8;
const IFF_NOARP = 0x80;
const IFF_LOWER_UP = 0x10000;
const IFA_F_DADFAILED = 0x08;
const IFA_F_TENTATIVE = 0x40;
/** Reachable, stale, delay, probe, permanent; not what failed or is asked for, nor multicast. */
const NUD_KNOWN = 0x02 | 0x04 | 0x08 | 0x10 | 0x80;
const AF_INET = 2;
const AF_BRIDGE = 7;
const AF_INET6 = 10;

function text(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return String.fromCharCode(...(end < 0 ? bytes : bytes.subarray(0, end)));
}

function attributes(bytes: Uint8Array): Map<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  const words = view(bytes);
  let at = 0;
  while (at + 4 <= bytes.length) {
    const length = words.getUint16(at, true);
    if (length < 4 || at + length > bytes.length) break;
    // The upper two bits say "nested" and "network order".
    found.set(words.getUint16(at + 2, true) & 0x3fff, bytes.subarray(at + 4, at + length));
    at += align(length);
  }
  return found;
}

/** One datagram of the socket holds one or more messages. */
export function parseRoute(datagram: Uint8Array): readonly RouteEvent[] {
  const events: RouteEvent[] = [];
  const words = view(datagram);
  let at = 0;
  while (at + HEADER_BYTES <= datagram.length) {
    const length = words.getUint32(at, true);
    if (length < HEADER_BYTES || at + length > datagram.length) break;
    const flags = words.getUint16(at + 6, true);
    const type = words.getUint16(at + 4, true);
    // In an acknowledgement the bit means nothing.
    if ((flags & NLM_F_DUMP_INTR) !== 0 && type !== NLMSG_ERROR) {
      events.push({ kind: 'interrupted' });
    }
    const event = parseMessage(
      type,
      flags,
      words.getUint32(at + 8, true),
      datagram.subarray(at + HEADER_BYTES, at + length),
    );
    if (event !== undefined) events.push(event);
    at += align(length);
  }
  return events;
}

function parseMessage(
  type: number,
  flags: number,
  sequence: number,
  body: Uint8Array,
): RouteEvent | undefined {
  if (type === RTM_NEWLINK || type === RTM_DELLINK) return parseLink(type, body);
  if (type === RTM_NEWADDR || type === RTM_DELADDR) return parseAddress(type, body);
  if (type === RTM_NEWNEIGH) return parseNeighbour(body);
  if (type === NLMSG_DONE) return parseDone(sequence, body);
  if (type === NLMSG_ERROR) return parseAcknowledgement(flags, sequence, body);
  return undefined;
}

/** struct ifinfomsg: family u8, pad, type u16, index s32, flags u32, change u32 */
function parseLink(type: number, body: Uint8Array): RouteEvent | undefined {
  if (body.length < 16) return undefined;
  const words = view(body);
  // A bridge tells of its ports in the same group: "deleted" there means "left the bridge".
  if (words.getUint8(0) === AF_BRIDGE) return undefined;
  const index = words.getInt32(4, true);
  if (type === RTM_DELLINK) return { kind: 'link-gone', index };
  const flags = words.getUint32(8, true);
  const found = attributes(body.subarray(16));
  const mac = found.get(IFLA_ADDRESS);
  const master = found.get(IFLA_MASTER);
  return {
    kind: 'link',
    link: {
      index,
      name: text(found.get(IFLA_IFNAME) ?? new Uint8Array()),
      // Tunnels have none, InfiniBand a longer one.
      mac: mac?.length === 6 ? macFromBytes(mac) : ZERO_MAC,
      up: (flags & IFF_UP) !== 0 && (flags & IFF_LOWER_UP) !== 0,
      noarp: (flags & IFF_NOARP) !== 0,
      loopback: (flags & IFF_LOOPBACK) !== 0,
      broadcast: (flags & IFF_BROADCAST) !== 0,
      master: master === undefined ? undefined : view(master).getUint32(0, true),
    },
  };
}

/** struct ifaddrmsg: family u8, prefixlen u8, flags u8, scope u8, index u32 */
function parseAddress(type: number, body: Uint8Array): RouteEvent | undefined {
  if (body.length < 8) return undefined;
  const words = view(body);
  const family = words.getUint8(0);
  const size = sizeOf(family);
  const found = attributes(body.subarray(8));
  // On a point-to-point link IFA_ADDRESS is the peer; IFA_LOCAL is ours.
  const bytes = found.get(IFA_LOCAL) ?? found.get(IFA_ADDRESS);
  if (bytes === undefined || bytes.length !== size) return undefined;
  const long = found.get(IFA_FLAGS);
  const flags = long === undefined ? words.getUint8(2) : view(long).getUint32(0, true);
  // Until duplicate address detection has passed, the address is nobody's.
  const usable = (flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) === 0;
  const kind = type === RTM_NEWADDR && usable ? 'address' : 'address-gone';
  const length = words.getUint8(1);
  return { kind, index: words.getUint32(4, true), ip: ipFromBytes(bytes), length };
}

function sizeOf(family: number): number | undefined {
  return { [AF_INET]: 4, [AF_INET6]: 16 }[family];
}

/** struct ndmsg: family u8, pads, index s32, state u16, flags u8, type u8 */
function parseNeighbour(body: Uint8Array): RouteEvent | undefined {
  if (body.length < 12) return undefined;
  const words = view(body);
  if ((words.getUint16(8, true) & NUD_KNOWN) === 0) return undefined;
  const found = attributes(body.subarray(12));
  const [ip, mac] = [found.get(NDA_DST), found.get(NDA_LLADDR)];
  if (ip === undefined || ip.length !== sizeOf(words.getUint8(0))) return undefined;
  if (mac?.length !== 6) return undefined;
  const link = words.getInt32(4, true);
  return { kind: 'neighbour', ip: ipFromBytes(ip), mac: macFromBytes(mac), link };
}

/** A dump that failed under way ends with its error, which is then as good as a refusal. */
function parseDone(sequence: number, body: Uint8Array): RouteEvent {
  const error = body.length < 4 ? 0 : view(body).getInt32(0, true);
  if (error >= 0) return { kind: 'done', sequence };
  return { kind: 'acknowledged', sequence, errno: -error, text: '' };
}

/** struct nlmsgerr: error s32, the request's header, and with NLM_F_ACK_TLVS attributes */
function parseAcknowledgement(
  flags: number,
  sequence: number,
  body: Uint8Array,
): RouteEvent | undefined {
  if (body.length < 4 + HEADER_BYTES) return undefined;
  const words = view(body);
  const repeated = (flags & NLM_F_CAPPED) === 0 ? align(words.getUint32(4, true)) : HEADER_BYTES;
  const found =
    (flags & NLM_F_ACK_TLVS) === 0 ? undefined : attributes(body.subarray(4 + repeated));
  const sentence = found?.get(NLMSGERR_ATTR_MSG);
  return {
    kind: 'acknowledged',
    sequence,
    errno: 0 - words.getInt32(0, true),
    text: sentence === undefined ? '' : text(sentence),
  };
}

export function dumpLinks(sequence: number): Uint8Array {
  return message(RTM_GETLINK, NLM_F_DUMP, sequence, new Uint8Array(16));
}

export function dumpAddresses(sequence: number): Uint8Array {
  return message(RTM_GETADDR, NLM_F_DUMP, sequence, new Uint8Array(8));
}

/** Of all families. */
export function dumpNeighbours(sequence: number): Uint8Array {
  return message(RTM_GETNEIGH, NLM_F_DUMP, sequence, new Uint8Array(12));
}
