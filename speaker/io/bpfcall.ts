/**
 * bpf(2) commands as functions. Each builds the command's `union bpf_attr` (linux/bpf.h; offsets
 * in the comments) and returns the result or a negative errno, as the addon does: what a failure
 * means is decided by the caller, who knows the step.
 */
import { constants } from 'node:os';
import type { MapShape, Program } from '../bytecode.ts';
import type { Side } from '../clsact.ts';
import type { Native } from './native.ts';

const MAP_CREATE = 0;
const MAP_LOOKUP_ELEM = 1;
const MAP_UPDATE_ELEM = 2;
const MAP_DELETE_ELEM = 3;
const MAP_GET_NEXT_KEY = 4;
const PROG_LOAD = 5;
const PROG_TEST_RUN = 10;
const OBJ_GET_INFO_BY_FD = 15;
const PROG_QUERY = 16;
const LINK_CREATE = 28;
const LINK_DETACH = 34;

const PROG_TYPE_SCHED_CLS = 3;
const TCX: Readonly<Record<Side, number>> = { ingress: 46, egress: 47 };
/** A hook holds no more programs. */
const MOST_PROGRAMS = 64;
/** Without a relative program: before all others. */
const F_BEFORE = 8;
/** The verifier gives up when a signal is pending, and is to be asked again. */
const EAGAIN = -constants.errno.EAGAIN;
const LOAD_TRIES = 5;
/** BPF_LD | BPF_IMM | BPF_DW takes a map if its source register says so. */
const PSEUDO_MAP_FD = 0x10;

/** sizeof(struct __sk_buff); cb[0], the first word that a caller may fill freely. */
const CONTEXT_BYTES = 192;
const CONTEXT_IFINDEX = 40;
const CONTEXT_CB0 = 48;

/** Words at offsets; both architectures we run on are little-endian. */
function attr(size: number, words: readonly (readonly [number, number])[]): Uint8Array {
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  for (const [offset, word] of words) view.setUint32(offset, word, true);
  return bytes;
}

/** Object names show in bpftool; the kernel takes 15 letters. */
function named(bytes: Uint8Array, offset: number, name: string): Uint8Array {
  bytes.set(new TextEncoder().encode(`arpeggio_${name}`).subarray(0, 15), offset);
  return bytes;
}

/** map_type 0, key_size 4, value_size 8, max_entries 12, map_flags 16, map_name 28 */
export function createMap(native: Native, name: string, shape: MapShape): number {
  const { type, keySize, valueSize, maxEntries, flags } = shape;
  const words = [type, keySize, valueSize, maxEntries, flags];
  const bytes = attr(
    72,
    words.map((word, index) => [index * 4, word] as const),
  );
  return native.bpf(MAP_CREATE, named(bytes, 28, name));
}

/** map_fd 0, key 8, value 16, flags 24 */
export function setEntry(native: Native, map: number, key: Uint8Array, value: Uint8Array): number {
  return native.bpf(MAP_UPDATE_ELEM, attr(32, [[0, map]]), 8, key, 16, value);
}

/** Fills `value`. */
export function getEntry(native: Native, map: number, key: Uint8Array, value: Uint8Array): number {
  return native.bpf(MAP_LOOKUP_ELEM, attr(32, [[0, map]]), 8, key, 16, value);
}

export function deleteEntry(native: Native, map: number, key: Uint8Array): number {
  return native.bpf(MAP_DELETE_ELEM, attr(32, [[0, map]]), 8, key);
}

/** Fills `next` with the key behind `key`, or with the first one; -ENOENT at the end. */
export function nextKey(
  native: Native,
  map: number,
  key: Uint8Array | undefined,
  next: Uint8Array,
): number {
  const pointers = key === undefined ? [16, next] : [8, key, 16, next];
  return native.bpf(MAP_GET_NEXT_KEY, attr(32, [[0, map]]), ...pointers);
}

/**
 * prog_type 0, insn_cnt 4, insns 8, license 16, log_level 24, log_size 28, log_buf 32,
 * prog_name 48. `log` receives the verifier's words.
 */
export function loadProgram(
  native: Native,
  name: string,
  program: Program,
  maps: ReadonlyMap<string, number>,
  license: string,
  log?: Uint8Array,
): number {
  const code = new Uint8Array(Buffer.from(program.code, 'base64'));
  const view = new DataView(code.buffer);
  for (const [instruction, map] of program.relocations) {
    const at = instruction * 8;
    view.setUint8(at + 1, view.getUint8(at + 1) | PSEUDO_MAP_FD);
    view.setUint32(at + 4, maps.get(map) ?? -1, true);
  }
  const bytes = attr(72, [
    [0, PROG_TYPE_SCHED_CLS],
    [4, code.length / 8],
    [24, log === undefined ? 0 : 1],
    [28, log?.length ?? 0],
  ]);
  const text = new TextEncoder().encode(`${license}\0`);
  const pointers = [8, code, 16, text, ...(log === undefined ? [] : [32, log])];
  const call = [PROG_LOAD, named(bytes, 48, name), ...pointers] as const;
  let fd = native.bpf(...call);
  for (let tries = 1; fd === EAGAIN && tries < LOAD_TRIES; tries += 1) fd = native.bpf(...call);
  return fd;
}

