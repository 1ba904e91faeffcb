/**
 * The classic BPF program before the sockets of the `packet` plane: it lets through ARP requests
 * (RFC 826) and Neighbor Solicitations (RFC 4861 4.3) whose target lies in one of the prefixes, so
 * that foreign traffic wakes nobody. Whether a frame is sound is not its business: responder.h
 * decides that. A frame that ends before what the program reads is dropped, as is everything else.
 *
 * The kernel compiles it; with 32 prefixes it stays below the default `net.core.optmem_max` of old
 * kernels (20 KiB), even twice, as it is while one replaces another.
 */
import type { Family } from '../net/ip.ts';
import type { Prefix } from './cover.ts';

/** linux/filter.h: struct sock_filter, and the few operations that are needed. */
interface Instruction {
  readonly code: number;
  readonly jumpTrue?: number;
  readonly jumpFalse?: number;
  readonly k: number;
}

const INSTRUCTION_BYTES = 8;
const WORD = 32;

/** Accumulator from the frame: one byte, two, four; from scratch memory and into it. */
const loadByte = (k: number): Instruction => ({ code: 0x30, k });
const loadHalf = (k: number): Instruction => ({ code: 0x28, k });
const loadWord = (k: number): Instruction => ({ code: 0x20, k });
const recall = (k: number): Instruction => ({ code: 0x60, k });
const keep = (k: number): Instruction => ({ code: 0x02, k });
const and = (k: number): Instruction => ({ code: 0x54, k });
const unlessEqual = (k: number, skip: number): Instruction => ({
  code: 0x15,
  jumpTrue: 0,
  jumpFalse: skip,
  k,
});
const give = (bytes: number): Instruction => ({ code: 0x06, k: bytes });

/** As much of a frame as the plane has room for. */
const ALL = 2048;
const NOTHING = give(0);

const ARP = { operation: 20, request: 1, target: 38 };
const NDP = { next: 20, icmpv6: 58, type: 54, solicitation: 135, target: 62 };

export function packetFilter(family: Family, prefixes: readonly Prefix[]): Uint8Array {
  const words = family === 4 ? 1 : 4;
  const target = family === 4 ? ARP.target : NDP.target;
  const fetch = Array.from({ length: words }, (_, n) => [loadWord(target + 4 * n), keep(n)]);
  const tests = prefixes.flatMap((prefix) => test(prefix, words));
  return encode([...kind(family), ...fetch.flat(), ...tests, NOTHING]);
}

function kind(family: Family): readonly Instruction[] {
  if (family === 4) return [loadHalf(ARP.operation), unlessEqual(ARP.request, 1), ...past];
  return [
    loadByte(NDP.next),
    unlessEqual(NDP.icmpv6, 1),
    ...past,
    loadByte(NDP.type),
    unlessEqual(NDP.solicitation, 1),
    ...past,
  ];
}

/** Behind `unlessEqual(_, 1)`: who is equal goes on, everybody else is dropped. */
const past: readonly Instruction[] = [{ code: 0x05, k: 1 }, NOTHING];

/** Gives the frame if its target, kept in scratch memory, has this prefix; else goes on behind. */
function test({ value, length }: Prefix, words: number): readonly Instruction[] {
  const steps: (Instruction | { readonly equals: number })[] = [];
  for (let n = 0; n < words && n * WORD < length; n++) {
    const bits = Math.min(WORD, length - n * WORD);
    const word = Number((value >> BigInt((words - 1 - n) * WORD)) & 0xffffffffn);
    steps.push(recall(n));
    if (bits < WORD) steps.push(and((0xffffffff << (WORD - bits)) >>> 0));
    steps.push({ equals: word });
  }
  const size = steps.length + 1;
  const tested = steps.map((step, at) =>
    'equals' in step ? unlessEqual(step.equals, size - at - 1) : step,
  );
  return [...tested, give(ALL)];
}

function encode(program: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(program.length * INSTRUCTION_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [n, { code, jumpTrue = 0, jumpFalse = 0, k }] of program.entries()) {
    const at = n * INSTRUCTION_BYTES;
    view.setUint16(at, code, true);
    view.setUint8(at + 2, jumpTrue);
    view.setUint8(at + 3, jumpFalse);
    view.setUint32(at + 4, k, true);
  }
  return bytes;
}
