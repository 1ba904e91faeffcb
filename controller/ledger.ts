/**
 * Who uses which address, during one allocation. Addresses are only added while it runs, so the
 * search for the lowest free one never turns back: filling a pool costs O(used + given), whatever
 * the size of the pool (MetalLB scans it once per allocation).
 */
import type { Claim } from '../config/claim.ts';
import type { Pool } from '../config/model.ts';
import { formatIp, sameIp } from '../net/ip.ts';
import type { Family, Ip } from '../net/ip.ts';
import { contains } from '../net/range.ts';
import type { Range } from '../net/range.ts';
import type { Taken } from './allocate.ts';
import { Candidates } from './candidates.ts';
import { Tenants } from './tenants.ts';

/** Why somebody may not use an address now. */
export interface Conflict {
  readonly reason: 'AddressInUse' | 'AddressBeingReleased' | 'AddressReserved';
  /** What holds it, as the rest of a sentence: `is used by default/web`. */
  readonly message: string;
}

interface Stretch {
  readonly pool: Pool;
  readonly range: Range;
  /** Its place in the pool. */
  readonly rank: number;
  /** Below it nothing in the range is free. */
  next: bigint;
}

export class Ledger {
  /** Sorted by first address, per family: ranges of valid pools never overlap. */
  readonly #sorted: Readonly<Record<Family, readonly Stretch[]>>;
  readonly #stretches = new Map<string, readonly Stretch[]>();
  readonly #users: Readonly<Record<Family, Map<bigint, Tenants>>> = { 4: new Map(), 6: new Map() };
  /** Still shown in somebody's status, though it will be taken away. */
  readonly #leaving: Readonly<Record<Family, Map<bigint, string>>> = {
    4: new Map(),
    6: new Map(),
  };
  /** In the status of somebody who cannot be asked. */
  readonly #reserved: Readonly<Record<Family, Map<bigint, string>>> = {
    4: new Map(),
    6: new Map(),
  };
  /** Pool and family of what is leaving. */
  readonly #leavingOf = new Set<string>();
  /** By sharing key and backend, in the order of their first use. */
  readonly #shared = new Map<string, Ip[]>();
  readonly #candidates = new Map<string, Candidates>();

  readonly #taken: ReadonlyMap<string, Taken>;

  constructor(pools: Iterable<Pool>, taken: ReadonlyMap<string, Taken> = new Map()) {
    this.#taken = taken;
    const all: Stretch[] = [];
    for (const pool of pools) {
      const own = pool.ranges.map((range, rank) => ({ pool, range, rank, next: range.first }));
      this.#stretches.set(pool.name, own);
      all.push(...own);
    }
    const sorted = (family: Family): readonly Stretch[] =>
      all
        .filter(({ range }) => range.family === family)
        .toSorted((a, b) => (a.range.first < b.range.first ? -1 : 1));
    this.#sorted = { 4: sorted(4), 6: sorted(6) };
  }

  /** The pool that an address belongs to. */
  poolOf(ip: Ip): Pool | undefined {
    return this.#stretchOf(ip)?.pool;
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

  conflict(ip: Ip, claim: Claim): Conflict | undefined {
    const why = this.#users[ip.family].get(ip.value)?.refusal(claim);
    if (why !== undefined) return { reason: 'AddressInUse', message: why };
    const isHeld = claim.held.some((held) => sameIp(held, ip));
    const taken = this.#taken.size === 0 ? undefined : this.#taken.get(formatIp(ip));
    if (taken !== undefined && (taken.firm || !isHeld) && !taken.for.includes(claim.key)) {
      return { reason: 'AddressReserved', message: `is reserved by ${taken.by}` };
    }
    // Whoever holds it, too, need not wait: a double is healed, not made.
    if (isHeld) return undefined;
    const holder = this.#reserved[ip.family].get(ip.value);
    if (holder !== undefined) {
      const message = `is held by ${holder}, whose manifest cannot be read`;
      return { reason: 'AddressInUse', message };
    }
    const leaving = this.#leaving[ip.family].get(ip.value);
    if (leaving === undefined) return undefined;
    return { reason: 'AddressBeingReleased', message: `is being given back by ${leaving}` };
  }

  take(ip: Ip, claim: Claim): void {
    const tenants = this.#users[ip.family].get(ip.value) ?? new Tenants();
    if (tenants.has(claim.key)) return;
    const isFirst = tenants.isEmpty();
    tenants.add(claim);
    this.#users[ip.family].set(ip.value, tenants);
    if (claim.sharing === undefined || !isFirst) return;
    const key = sharingText(claim.sharing);
    const addresses = this.#shared.get(key);
    if (addresses === undefined) this.#shared.set(key, [ip]);
    else addresses.push(ip);
  }

  /** Gives back what was taken; others may have it once the source shows that it is gone. */
  leave(ip: Ip, key: string): void {
    const tenants = this.#users[ip.family].get(ip.value) ?? new Tenants();
    tenants.remove(key);
    // The entry stays, empty: the search takes it for used, and it does not turn back anyway.
    this.#users[ip.family].set(ip.value, tenants);
    if (this.#leaving[ip.family].has(ip.value)) return;
    this.#leaving[ip.family].set(ip.value, key);
    const pool = this.poolOf(ip);
    if (pool !== undefined) this.#leavingOf.add(`${ip.family} ${pool.name}`);
  }

  /** For a holder that is not among the claims, and may have it for long. */
  reserve(ip: Ip, key: string): void {
    this.#reserved[ip.family].set(ip.value, key);
    const tenants = this.#users[ip.family].get(ip.value) ?? new Tenants();
    this.#users[ip.family].set(ip.value, tenants);
  }

  /** Whether addresses of that pool and family are about to become free. */
  isLeaving(pool: Pool, family: Family): boolean {
    return this.#leavingOf.has(`${family} ${pool.name}`);
  }

  /** In declared order of the ranges the lowest address that is free, or can be shared. */
  lowest(pool: Pool, family: Family, claim: Claim): Ip | undefined {
    const stretches = this.#stretches.get(pool.name) ?? [];
    const shared = this.#lowestShared(pool, family, claim);
    for (const stretch of stretches) {
      if (stretch.range.family !== family) continue;
      const free = this.#free(stretch);
      const inside = shared !== undefined && contains(stretch.range, shared);
      if (inside && (free === undefined || shared.value < free.value)) return shared;
      if (free !== undefined) return free;
    }
    return undefined;
  }

  #free(stretch: Stretch): Ip | undefined {
    const { pool, range } = stretch;
    const { family } = range;
    while (stretch.next <= range.last) {
      const ip = { family, value: stretch.next };
      if (!this.#users[family].has(ip.value) && !isAvoided(pool, ip) && !this.#isTaken(ip)) {
        return ip;
      }
      stretch.next += 1n;
    }
    return undefined;
  }

  #isTaken(ip: Ip): boolean {
    return this.#taken.size > 0 && this.#taken.has(formatIp(ip));
  }

  #lowestShared(pool: Pool, family: Family, claim: Claim): Ip | undefined {
    const group = claim.sharing === undefined ? '' : sharingText(claim.sharing);
    const addresses = this.#shared.get(group);
    if (addresses === undefined) return undefined;
    const kind = [group, pool.name, family, claim.externalTrafficPolicy, ...claim.ports];
    const key = JSON.stringify(kind);
    const candidates = this.#candidates.get(key) ?? new Candidates();
    this.#candidates.set(key, candidates);
    candidates.learn(addresses, (ip) => {
      const stretch = ip.family === family ? this.#stretchOf(ip) : undefined;
      return stretch?.pool === pool ? stretch.rank : undefined;
    });
    return candidates.first((ip) => this.conflict(ip, claim) === undefined);
  }
}

/** IPv4 addresses ending in .0 or .255: some devices take them for network or broadcast. */
export function isAvoided(pool: Pool, ip: Ip): boolean {
  if (!pool.avoidBuggyIPs || ip.family === 6) return false;
  const last = ip.value & 0xffn;
  return last === 0n || last === 0xffn;
}

function sharingText({ key, backend }: NonNullable<Claim['sharing']>): string {
  return JSON.stringify([key, backend]);
}
