/**
 * The classic BPF programs before the sockets that `verify` listens on: ARP replies (RFC 826) and
 * Neighbor Advertisements (RFC 4861 4.4) of the link itself, so that a busy link wakes nobody. A
 * frame for a VLAN that this host has no interface for comes as another host's, and is dropped.
 */
import type { Family } from '../net/ip.ts';

/** linux/filter.h: code, jump if true, jump if false, constant. */
type Instruction = readonly [code: number, yes: number, no: number, k: number];

const LOAD_WORD = 0x20;
const LOAD_HALF = 0x28;
const LOAD_BYTE = 0x30;
const IF_EQUAL = 0x15;
const RETURN = 0x06;
/** SKF_AD_OFF + SKF_AD_PKTTYPE, and PACKET_OTHERHOST there. */
const KIND = 0xfffff004;
const OTHERHOST = 3;
const ALL = 2048;

const PROGRAMS: Readonly<Record<Family, readonly Instruction[]>> = {
  4: [
    [LOAD_WORD, 0, 0, KIND],
    [IF_EQUAL, 3, 0, OTHERHOST],
    [LOAD_HALF, 0, 0, 20], // operation
    [IF_EQUAL, 0, 1, 2], // reply
    [RETURN, 0, 0, ALL],
    [RETURN, 0, 0, 0],
  ],
  6: [
    [LOAD_WORD, 0, 0, KIND],
    [IF_EQUAL, 5, 0, OTHERHOST],
    [LOAD_BYTE, 0, 0, 20], // next header
    [IF_EQUAL, 0, 3, 58], // ICMPv6
    [LOAD_BYTE, 0, 0, 54], // type
    [IF_EQUAL, 0, 1, 136], // advertisement
    [RETURN, 0, 0, ALL],
    [RETURN, 0, 0, 0],
  ],
};

export function answerFilter(family: Family): Uint8Array {
  const program = PROGRAMS[family];
  const bytes = new Uint8Array(program.length * 8);
  const view = new DataView(bytes.buffer);
  for (const [n, [code, yes, no, k]] of program.entries()) {
    view.setUint16(n * 8, code, true);
    view.setUint8(n * 8 + 2, yes);
    view.setUint8(n * 8 + 3, no);
    view.setUint32(n * 8 + 4, k, true);
  }
  return bytes;
}
