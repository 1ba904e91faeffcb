/**
 * Who gets which address: a function of the claims and the pools, whatever their order. Rules are
 * MetalLB's (reference: allocator), made deterministic and sticky:
 *
 * 1. Every holder keeps what it may keep; of two that hold one address without sharing it the
 *    older, unless its own change made the conflict.
 * 2. Then those that lack something, requested addresses before free choice, each by name: first
 *    the rest from its own pool, then whatever the pools give, the lowest address first.
 *
 * Pools are tried by group: those set apart for the Service (by priority, 0 last, then name), then
 * the general ones by name; in a group, one pool for both families before one for a single family.
 *
 * An address that a status still shows is given to nobody else, even when its holder loses it:
 * first the source must show that it is gone. So no address is on two Services at any moment.
 *
 * Differences to MetalLB: general pools in order of name instead of random; a Service that becomes
 * single-stack keeps its address of the family that is left.
 *
 * One decision from scratch, by an Allocator that knows nothing yet. No program calls it: tests of
 * the rules ask it, and property tests hold to it the Allocator and the Decider that the controller
 * keeps, which decide again and again and look only at what a change can affect. The types are
 * everybody's.
 */
import type { Claim } from '../config/claim.ts';
import type { Pool } from '../config/model.ts';
import { assert } from '../lib/assert.ts';
import { parseIp } from '../net/ip.ts';
import type { Ip } from '../net/ip.ts';
import { Allocator } from './allocator.ts';
import type { Denied } from './denial.ts';
import type { Quotas } from './ledger.ts';

export interface Entrant {
  readonly claim: Claim;
  /**
   * Instead of what the claim holds: what was decided and is not written yet. It counts as held,
   * but not against claim objects of others. An Allocator sees that by itself.
   */
  readonly promised?: readonly Ip[];
  /** The request cannot be understood: keep what is held, ask for nothing. */
  readonly keepOnly?: boolean;
  /**
   * What it shares, or how, has just changed: if that makes a conflict, it is the one that moves.
   * An Allocator sees that by itself.
   */
  readonly changed?: boolean;
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

/** What holds for all Services. */
export interface Settings {
  readonly pools: ReadonlyMap<string, Pool>;
  /** Some pools cannot be read: who holds an address in no pool keeps it. */
  readonly incomplete?: boolean;
  /** How many addresses the Services of a namespace may have together; none named: any number. */
  readonly quotas?: Quotas;
}

export interface Allocation extends Settings {
  readonly entrants: readonly Entrant[];
  /** Addresses that objects show besides what their claims hold, by key. */
  readonly occupied?: ReadonlyMap<string, readonly Ip[]>;
  /** The same of objects that cannot be read: they may be claims. */
  readonly reserved?: ReadonlyMap<string, readonly Ip[]>;
  /** What claim objects keep from others, by `formatIp` of the address. */
  readonly taken?: ReadonlyMap<string, Taken>;
  /** Addresses that somebody on the network claims, by text. */
  readonly quarantined?: ReadonlyMap<string, Quarantine>;
}

/** Nobody gets the address for a while. */
export interface Quarantine {
  /** As a clause: `MAC claims it`. */
  readonly why: string;
  /**
   * true: it is claimed at this moment, so who has it gets another one, unless it asked for it.
   * false: who has it keeps it, for another controller may not know of the quarantine, and two
   * that disagree for ever are worse than one that is told once more.
   */
  readonly isContested: boolean;
}

export type Decision = Allocated | Denied | Untouched;

export interface Allocated {
  readonly kind: 'allocated';
  /** IPv4 before IPv6, as MetalLB writes them; in a family those held before come first. */
  readonly addresses: readonly Ip[];
  readonly pool: string;
}

/** Nothing can be said about it now; leave it as it is. */
export interface Untouched {
  readonly kind: 'untouched';
}

/** Of a canonical text. */
export function addressOf(text: string): Ip {
  const ip = parseIp(text);
  assert(ip.ok, `${text} is a canonical address`);
  return ip.value;
}

/** One decision for every entrant. */
export function allocate(allocation: Allocation): ReadonlyMap<string, Decision> {
  const { entrants, occupied = [], reserved = [], taken = [], quarantined = [] } = allocation;
  const allocator = new Allocator();
  allocator.configure(allocation);
  for (const [key, addresses] of reserved) allocator.reserve(key, addresses);
  for (const [text, each] of taken) allocator.claimed(addressOf(text), each);
  for (const [text, each] of quarantined) allocator.quarantine(addressOf(text), each);
  const others = new Map<string, readonly Ip[]>(occupied);
  for (const entrant of entrants) {
    const { key } = entrant.claim;
    allocator.put({ key, entrant, shown: others.get(key) ?? [] });
    others.delete(key);
  }
  for (const [key, shown] of others) allocator.put({ key, entrant: undefined, shown });
  allocator.decide();
  return allocator.decisions;
}
