/**
 * A native plane's table of addresses: which slot holds an address's counters, on which links it
 * is answered or watched. Each link has a bit from its first mention, by `attach` or by an
 * announcement, so that either may come first.
 */
import { getSystemErrorName } from 'node:util';
import { assert } from '../../lib/assert.ts';
import type { Delta } from '../../lib/diff.ts';
import { err, ok } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';
import { formatIp, ipToBytes, mappedBytes } from '../../net/ip.ts';
import type { Family } from '../../net/ip.ts';
import { macToBytes } from '../../net/mac.ts';
import type { Mac } from '../../net/mac.ts';
import type { Announcement, PlaneLink } from '../dataplane.ts';
import type { LinkIndex } from '../links.ts';
import { BYTECODE } from '../native/bytecode.ts';
import { explainPlane } from '../planeerror.ts';
import { ipFromMapped } from './sightings.ts';
import type { PlaneTables } from './planetables.ts';

const ALL_LINKS = 2n ** 64n - 1n;
const VIP_BYTES = BYTECODE.maps.vips.valueSize;
const LINK_BYTES = BYTECODE.maps.links.valueSize;
const SLOT_WORDS = BYTECODE.maps.slots.valueSize / 8;
/** struct slot, in words. */
const ASKED_AT = 3;
const SEEN_AT = 4;
/** vip.flags */
const WATCH = 1;
const GUARD = 2;
const MAX_LINKS = BYTECODE.maps.links.maxEntries;
const MAX_VIPS = BYTECODE.maps.vips.maxEntries;

interface Known {
  readonly slot: number;
  readonly announcement: Announcement;
}

export class VipTable {
  readonly #tables: PlaneTables;
  readonly #guard: boolean;
  readonly #known = new Map<string, Known>();
  readonly #free: number[] = [];
  #next = 0;
  readonly #bits = new Map<LinkIndex, number>();
  /** Attached links, and their MACs. */
  readonly #attached = new Map<LinkIndex, Mac>();

  /** `guard`: this host's kernel shall not speak for the addresses. */
  constructor(tables: PlaneTables, { guard = false }: { readonly guard?: boolean } = {}) {
    this.#tables = tables;
    this.#guard = guard;
  }

  /** The addresses of one family, as numbers. */
  values(family: Family): bigint[] {
    const ips = [...this.#known.values()].map(({ announcement }) => announcement.ip);
    return ips.filter((ip) => ip.family === family).map((ip) => ip.value);
  }

  putLink({ index, mac, ip4 }: PlaneLink): Result<void, string> {
    const bit = this.#bit(index);
    if (!bit.ok) return bit;
    const value = new Uint8Array(LINK_BYTES);
    value.set(macToBytes(mac), 0);
    new DataView(value.buffer).setUint16(6, bit.value, true);
    if (ip4 !== undefined) value.set(ipToBytes(ip4), 8);
    const before = this.#attached.get(index);
    // First the MAC: what the link itself sends must not be told as another's claim.
    const own = this.#replaceMac(before, mac);
    if (own < 0) return refused(own);
    const failed = this.#tables.setLink(indexKey(index), value);
    if (failed < 0) {
      // A MAC that no link has must not hide the claims of whoever has it.
      const undone = this.#forgetMac(mac);
      if (before !== undefined && before !== mac) this.#setMac(before);
      return undone.ok ? refused(failed) : undone;
    }
    this.#attached.set(index, mac);
    return this.#forgetMac(before);
  }

  /** The old one stays until the link has the new one, unless there is no room for both. */
  #replaceMac(before: Mac | undefined, mac: Mac): number {
    const failed = this.#setMac(mac);
    const isFull = failed < 0 && getSystemErrorName(failed) === 'E2BIG';
    const isSole = [...this.#attached.values()].filter((each) => each === before).length === 1;
    if (!isFull || before === undefined || !isSole) return failed;
    const gone = this.#tables.setMac?.(macToBytes(before)) ?? 0;
    if (gone < 0) return gone;
    const again = this.#setMac(mac);
    if (again < 0) this.#setMac(before);
    return again;
  }

  #setMac(mac: Mac): number {
    return this.#tables.setMac?.(macToBytes(mac), new Uint8Array(4)) ?? 0;
  }

