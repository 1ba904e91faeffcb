/**
 * Decides again and again who gets which address, looking only at what a change can affect. After
 * every `decide` its decisions are those that `allocate` makes of `snapshot()`.
 *
 * How to use it: tell it all at the start (`configure`, `reserve`, `claimed`, a `put` for each
 * Service), then each change once, and call `decide`, which names the Services whose decision is
 * another. `put` takes a Service as the source shows it, or with what a write under way promises
 * as `held`; a decision counts as kept until a `put` shows that something else is held. So nobody
 * needs to tell that a decision was carried out before the source does.
 *
 * Why it is enough to look at a few. Who keeps what it holds depends on the others that hold the
 * same address, and on nobody else: a change spreads to those (`#spread`). Who waits can only gain
 * where something was given back, left, shared anew or reserved otherwise (`Touched`).
 */
import type { Claim } from '../config/claim.ts';
import { assert } from '../lib/assert.ts';
import { compareIp, formatIp } from '../net/ip.ts';
import type { Ip } from '../net/ip.ts';
import type {
  Allocated,
  Allocation,
  Decision,
  Entrant,
  Quarantine,
  Settings,
  Taken,
} from './allocate.ts';
import { denialOf, deny } from './denial.ts';
import { Entry, NOTHING, bySeniority, byUrgency, has, sameDecision, sameList } from './entry.ts';
import { sameWish, sharesAlike, united, without } from './entry.ts';
import { give } from './give.ts';
import { Holders } from './holders.ts';
import { keepable, suffices } from './keep.ts';
import { Ledger } from './ledger.ts';
import { Order } from './order.ts';
import { Touched } from './touched.ts';

/** A Service, or what is left of one. */
export interface Holding {
  readonly key: string;
  /** undefined: no claim (any more); what it shows is not given to others meanwhile. */
  readonly entrant: Entrant | undefined;
  /** Addresses that it shows; what its claim holds may be left out. */
  readonly shown: readonly Ip[];
}

const NO_POOLS: Settings = { pools: new Map() };

export class Allocator {
  readonly #entries = new Map<string, Entry>();
  readonly #decisions = new Map<string, Decision>();
  readonly #remnants = new Map<string, readonly Ip[]>();
  readonly #taken = new Map<string, { readonly ip: Ip; readonly taken: Taken }>();
  /** By text. */
  readonly #quarantined = new Map<string, readonly [Ip, Quarantine]>();
  readonly #holders = new Holders();
  /** Taken out of the ledger, to be decided on anew. */
  readonly #dirty = new Set<Entry>();
  /** Without an address, or with fewer than they want. */
  readonly #waiting = new Set<Entry>();
  /** To be looked at in the next decision whatever changes. */
  readonly #restless = new Set<Entry>();
  #settings = NO_POOLS;
  #ledger = new Ledger([], new Map());
  #order = new Order(this.#ledger.stocks);
  #touched = new Touched(this.#ledger);
  /** Somebody gave up what it had kept, when others had been served. */
  #hasGivenUp = false;
  /** Everything is to be decided on anew. */
  #isStale = true;

  get decisions(): ReadonlyMap<string, Decision> {
    return this.#decisions;
  }

  configure({ pools, incomplete = false, quotas = new Map() }: Settings): void {
    this.#settings = { pools, incomplete, quotas };
    this.#isStale = true;
  }

  /** A Service that is new, or has changed. */
  put({ key, entrant, shown }: Holding): void {
    const known = this.#entries.get(key);
    if (known === undefined && entrant === undefined && shown.length === 0) return;
    const entry = known ?? new Entry(key);
    if (known === undefined) this.#entries.set(key, entry);
    const claim = entrant?.claim;
    const keepOnly = entrant?.keepOnly ?? false;
    const held = entrant === undefined ? NOTHING : holding(entrant, entry.decision);
    const occupied = united(united(shown, claim?.held ?? NOTHING), held);
    if (claim !== undefined && this.#isQuiet(entry, claim, held, keepOnly)) {
      const { used, left } = entry;
      entry.claim = claim;
      entry.changed = false;
      entry.occupied = occupied;
      this.#setLeft(entry);
      this.#touched.compare(entry, { claim, held, used, left });
      return;
    }
    this.#withdraw(entry);
    const before = entry.claim;
    const isOther = before !== undefined && claim !== undefined && !sharesAlike(before, claim);
    entry.changed = entrant?.changed ?? (entry.changed || (isOther && entry.held.length > 0));
    entry.claim = claim;
    this.#hold(entry, held);
    entry.keepOnly = keepOnly;
    entry.occupied = occupied;
    if (claim !== undefined) return;
    this.#decisions.delete(key);
    entry.decision = undefined;
    this.#waiting.delete(entry);
    if (shown.length === 0) this.#entries.delete(key);
  }

