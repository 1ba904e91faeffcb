/**
 * Who uses which address, during one allocation. Addresses are only added while it runs, so the
 * search for the lowest free one never turns back: filling a pool costs O(used + given), whatever
 * the size of the pool (MetalLB scans it once per allocation).
 */
import type { Claim } from '../config/claim.ts';
import type { Pool } from '../config/model.ts';
import { sameIp } from '../net/ip.ts';
import type { Family, Ip } from '../net/ip.ts';
import { contains } from '../net/range.ts';
import type { Range } from '../net/range.ts';

/** Why somebody may not use an address now. */
export interface Conflict {
  readonly reason: 'AddressInUse' | 'AddressBeingReleased';
  /** What holds it, as the rest of a sentence: `is used by default/web`. */
  readonly message: string;
}

interface Stretch {
  readonly pool: Pool;
  readonly range: Range;
  /** Below it nothing in the range is free. */
  next: bigint;
}

export class Ledger {
  /** Sorted by first address, per family: ranges of valid pools never overlap. */
  readonly #sorted: Readonly<Record<Family, readonly Stretch[]>>;
  readonly #stretches = new Map<string, readonly Stretch[]>();
  readonly #users: Readonly<Record<Family, Map<bigint, Claim[]>>> = { 4: new Map(), 6: new Map() };
  /** Still shown in somebody's status, though it will be taken away. */
  readonly #leaving: Readonly<Record<Family, Map<bigint, string>>> = {
    4: new Map(),
    6: new Map(),
  };
  readonly #shared = new Map<string, Ip[]>();

  constructor(pools: Iterable<Pool>) {
    const all: Stretch[] = [];
    for (const pool of pools) {
      const own = pool.ranges.map((range) => ({ pool, range, next: range.first }));
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
    const list = this.#sorted[ip.family];
    let low = 0;
    let high = list.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((list[middle]?.range.last ?? 0n) < ip.value) low = middle + 1;
      else high = middle;
    }
    const found = list[low];
    return found !== undefined && contains(found.range, ip) ? found.pool : undefined;
  }

  conflict(ip: Ip, claim: Claim): Conflict | undefined {
    for (const user of this.#users[ip.family].get(ip.value) ?? []) {
      if (user.key === claim.key) continue;
      const why = cannotShare(claim, user);
      if (why !== undefined) return { reason: 'AddressInUse', message: why };
    }
    const leaving = this.#leaving[ip.family].get(ip.value);
    // Whoever holds it, too, need not wait: a double is healed, not made.
    const holds = claim.held.some((held) => sameIp(held, ip));
    if (leaving === undefined || holds) return undefined;
    return { reason: 'AddressBeingReleased', message: `is being given back by ${leaving}` };
  }

  take(ip: Ip, claim: Claim): void {
    const users = this.#users[ip.family].get(ip.value) ?? [];
    if (users.some((user) => user.key === claim.key)) return;
    this.#users[ip.family].set(ip.value, [...users, claim]);
    if (claim.sharing === undefined) return;
    const key = sharingText(claim.sharing);
    const addresses = this.#shared.get(key);
    if (addresses === undefined) this.#shared.set(key, [ip]);
    else if (users.length === 0) addresses.push(ip);
  }

  /** Gives back what was taken; others may have it once the source shows that it is gone. */
  leave(ip: Ip, key: string): void {
    const users = this.#users[ip.family].get(ip.value)?.filter((user) => user.key !== key) ?? [];
    // The entry stays, empty: the search takes it for used, and it does not turn back anyway.
    this.#users[ip.family].set(ip.value, users);
    if (!this.#leaving[ip.family].has(ip.value)) this.#leaving[ip.family].set(ip.value, key);
  }

  /** Whether addresses of that pool and family are about to become free. */
  isLeaving(pool: Pool, family: Family): boolean {
    for (const value of this.#leaving[family].keys()) {
      if (this.poolOf({ family, value })?.name === pool.name) return true;
    }
    return false;
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
      if (!this.#users[family].has(ip.value) && !isAvoided(pool, ip)) return ip;
      stretch.next += 1n;
    }
    return undefined;
  }

  #lowestShared(pool: Pool, family: Family, claim: Claim): Ip | undefined {
    if (claim.sharing === undefined) return undefined;
    const order = this.#stretches.get(pool.name) ?? [];
    const rank = (ip: Ip): number => order.findIndex(({ range }) => contains(range, ip));
    let best: Ip | undefined;
    for (const ip of this.#shared.get(sharingText(claim.sharing)) ?? []) {
      if (ip.family !== family || rank(ip) < 0 || this.conflict(ip, claim) !== undefined) continue;
      const step = best === undefined ? -1 : rank(ip) - rank(best);
      if (best === undefined || step < 0 || (step === 0 && ip.value < best.value)) best = ip;
    }
    return best;
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

/** MetalLB's rule: equal keys, the same endpoints under Local, and no port in common. */
function cannotShare(claim: Claim, user: Claim): string | undefined {
  const used = `is used by ${user.key}`;
  if (claim.sharing === undefined || user.sharing?.key !== claim.sharing.key) return used;
  if (claim.externalTrafficPolicy !== user.externalTrafficPolicy) {
    const policy = user.externalTrafficPolicy;
    return `${used}, which shares it only under externalTrafficPolicy ${policy}`;
  }
  if (claim.sharing.backend !== user.sharing.backend) {
    return `${used}, whose selector differs; under externalTrafficPolicy Local it must be equal`;
  }
  const port = claim.ports.find((each) => user.ports.includes(each));
  return port === undefined ? undefined : `${used}, which has the same port ${port}`;
}