/** prog_fd 0, target_ifindex 4, attach_type 8, flags 12: a link that ends with its fd. */
export function attachTcx(native: Native, program: number, ifindex: number, side: Side): number {
  const words = [program, ifindex, TCX[side], F_BEFORE];
  const bytes = attr(
    64,
    words.map((word, index) => [index * 4, word] as const),
  );
  return native.bpf(LINK_CREATE, bytes);
}

/**
 * The interface that a tcx link hangs on; 0 once somebody detached it or the interface went away.
 * bpf_fd 0, info_len 4, info 8; in struct bpf_link_info: tcx.ifindex 16.
 */
export function tcxInterface(native: Native, link: number): number {
  const info = new Uint8Array(64);
  const words = [
    [0, link],
    [4, info.length],
  ] as const;
  const failed = native.bpf(OBJ_GET_INFO_BY_FD, attr(16, words), 8, info);
  return failed < 0 ? failed : new DataView(info.buffer).getUint32(16, true);
}

/** At once, while closing a link's descriptor may leave that for later. link_fd 0 */
export function detachTcx(native: Native, link: number): void {
  native.bpf(LINK_DETACH, attr(16, [[0, link]]));
  native.close(link);
}

/** What BPF_PROG_QUERY calls a program. In struct bpf_prog_info: id 4. */
export function programId(native: Native, program: number): number {
  const info = new Uint8Array(256);
  const words = [
    [0, program],
    [4, info.length],
  ] as const;
  const failed = native.bpf(OBJ_GET_INFO_BY_FD, attr(16, words), 8, info);
  return failed < 0 ? failed : new DataView(info.buffer).getUint32(4, true);
}

/**
 * The program that comes first on a link's hook; 0 if there is none. target_ifindex 0,
 * attach_type 4, prog_ids 16, count 24
 */
export function firstOnTcx(native: Native, ifindex: number, side: Side): number {
  const ids = new Uint8Array(4 * MOST_PROGRAMS);
  const words = [
    [0, ifindex],
    [4, TCX[side]],
    [24, MOST_PROGRAMS],
  ] as const;
  const failed = native.bpf(PROG_QUERY, attr(64, words), 16, ids);
  return failed < 0 ? failed : new DataView(ids.buffer).getUint32(0, true);
}

/** What a program did with a frame in BPF_PROG_TEST_RUN. */
export interface TestRun {
  /** 0, or a negative errno: the program did not run. */
  readonly failed: number;
  /** What the program returned. */
  readonly returned: number;
  /** The frame afterwards, as far as `out` had room. */
  readonly length: number;
}

/**
 * Runs programs once on a frame, without a socket: `emit` sends this way, tests ask `responder`.
 * Buffers are kept, because a burst of announcements comes through here.
 *
 * prog_fd 0, retval 4, data_size_in 8, data_size_out 12, data_in 16, data_out 24, repeat 32,
 * ctx_size_in 40, ctx_in 48
 */
export class TestRunner {
  readonly #native: Native;
  readonly #attr = new Uint8Array(80);
  readonly #view = new DataView(this.#attr.buffer);
  readonly #context = new Uint8Array(CONTEXT_BYTES);
  readonly #contextView = new DataView(this.#context.buffer);

  constructor(native: Native) {
    this.#native = native;
  }

  /** `ifindex`: the link the frame seems to come from (0: none); `cb0`: an argument. */
  run(
    program: number,
    frame: Uint8Array,
    { ifindex = 0, cb0 = 0, out }: { ifindex?: number; cb0?: number; out?: Uint8Array } = {},
  ): TestRun {
    this.#attr.fill(0);
    this.#contextView.setUint32(CONTEXT_IFINDEX, ifindex, true);
    this.#contextView.setUint32(CONTEXT_CB0, cb0, true);
    const words = [program, 0, frame.length, out?.length ?? 0];
    for (const [index, word] of words.entries()) this.#view.setUint32(index * 4, word, true);
    this.#view.setUint32(32, 1, true);
    this.#view.setUint32(40, CONTEXT_BYTES, true);
    const pointers = [16, frame, 48, this.#context, ...(out === undefined ? [] : [24, out])];
    const failed = this.#native.bpf(PROG_TEST_RUN, this.#attr, ...pointers);
    return {
      failed,
      returned: this.#view.getInt32(4, true),
      length: this.#view.getUint32(12, true),
    };
  }
}
