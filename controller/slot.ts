/**
 * All that stands against giving out one address. Only addresses that somebody has to do with have
 * a slot; an address without one is free.
 */
import type { Claim } from '../config/claim.ts';
import { sameIp } from '../net/ip.ts';
import type { Ip } from '../net/ip.ts';
import type { Quarantine, Taken } from './allocate.ts';
import type { Group } from './group.ts';
import type { Stretch } from './stock.ts';
import { Tenants } from './tenants.ts';

/** Why somebody may not use an address now. */
export interface Conflict {
  readonly reason:
    'AddressInUse' | 'AddressReserved' | 'AddressQuarantined' | 'AddressBeingReleased';
  /** What holds it, as the rest of a sentence: `is used by default/web`. */
  readonly message: string;
}

export class Slot {
  readonly ip: Ip;
  /** undefined: in no pool. */
  readonly stretch: Stretch | undefined;
  readonly tenants = new Tenants();
  /** Of the tenants, where they share. */
  group: Group | undefined;
  /** What an AddressClaim says. */
  taken: Taken | undefined;
  /** Still show it, though it will be taken away from them. */
  leavers: Set<string> | undefined;
  /** Show it, and cannot be read. */
  remnants: Set<string> | undefined;
  /** Somebody on the network claims it. */
  quarantine: Quarantine | undefined;

  constructor(ip: Ip, stretch: Stretch | undefined) {
    this.ip = ip;
    this.stretch = stretch;
  }

  get isFree(): boolean {
    return this.tenants.count === 0 && this.leavers === undefined && !this.isSpecial;
  }

  /** Whether something else than Services has to do with it. */
  get isSpecial(): boolean {
    const { taken, remnants, quarantine } = this;
    return taken !== undefined || remnants !== undefined || quarantine !== undefined;
  }

  /** Whether somebody has a right to it that the claim has not. */
  isBarredFor(claim: Claim): boolean {
    if (this.tenants.clash(claim)) return true;
    if (!this.isSpecial) return false;
    const isHeld = claim.held.some((held) => sameIp(held, this.ip));
    if (this.#isTakenFrom(claim, isHeld) || this.#isKeptFrom(claim, isHeld)) return true;
    // Who holds what an unreadable one holds, too, keeps it: a double is healed, not made.
    return this.remnants !== undefined && !isHeld;
  }

  /** Whether another one must give it back first. */
  isLeft(claim: Claim): boolean {
    if (this.leavers === undefined) return false;
    return this.leavers.size > 1 || !this.leavers.has(claim.key);
  }

  #isTakenFrom(claim: Claim, isHeld: boolean): boolean {
    const { taken } = this;
    return taken !== undefined && (taken.firm || !isHeld) && !taken.for.includes(claim.key);
  }

  /** Who has it because it asked for it goes on asking: what it gets is its own will. */
  #isKeptFrom({ requested }: Claim, isHeld: boolean): boolean {
    if (this.quarantine === undefined) return false;
    if (isHeld && !this.quarantine.isContested) return false;
    return !isHeld || !requested.some((wish) => sameIp(wish, this.ip));
  }

  conflict(claim: Claim): Conflict | undefined {
    const refusal = this.tenants.refusal(claim);
    if (refusal !== undefined) return { reason: 'AddressInUse', message: refusal };
    if (this.isBarredFor(claim)) {
      const isHeld = claim.held.some((held) => sameIp(held, this.ip));
      if (this.taken !== undefined && this.#isTakenFrom(claim, isHeld)) {
        return { reason: 'AddressReserved', message: `is reserved by ${this.taken.by}` };
      }
      if (this.quarantine !== undefined && this.#isKeptFrom(claim, isHeld)) {
        const message = `is in quarantine, because ${this.quarantine.why}`;
        return { reason: 'AddressQuarantined', message };
      }
      const holder = least(this.remnants ?? new Set());
      const message = `is held by ${holder}, whose manifest cannot be read`;
      return { reason: 'AddressInUse', message };
    }
    if (!this.isLeft(claim)) return undefined;
    const leavers = new Set(this.leavers);
    leavers.delete(claim.key);
    const message = `is being given back by ${least(leavers)}`;
    return { reason: 'AddressBeingReleased', message };
  }
}

function least(keys: ReadonlySet<string>): string {
  return [...keys].reduce((a, b) => (b < a ? b : a));
}
