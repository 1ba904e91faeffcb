/**
 * Whether a node has listened for long enough to judge others, or to claim. What it could not hear
 * proves nothing: the time that it slept through, and the time without a link.
 *
 * A link that has just come up is not a path yet: a switch may take a second until its port
 * forwards (much longer with spanning tree), and neighbours are resolved one by one. So silence
 * after it means less than silence in the middle of life, and for a while nobody is found dead who
 * could just not be reached. Alone for longer than that is alone.
 */
import type { Instant, Millis } from '../lib/time.ts';
import { RELINK, warmUp } from './timing.ts';
import type { Timing } from './timing.ts';

export class Listening {
  readonly #timing: Timing;
  #since: Instant = Infinity;
  #awakeSince: Instant = -Infinity;
  #linkedSince: Instant = -Infinity;
  #isProven = false;
  #now: Instant = -Infinity;

  constructor(timing: Timing) {
    this.#timing = timing;
  }

  /** To be called first whenever something runs; a gap means that this node stood still. */
  wake(now: Instant): void {
    if (now - this.#now > 2 * this.#timing.beat) this.#awakeSince = now;
    this.#now = now;
  }

  begin(now: Instant): void {
    this.#since = now;
  }

  /** A first link came up. */
  linked(now: Instant): void {
    this.#linkedSince = now;
    this.#isProven = false;
    this.#since = Math.max(this.#since, now);
  }

  /** It may not claim yet: to be asked again a beat later. */
  defer(now: Instant): void {
    // Not a beat for each one that was slept through.
    this.#since = Math.max(this.#since, now - warmUp(this.#timing)) + this.#timing.beat;
  }

  mayClaimAt(): Instant {
    return this.#since + warmUp(this.#timing);
  }

  linkedFor(now: Instant): Millis {
    return now - this.#linkedSince;
  }

  /** A majority was heard since the link came up: it carries, and silence is silence. */
  proven(): void {
    this.#isProven = true;
  }

  /** May this node find others dead? */
  mayBury(now: Instant): boolean {
    const { dead } = this.#timing;
    if (now - this.#awakeSince < dead) return false;
    return this.linkedFor(now) >= (this.#isProven ? dead : RELINK);
  }
}
