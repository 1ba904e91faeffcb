/**
 * ICMP echo (RFC 792) over IPv4 in whole frames: a question that every kernel answers by itself
 * and that no data plane counts. It marks a place in the stream of answers.
 */
import { assert } from '../../lib/assert.ts';
import { ETHERTYPE, emitEthernet, parseEthernet } from '../../net/ethernet.ts';
import { ipToBytes } from '../../net/ip.ts';
import type { Ip } from '../../net/ip.ts';
import type { Mac } from '../../net/mac.ts';

const IPV4_BYTES = 20;
const ICMP_BYTES = 8;
const ICMP = 1;
const REQUEST = 8;

export interface EchoPath {
  readonly source: Mac;
  readonly destination: Mac;
  readonly from: Ip;
  readonly to: Ip;
}

/** `serial`: 16 bits, returned in the answer. */
export function echoRequest(
  { source, destination, from, to }: EchoPath,
  serial: number,
): Uint8Array {
  assert(serial >= 0 && serial <= 0xffff, 'an echo has a sequence number of 16 bits');
  const packet = new Uint8Array(IPV4_BYTES + ICMP_BYTES);
  const view = new DataView(packet.buffer);
  packet.set([0x45, 0, 0, packet.length, 0, 0, 0x40, 0, 64, ICMP]);
  packet.set(ipToBytes(from), 12);
  packet.set(ipToBytes(to), 16);
  view.setUint16(10, checksum(view, 0, IPV4_BYTES));
  view.setUint8(20, REQUEST);
  view.setUint16(26, serial);
  view.setUint16(22, checksum(view, IPV4_BYTES, ICMP_BYTES));
  return emitEthernet({ destination, source, tag: undefined, type: ETHERTYPE.ipv4 }, packet);
}

/** The same, as an answer that nobody asked for. */
export function echoReply(path: EchoPath, serial: number): Uint8Array {
  const frame = echoRequest(path, serial);
  const type = 14 + IPV4_BYTES;
  frame[type] = 0;
  const packet = new DataView(frame.buffer, 14);
  packet.setUint16(22, 0);
  packet.setUint16(22, checksum(packet, IPV4_BYTES, ICMP_BYTES));
  return frame;
}

/** The serial of an echo reply. */
export function echoSerial(frame: Uint8Array): number | undefined {
  const parsed = parseEthernet(frame);
  if (!parsed.ok || parsed.value.header.type !== ETHERTYPE.ipv4) return undefined;
  const { payload } = parsed.value;
  if (payload[9] !== ICMP || payload[20] !== 0) return undefined;
  return ((payload[26] ?? 0) << 8) | (payload[27] ?? 0);
}

function checksum(view: DataView, offset: number, length: number): number {
  let sum = 0;
  for (let at = offset; at < offset + length; at += 2) sum += view.getUint16(at);
  sum = (sum & 0xffff) + (sum >>> 16);
  return 0xffff - ((sum & 0xffff) + (sum >>> 16));
}
