/**
 * Who has to do with which address: users, those who give it back, claim objects, Services that
 * cannot be read; and how many addresses each namespace with a quota uses. Taking and giving back
 * cost the same however many addresses and Services there are.
 */
import type { Claim } from '../config/claim.ts';
import type { Pool } from '../config/model.ts';
import { compareIp, sameIp } from '../net/ip.ts';
import type { Family, Ip } from '../net/ip.ts';
import { contains } from '../net/range.ts';
import type { Quarantine, Taken } from './allocate.ts';
import { Group, groupKey } from './group.ts';
import { Slot } from './slot.ts';
import type { Conflict } from './slot.ts';
import { Stock } from './stock.ts';
import type { Place, Stretch } from './stock.ts';

/** By namespace: how many addresses its Services may have. */
export type Quotas = ReadonlyMap<string, number>;

export class Ledger {
  readonly stocks: ReadonlyMap<string, Stock>;
  readonly quotas: Quotas;
  /** Sorted by first address, per family: ranges of valid pools never overlap. */
  readonly #sorted: Readonly<Record<Family, readonly Stretch[]>>;
  readonly #slots: Readonly<Record<Family, Map<bigint, Slot>>> = { 4: new Map(), 6: new Map() };
  readonly #groups = new Map<string, Group>();
  readonly #bySharingKey = new Map<string, Set<Group>>();
  /** By namespace with a quota: its addresses, and how many of its Services use each. */
  readonly #spent = new Map<string, Map<Slot, number>>();
  readonly #isUsed = (ip: Ip): boolean => this.#slots[ip.family].has(ip.value);
  readonly #quarantined = new Set<Slot>();
  /** What claim objects keep for a Service, by its key. */
  readonly #kept = new Map<string, Ip[]>();

  constructor(pools: Iterable<Pool>, quotas: Quotas) {
    this.quotas = quotas;
    this.stocks = new Map([...pools].map((pool) => [pool.name, new Stock(pool)]));
    const sorted = (family: Family): readonly Stretch[] =>
      [...this.stocks.values()]
        .flatMap(({ stretches }) => stretches[family])
        .toSorted((a, b) => (a.range.first < b.range.first ? -1 : 1));
    this.#sorted = { 4: sorted(4), 6: sorted(6) };
  }

