/**
 * All that stands against giving out one address. Only addresses that somebody has to do with have
 * a slot; an address without one is free.
 */
import type { Claim } from '../config/claim.ts';
import { sameIp } from '../net/ip.ts';
import type { Ip } from '../net/ip.ts';
import type { Taken } from './allocate.ts';
import type { Group } from './group.ts';
import type { Stretch } from './stock.ts';
import { Tenants } from './tenants.ts';

/** Why somebody may not use an address now. */
export interface Conflict {
  readonly reason: 'AddressInUse' | 'AddressReserved' | 'AddressBeingReleased';
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

  constructor(ip: Ip, stretch: Stretch | undefined) {
    this.ip = ip;
    this.stretch = stretch;
  }

  get isFree(): boolean {
    const { tenants, taken, leavers, remnants } = this;
    return (
      tenants.count === 0 && taken === undefined && leavers === undefined && remnants === undefined
    );
  }

  /** Whether somebody has a right to it that the claim has not. */
  isBarredFor(claim: Claim): boolean {
    if (this.tenants.clash(claim)) return true;
    if (this.taken === undefined && this.remnants === undefined) return false;
    const isHeld = claim.held.some((held) => sameIp(held, this.ip));
    if (this.#isTakenFrom(claim, isHeld)) return true;
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

  conflict(claim: Claim): Conflict | undefined {
    const refusal = this.tenants.refusal(claim);
    if (refusal !== undefined) return { reason: 'AddressInUse', message: refusal };
    if (this.isBarredFor(claim)) {
      const isHeld = claim.held.some((held) => sameIp(held, this.ip));
      if (this.taken !== undefined && this.#isTakenFrom(claim, isHeld)) {
        return { reason: 'AddressReserved', message: `is reserved by ${this.taken.by}` };
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