  removeLink(index: LinkIndex): Result<void, string> {
    const mac = this.#attached.get(index);
    this.#attached.delete(index);
    const gone = removed(this.#tables.setLink(indexKey(index)));
    return gone.ok ? this.#forgetMac(mac) : gone;
  }

  /** Links may share a MAC: a bond and a VLAN on it. */
  #forgetMac(mac: Mac | undefined): Result<void, string> {
    if (mac === undefined || [...this.#attached.values()].includes(mac)) return ok(undefined);
    return removed(this.#tables.setMac?.(macToBytes(mac)) ?? 0);
  }

  apply({ put, remove }: Delta<Announcement>): Result<void, string> {
    // First what frees room for the others.
    for (const key of remove) {
      const gone = this.#remove(key);
      if (!gone.ok) return err(`${key}: ${gone.error}`);
    }
    for (const [key, announcement] of put) {
      const done = this.#put(key, announcement);
      if (!done.ok) return err(`${key}: ${done.error}`);
    }
    return ok(undefined);
  }

  #put(key: string, announcement: Announcement): Result<void, string> {
    const mask = this.#mask(announcement.links);
    if (!mask.ok) return mask;
    const known = this.#known.get(key);
    const slot = known?.slot ?? this.#takeSlot();
    if (slot === undefined) return refused('E2BIG');
    const value = new Uint8Array(VIP_BYTES);
    const view = new DataView(value.buffer);
    view.setUint32(0, slot, true);
    const role = announcement.role === 'watch' ? WATCH : 0;
    view.setUint32(4, role | (this.#guard ? GUARD : 0), true);
    view.setBigUint64(8, mask.value, true);
    const failed = this.#tables.setVip(mappedBytes(announcement.ip), value);
    if (failed < 0) {
      if (known === undefined) this.#free.push(slot);
      return refused(failed);
    }
    this.#known.set(key, { slot, announcement });
    return ok(undefined);
  }

  #remove(key: string): Result<void, string> {
    const known = this.#known.get(key);
    if (known === undefined) return ok(undefined);
    const gone = removed(this.#tables.setVip(mappedBytes(known.announcement.ip)));
    if (!gone.ok) return gone;
    this.#known.delete(key);
    this.#free.push(known.slot);
    return ok(undefined);
  }

  /** From the plane, not from memory: that is what a comparison after a fault wants to know. */
  read(): Result<ReadonlyMap<string, Announcement>, string> {
    const entries = this.#tables.vips();
    if (typeof entries === 'number') return refused(entries);
    const found = new Map<string, Announcement>();
    for (const [key, value] of entries) {
      const ip = ipFromMapped(key);
      const view = new DataView(value.buffer, value.byteOffset);
      const role = (view.getUint32(4, true) & WATCH) === 0 ? 'answer' : 'watch';
      found.set(formatIp(ip), { ip, links: this.#links(view.getBigUint64(8, true)), role });
    }
    return ok(found);
  }

  /**
   * Counters of addresses, by the names of `DataPlane.counters`. Every node watches what all others
   * answer: only what says something is told of them.
   */
  *counters(): Generator<readonly [string, bigint]> {
    for (const [key, { slot, announcement }] of this.#known) {
      const at = slot * SLOT_WORDS;
      const answered = Atomics.load(this.#tables.slots, at);
      if (announcement.role === 'answer') yield [`answered ${key}`, answered];
      const seen = Atomics.load(this.#tables.slots, at + SEEN_AT);
      if (seen > 0n) yield [`seen ${key}`, seen];
    }
  }

  /** How often anybody asked for an address. */
  asked(key: string): number {
    const known = this.#known.get(key);
    if (known === undefined) return 0;
    return Number(Atomics.load(this.#tables.slots, known.slot * SLOT_WORDS + ASKED_AT));
  }

  #takeSlot(): number | undefined {
    const slot = this.#free.pop() ?? (this.#next < MAX_VIPS ? this.#next++ : undefined);
    if (slot === undefined) return undefined;
    // Counters of the address that had the slot before.
    this.#tables.slots.fill(0n, slot * SLOT_WORDS, (slot + 1) * SLOT_WORDS);
    return slot;
  }

  #mask(links: Announcement['links']): Result<bigint, string> {
    if (links === 'all') return ok(ALL_LINKS);
    let mask = 0n;
    for (const index of links) {
      const bit = this.#bit(index);
      if (!bit.ok) return bit;
      mask |= 1n << BigInt(bit.value);
    }
    return ok(mask);
  }

  #links(mask: bigint): Announcement['links'] {
    if (mask === ALL_LINKS) return 'all';
    const named = [...this.#bits].filter(([, bit]) => (mask & (1n << BigInt(bit))) !== 0n);
    return named.map(([index]) => index).toSorted((a, b) => a - b);
  }

  #bit(index: LinkIndex): Result<number, string> {
    const known = this.#bits.get(index);
    if (known !== undefined) return ok(known);
    if (this.#bits.size === MAX_LINKS) this.#freeBits();
    const taken = new Set(this.#bits.values());
    for (let bit = 0; bit < MAX_LINKS; bit++) {
      if (taken.has(bit)) continue;
      this.#bits.set(index, bit);
      return ok(bit);
    }
    return refused('E2BIG');
  }

  /** Takes bits from links that are neither attached nor named by an announcement. */
  #freeBits(): void {
    const needed = new Set(this.#attached.keys());
    for (const { announcement } of this.#known.values()) {
      if (announcement.links === 'all') continue;
      for (const index of announcement.links) needed.add(index);
    }
    for (const index of this.#bits.keys()) {
      if (!needed.has(index)) this.#bits.delete(index);
    }
  }
}

function indexKey(index: LinkIndex): Uint8Array {
  assert(index > 0, `links count from 1, not ${index}`);
  const key = new Uint8Array(4);
  new DataView(key.buffer).setUint32(0, index, true);
  return key;
}

function refused(errno: number | string): Result<never, string> {
  const code = typeof errno === 'string' ? errno : getSystemErrorName(errno);
  return err(explainPlane('update', code));
}

function removed(result: number): Result<void, string> {
  return result < 0 && getSystemErrorName(result) !== 'ENOENT' ? refused(result) : ok(undefined);
}