  /** The pool that an address belongs to. */
  stockOf(ip: Ip): Stock | undefined {
    return (this.#slots[ip.family].get(ip.value)?.stretch ?? this.#stretchOf(ip))?.stock;
  }

  #stretchOf(ip: Ip): Stretch | undefined {
    const list = this.#sorted[ip.family];
    let low = 0;
    let high = list.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((list[middle]?.range.last ?? 0n) < ip.value) low = middle + 1;
      else high = middle;
    }
    const found = list[low];
    return found !== undefined && contains(found.range, ip) ? found : undefined;
  }

  #slot(ip: Ip): Slot {
    const known = this.#slots[ip.family].get(ip.value);
    if (known !== undefined) return known;
    const slot = new Slot(ip, this.#stretchOf(ip));
    this.#slots[ip.family].set(ip.value, slot);
    return slot;
  }

  #known({ family, value }: Ip): Slot | undefined {
    return this.#slots[family].get(value);
  }

  #tidy(slot: Slot): void {
    if (!slot.isFree) return;
    this.#slots[slot.ip.family].delete(slot.ip.value);
    slot.stretch?.stock.release(slot.stretch, slot.ip);
  }

  /** Why a claim may not have it. */
  conflict(ip: Ip, claim: Claim): Conflict | undefined {
    return this.#known(ip)?.conflict(claim);
  }

  /** Whether somebody has a right to it that the claim has not. */
  isBarred(ip: Ip, claim: Claim): boolean {
    return this.#known(ip)?.isBarredFor(claim) ?? false;
  }

  /** Whether the claim can have it now. */
  isOpen(ip: Ip, claim: Claim): boolean {
    const slot = this.#known(ip);
    return slot === undefined || !(slot.isBarredFor(claim) || slot.isLeft(claim));
  }

  /** Whether it has one user and nobody else has to do with it. */
  isSole(ip: Ip): boolean {
    const slot = this.#known(ip);
    return slot?.tenants.count === 1 && !slot.isSpecial;
  }

  take(ip: Ip, claim: Claim): void {
    const slot = this.#slot(ip);
    const { tenants, stretch } = slot;
    if (tenants.has(claim.key)) return;
    const isFirst = tenants.count === 0;
    tenants.add(claim);
    this.#spend(slot, claim, 1);
    if (!isFirst) return;
    if (stretch !== undefined && !stretch.stock.avoids(ip)) stretch.stock.inUse[ip.family] += 1;
    const key = groupKey(claim);
    if (key !== undefined) this.#join(slot, key, claim.sharing?.key ?? '');
  }

  #join(slot: Slot, key: string, sharingKey: string): void {
    const group = this.#groups.get(key) ?? new Group(sharingKey);
    this.#groups.set(key, group);
    const alike = this.#bySharingKey.get(sharingKey) ?? new Set();
    this.#bySharingKey.set(sharingKey, alike.add(group));
    group.add(slot);
    slot.group = group;
  }

  /** Uses it no longer. */
  drop(ip: Ip, claim: Claim): void {
    const slot = this.#known(ip);
    if (slot?.tenants.has(claim.key) !== true) return;
    const { tenants, stretch, group } = slot;
    tenants.remove(claim.key);
    this.#spend(slot, claim, -1);
    group?.removed(slot, tenants.count === 0);
    if (tenants.count > 0) return;
    if (stretch !== undefined && !stretch.stock.avoids(ip)) stretch.stock.inUse[ip.family] -= 1;
    slot.group = undefined;
    this.#tidy(slot);
  }

  /** Others may have it only once the source shows that it is gone. */
  leave(ip: Ip, key: string): void {
    const slot = this.#slot(ip);
    if (slot.leavers === undefined && slot.stretch) slot.stretch.stock.leaving[ip.family] += 1;
    slot.leavers ??= new Set();
    slot.leavers.add(key);
  }

  /** Whether addresses of the pool will become free, apart from those that only one gives back. */
  isLeft(stock: Stock, family: Family, own: readonly Ip[]): boolean {
    if (stock.leaving[family] === 0) return false;
    const mine = own.filter((ip) => {
      const slot = ip.family === family ? this.#known(ip) : undefined;
      return slot?.stretch?.stock === stock && slot.leavers?.size === 1;
    });
    return stock.leaving[family] > mine.length;
  }

  /** It is gone. */
  left(ip: Ip, key: string): void {
    const slot = this.#known(ip);
    if (slot?.leavers?.delete(key) !== true || slot.leavers.size > 0) return;
    slot.leavers = undefined;
    if (slot.stretch) slot.stretch.stock.leaving[ip.family] -= 1;
    this.#tidy(slot);
  }

  /** For a holder that is not among the claims, and may have it for long. */
  reserve(ip: Ip, key: string): void {
    const slot = this.#slot(ip);
    slot.remnants ??= new Set();
    slot.remnants.add(key);
  }

  unreserve(ip: Ip, key: string): void {
    const slot = this.#known(ip);
    if (slot?.remnants?.delete(key) !== true || slot.remnants.size > 0) return;
    slot.remnants = undefined;
    this.#tidy(slot);
  }

  /** What a claim object says of an address now; undefined: nothing. */
  claimed(ip: Ip, taken: Taken | undefined): void {
    const slot = this.#slot(ip);
    for (const key of slot.taken?.for ?? []) {
      const rest = (this.#kept.get(key) ?? []).filter((other) => !sameIp(other, ip));
      if (rest.length === 0) this.#kept.delete(key);
      else this.#kept.set(key, rest);
    }
    slot.taken = taken;
    for (const key of taken?.for ?? []) {
      this.#kept.set(key, [...(this.#kept.get(key) ?? []), ip].toSorted(compareIp));
    }
    this.#tidy(slot);
  }

  /** Nobody gets it, for that reason; undefined: not for this one (any more). */
  quarantine(ip: Ip, quarantine: Quarantine | undefined): void {
    const slot = this.#slot(ip);
    slot.quarantine = quarantine;
    if (quarantine === undefined) this.#quarantined.delete(slot);
    else this.#quarantined.add(slot);
    this.#tidy(slot);
  }

  /** How many addresses of the pool that nobody uses are in quarantine. */
  quarantined(stock: Stock, family: Family): number {
    const idle = [...this.#quarantined].filter(({ ip, stretch, tenants }) => {
      return ip.family === family && stretch?.stock === stock && tenants.count === 0;
    });
    return idle.filter(({ ip }) => !stock.avoids(ip)).length;
  }

  /** Whether those who have it must leave it. */
  isContested(ip: Ip): boolean {
    return this.#known(ip)?.quarantine?.isContested === true;
  }

  /** Addresses that claim objects keep for a Service. */
  keptFor(key: string): readonly Ip[] {
    return this.#kept.get(key) ?? [];
  }

  /** The lowest address, in declared order of the ranges, that is free or can be shared. */
  lowest(stock: Stock, family: Family, claim: Claim): Ip | undefined {
    const mayMore = this.allowance(claim.namespace) > 0;
    const free = mayMore ? stock.lowest(family, this.#isUsed) : undefined;
    if (claim.sharing === undefined) return free?.ip;
    const shared = this.#lowestShared(stock, family, claim, mayMore);
    if (free === undefined || shared === undefined) return (free ?? shared)?.ip;
    if (free.rank !== shared.rank) return (free.rank < shared.rank ? free : shared).ip;
    return (free.ip.value < shared.ip.value ? free : shared).ip;
  }

  #lowestShared(stock: Stock, family: Family, claim: Claim, mayMore: boolean): Place | undefined {
    const key = groupKey(claim);
    const group = key === undefined ? undefined : this.#groups.get(key);
    const own = this.#spent.get(claim.namespace);
    const isAllowed = (slot: Slot): boolean => mayMore || own?.has(slot) === true;
    return group?.lowest(stock, family, claim, isAllowed);
  }

  /** Shared under that key by whomever, in order of the pool; not only those that can be joined. */
  sharedUnder(sharingKey: string, stock: Stock, family: Family): readonly Slot[] {
    const groups = [...(this.#bySharingKey.get(sharingKey) ?? [])];
    return groups
      .flatMap((group) => group.of(stock, family))
      .toSorted((a, b) => {
        const ranks = (a.stretch?.rank ?? 0) - (b.stretch?.rank ?? 0);
        return ranks === 0 ? (a.ip.value < b.ip.value ? -1 : 1) : ranks;
      });
  }

  /** How many addresses more the namespace may use. */
  allowance(namespace: string): number {
    const quota = this.quotas.get(namespace);
    return quota === undefined ? Infinity : quota - this.spent(namespace);
  }

  /** How many addresses a namespace with a quota uses. */
  spent(namespace: string): number {
    return this.#spent.get(namespace)?.size ?? 0;
  }

  /** Whether the namespace uses it already, so that it counts no more. */
  isSpent(ip: Ip, namespace: string): boolean {
    const slot = this.#known(ip);
    return slot !== undefined && this.#spent.get(namespace)?.has(slot) === true;
  }

  #spend(slot: Slot, { namespace }: Claim, more: 1 | -1): void {
    if (!this.quotas.has(namespace)) return;
    const slots = this.#spent.get(namespace) ?? new Map<Slot, number>();
    this.#spent.set(namespace, slots);
    const count = (slots.get(slot) ?? 0) + more;
    if (count === 0) slots.delete(slot);
    else slots.set(slot, count);
  }
}
