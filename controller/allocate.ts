/**
 * Who gets which address: a function of the claims and the pools, whatever their order. Rules are
 * MetalLB's (reference: allocator), made deterministic and sticky:
 *
 * 1. Every holder keeps what it may keep, the older where two hold the same without sharing.
 * 2. Then those that lack something, requested addresses before free choice, each by name: first a
 *    second family from its own pool, then whatever the pools give, the lowest address first.
 *
 * Pools are tried by group: those set apart for the Service (by priority, 0 last, then name), then
 * the general ones by name; in a group, one pool for both families before one for a single family.
 *
 * An address that a status still shows is given to nobody else, even when its holder loses it:
 * first the source must show that it is gone. So no address is on two Services at any moment.
 *
 * Differences to MetalLB: general pools in order of name instead of random; a Service that becomes
 * single-stack keeps its address of the family that is left.
 */
import type { Claim } from '../config/claim.ts';
import type { Pool } from '../config/model.ts';
import { matchesAny } from '../kube/selector.ts';
import { compareIp, formatIp, sameIp } from '../net/ip.ts';
import type { Family, Ip } from '../net/ip.ts';
import { deny, denyPools } from './denial.ts';
import type { Denied } from './denial.ts';
import { Ledger, isAvoided } from './ledger.ts';

export interface Entrant {
  readonly claim: Claim;
  /** The request cannot be understood: keep what is held, ask for nothing. */
  readonly keepOnly?: boolean;
}

/**
 * An address that an object other than a Service's status keeps from others: an AddressClaim of a
 * holder that is not among the entrants, or a reservation. Claims of entrants that are decided on
 * here need not be told, except as `for`: after a restart their Services get the same address.
 */
export interface Taken {
  /** Names the object in a sentence, as in `192.0.2.1 is reserved by AddressClaim "192.0.2.1"`. */
  readonly by: string;
  /** Keys of Services that may have it; where they ask for no address they get it first. */
  readonly for: readonly string[];
  /**
   * true: who shows it all the same (and is not in `for`) must leave it: the claim decides.
   * false: whoever holds it already keeps it; nobody else gets it.
   */
  readonly firm: boolean;
}

export interface Allocation {
  readonly entrants: readonly Entrant[];
  readonly pools: ReadonlyMap<string, Pool>;
  /** Addresses that objects show which are no claims (any more), by key. */
  readonly occupied?: ReadonlyMap<string, readonly Ip[]>;
  /** The same of objects that cannot be read: they may be claims. */
  readonly reserved?: ReadonlyMap<string, readonly Ip[]>;
  /** What claim objects keep from others, by `formatIp` of the address. */
  readonly taken?: ReadonlyMap<string, Taken>;
  /** Some pools cannot be read: who holds an address in no pool keeps it. */
  readonly incomplete?: boolean;
}

export type Decision = Allocated | Denied | Untouched;

export interface Allocated {
  readonly kind: 'allocated';
  /** IPv4 before IPv6, as MetalLB writes them. */
  readonly addresses: readonly Ip[];
  readonly pool: string;
}

/** Nothing can be said about it now; leave it as it is. */
export interface Untouched {
  readonly kind: 'untouched';
}

const NOTHING: ReadonlyMap<string, Taken> = new Map();
const NOBODY: ReadonlyMap<string, readonly Ip[]> = new Map();

/** One decision for every entrant. */
export function allocate(allocation: Allocation): ReadonlyMap<string, Decision> {
  const { pools, incomplete = false } = allocation;
  const { occupied = NOBODY, reserved = NOBODY, taken = NOTHING } = allocation;
  const ledger = new Ledger(pools.values(), taken);
  const decisions = new Map<string, Decision>();
  const lacking: Holder[] = [];
  const lost: (readonly [Ip, string])[] = [];
  for (const [key, addresses] of occupied) for (const ip of addresses) lost.push([ip, key]);
  for (const [key, addresses] of reserved) for (const ip of addresses) ledger.reserve(ip, key);
  for (const { claim, keepOnly = false } of allocation.entrants.toSorted(bySeniority)) {
    const unknown = claim.held.some((ip) => ledger.poolOf(ip) === undefined);
    if (incomplete && unknown) {
      decisions.set(claim.key, { kind: 'untouched' });
      for (const ip of claim.held) lost.push([ip, claim.key]);
      continue;
    }
    const kept = keepable(claim, ledger);
    for (const ip of kept) ledger.take(ip, claim);
    for (const ip of claim.held) if (!kept.includes(ip)) lost.push([ip, claim.key]);
    if (suffices(claim, kept) || (keepOnly && kept.length > 0)) {
      decisions.set(claim.key, allocated(kept, ledger));
    } else if (keepOnly) decisions.set(claim.key, deny('InvalidRequest', 'it holds no address'));
    else lacking.push({ claim, kept });
  }
  for (const [ip, key] of lost) ledger.leave(ip, key);
  const groups = new Groups(pools);
  for (const holder of lacking.toSorted(byUrgency)) {
    decisions.set(holder.claim.key, give(holder, ledger, groups));
  }
  return decisions;
}

