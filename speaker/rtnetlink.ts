/**
 * rtnetlink (rtnetlink(7), netlink(7), linux/rtnetlink.h) as far as a speaker needs it: which
 * links and addresses there are, and the requests that hang a BPF program on a link's clsact
 * qdisc. Pure: bytes to events, requests to bytes.
 *
 * Integers are in the byte order of the host, little-endian on all that we run on. Messages and
 * attributes are aligned to 4 bytes. Unknown messages and attributes are skipped, as netlink asks.
 */
import { assert } from '../lib/assert.ts';
import { ipFromBytes } from '../net/ip.ts';
import type { Ip } from '../net/ip.ts';
import { ZERO_MAC, macFromBytes } from '../net/mac.ts';
import type { Mac } from '../net/mac.ts';
import type { Link, LinkIndex, LinkPrefix } from './links.ts';

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

const HEADER_BYTES = 16;
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
const RTM_NEWQDISC = 36;
const RTM_NEWTFILTER = 44;
const RTM_DELTFILTER = 45;

const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
const NLM_F_DUMP_INTR = 0x10;
/** In an acknowledgement: the failed request is not repeated; attributes follow. */
const NLM_F_CAPPED = 0x100;
const NLM_F_ACK_TLVS = 0x200;
const NLM_F_DUMP = 0x300;
const NLM_F_EXCL = 0x200;
const NLM_F_CREATE = 0x400;

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

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function align(length: number): number {
  return (length + 3) & ~3;
}

/** Without Node's and the browsers' TextDecoder: names of links and sentences are ASCII. */
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

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + align(part.length), 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += align(part.length);
  }
  return whole;
}

function message(type: number, flags: number, sequence: number, body: Uint8Array): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES);
  const words = view(header);
  words.setUint32(0, HEADER_BYTES + body.length, true);
  words.setUint16(4, type, true);
  words.setUint16(6, NLM_F_REQUEST | flags, true);
  words.setUint32(8, sequence, true);
  return concatenate([header, body]);
}

function attribute(type: number, value: Uint8Array): Uint8Array {
  const header = new Uint8Array(4);
  view(header).setUint16(0, 4 + value.length, true);
  view(header).setUint16(2, type, true);
  return concatenate([header, value]);
}

function word(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  view(bytes).setUint32(0, value, true);
  return bytes;
}

function zeroTerminated(ascii: string): Uint8Array {
  return Uint8Array.from(`${ascii}\0`, (letter) => letter.charCodeAt(0));
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

/** linux/pkt_sched.h, pkt_cls.h: TC_H_CLSACT with a minor of 0, and its ingress side. */
const CLSACT = 0xfffffff1;
const CLSACT_HANDLE = 0xffff0000;
const CLSACT_INGRESS = 0xfffffff2;
const TCA_KIND = 1;
const TCA_OPTIONS = 2;
const TCA_BPF_FD = 6;
const TCA_BPF_NAME = 7;
const TCA_BPF_FLAGS = 8;
/** The program's return value is the verdict; there is no separate action. */
const TCA_BPF_FLAG_ACT_DIRECT = 1;
/**
 * Our filter is found again, after a crash too, by its place: first priority, all protocols (3 in
 * network order), and a handle of our own, so that others may share the priority.
 */
const FILTER_INFO = (1 << 16) | 0x0300;
const FILTER_HANDLE = 0x0a49;

/** struct tcmsg: family u8, pads, ifindex s32, handle u32, parent u32, info u32 */
function tc(index: LinkIndex, handle: number, parent: number, info: number): Uint8Array {
  assert(index > 0, `links count from 1, not ${index}`);
  return concatenate([word(0), word(index), word(handle), word(parent), word(info)]);
}

/** Refused with EEXIST where there is one, which is as good. */
export function newClsact(sequence: number, index: LinkIndex): Uint8Array {
  const body = [tc(index, CLSACT_HANDLE, CLSACT, 0), attribute(TCA_KIND, zeroTerminated('clsact'))];
  const flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
  return message(RTM_NEWQDISC, flags, sequence, concatenate(body));
}

/**
 * `replace` takes the place of a filter that an earlier process left; `if-missing` is refused with
 * EEXIST where there is one.
 */
export function newFilter(
  sequence: number,
  index: LinkIndex,
  program: number,
  how: 'replace' | 'if-missing' = 'replace',
): Uint8Array {
  const options = concatenate([
    attribute(TCA_BPF_FD, word(program)),
    attribute(TCA_BPF_NAME, zeroTerminated('arpeggio')),
    attribute(TCA_BPF_FLAGS, word(TCA_BPF_FLAG_ACT_DIRECT)),
  ]);
  const body = [
    tc(index, FILTER_HANDLE, CLSACT_INGRESS, FILTER_INFO),
    attribute(TCA_KIND, zeroTerminated('bpf')),
    attribute(TCA_OPTIONS, options),
  ];
  const flags = NLM_F_ACK | NLM_F_CREATE | (how === 'replace' ? 0 : NLM_F_EXCL);
  return message(RTM_NEWTFILTER, flags, sequence, concatenate(body));
}

export function deleteFilter(sequence: number, index: LinkIndex): Uint8Array {
  const body = [
    tc(index, FILTER_HANDLE, CLSACT_INGRESS, FILTER_INFO),
    attribute(TCA_KIND, zeroTerminated('bpf')),
  ];
  return message(RTM_DELTFILTER, NLM_F_ACK, sequence, concatenate(body));
}
