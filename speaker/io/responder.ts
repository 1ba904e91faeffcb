/**
 * The BPF responder in the kernel: its maps, its three programs, and the memory shared with it.
 * Opened once per process; nothing of it is pinned, so all of it ends with the process (a clsact
 * filter keeps the program alive, and falls silent when the lease ends).
 */
import { getSystemErrorName } from 'node:util';
import { assert } from '../../lib/assert.ts';
import { err, ok } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';
import { BYTECODE } from '../native/bytecode.ts';
import { explainPlane } from '../planeerror.ts';
import type { PlaneStep } from '../planeerror.ts';
import { createMap, deleteEntry, getEntry, loadProgram, nextKey, setEntry } from './bpfcall.ts';
import { loadNative } from './native.ts';
import type { Native } from './native.ts';
import type { PlaneTables } from './planetables.ts';
import { KernelRing } from './sightings.ts';

const LOG_BYTES = 1 << 20;

export interface Responder {
  readonly native: Native;
  readonly tables: PlaneTables;
  /** The programs for ingress and egress; `emit` sends a frame. */
  readonly program: number;
  readonly guard: number;
  readonly emit: number;
  /** Who claimed an address since it was read. */
  readonly ring: KernelRing;
  /** One deadline, CLOCK_MONOTONIC in ns. */
  readonly lease: BigUint64Array;
  /** One counter per verdict, and behind them one per deed of the guard. */
  readonly verdicts: BigUint64Array;
  close(): void;
}

/** Gathers what was opened, so that a failure half-way leaves nothing. */
class Opening {
  readonly native: Native;
  readonly fds: number[] = [];
  readonly maps = new Map<string, number>();

  constructor(native: Native) {
    this.native = native;
  }

  close(): void {
    for (const fd of this.fds.splice(0)) this.native.close(fd);
  }

  fail(step: PlaneStep, errno: number, detail?: string): Result<never, string> {
    this.close();
    return err(explainPlane(step, getSystemErrorName(errno), detail));
  }

  createMaps(): Result<void, string> {
    for (const [name, shape] of Object.entries(BYTECODE.maps)) {
      const fd = createMap(this.native, name, shape);
      if (fd < 0) return this.fail('map', fd);
      this.fds.push(fd);
      this.maps.set(name, fd);
    }
    return ok(undefined);
  }

  fd(map: keyof typeof BYTECODE.maps): number {
    const fd = this.maps.get(map);
    assert(fd !== undefined, `map ${map} was created`);
    return fd;
  }

  shared(map: keyof typeof BYTECODE.maps): Result<BigUint64Array, string> {
    const { valueSize, maxEntries } = BYTECODE.maps[map];
    const memory = this.native.mmap(this.fd(map), valueSize * maxEntries, true);
    if (typeof memory === 'number') return this.fail('mmap', memory);
    return ok(new BigUint64Array(memory));
  }

  /** Pages 0, 1 and the rest of a BPF ring buffer; only the first may be written. */
  ring(map: keyof typeof BYTECODE.maps): Result<KernelRing, string> {
    const fd = this.fd(map);
    const consumer = this.native.mmap(fd, 8, true, 0);
    if (typeof consumer === 'number') return this.fail('mmap', consumer);
    const producer = this.native.mmap(fd, 8, false, 1);
    if (typeof producer === 'number') return this.fail('mmap', producer);
    const data = this.native.mmap(fd, 2 * BYTECODE.maps[map].maxEntries, false, 2);
    if (typeof data === 'number') return this.fail('mmap', data);
    return ok(new KernelRing({ consumer, producer, data }));
  }

  /** The verifier's log costs memory and time, so it is asked for only after a refusal. */
  load(name: keyof typeof BYTECODE.programs): Result<number, string> {
    const program = BYTECODE.programs[name];
    const fd = loadProgram(this.native, name, program, this.maps, BYTECODE.license);
    if (fd >= 0) {
      this.fds.push(fd);
      return ok(fd);
    }
    const log = Buffer.alloc(LOG_BYTES);
    const again = loadProgram(this.native, name, program, this.maps, BYTECODE.license, log);
    if (again >= 0) this.native.close(again);
    const lines = log.toString('latin1', 0, log.indexOf(0)).trim().split('\n');
    return this.fail('program', fd, lines.slice(-3).join('; '));
  }
}

function setOrDelete(native: Native, map: number, key: Uint8Array, value?: Uint8Array): number {
  return value === undefined ? deleteEntry(native, map, key) : setEntry(native, map, key, value);
}

function entries(native: Native, map: number): [Uint8Array, Uint8Array][] | number {
  const { keySize, valueSize } = BYTECODE.maps.vips;
  const found: [Uint8Array, Uint8Array][] = [];
  for (;;) {
    const key = new Uint8Array(keySize);
    const ended = nextKey(native, map, found.at(-1)?.[0], key);
    if (ended < 0) return getSystemErrorName(ended) === 'ENOENT' ? found : ended;
    const value = new Uint8Array(valueSize);
    const failed = getEntry(native, map, key, value);
    if (failed < 0) return failed;
    found.push([key, value]);
  }
}

export function openResponder(): Result<Responder, string> {
  const native = loadNative();
  if (!native.ok) return native;
  const opening = new Opening(native.value);
  const created = opening.createMaps();
  if (!created.ok) return created;
  const lease = opening.shared('lease');
  if (!lease.ok) return lease;
  const slots = opening.shared('slots');
  if (!slots.ok) return slots;
  const verdicts = opening.shared('verdicts');
  if (!verdicts.ok) return verdicts;
  const ring = opening.ring('sightings');
  if (!ring.ok) return ring;
  const program = opening.load('responder');
  if (!program.ok) return program;
  const guard = opening.load('guard');
  if (!guard.ok) return guard;
  const emit = opening.load('emit');
  if (!emit.ok) return emit;
  return ok({
    native: native.value,
    tables: {
      setVip: (key, value) => setOrDelete(native.value, opening.fd('vips'), key, value),
      setLink: (key, value) => setOrDelete(native.value, opening.fd('links'), key, value),
      setMac: (key, value) => setOrDelete(native.value, opening.fd('macs'), key, value),
      vips: () => entries(native.value, opening.fd('vips')),
      slots: slots.value,
    },
    program: program.value,
    guard: guard.value,
    emit: emit.value,
    ring: ring.value,
    lease: lease.value,
    verdicts: verdicts.value,
    close: () => opening.close(),
  });
}
