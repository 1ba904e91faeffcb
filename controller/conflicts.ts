/**
 * Addresses that strangers claim, as the last reports of speakers say; a part of the Machine's
 * snapshot. What was found before the first announcement is in quarantine: given to nobody until
 * nobody has reported it for QUARANTINE. Kept in memory only: who forgets it gives the address
 * once more, is told once more, and takes the next one.
 *
 * An address that some speaker answers for is never put there: it has users, and is defended.
 *
 * A conflict counts for FADING longer than it is reported: who takes an address over asks the wire
 * itself, and its report is on its way.
 */
import type { ReportedConflict } from '../owners/report.ts';
import { earlier } from '../lib/time.ts';
import type { Instant, Millis } from '../lib/time.ts';
import type { Mac } from '../net/mac.ts';
import type { Quarantine } from './allocate.ts';

export const QUARANTINE: Millis = 10 * 60_000;
export const FADING: Millis = 1000;
/** Who claims as many addresses in quarantine as this looks like one that answers every probe. */
export const MANY = 4;

/** Somebody who claims an address, and is no node of the cluster. */
export interface Stranger {
  readonly ip: string;
  readonly mac: Mac;
  /** Where it was heard, such as `eth0 of node1`. */
  readonly places: readonly string[];
  /** Nobody answers for the address because of it. */
  readonly isWithheld: boolean;
  /** It has claimed MANY addresses of late. */
  readonly claimsMany?: boolean;
}

type ByAddress = ReadonlyMap<string, readonly ReportedConflict[]>;

interface Fading {
  readonly strangers: readonly Stranger[];
  readonly until: Instant;
}

interface Ban {
  readonly place: string;
  readonly until: Instant;
}

export class Conflicts {
  readonly #byNode = new Map<string, ByAddress>();
  /** Nodes that report something of an address. */
  readonly #reporters = new Map<string, Set<string>>();
  /** How many addresses in quarantine somebody claims. */
  #claimed: ReadonlyMap<Mac, number> = new Map();
  /** By address and MAC. */
  readonly #bans = new Map<string, ReadonlyMap<Mac, Ban>>();
  readonly #present = new Map<string, readonly Stranger[]>();
  /** Not reported any more, by address. */
  readonly #fading = new Map<string, Fading>();
  #quarantined: ReadonlyMap<string, Quarantine> = new Map();

  /** How many addresses strangers claim now. */
  get size(): number {
    return this.#present.size + this.#fading.size;
  }

  /** By address, the oldest first. The same object until it says something else. */
  get quarantined(): ReadonlyMap<string, Quarantine> {
    return this.#quarantined;
  }

  /** Who claims it now. */
  of(ip: string): readonly Stranger[] {
    return this.#met(ip).map((each) => this.#marked(each));
  }

