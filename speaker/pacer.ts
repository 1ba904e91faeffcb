/**
 * One budget for all frames that this node sends of its own accord, questions and announcements
 * together: what a switch's ARP policer counts is frames. A token bucket that is filled at once
 * every `PACE.every` ms.
 */
import type { Instant } from '../lib/time.ts';
import { PACE } from './timing.ts';

export class Pacer {
  #left: number = PACE.frames;
  #filledAt: Instant = -Infinity;

  /** Takes room for that many frames; false: not before `opensAt`. */
  take(frames: number, now: Instant): boolean {
    // As `opensAt` adds, to the last bit.
    if (now >= this.opensAt()) {
      this.#left = PACE.frames;
      this.#filledAt = now;
    }
    if (frames > this.#left) return false;
    this.#left -= frames;
    return true;
  }

  hasRoom(now: Instant): boolean {
    return this.#left > 0 || now >= this.opensAt();
  }

  /** When there is room again for those that found none. */
  opensAt(): Instant {
    return this.#filledAt + PACE.every;
  }
}