  delete(key: string): void {
    this.put({ key, entrant: undefined, shown: [] });
  }

  /** What a Service shows that cannot be read: it may be a claim. */
  reserve(key: string, addresses: readonly Ip[]): void {
    for (const ip of this.#remnants.get(key) ?? []) {
      this.#stir(ip);
      this.#ledger.unreserve(ip, key);
    }
    if (addresses.length === 0) this.#remnants.delete(key);
    else this.#remnants.set(key, addresses);
    for (const ip of addresses) {
      this.#stir(ip);
      this.#ledger.reserve(ip, key);
    }
  }

  /** What claim objects say of an address; undefined: nothing (any more). */
  claimed(ip: Ip, taken: Taken | undefined): void {
    const text = formatIp(ip);
    const before = this.#taken.get(text)?.taken;
    if (taken === undefined) this.#taken.delete(text);
    else this.#taken.set(text, { ip, taken });
    this.#stir(ip);
    this.#ledger.claimed(ip, taken);
    for (const key of [...(before?.for ?? []), ...(taken?.for ?? [])]) {
      const entry = this.#entries.get(key);
      if (entry !== undefined && this.#waiting.has(entry)) this.#withdraw(entry);
    }
  }

  /** Somebody on the network claims it; undefined: nobody (any more). */
  quarantine(ip: Ip, quarantine: Quarantine | undefined): void {
    if (quarantine === undefined) this.#quarantined.delete(formatIp(ip));
    else this.#quarantined.set(formatIp(ip), [ip, quarantine]);
    this.#stir(ip);
    this.#ledger.quarantine(ip, quarantine);
  }

  /** Whose decision is another now. */
  decide(): ReadonlySet<string> {
    if (this.#isStale) this.#renew();
    else {
      for (const entry of this.#restless) this.#withdraw(entry);
      this.#spread();
    }
    this.#restless.clear();
    this.#hasGivenUp = false;
    const lacking = this.#keep();
    const decided = this.#dirty;
    for (const entry of this.#waiting) {
      if (decided.has(entry) || !this.#touched.concerns(entry)) continue;
      lacking.push(entry);
      decided.add(entry);
    }
    for (const entry of lacking.toSorted(byUrgency)) this.#give(entry);
    for (const entry of this.#waiting) {
      if (entry.decision?.kind === 'denied' && this.#touched.concerns(entry)) decided.add(entry);
    }
    const changed = new Set<string>();
    for (const entry of decided) {
      if (entry.claim !== undefined && this.#conclude(entry, entry.claim)) changed.add(entry.key);
    }
    this.#dirty.clear();
    this.#touched = new Touched(this.#ledger);
    return changed;
  }

  /** All that the next decision depends on. */
  snapshot(): Allocation {
    const entrants: Entrant[] = [];
    const occupied = new Map<string, readonly Ip[]>();
    for (const { key, claim, held, keepOnly, changed, ...entry } of this.#entries.values()) {
      if (claim !== undefined) entrants.push({ claim, promised: held, keepOnly, changed });
      const others = without(entry.occupied, held);
      if (others.length > 0) occupied.set(key, others);
    }
    const taken = new Map([...this.#taken].map(([text, each]) => [text, each.taken]));
    const reserved = new Map(this.#remnants);
    const quarantined = new Map([...this.#quarantined].map(([text, [, each]]) => [text, each]));
    return { ...this.#settings, entrants, occupied, reserved, taken, quarantined };
  }

  /** Whether a change leaves everything in the ledger as it is. */
  #isQuiet(entry: Entry, claim: Claim, held: readonly Ip[], keepOnly: boolean): boolean {
    const { claim: before, used } = entry;
    if (this.#isStale || before === undefined || this.#dirty.has(entry)) return false;
    if (this.#restless.has(entry) || keepOnly !== entry.keepOnly) return false;
    if (!sameWish(before, claim) || !sameList(entry.held, held)) return false;
    // Against these what is shown counts for more than what is promised.
    const hasRivals = [this.#taken, this.#remnants, this.#quarantined].some((map) => map.size > 0);
    if (hasRivals && !sameList(before.held, claim.held)) return false;
    if (used.length !== held.length || !used.every((ip) => has(held, ip))) return false;
    return before.since === claim.since || held.every((ip) => this.#holders.of(ip).length === 1);
  }

  #hold(entry: Entry, held: readonly Ip[]): void {
    for (const ip of entry.held) this.#holders.remove(ip, entry);
    entry.held = held;
    for (const ip of held) this.#holders.add(ip, entry);
  }

  #withdraw(entry: Entry): void {
    if (this.#dirty.has(entry)) return;
    this.#dirty.add(entry);
    const { key, claim, held, used, left } = entry;
    entry.was = { claim, held, used, left };
    for (const ip of used) if (claim !== undefined) this.#ledger.drop(ip, claim);
    for (const ip of left) this.#ledger.left(ip, key);
    entry.used = NOTHING;
    entry.left = NOTHING;
  }

  /** Something else than a Service has changed about an address. */
  #stir(ip: Ip): void {
    for (const entry of this.#holders.of(ip)) this.#withdraw(entry);
    this.#touched.add(ip, 'changed');
  }

  #renew(): void {
    const { pools, quotas = new Map() } = this.#settings;
    this.#ledger = new Ledger(pools.values(), quotas);
    this.#order = new Order(this.#ledger.stocks);
    this.#touched = new Touched(this.#ledger, true);
    for (const { ip, taken } of this.#taken.values()) this.#ledger.claimed(ip, taken);
    for (const [ip, each] of this.#quarantined.values()) this.#ledger.quarantine(ip, each);
    for (const [key, addresses] of this.#remnants) {
      for (const ip of addresses) this.#ledger.reserve(ip, key);
    }
    this.#dirty.clear();
    for (const entry of this.#entries.values()) {
      entry.used = NOTHING;
      entry.left = NOTHING;
      entry.was = undefined;
      this.#dirty.add(entry);
    }
    this.#isStale = false;
  }

  /** To all whose right to keep something depends on those that have changed. */
  #spread(): void {
    const work = [...this.#dirty];
    for (const entry of work) {
      for (const ip of united(entry.was?.held ?? NOTHING, entry.held)) {
        const others = [...this.#holders.of(ip)].filter((each) => !this.#dirty.has(each));
        const isBarred = has(entry.held, ip) && this.#isBarred(ip, entry);
        // Those who all have it now keep it, in whatever order they are asked.
        if (!isBarred && others.every(({ used }) => has(used, ip))) continue;
        for (const other of others) this.#withdraw(other);
        work.push(...others);
      }
    }
  }

  #isBarred(ip: Ip, { claim }: Entry): boolean {
    return claim !== undefined && this.#ledger.isBarred(ip, claim);
  }

  /** Who holds something keeps what it may; gives those that lack something. */
  #keep(): Entry[] {
    const lacking: Entry[] = [];
    for (const entry of [...this.#dirty].toSorted(bySeniority)) {
      const { claim, held, keepOnly, was } = entry;
      if (claim !== undefined && claim.barred === undefined && !this.#isUntouched(held)) {
        entry.kept = keepable(claim, held, this.#ledger);
        for (const ip of entry.kept) this.#ledger.take(ip, claim);
        entry.used = entry.kept;
        if (!keepOnly && !suffices(claim, entry.kept)) {
          lacking.push(entry);
          // What it gives up may be what its namespace waits for.
          if (entry.kept.length > 0) this.#touched.spent(claim.namespace);
        }
      } else entry.kept = NOTHING;
      this.#setLeft(entry);
      if (was !== undefined) this.#touched.compare(entry, was);
      entry.was = undefined;
    }
    return lacking;
  }

  #isUntouched(held: readonly Ip[]): boolean {
    if (this.#settings.incomplete !== true) return false;
    return held.some((ip) => this.#ledger.stockOf(ip) === undefined);
  }

  #setLeft(entry: Entry): void {
    const left = without(entry.occupied, entry.used);
    for (const ip of entry.left) if (!has(left, ip)) this.#ledger.left(ip, entry.key);
    for (const ip of left) this.#ledger.leave(ip, entry.key);
    entry.left = left;
  }

  #give(entry: Entry): void {
    const { claim, held, used, left } = entry;
    assert(claim !== undefined, 'who lacks something has a claim');
    const lacking = { claim, held, kept: used, companions: this.#companions(entry) };
    entry.used = give(lacking, this.#ledger, this.#order);
    this.#setLeft(entry);
    for (const ip of without(used, entry.used)) {
      this.#hasGivenUp = true;
      for (const other of this.#holders.of(ip)) if (other !== entry) this.#restless.add(other);
    }
    this.#touched.compare(entry, { claim, held, used, left });
  }

  /** What those have by now that hold, as it does, an address that is contested. */
  #companions(entry: Entry): readonly Ip[] {
    let companions = NOTHING;
    for (const ip of entry.held) {
      if (!this.#ledger.isContested(ip)) continue;
      for (const other of this.#holders.of(ip)) {
        const theirs = other === entry ? NOTHING : other.used;
        const others = theirs.filter(({ family }) => family === ip.family);
        companions = united(companions, without(others, [ip]));
      }
    }
    return companions.toSorted(compareIp);
  }

  /** Whether something else is decided than before. */
  #conclude(entry: Entry, claim: Claim): boolean {
    const { key, keepOnly, used, kept } = entry;
    const decision = this.#decisionOn(entry, claim);
    const isWaiting = !keepOnly && claim.barred === undefined && decision.kind !== 'untouched';
    if (isWaiting && !suffices(claim, used)) this.#waiting.add(entry);
    else this.#waiting.delete(entry);
    if (decision.kind === 'denied') {
      // It was perhaps served before somebody gave up what it had kept.
      const isEarly = this.#hasGivenUp && this.#touched.concerns(entry);
      if (kept.length > 0 || isEarly) this.#restless.add(entry);
    }
    if (decision.kind === 'allocated') {
      const { addresses } = decision;
      if (entry.changed) entry.changed = without(entry.held, addresses).length > 0;
      entry.occupied = united(entry.occupied, addresses);
      if (!sameList(entry.held, addresses)) this.#hold(entry, addresses);
    }
    entry.decision = decision;
    if (sameDecision(this.#decisions.get(key), decision)) return false;
    this.#decisions.set(key, decision);
    return true;
  }

  #decisionOn({ keepOnly, held, used, left }: Entry, claim: Claim): Decision {
    if (claim.barred === undefined && this.#isUntouched(held)) return { kind: 'untouched' };
    if (used.length > 0) return this.#allocated(used);
    if (keepOnly && claim.barred === undefined) {
      return deny('InvalidRequest', 'it holds no address');
    }
    return denialOf(claim, left, this.#ledger);
  }

  #allocated(addresses: readonly Ip[]): Allocated {
    const [first] = addresses;
    const stock = first === undefined ? undefined : this.#ledger.stockOf(first);
    const sorted = addresses.length === 1 ? addresses : addresses.toSorted(byFamily);
    return { kind: 'allocated', addresses: sorted, pool: stock?.pool.name ?? '' };
  }
}

function byFamily(a: Ip, b: Ip): number {
  return a.family - b.family;
}

/** What it shows, or where that is nothing what it was promised. */
function holding({ claim, promised }: Entrant, decision: Decision | undefined): readonly Ip[] {
  if (promised !== undefined) return promised;
  return claim.held.length > 0 || decision?.kind !== 'allocated' ? claim.held : decision.addresses;
}
