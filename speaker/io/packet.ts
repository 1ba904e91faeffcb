/**
 * The `packet` data plane: a native thread answers ARP and NDP on packet sockets, about ten times
 * slower than `bpf` and still within tens of microseconds. Needs CAP_NET_RAW only. Neither this
 * thread nor the brain's can delay it; the lease is one store into memory shared with it.
 */
import { getSystemErrorName } from 'node:util';
import { err, ok } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';
import type { Family } from '../../net/ip.ts';
import { cover, holds } from '../cover.ts';
import type { Prefix } from '../cover.ts';
import type { DataPlane } from '../dataplane.ts';
import type { LinkIndex } from '../links.ts';
import { packetFilter } from '../packetfilter.ts';
import { explainPlane } from '../planeerror.ts';
import { loadNative } from './native.ts';
import type { Native, PacketHandle } from './native.ts';
import { frameCounters } from './planetables.ts';
import type { PlaneTables } from './planetables.ts';
import { ThreadRing } from './sightings.ts';
import type { RingPlace } from './sightings.ts';
import { VipTable } from './viptable.ts';

/** struct shared of userspace.h, in words. */
const VERDICTS_AT = 8;
const SLOTS_AT = 32;
const SLOT_WORDS = 8;

/** struct in6 and struct vip, as `packetVips` lists them. */
const KEY_BYTES = 16;
const ENTRY_BYTES = 32;
const MOST_ENTRIES = 16384;

const RING: RingPlace = {
  writtenAt: 1,
  readAt: 2,
  recordsAt: (SLOTS_AT + MOST_ENTRIES * SLOT_WORDS) * 8,
  records: 1024,
};

const FAMILIES: readonly Family[] = [4, 6];
const WIDTH: Readonly<Record<Family, number>> = { 4: 32, 6: 128 };
/** Of each family; few enough for the oldest kernel's limit of a filter's size. */
const MOST_PREFIXES = 32;

export function openPacketPlane(): Result<DataPlane, string> {
  const native = loadNative();
  if (!native.ok) return native;
  const handle = native.value.packetOpen();
  if (typeof handle === 'number') return err(explainPlane('packet', getSystemErrorName(handle)));
  const shared = native.value.packetShared(handle);
  if (typeof shared === 'number') {
    native.value.packetClose(handle);
    return err(explainPlane('packet', getSystemErrorName(shared)));
  }
  return ok(plane(native.value, handle, shared));
}

function plane(native: Native, handle: PacketHandle, memory: ArrayBuffer): DataPlane {
  const shared = new BigUint64Array(memory, 0, RING.recordsAt / 8);
  const ring = new ThreadRing(memory, RING);
  const table = new VipTable(tablesOf(native, handle, shared.subarray(SLOTS_AT)));
  const filters = new Filters(native, handle);
  const attached = new Set<LinkIndex>();
  let shrunk = false;
  return {
    name: 'packet',
    attach(link) {
      const put = table.putLink(link);
      if (put.ok) attached.add(link.index);
      return put;
    },
    detach(index) {
      attached.delete(index);
      return table.removeLink(index);
    },
    apply({ put, remove }) {
      const ips = [...put.values()].map(({ ip }) => ip);
      for (const family of FAMILIES) {
        const values = ips.filter((ip) => ip.family === family).map(({ value }) => value);
        const widened = filters.widen(family, values);
        if (!widened.ok) return widened;
      }
      shrunk ||= remove.length > 0;
      return table.apply({ put, remove });
    },
    renew(until) {
      Atomics.store(shared, 0, BigInt(Math.max(0, Math.round(until * 1e6))));
      return ok(undefined);
    },
    send(link, frame) {
      if (!attached.has(link)) return err(`link ${link} is not attached, so nothing is sent there`);
      const failed = native.packetSend(handle, link, frame);
      return failed < 0 ? err(explainPlane('send', getSystemErrorName(failed))) : ok(undefined);
    },
    sightings: () => ring.drain(),
    asked: (key) => table.asked(key),
    mend() {
      // Nobody can take these sockets away; what may be due is to ask for less again.
      for (const family of shrunk ? FAMILIES : []) filters.narrow(family, table.values(family));
      shrunk = false;
      return new Map();
    },
    read: () => table.read(),
    counters: () => new Map([...frameCounters(shared.subarray(VERDICTS_AT)), ...table.counters()]),
    close() {
      Atomics.store(shared, 0, 0n);
      native.packetClose(handle);
    },
  };
}

function tablesOf(native: Native, handle: PacketHandle, slots: BigUint64Array): PlaneTables {
  return {
    setVip: (key, value) => native.packetSet(handle, key, value),
    setLink: (key, value) => native.packetSet(handle, key, value),
    vips() {
      const bytes = new Uint8Array(MOST_ENTRIES * ENTRY_BYTES);
      const count = native.packetVips(handle, bytes);
      if (count < 0) return count;
      return Array.from({ length: count }, (_, n) => {
        const entry = bytes.subarray(n * ENTRY_BYTES, (n + 1) * ENTRY_BYTES);
        return [entry.subarray(0, KEY_BYTES), entry.subarray(KEY_BYTES)] as const;
      });
    },
    slots,
  };
}

/**
 * What the sockets let through. It grows with every new address, from the prefixes it has, and is
 * worked out anew from all addresses only now and then: ten thousand may come one by one.
 */
class Filters {
  readonly #native: Native;
  readonly #handle: PacketHandle;
  readonly #prefixes: Record<Family, readonly Prefix[]> = { 4: [], 6: [] };

  constructor(native: Native, handle: PacketHandle) {
    this.#native = native;
    this.#handle = handle;
  }

  widen(family: Family, values: readonly bigint[]): Result<void, string> {
    const present = this.#prefixes[family];
    const width = WIDTH[family];
    const held = (value: bigint): boolean => present.some((each) => holds(each, value, width));
    const added = values.filter((value) => !held(value));
    if (added.length === 0) return ok(undefined);
    return this.#set(family, [...present, ...added.map((value) => ({ value, length: width }))]);
  }

  /** A refusal is no loss: what is in force holds more than it must. */
  narrow(family: Family, values: readonly bigint[]): void {
    this.#set(
      family,
      values.map((value) => ({ value, length: WIDTH[family] })),
    );
  }

  #set(family: Family, wanted: readonly Prefix[]): Result<void, string> {
    const prefixes = cover(wanted, MOST_PREFIXES, WIDTH[family]);
    const program = packetFilter(family, prefixes);
    const failed = this.#native.packetFilter(this.#handle, family, program);
    if (failed < 0) return err(explainPlane('filter', getSystemErrorName(failed)));
    this.#prefixes[family] = prefixes;
    return ok(undefined);
  }
}
