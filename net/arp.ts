/**
 * ARP over Ethernet for IPv4 (RFC 826), and the uses that RFC 5227 gives its fields.
 *
 *      0       2       4     5     6       8           14          18          24
 *     | htype | ptype | hlen| plen| op    | sender MAC| sender IP | target MAC| target IP |
 *     | 1     | 0x0800| 6   | 4   | 1 or 2|           |           |           |           |
 *
 * Whole frames in and out: what an answer means also depends on whom the Ethernet header names.
 * Other operations (RARP, InARP) are refused; nobody here speaks them.
 */
import { assert } from '../lib/assert.ts';
import { err, ok } from '../lib/result.ts';
import type { Result } from '../lib/result.ts';
import {
  ETHERNET_LEAST_BYTES,
  ETHERTYPE,
  emitEthernet,
  parseEthernet,
  untagged,
} from './ethernet.ts';
import { ipFromBytes, ipToBytes } from './ip.ts';
import type { Ip } from './ip.ts';
import { BROADCAST, ZERO_MAC, macFromBytes, macToBytes } from './mac.ts';
import type { Mac } from './mac.ts';

export interface ArpFrame {
  readonly destination: Mac;
  readonly source: Mac;
  readonly kind: 'request' | 'reply';
  readonly senderMac: Mac;
  readonly senderIp: Ip;
  /** Meaningless in a request; zero by custom. */
  readonly targetMac: Mac;
  readonly targetIp: Ip;
}

const HARDWARE_ETHERNET = 1;
const REQUEST = 1;
const REPLY = 2;
const ARP_BYTES = 28;

/** "This host, and it has no address yet": the sender of a probe (RFC 5227 2.1.1). */
export const UNSPECIFIED_V4: Ip = { family: 4, value: 0n };

export function parseArp(frame: Uint8Array): Result<ArpFrame, string> {
  const ethernet = parseEthernet(frame);
  if (!ethernet.ok) return ethernet;
  const packet = untagged(ethernet.value, ETHERTYPE.arp);
  if (!packet.ok) return packet;
  const bytes = packet.value;
  if (bytes.length < ARP_BYTES) return err(`ARP packet of ${bytes.length} bytes, needs 28`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const ethernetAndIp =
    view.getUint16(0) === HARDWARE_ETHERNET &&
    view.getUint16(2) === ETHERTYPE.ipv4 &&
    view.getUint8(4) === 6 &&
    view.getUint8(5) === 4;
  if (!ethernetAndIp) return err('ARP packet is not for Ethernet and IPv4');
  const operation = view.getUint16(6);
  if (operation !== REQUEST && operation !== REPLY) {
    return err(`ARP operation ${operation} is neither request nor reply`);
  }
  return ok({
    destination: ethernet.value.header.destination,
    source: ethernet.value.header.source,
    kind: operation === REQUEST ? 'request' : 'reply',
    senderMac: macFromBytes(bytes.subarray(8, 14)),
    senderIp: ipFromBytes(bytes.subarray(14, 18)),
    targetMac: macFromBytes(bytes.subarray(18, 24)),
    targetIp: ipFromBytes(bytes.subarray(24, 28)),
  });
}

/** 42 bytes, or 60 for a path that does not pad by itself (Linux drivers and veth do). */
export function emitArp(frame: ArpFrame, padding: 'bare' | 'padded' = 'bare'): Uint8Array {
  const { senderIp, targetIp } = frame;
  assert(senderIp.family === 4 && targetIp.family === 4, 'ARP carries IPv4 addresses');
  const bytes = new Uint8Array(ARP_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, HARDWARE_ETHERNET);
  view.setUint16(2, ETHERTYPE.ipv4);
  view.setUint8(4, 6);
  view.setUint8(5, 4);
  view.setUint16(6, frame.kind === 'request' ? REQUEST : REPLY);
  bytes.set(macToBytes(frame.senderMac), 8);
  bytes.set(ipToBytes(senderIp), 14);
  bytes.set(macToBytes(frame.targetMac), 18);
  bytes.set(ipToBytes(targetIp), 24);
  const { destination, source } = frame;
  const header = { destination, source, tag: undefined, type: ETHERTYPE.arp };
  return emitEthernet(header, bytes, padding === 'padded' ? ETHERNET_LEAST_BYTES : 0);
}

/** Who has `target`? Tell `from`. */
export function arpRequest(target: Ip, from: Ip, mac: Mac): ArpFrame {
  return {
    destination: BROADCAST,
    source: mac,
    kind: 'request',
    senderMac: mac,
    senderIp: from,
    targetMac: ZERO_MAC,
    targetIp: target,
  };
}

/** RFC 826: the fields swapped, our MAC filled in, to the asker's hardware address only. */
export function arpReply(to: ArpFrame, mac: Mac): ArpFrame {
  return {
    destination: to.senderMac,
    source: mac,
    kind: 'reply',
    senderMac: mac,
    senderIp: to.targetIp,
    targetMac: to.senderMac,
    targetIp: to.senderIp,
  };
}

/** Does anybody hold `ip`? Asked without claiming it: no cache learns from a probe. */
export function arpProbe(ip: Ip, mac: Mac): ArpFrame {
  return arpRequest(ip, UNSPECIFIED_V4, mac);
}

/** RFC 5227 2.3, the announcement: a request for one's own address. */
export function gratuitousRequest(ip: Ip, mac: Mac): ArpFrame {
  return arpRequest(ip, ip, mac);
}

/**
 * The other announcement, for caches that learn from replies only. The target MAC is our own:
 * with any other, Linux takes it for an ordinary reply and ignores it during its locktime (1 s).
 */
export function gratuitousReply(ip: Ip, mac: Mac): ArpFrame {
  return { ...gratuitousRequest(ip, mac), kind: 'reply', targetMac: mac };
}
