/**
 * Default gateways by rtnetlink (RTM_GETROUTE): asks the kernel which route leads to an address of
 * a documentation network, that is, anywhere, and takes the route for an answer if it is a default
 * one. One message each way, however many routes there are; a dump of them may have a million.
 *
 * Alternative not taken: /proc/net/route, which knows neither other tables nor IPv6 routers that
 * advertised themselves.
 */
import { ipFromBytes, ipToBytes } from '../net/ip.ts';
import type { Family, Ip } from '../net/ip.ts';
import type { LinkIndex } from './links.ts';
import { HEADER_BYTES, align, attribute, concatenate, message, view } from './netlinkmessage.ts';

/** A router through which all that is not near goes. */
export interface Gateway {
  readonly ip: Ip;
  readonly link: LinkIndex;
}

const NLMSG_ERROR = 2;
const RTM_NEWROUTE = 24;
const RTM_GETROUTE = 26;
/** The route itself with its length, not what it makes of this destination. */
const RTM_F_FIB_MATCH = 0x2000;
const RTN_UNICAST = 1;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_MULTIPATH = 9;
/** A gateway of the other family: u16 family, address. */
const RTA_VIA = 18;
const ROUTE_BYTES = 12;
const HOP_BYTES = 8;
const AF: Readonly<Record<Family, number>> = { 4: 2, 6: 10 };

/** TEST-NET-3 (RFC 5737), and of 3fff::/20 (RFC 9637). */
const ANYWHERE: Readonly<Record<Family, Ip>> = {
  4: { family: 4, value: 0xcb007101n },
  6: { family: 6, value: (0x3fffn << 112n) | 1n },
};

export function askDefaultRoute(sequence: number, family: Family): Uint8Array {
  const body = new Uint8Array(ROUTE_BYTES);
  const words = view(body);
  words.setUint8(0, AF[family]);
  words.setUint8(1, family === 4 ? 32 : 128);
  words.setUint32(8, RTM_F_FIB_MATCH, true);
  const destination = attribute(RTA_DST, ipToBytes(ANYWHERE[family]));
  return message(RTM_GETROUTE, 0, sequence, concatenate([body, destination]));
}

/**
 * The gateways of the default route, equal ones side by side; none where there is no default route
 * or where it needs no gateway. undefined: this datagram is not the answer.
 */
export function parseDefaultRoute(
  datagram: Uint8Array,
  sequence: number,
): readonly Gateway[] | undefined {
  const words = view(datagram);
  for (let at = 0; at + HEADER_BYTES <= datagram.length;) {
    const length = words.getUint32(at, true);
    if (length < HEADER_BYTES || at + length > datagram.length) break;
    const type = words.getUint16(at + 4, true);
    if (words.getUint32(at + 8, true) === sequence) {
      // A refusal: mostly ENETUNREACH, which means that there is none.
      if (type === NLMSG_ERROR) return [];
      if (type === RTM_NEWROUTE)
        return gatewaysOf(datagram.subarray(at + HEADER_BYTES, at + length));
    }
    at += align(length);
  }
  return undefined;
}

/** struct rtmsg: family u8, dst_len u8, src_len, tos, table, protocol, scope, type u8, flags u32 */
function gatewaysOf(body: Uint8Array): readonly Gateway[] {
  if (body.length < ROUTE_BYTES || body[1] !== 0 || body[7] !== RTN_UNICAST) return [];
  const found = attributes(body.subarray(ROUTE_BYTES));
  const hops = found.get(RTA_MULTIPATH);
  if (hops !== undefined) return hopsOf(hops);
  const link = found.get(RTA_OIF);
  const gateway = link && gatewayOf(found, view(link).getUint32(0, true));
  return gateway === undefined ? [] : [gateway];
}

/** struct rtnexthop: length u16, flags u8, hops u8, ifindex s32, attributes */
function hopsOf(bytes: Uint8Array): readonly Gateway[] {
  const gateways: Gateway[] = [];
  const words = view(bytes);
  for (let at = 0; at + HOP_BYTES <= bytes.length;) {
    const length = words.getUint16(at, true);
    if (length < HOP_BYTES || at + length > bytes.length) break;
    const found = attributes(bytes.subarray(at + HOP_BYTES, at + length));
    const gateway = gatewayOf(found, words.getInt32(at + 4, true));
    if (gateway !== undefined) gateways.push(gateway);
    at += align(length);
  }
  return gateways;
}

function gatewayOf(found: ReadonlyMap<number, Uint8Array>, link: LinkIndex): Gateway | undefined {
  const bytes = found.get(RTA_GATEWAY) ?? found.get(RTA_VIA)?.subarray(2);
  const isAddress = bytes?.length === 4 || bytes?.length === 16;
  return isAddress ? { ip: ipFromBytes(bytes), link } : undefined;
}

function attributes(bytes: Uint8Array): ReadonlyMap<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  const words = view(bytes);
  for (let at = 0; at + 4 <= bytes.length;) {
    const length = words.getUint16(at, true);
    if (length < 4 || at + length > bytes.length) break;
    found.set(words.getUint16(at + 2, true) & 0x3fff, bytes.subarray(at + 4, at + length));
    at += align(length);
  }
  return found;
}