  /** For whom it is in quarantine. */
  banned(ip: string): readonly Stranger[] {
    const bans = [...(this.#bans.get(ip) ?? [])];
    return bans.map(([mac, { place }]) => ({ ip, mac, places: [place], isWithheld: true }));
  }

  /** All that a node has to say; whether another address is in quarantine, or one less. */
  take(
    node: string,
    reported: readonly ReportedConflict[],
    isAnswered: (ip: string) => boolean,
    now: Instant,
  ): boolean {
    const conflicts = reported.map((each) => {
      return { ...each, withheld: each.withheld && !isAnswered(each.ip) };
    });
    this.#told(node, byAddress(conflicts), now);
    for (const { ip, mac, interface: link, withheld } of conflicts) {
      if (!withheld) continue;
      const ban = { place: `${link} of ${node}`, until: now + QUARANTINE };
      this.#bans.set(ip, new Map([...(this.#bans.get(ip) ?? []), [mac, ban]]));
    }
    return this.#judge();
  }

  /** A node has not reported for too long. */
  drop(node: string, now: Instant): void {
    this.#told(node, new Map(), now);
  }

  /** Lets those go whose time is over. */
  forget(now: Instant): void {
    for (const [ip, bans] of this.#bans) {
      const rest = [...bans].filter(([, { until }]) => until > now);
      if (rest.length === 0) this.#bans.delete(ip);
      else this.#bans.set(ip, new Map(rest));
    }
    for (const [ip, { until }] of this.#fading) if (until <= now) this.#fading.delete(ip);
    this.#judge();
  }

  /** When the next one's time is over. */
  deadline(): Instant | undefined {
    let first: Instant | undefined;
    for (const bans of this.#bans.values()) {
      for (const { until } of bans.values()) first = earlier(first, until);
    }
    for (const { until } of this.#fading.values()) first = earlier(first, until);
    return first;
  }

  #marked(stranger: Stranger): Stranger {
    const count = this.#claimed.get(stranger.mac) ?? 0;
    return count < MANY ? stranger : { ...stranger, claimsMany: true };
  }

  #met(ip: string): readonly Stranger[] {
    return this.#present.get(ip) ?? this.#fading.get(ip)?.strangers ?? NOBODY;
  }

  /** Only what a node says otherwise than before is looked at: reports are many and long. */
  #told(node: string, told: ByAddress, now: Instant): void {
    const before = this.#byNode.get(node) ?? NOTHING;
    if (told.size === 0) this.#byNode.delete(node);
    else this.#byNode.set(node, told);
    for (const ip of new Set([...before.keys(), ...told.keys()])) {
      if (JSON.stringify(before.get(ip)) === JSON.stringify(told.get(ip))) continue;
      const reporters = this.#reporters.get(ip) ?? new Set();
      if (told.has(ip)) this.#reporters.set(ip, reporters.add(node));
      else if (reporters.delete(node) && reporters.size === 0) this.#reporters.delete(ip);
      this.#look(ip, now);
    }
  }

  #look(ip: string, now: Instant): void {
    let strangers = NOBODY;
    for (const node of [...(this.#reporters.get(ip) ?? [])].toSorted()) {
      for (const conflict of this.#byNode.get(node)?.get(ip) ?? []) {
        strangers = met(strangers, conflict, node);
      }
    }
    const before = this.#present.get(ip);
    if (strangers.length > 0) {
      this.#present.set(ip, strangers);
      this.#fading.delete(ip);
    } else if (before !== undefined) {
      this.#present.delete(ip);
      this.#fading.set(ip, { strangers: before, until: now + FADING });
    }
  }

  #judge(): boolean {
    const quarantined = new Map<string, Quarantine>();
    const claimed = new Map<Mac, number>();
    for (const [ip, bans] of this.#bans) {
      const macs = [...bans.keys()].toSorted().join(' and ');
      const why = `${macs} ${bans.size === 1 ? 'claims' : 'claim'} it on the network`;
      for (const mac of bans.keys()) claimed.set(mac, (claimed.get(mac) ?? 0) + 1);
      const isContested = this.#met(ip).some(({ isWithheld }) => isWithheld);
      quarantined.set(ip, { why, isContested });
    }
    this.#claimed = claimed;
    if (JSON.stringify([...quarantined]) === JSON.stringify([...this.#quarantined])) return false;
    this.#quarantined = quarantined;
    return true;
  }
}

const NOBODY: readonly Stranger[] = [];
const NOTHING: ByAddress = new Map();

function byAddress(conflicts: readonly ReportedConflict[]): ByAddress {
  const found = new Map<string, ReportedConflict[]>();
  for (const each of conflicts) {
    const known = found.get(each.ip);
    if (known === undefined) found.set(each.ip, [each]);
    else known.push(each);
  }
  return found;
}

/** One more report of somebody, whom others may have seen, too. */
function met(
  strangers: readonly Stranger[],
  { ip, mac, interface: link, withheld }: ReportedConflict,
  node: string,
): readonly Stranger[] {
  const known = strangers.find((each) => each.mac === mac);
  const places = [...new Set([...(known?.places ?? []), `${link} of ${node}`])];
  const stranger = { ip, mac, places, isWithheld: withheld || known?.isWithheld === true };
  const others = strangers.filter((each) => each !== known);
  return [...others, stranger].toSorted((a, b) => (a.mac < b.mac ? -1 : 1));
}