/** Who got its address first, keeps it. */
function bySeniority({ claim: a }: Entrant, { claim: b }: Entrant): number {
  if (a.since !== b.since) return a.since < b.since ? -1 : 1;
  return a.key < b.key ? -1 : 1;
}

/** A claim and the part of its addresses that it keeps. */
interface Holder {
  readonly claim: Claim;
  readonly kept: readonly Ip[];
}

/** Who asks for one certain address comes before who takes any; else as they are, by name. */
function byUrgency(a: Holder, b: Holder): number {
  const requests = Number(b.claim.requested.length > 0) - Number(a.claim.requested.length > 0);
  if (requests !== 0) return requests;
  return a.claim.key < b.claim.key ? -1 : 1;
}

/** Held addresses that claim and pools allow, all from one pool: that of the first. */
function keepable(claim: Claim, ledger: Ledger): readonly Ip[] {
  const kept: Ip[] = [];
  let own: Pool | undefined;
  for (const ip of claim.held) {
    const pool = ledger.poolOf(ip);
    if (pool === undefined || (own !== undefined && pool !== own)) continue;
    if (claim.pool !== undefined && pool.name !== claim.pool) continue;
    if (!claim.families.order.includes(ip.family)) continue;
    if (kept.some(({ family }) => family === ip.family)) continue;
    if (claim.requested.length > 0 && !claim.requested.some((wish) => sameIp(wish, ip))) continue;
    if (refusal(pool, claim) !== undefined || isAvoided(pool, ip)) continue;
    if (ledger.conflict(ip, claim) !== undefined) continue;
    own = pool;
    kept.push(ip);
    if (claim.families.want === 'first' && claim.requested.length === 0) break;
  }
  return kept;
}

function suffices({ requested, families }: Claim, kept: readonly Ip[]): boolean {
  if (requested.length > 0) return kept.length === requested.length;
  return families.want === 'first' ? kept.length === 1 : kept.length === 2;
}

function allocated(addresses: readonly Ip[], ledger: Ledger): Allocated {
  const [first] = addresses;
  const pool = first === undefined ? undefined : ledger.poolOf(first);
  return { kind: 'allocated', addresses: addresses.toSorted(compareIp), pool: pool?.name ?? '' };
}

function give({ claim, kept }: Holder, ledger: Ledger, groups: Groups): Allocated | Denied {
  const taken = (addresses: readonly Ip[]): Allocated => {
    for (const ip of addresses) ledger.take(ip, claim);
    const given = (ip: Ip): boolean => addresses.some((each) => sameIp(each, ip));
    for (const ip of kept) if (!given(ip)) ledger.leave(ip, claim.key);
    return allocated(addresses, ledger);
  };
  const denied = (denial: Denied): Denied => {
    for (const ip of kept) ledger.leave(ip, claim.key);
    return denial;
  };
  if (claim.requested.length > 0) {
    const refused = refuseRequest(claim, ledger);
    return refused === undefined ? taken(claim.requested) : denied(refused);
  }
  const [own] = kept;
  const second = own === undefined ? undefined : otherFamily(claim, own, ledger);
  if (own !== undefined && second !== undefined) return taken([own, second]);
  const { want } = claim.families;
  // A pool that has become single-stack: another one may still have both (MetalLB moves, too).
  const pairOnly = own !== undefined && want === 'prefer';
  const lists = groups.of(claim);
  const pairs = want !== 'first' && (own === undefined || want === 'both' || claim.held.length > 1);
  for (const pools of lists) {
    const found = pick(claim, pools, ledger, pairs, !pairOnly && want !== 'both');
    if (found !== undefined) return taken(found);
  }
  if (pairOnly) return allocated(kept, ledger);
  if (claim.pool !== undefined) {
    const pool = groups.pools.get(claim.pool);
    if (pool === undefined) {
      return denied(deny('NoSuchPool', `there is no pool "${claim.pool}"; ${POOL_ADVICE}`));
    }
    const why = refusal(pool, claim);
    if (why !== undefined) {
      return denied(deny('PoolNotForService', `pool "${pool.name}" is not for it: ${why}`));
    }
  }
  const asked = [...groups.pools.values()].filter(
    ({ name }) => claim.pool === undefined || name === claim.pool,
  );
  return denied(denyPools(claim, asked, refusal, ledger));
}

