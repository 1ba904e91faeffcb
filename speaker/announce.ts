/**
 * When to tell the segment who owns an address now: at once, then with back-off, then a refresh
 * below switch table ageing, paced so that ten thousand addresses do not trip a policer.
 *
 * First round: one frame per address, the ARP request form (the RFC 5227 announcement, which
 * Linux always obeys) or the unsolicited Neighbor Advertisement with Override. Later rounds add
 * the ARP reply form for old gear, with target MAC = own MAC, or Linux would treat it as an
 * ordinary reply, and in IPv6 what RFC 9131 has for routers that know nothing yet. Announcing and
 * answering are independent: a lost announcement costs nothing but the client's patience.
 */
import type { Delta } from '../lib/diff.ts';
import type { Random } from '../lib/random.ts';
import { earlier } from '../lib/time.ts';
import type { Instant, Millis } from '../lib/time.ts';
import { emitArp, gratuitousReply, gratuitousRequest } from '../net/arp.ts';
import type { Ip } from '../net/ip.ts';
import type { Mac } from '../net/mac.ts';
import { advertisementToRouters, emitNdp, unsolicitedAdvertisement } from '../net/ndp.ts';
import type { LinkIndex } from './links.ts';
import { Pacer } from './pacer.ts';
import { ANNOUNCE_AT, REFRESH_EVERY } from './timing.ts';

/** One address on one link, announced with that link's MAC. */
export interface Target {
  readonly ip: Ip;
  readonly link: LinkIndex;
  readonly mac: Mac;
}

export interface AnnouncerOptions {
  readonly random: Random;
  /** Between two refreshing announcements; 0: none after the rounds of a takeover. */
  readonly refresh?: Millis | undefined;
  readonly pacer?: Pacer;
}

/** How far a target is in its rounds. It waits in exactly one place: a slot, or a queue. */
interface Schedule {
  target: Target;
  /** The next one to be sent. */
  round: number;
  /** When round 0 left. */
  startedAt: Instant;
  place: Set<Schedule>;
}

/**
 * Rounds fall due in slots this wide, and those of a slot wait together: ten thousand addresses
 * that came one by one must not mean as many timers. Refreshes have wider slots.
 */
const SLOT = { second: 10, later: 100, refresh: 1000 } as const;

export class Announcer {
  readonly #random: Random;
  readonly #refresh: Millis;
  readonly #schedules = new Map<string, Schedule>();
  /** Waiting for a time, by that time. */
  readonly #slots = new Map<Instant, Set<Schedule>>();
  /** Due, waiting for the pace: first rounds, repeats, refreshes. A takeover goes before all. */
  readonly #queues = [new Set<Schedule>(), new Set<Schedule>(), new Set<Schedule>()] as const;
  readonly #pacer: Pacer;

  constructor(options: AnnouncerOptions) {
    this.#random = options.random;
    this.#refresh = options.refresh ?? REFRESH_EVERY;
    this.#pacer = options.pacer ?? new Pacer();
  }

  /** New or changed targets are announced from `now` on; those that are gone never again. */
  change({ put, remove }: Delta<Target>, now: Instant): void {
    for (const key of remove) {
      const schedule = this.#schedules.get(key);
      this.#schedules.delete(key);
      schedule?.place.delete(schedule);
    }
    for (const [key, target] of put) {
      const schedule = this.#schedules.get(key);
      if (schedule === undefined) {
        const fresh = { target, round: 0, startedAt: now, place: new Set<Schedule>() };
        this.#schedules.set(key, fresh);
        this.#wait(fresh, now);
      } else {
        const moved = schedule.target.mac !== target.mac;
        schedule.target = target;
        if (moved) this.#restart(schedule, now);
      }
    }
  }

  /** Announces everything on a link again: it came back, or the segment healed. */
  again(link: LinkIndex | 'all', now: Instant): void {
    for (const schedule of this.#schedules.values()) {
      if (link === 'all' || schedule.target.link === link) this.#restart(schedule, now);
    }
  }

  /** It was announced just now, outside the rounds: those that come later follow once more. */
  repeat(key: string, now: Instant): void {
    const schedule = this.#schedules.get(key);
    if (schedule === undefined || schedule.round === 0) return;
    schedule.round = 0;
    this.#next(schedule, now);
  }

  /** Frames to send now, within the pace. */
  due(now: Instant): { link: LinkIndex; frame: Uint8Array }[] {
    for (const [at, slot] of this.#slots) {
      if (at > now) continue;
      this.#slots.delete(at);
      for (const schedule of slot) this.#enqueue(schedule);
    }
    const due: { link: LinkIndex; frame: Uint8Array }[] = [];
    for (const queue of this.#queues) {
      for (const schedule of queue) {
        const frames = framesOf(schedule.target, schedule.round);
        if (!this.#pacer.take(frames.length, now)) return due;
        for (const frame of frames) due.push({ link: schedule.target.link, frame });
        this.#next(schedule, now);
      }
    }
    return due;
  }

  deadline(): Instant | undefined {
    if (this.#queues.some((queue) => queue.size > 0)) return this.#pacer.opensAt();
    let at: Instant | undefined;
    for (const [due, slot] of this.#slots) {
      if (slot.size > 0) at = earlier(at, due);
      else this.#slots.delete(due);
    }
    return at;
  }

  /** A schedule runs once at a time, or refreshes would pile up with each link flap. */
  #restart(schedule: Schedule, now: Instant): void {
    // Its first frame has not left yet: it keeps its turn.
    if (schedule.round === 0) return;
    schedule.round = 0;
    this.#wait(schedule, now);
  }

  #next(schedule: Schedule, now: Instant): void {
    if (schedule.round === 0) schedule.startedAt = now;
    schedule.round += 1;
    const offset = ANNOUNCE_AT[schedule.round];
    if (offset === undefined && this.#refresh === 0) move(schedule, new Set());
    else if (offset === undefined) {
      const jitter = 1 + (this.#random() - 0.5) * 0.4;
      this.#wait(schedule, ceil(now + this.#refresh * jitter, SLOT.refresh));
    } else {
      const width = schedule.round === 1 ? SLOT.second : SLOT.later;
      this.#wait(schedule, ceil(Math.max(now, schedule.startedAt + offset), width));
    }
  }

  #wait(schedule: Schedule, due: Instant): void {
    let slot = this.#slots.get(due);
    if (slot === undefined) {
      slot = new Set();
      this.#slots.set(due, slot);
    }
    move(schedule, slot);
  }

  #enqueue(schedule: Schedule): void {
    const [first, repeats, refreshes] = this.#queues;
    if (schedule.round === 0) move(schedule, first);
    else move(schedule, schedule.round < ANNOUNCE_AT.length ? repeats : refreshes);
  }
}

function move(schedule: Schedule, place: Set<Schedule>): void {
  schedule.place.delete(schedule);
  schedule.place = place;
  place.add(schedule);
}

function ceil(at: Instant, width: Millis): Instant {
  return Math.ceil(at / width) * width;
}

/** The form that every neighbour obeys: also what an address is defended with (RFC 5227 2.4). */
export function announcement({ ip, mac }: Target): Uint8Array {
  if (ip.family === 6) return emitNdp(unsolicitedAdvertisement(ip, mac));
  return emitArp(gratuitousRequest(ip, mac));
}

function framesOf(target: Target, round: number): Uint8Array[] {
  const first = announcement(target);
  if (round === 0) return [first];
  const { ip, mac } = target;
  if (ip.family === 6) return [first, emitNdp(advertisementToRouters(ip, mac))];
  return [first, emitArp(gratuitousReply(ip, mac))];
}
