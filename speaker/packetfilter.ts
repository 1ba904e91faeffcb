/**
 * The classic BPF program before the sockets of the `packet` plane: it lets through ARP requests
 * (RFC 826) and neighbor messages (RFC 4861 4.3, 4.4) whose target lies in one of the prefixes, and
 * ARP and solicitations whose sender does, so that foreign traffic wakes nobody. Whether a frame is
 * sound is not its business: responder.h decides that. A frame that ends before what the program
 * reads is dropped, as is everything else.
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

const ARP = { operation: 20, request: 1, reply: 2, sender: 28, target: 38 };
const NDP = {
  next: 20,
  icmpv6: 58,
  type: 54,
  solicitation: 135,
  advertisement: 136,
  source: 22,
  target: 62,
};

export function packetFilter(family: Family, prefixes: readonly Prefix[]): Uint8Array {
  return encode(family === 4 ? arpFilter(prefixes) : ndpFilter(prefixes));
}

/** Requests for an address, and whatever comes from one. */
function arpFilter(prefixes: readonly Prefix[]): readonly Instruction[] {
  const asked = among(prefixes, ARP.target, 1);
  const request: Instruction = { code: 0x15, jumpTrue: 3, jumpFalse: 0, k: ARP.request };
  // Past what looks at the target: further than a conditional jump may reach.
  const toSender: Instruction = { code: 0x05, k: 1 + asked.length };
  const kind = [loadHalf(ARP.operation), request, unlessEqual(ARP.reply, 1), toSender, NOTHING];
  return [...kind, ...asked, ...among(prefixes, ARP.sender, 1), NOTHING];
}

/** Both messages name the address as target; a solicitation may also come from one. */
function ndpFilter(prefixes: readonly Prefix[]): readonly Instruction[] {
  const solicitation: Instruction = { code: 0x15, jumpTrue: 1, jumpFalse: 0, k: NDP.solicitation };
  return [
    loadByte(NDP.next),
    unlessEqual(NDP.icmpv6, 1),
    ...past,
    loadByte(NDP.type),
    solicitation,
    unlessEqual(NDP.advertisement, 1),
    ...past,
    ...among(prefixes, NDP.target, 4),
    ...among(prefixes, NDP.source, 4),
    NOTHING,
  ];
}

/** Behind `unlessEqual(_, 1)`: who is equal goes on, everybody else is dropped. */
const past: readonly Instruction[] = [{ code: 0x05, k: 1 }, NOTHING];

/** Gives the frame if the address there, of so many words, has one of the prefixes. */
function among(prefixes: readonly Prefix[], at: number, words: number): readonly Instruction[] {
  const fetch = Array.from({ length: words }, (_, n) => [loadWord(at + 4 * n), keep(n)]);
  return [...fetch.flat(), ...prefixes.flatMap((prefix) => test(prefix, words))];
}

/** Gives the frame if what scratch memory holds has this prefix; else goes on behind. */
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
