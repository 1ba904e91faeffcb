/**
 * When to tell the segment who owns an address now: at once, then with back-off, then a refresh
 * below switch table ageing, paced so that ten thousand addresses do not trip a policer.
 *
 * First round: one frame per address, the ARP request form (the RFC 5227 announcement, which
 * Linux always obeys) or the unsolicited Neighbor Advertisement with Override. Later rounds add
 * the ARP reply form for old gear, with target MAC = own MAC, or Linux would treat it as an
 * ordinary reply. Announcing and answering are independent: a lost announcement costs nothing
 * but the client's patience.
 */
import type { Random } from '../lib/random.ts';
import { earlier } from '../lib/time.ts';
import type { Instant } from '../lib/time.ts';
import { emitArp, gratuitousReply, gratuitousRequest } from '../net/arp.ts';
import type { Ip } from '../net/ip.ts';
import type { Mac } from '../net/mac.ts';
import { emitNdp, unsolicitedAdvertisement } from '../net/ndp.ts';
import type { LinkIndex } from './links.ts';
import { ANNOUNCE_AT, PACE, REFRESH_EVERY } from './timing.ts';

/** One address on one link, announced with that link's MAC. */
export interface Target {
  readonly ip: Ip;
  readonly link: LinkIndex;
  readonly mac: Mac;
}

/** Targets that became due together and stay together through the rounds. */
interface Batch {
  readonly keys: readonly string[];
  readonly startedAt: Instant;
  round: number;
  due: Instant;
}

export class Announcer {
  readonly #random: Random;
  /** Present targets by key; a key that is gone is skipped when its turn comes. */
  readonly #targets = new Map<string, Target>();
  #batches: Batch[] = [];
  /** Frames due now, waiting for the pace. */
  #queue: { key: string; round: number }[] = [];
  #budget: number = PACE.frames;
  #budgetAt: Instant = -Infinity;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Makes these the targets; new or changed ones are announced from `now` on. */
  set(targets: ReadonlyMap<string, Target>, now: Instant): void {
    const fresh: string[] = [];
    for (const [key, target] of targets) {
      const old = this.#targets.get(key);
      if (old === undefined || old.mac !== target.mac) fresh.push(key);
    }
    for (const key of this.#targets.keys()) if (!targets.has(key)) this.#targets.delete(key);
    for (const [key, target] of targets) this.#targets.set(key, target);
    this.#begin(fresh, now);
  }

  /** Announces everything on a link again: it came back, or the segment healed. */
  again(link: LinkIndex | 'all', now: Instant): void {
    const keys = [...this.#targets].filter(([, t]) => link === 'all' || t.link === link);
    this.#begin(
      keys.map(([key]) => key),
      now,
    );
  }

  /** Frames to send now, within the pace. */
  due(now: Instant): { link: LinkIndex; frame: Uint8Array }[] {
    for (const batch of this.#batches) if (batch.due <= now) this.#release(batch, now);
    this.#batches = this.#batches.filter((batch) => batch.keys.some((k) => this.#targets.has(k)));
    if (now - this.#budgetAt >= PACE.every) {
      this.#budget = PACE.frames;
      this.#budgetAt = now;
    }
    const frames: { link: LinkIndex; frame: Uint8Array }[] = [];
    let taken = 0;
    for (const { key, round } of this.#queue) {
      if (this.#budget <= 0) break;
      taken += 1;
      const target = this.#targets.get(key);
      if (target === undefined) continue;
      for (const frame of framesOf(target, round)) frames.push({ link: target.link, frame });
      this.#budget -= 1;
    }
    this.#queue = taken === this.#queue.length ? [] : this.#queue.slice(taken);
    return frames;
  }

  deadline(): Instant | undefined {
    if (this.#queue.length > 0) return this.#budgetAt + PACE.every;
    return this.#batches.reduce<Instant | undefined>((at, b) => earlier(at, b.due), undefined);
  }

  #begin(keys: readonly string[], now: Instant): void {
    if (keys.length === 0) return;
    const again = new Set(keys);
    // A key runs through one schedule at a time, or refreshes would pile up with each link flap.
    this.#batches = this.#batches.map((b) => ({ ...b, keys: b.keys.filter((k) => !again.has(k)) }));
    this.#batches.push({ keys, startedAt: now, round: 0, due: now });
  }

  #release(batch: Batch, now: Instant): void {
    for (const key of batch.keys) this.#queue.push({ key, round: batch.round });
    batch.round += 1;
    const offset = ANNOUNCE_AT[batch.round];
    const jitter = 1 + (this.#random() - 0.5) * 0.4;
    batch.due = offset === undefined ? now + REFRESH_EVERY * jitter : batch.startedAt + offset;
  }
}

function framesOf(target: Target, round: number): Uint8Array[] {
  const { ip, mac } = target;
  if (ip.family === 6) return [emitNdp(unsolicitedAdvertisement(ip, mac))];
  const request = emitArp(gratuitousRequest(ip, mac));
  return round === 0 ? [request] : [request, emitArp(gratuitousReply(ip, mac))];
}