const POOL_ADVICE = 'create it, or correct the annotation metallb.io/address-pool';

/** The missing family from the pool of the address that stays. */
function otherFamily(claim: Claim, own: Ip, ledger: Ledger): Ip | undefined {
  const pool = ledger.poolOf(own);
  const family = claim.families.order.find((each) => each !== own.family);
  if (claim.families.want === 'first' || pool === undefined || family === undefined) {
    return undefined;
  }
  return ledger.lowest(pool, family, claim);
}

/** From one group of pools: two families from one pool, or else one. */
function pick(
  claim: Claim,
  pools: readonly Pool[],
  ledger: Ledger,
  pairs: boolean,
  singles: boolean,
): readonly Ip[] | undefined {
  const lowest = (pool: Pool, family: Family): Ip | undefined => ledger.lowest(pool, family, claim);
  if (pairs) {
    for (const pool of pools) {
      const four = lowest(pool, 4);
      const six = four === undefined ? undefined : lowest(pool, 6);
      if (four !== undefined && six !== undefined) return [four, six];
    }
  }
  if (!singles) return undefined;
  for (const family of claim.families.order) {
    for (const pool of pools) {
      const ip = lowest(pool, family);
      if (ip !== undefined) return [ip];
    }
  }
  return undefined;
}

function refuseRequest(claim: Claim, ledger: Ledger): Denied | undefined {
  let first: Pool | undefined;
  for (const ip of claim.requested) {
    const text = formatIp(ip);
    const pool = ledger.poolOf(ip);
    if (pool === undefined) {
      return deny('AddressOutsidePools', `${text} is in no pool; ask for one that is, or add it`);
    }
    if (claim.pool !== undefined && claim.pool !== pool.name) {
      const message = `${text} is in pool "${pool.name}", but pool "${claim.pool}" is asked for`;
      return deny('AddressInOtherPool', `${message}; correct one of the two`);
    }
    if (first !== undefined && first !== pool) {
      const names = `pools "${first.name}" and "${pool.name}"`;
      return deny(
        'AddressesInDifferentPools',
        `the addresses are in ${names}; both must be in one`,
      );
    }
    first = pool;
    const why = refusal(pool, claim);
    if (why !== undefined) {
      const message = `${text} is in pool "${pool.name}", which is not for it: ${why}`;
      return deny('PoolNotForService', message);
    }
    if (isAvoided(pool, ip)) {
      return deny('AddressAvoided', `${text}: pool "${pool.name}" avoids .0 and .255`);
    }
  }
  for (const ip of claim.requested) {
    const conflict = ledger.conflict(ip, claim);
    if (conflict !== undefined) return deny(conflict.reason, `${formatIp(ip)} ${conflict.message}`);
  }
  return undefined;
}

/** Why a pool is not for a Service, as the rest of a sentence. */
function refusal(pool: Pool, claim: Claim): string | undefined {
  const { allocation } = pool;
  if (allocation === undefined) return undefined;
  if (allocation.closed !== undefined) return allocation.closed;
  const { namespaces, serviceSelectors } = allocation;
  if (namespaces.size > 0 && !namespaces.has(claim.namespace)) {
    return `it is set apart for namespace ${[...namespaces].join(', ')}`;
  }
  if (!matchesAny(serviceSelectors, claim.labels)) return 'its serviceSelectors do not match';
  return undefined;
}

/** Pools in the order in which a claim tries them. */
class Groups {
  readonly pools: ReadonlyMap<string, Pool>;
  readonly #apart: readonly Pool[];
  readonly #general: readonly Pool[];

  constructor(pools: ReadonlyMap<string, Pool>) {
    this.pools = pools;
    const automatic = [...pools.values()]
      .filter((pool) => pool.autoAssign)
      .toSorted((a, b) => (a.name < b.name ? -1 : 1));
    this.#general = automatic.filter((pool) => pool.allocation === undefined);
    this.#apart = automatic
      .filter((pool) => pool.allocation !== undefined)
      .toSorted((a, b) => priorityOf(a) - priorityOf(b));
  }

  of(claim: Claim): readonly (readonly Pool[])[] {
    if (claim.pool !== undefined) {
      const pool = this.pools.get(claim.pool);
      return pool === undefined || refusal(pool, claim) !== undefined ? [] : [[pool]];
    }
    const apart = this.#apart.filter((pool) => refusal(pool, claim) === undefined);
    return [apart, this.#general];
  }
}

function priorityOf(pool: Pool): number {
  const priority = pool.allocation?.priority ?? 0;
  return priority === 0 ? Number.MAX_SAFE_INTEGER : priority;
}
