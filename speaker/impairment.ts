/**
 * A node that does not reach its gateway while another one does is the last choice for every
 * address: whoever can do better answers instead (docs/decisions/0013-gateway-check.md). A gateway
 * that is gone for everybody is no reason to move anything, and nodes find that out within a beat
 * of the check of each other: so a node that answers waits for `ALONE` before it takes the loss for
 * its own. One that does not answer yet need not wait.
 *
 * The order of owners is thereby no longer the same at every instant on every node, so two rules
 * keep one voice:
 *
 * - Who becomes impaired counts itself so at once, lets go, and only then says it.
 * - Who recovers says so at once, and counts itself as good only when everybody who may be
 *   answering has acknowledged a beat that says it; thereby they have let go.
 *
 * So a node that counts itself as good is good in everybody's eyes. Two that would both answer for
 * one address: the one behind in the order thinks the one before it impaired, and itself good. Then
 * the one before is impaired in its own eyes too, and the one behind is good in them: it does not
 * answer. Of whom nothing is known counts as good.
 */
import type { Instant, Millis } from '../lib/time.ts';

/** `unknown`: it is not checked, or there is none. */
export type Reachability = 'reached' | 'missed' | 'unknown';

/** What is asked of the membership. */
export interface Company {
  /** The number of the newest beat so far. */
  readonly sent: number;
  /** Another node that may own reaches its gateway. */
  readonly someReaches: boolean;
  /** Has everybody who may be there acknowledged that beat, or a later one? */
  allHeard(number: number, now: Instant): boolean;
}

/** Longer than two nodes need to find the same loss: a beat of the check, and what is late. */
export const ALONE: Millis = 2000;

export class Impairment {
  #gateway: Reachability = 'unknown';
  #aloneSince: Instant | undefined;
  #told = false;
  #counted = false;
  /** The first beat that says that it is over. */
  #overWith = Infinity;

  take(gateway: Reachability): void {
    this.#gateway = gateway;
  }

  /** What beats say. */
  get isTold(): boolean {
    return this.#told;
  }

  get reaches(): boolean {
    return this.#gateway === 'reached';
  }

  /** What this node's own decisions count with. */
  get isCounted(): boolean {
    return this.#counted;
  }

  /** Whether beats say something else from now on. `serving`: this node may be answering. */
  weigh({ sent, someReaches }: Company, serving: boolean, now: Instant): boolean {
    if (this.#gateway !== 'missed' || !someReaches) this.#aloneSince = undefined;
    else this.#aloneSince ??= now;
    if (this.#gateway !== 'missed') return this.#told && this.#say(false, sent);
    if (this.#told || this.#aloneSince === undefined) return false;
    // As `deadline` adds, to the last bit.
    if (serving && now < this.#aloneSince + ALONE) return false;
    return this.#say(true, sent);
  }

  /** Whether decisions count with something else from now on. */
  advance(company: Company, now: Instant): boolean {
    if (!this.#counted || company.sent < this.#overWith) return false;
    if (!company.allHeard(this.#overWith, now)) return false;
    this.#counted = false;
    return true;
  }

  deadline(): Instant | undefined {
    return this.#told || this.#aloneSince === undefined ? undefined : this.#aloneSince + ALONE;
  }

  #say(impaired: boolean, sent: number): true {
    this.#told = impaired;
    if (impaired) this.#counted = true;
    this.#overWith = impaired ? Infinity : sent + 1;
    return true;
  }
}
