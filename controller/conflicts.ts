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

interface Fading {
  readonly strangers: readonly Stranger[];
  readonly until: Instant;
}

interface Ban {
  readonly place: string;
  readonly until: Instant;
}

export class Conflicts {
  readonly #byNode = new Map<string, readonly ReportedConflict[]>();
  /** By address and MAC. */
  readonly #bans = new Map<string, ReadonlyMap<Mac, Ban>>();
  #present: ReadonlyMap<string, readonly Stranger[]> = new Map();
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
    const found = this.#present.get(ip) ?? this.#fading.get(ip)?.strangers ?? NOBODY;
    return found.map((each) => this.#marked(each));
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
    if (conflicts.length > 0 || this.#byNode.has(node)) {
      this.#byNode.set(node, conflicts);
      this.#look(now);
    }
    for (const { ip, mac, interface: link, withheld } of conflicts) {
      if (!withheld) continue;
      const ban = { place: `${link} of ${node}`, until: now + QUARANTINE };
      this.#bans.set(ip, new Map([...(this.#bans.get(ip) ?? []), [mac, ban]]));
    }
    return this.#judge();
  }

  /** A node has not reported for too long. */
  drop(node: string, now: Instant): void {
    if (this.#byNode.delete(node)) this.#look(now);
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
    let count = 0;
    for (const bans of this.#bans.values()) if (bans.has(stranger.mac)) count += 1;
    return count < MANY ? stranger : { ...stranger, claimsMany: true };
  }

  #look(now: Instant): void {
    const present = new Map<string, readonly Stranger[]>();
    for (const [node, conflicts] of [...this.#byNode].toSorted(byName)) {
      for (const conflict of conflicts) {
        const strangers = present.get(conflict.ip) ?? [];
        present.set(conflict.ip, met(strangers, conflict, node));
      }
    }
    for (const [ip, strangers] of this.#present) {
      if (!present.has(ip)) this.#fading.set(ip, { strangers, until: now + FADING });
    }
    for (const ip of present.keys()) this.#fading.delete(ip);
    this.#present = present;
  }

  #judge(): boolean {
    const quarantined = new Map<string, Quarantine>();
    for (const [ip, bans] of this.#bans) {
      const macs = [...bans.keys()].toSorted().join(' and ');
      const why = `${macs} ${bans.size === 1 ? 'claims' : 'claim'} it on the network`;
      const isContested = this.of(ip).some(({ isWithheld }) => isWithheld);
      quarantined.set(ip, { why, isContested });
    }
    if (JSON.stringify([...quarantined]) === JSON.stringify([...this.#quarantined])) return false;
    this.#quarantined = quarantined;
    return true;
  }
}

const NOBODY: readonly Stranger[] = [];

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

function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}
