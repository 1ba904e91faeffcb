/**
 * Decides as `allocate` would from the same facts, and tells an Allocator only what is another
 * than last time. Whoever decides hands over all facts each time, so nothing can be forgotten, and
 * nothing is remembered that the facts do not say: a decision that is not carried out (yet) holds
 * nothing. That something is as it was costs a comparison of references (roster.ts).
 *
 * One thing is remembered: whose own change of what it shares made a conflict. It is the one that
 * moves, until it does (MetalLB's rule).
 */
import type { Pool } from '../config/model.ts';
import type { Ip } from '../net/ip.ts';
import { addressOf } from './allocate.ts';
import type { Decision, Entrant, Quarantine, Taken } from './allocate.ts';
import { Allocator } from './allocator.ts';
import { NOTHING, sameList, sharesAlike, without } from './entry.ts';
import type { Quotas } from './ledger.ts';
import { Roster } from './roster.ts';

type Addresses = ReadonlyMap<string, readonly Ip[]>;

/** One Service, or what is left of one; the same object as long as it says the same. */
export interface Fact {
  readonly key: string;
  /** undefined: no claim (any more). */
  readonly entrant: Entrant | undefined;
  /** Addresses that it shows besides those its claim holds. */
  readonly occupied: readonly Ip[];
}

export interface Facts {
  readonly services: readonly Fact[];
  readonly pools: ReadonlyMap<string, Pool>;
  readonly quotas: Quotas;
  /** Some pools cannot be read. */
  readonly incomplete: boolean;
  /** Addresses of Services that cannot be read, by key. */
  readonly reserved: Addresses;
  /** Addresses of Services that are gone, by keys that are no Service's. */
  readonly leaving: Addresses;
  /** By text of the address. */
  readonly taken: ReadonlyMap<string, Taken>;
  /** The same. */
  readonly quarantined: ReadonlyMap<string, Quarantine>;
}

const NONE: Addresses = new Map();
const NOBODY: Omit<Fact, 'key'> = { entrant: undefined, occupied: NOTHING };

export class Decider {
  readonly #allocator = new Allocator();
  readonly #services = new Roster();
  /** Keys of those that hold something else than was decided. */
  readonly #unkept = new Set<string>();
  #settings: Pick<Facts, 'pools' | 'quotas' | 'incomplete'> | undefined;
  #reserved = NONE;
  #leaving = NONE;
  #taken: ReadonlyMap<string, Taken> = new Map();
  #quarantined: Facts['quarantined'] = new Map();
  /** Keys of those whose own change may have made a conflict. */
  readonly #changed = new Set<string>();

  /** By key of the Service; a decision that is as before is the same object. */
  decide(facts: Facts): ReadonlyMap<string, Decision> {
    this.#configure(facts);
    eachChange(this.#reserved, facts.reserved, (key, now = NOTHING) => {
      this.#allocator.reserve(key, now);
    });
    this.#reserved = new Map(facts.reserved);
    eachChange(this.#leaving, facts.leaving, (key, shown = NOTHING) => {
      this.#allocator.put({ key, entrant: undefined, shown });
    });
    this.#leaving = new Map(facts.leaving);
    this.#claimed(facts.taken);
    this.#quarantine(facts.quarantined);
    const told = this.#put(facts.services);
    const changed = this.#allocator.decide();
    for (const keys of [told, changed]) for (const key of keys) this.#compare(key);
    const { decisions } = this.#allocator;
    for (const key of this.#changed) {
      if (!isLosing(this.#services.get(key), decisions.get(key))) this.#changed.delete(key);
    }
    return decisions;
  }

  #configure({ pools, quotas, incomplete }: Facts): void {
    const before = this.#settings;
    const isSame = before?.pools === pools && before.quotas === quotas;
    if (isSame && before.incomplete === incomplete) return;
    this.#settings = { pools, quotas, incomplete };
    this.#allocator.configure(this.#settings);
  }

  #claimed(taken: Facts['taken']): void {
    for (const text of new Set([...this.#taken.keys(), ...taken.keys()])) {
      const [before, now] = [this.#taken.get(text), taken.get(text)];
      if (gist(before) === gist(now)) continue;
      this.#allocator.claimed(addressOf(text), now);
    }
    this.#taken = new Map(taken);
  }

  #quarantine(quarantined: Facts['quarantined']): void {
    const before = this.#quarantined;
    if (quarantined === before) return;
    for (const text of new Set([...before.keys(), ...quarantined.keys()])) {
      const [was, now] = [before.get(text), quarantined.get(text)];
      if (was?.why === now?.why && was?.isContested === now?.isContested) continue;
      this.#allocator.quarantine(addressOf(text), now);
    }
    this.#quarantined = new Map(quarantined);
  }

  /** The keys of those the Allocator was told of. */
  #put(services: readonly Fact[]): ReadonlySet<string> {
    const { news, gone } = this.#services.update(services);
    // The Allocator takes what it has decided for held, until it is told what is held.
    const told = new Set(this.#unkept);
    for (const { fact, known } of news) {
      const { key, entrant } = fact;
      if (known?.entrant && entrant && isConflicting(known.entrant, entrant)) {
        this.#changed.add(key);
      }
      told.add(key);
    }
    for (const key of gone) {
      told.delete(key);
      this.#changed.delete(key);
      this.#unkept.delete(key);
      this.#allocator.delete(key);
    }
    for (const key of told) {
      const { entrant, occupied } = this.#services.get(key) ?? NOBODY;
      const changed = this.#changed.has(key);
      const own = entrant && { ...entrant, promised: entrant.claim.held, changed };
      this.#allocator.put({ key, entrant: own, shown: occupied });
    }
    return told;
  }

  /** Whether what is held is what was decided. */
  #compare(key: string): void {
    const decision = this.#allocator.decisions.get(key);
    const held = this.#services.get(key)?.entrant?.claim.held;
    const isKept = held !== undefined && sameList(decisionOf(decision), held);
    if (decision?.kind !== 'allocated' || isKept) this.#unkept.delete(key);
    else this.#unkept.add(key);
  }
}

/** It holds something, and shares it, or its ports, in another way than before. */
function isConflicting({ claim: before }: Entrant, { claim }: Entrant): boolean {
  return before !== claim && claim.held.length > 0 && !sharesAlike(before, claim);
}

/** Something that it holds is decided to be taken away. */
function isLosing(fact: Fact | undefined, decision: Decision | undefined): boolean {
  const held = fact?.entrant?.claim.held ?? NOTHING;
  return without(held, decisionOf(decision)).length > 0;
}

function decisionOf(decision: Decision | undefined): readonly Ip[] {
  return decision?.kind === 'allocated' ? decision.addresses : NOTHING;
}

function eachChange(
  before: Addresses,
  after: Addresses,
  tell: (key: string, now: readonly Ip[] | undefined) => void,
): void {
  for (const key of before.keys()) if (!after.has(key)) tell(key, undefined);
  for (const [key, now] of after) {
    const known = before.get(key);
    if (known === undefined || !sameList(known, now)) tell(key, now);
  }
}

function gist(taken: Taken | undefined): string {
  return taken === undefined ? '' : JSON.stringify([taken.by, taken.firm, ...taken.for]);
}
