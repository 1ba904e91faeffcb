/**
 * The `model` data plane: `respond` and `guard` with a table, for tests and simulation. Whoever
 * plays the wire hands frames to `receive` and takes what was sent from `sent`; what this host's
 * kernel would send goes through `leave`.
 */
import { err, ok } from '../lib/result.ts';
import type { Instant } from '../lib/time.ts';
import { formatIp } from '../net/ip.ts';
import type { Announcement, DataPlane, PlaneLink, Sighting } from './dataplane.ts';
import { guard } from './guard.ts';
import type { LinkIndex } from './links.ts';
import { DEEDS, VERDICTS, respond } from './respond.ts';
import type { Claim, PlaneState, Response } from './respond.ts';

export interface SentFrame {
  readonly link: LinkIndex;
  readonly frame: Uint8Array;
}

export interface ModelPlane extends DataPlane {
  /** A frame from the wire; the reply, if any, goes back on the same link. */
  receive(link: PlaneLink, frame: Uint8Array, now: Instant): Response;
  /** A frame from this host's kernel; what the guard makes of it, undefined for nothing. */
  leave(link: LinkIndex, frame: Uint8Array, now: Instant): Uint8Array | undefined;
  /** Everything given to `send`, oldest first. */
  readonly sent: SentFrame[];
}

export interface ModelPlaneOptions {
  readonly guard?: boolean;
}

/** The same limits as responder.h, so that a test on the model finds an overflow. */
const MAX_VIPS = 16384;
const SIGHTINGS_PER_PERIOD = 40;
/** 2^30 ns; a shift is all that the kernel needs to tell one period from the next. */
const PERIOD = 2 ** 30 / 1e6;

/** What is kept for an address, as in struct slot. */
interface Slot {
  answered: bigint;
  asked: number;
  seen: bigint;
  /** Of each of the two limits: the period, and the sightings in it. */
  readonly told: Record<'any' | 'direct', { period: number; count: number }>;
}

function newSlot(): Slot {
  const none = { period: -1, count: 0 };
  return { answered: 0n, asked: 0, seen: 0n, told: { any: { ...none }, direct: { ...none } } };
}

class Model implements ModelPlane {
  readonly name = 'model';
  readonly sent: SentFrame[] = [];
  readonly #guard: boolean;
  readonly #announcements = new Map<string, Announcement>();
  readonly #slots = new Map<string, Slot>();
  readonly #links = new Map<LinkIndex, PlaneLink>();
  readonly #counters = new Map<string, bigint>();
  #sightings: Sighting[] = [];
  #until: Instant = 0;

  constructor({ guard: guards = false }: ModelPlaneOptions) {
    this.#guard = guards;
    for (const name of [...VERDICTS, ...DEEDS]) {
      if (name !== 'other') this.#counters.set(name, 0n);
    }
  }

  receive(link: PlaneLink, frame: Uint8Array, now: Instant): Response {
    const response = respond(this.#state(), link, frame, now);
    this.#count(response.verdict);
    if (response.drops) this.#count('silenced');
    const slot = this.#slots.get(response.asked ?? '');
    if (slot !== undefined) {
      slot.asked += 1;
      if (response.verdict === 'answered') slot.answered += 1n;
    }
    if (response.claim !== undefined) this.#note(response.claim);
    return response;
  }

  leave(link: LinkIndex, frame: Uint8Array, now: Instant): Uint8Array | undefined {
    const guarded = guard(this.#state(), link, frame, now);
    if (guarded.deed !== undefined) this.#count(guarded.deed);
    return guarded.frame;
  }

  attach(link: PlaneLink): ReturnType<DataPlane['attach']> {
    this.#links.set(link.index, link);
    return ok(undefined);
  }

  detach(index: LinkIndex): ReturnType<DataPlane['detach']> {
    this.#links.delete(index);
    return ok(undefined);
  }

  apply({ put, remove }: Parameters<DataPlane['apply']>[0]): ReturnType<DataPlane['apply']> {
    for (const key of remove) {
      this.#announcements.delete(key);
      this.#slots.delete(key);
    }
    for (const [key, announcement] of put) {
      if (!this.#announcements.has(key)) {
        if (this.#announcements.size === MAX_VIPS) {
          return err(`${key}: more than ${MAX_VIPS} addresses on one node`);
        }
        this.#slots.set(key, newSlot());
      }
      this.#announcements.set(key, announcement);
    }
    return ok(undefined);
  }

  renew(until: Instant): ReturnType<DataPlane['renew']> {
    this.#until = until;
    return ok(undefined);
  }

  send(link: LinkIndex, frame: Uint8Array): ReturnType<DataPlane['send']> {
    if (!this.#links.has(link))
      return err(`link ${link} is not attached, so nothing is sent there`);
    this.sent.push({ link, frame: frame.slice() });
    return ok(undefined);
  }

  sightings(): readonly Sighting[] {
    const told = this.#sightings;
    this.#sightings = [];
    return told;
  }

  asked(key: string): number {
    return this.#slots.get(key)?.asked ?? 0;
  }

  mend(): ReturnType<DataPlane['mend']> {
    return new Map();
  }

  read(): ReturnType<DataPlane['read']> {
    return ok(new Map(this.#announcements));
  }

  counters(): ReadonlyMap<string, bigint> {
    const counters = new Map(this.#counters);
    for (const [key, { answered, seen }] of this.#slots) {
      const isAnswered = this.#announcements.get(key)?.role === 'answer';
      if (isAnswered) counters.set(`answered ${key}`, answered);
      if (seen > 0n) counters.set(`seen ${key}`, seen);
    }
    return counters;
  }

  close(): void {
    this.#links.clear();
    this.#announcements.clear();
    this.#slots.clear();
    this.#until = 0;
  }

  #state(): PlaneState {
    const [until, announcements] = [this.#until, this.#announcements];
    return { until, announcements, links: this.#links, guard: this.#guard };
  }

  #count(name: string): void {
    const count = this.#counters.get(name);
    if (count !== undefined) this.#counters.set(name, count + 1n);
  }

  #note({ sighting, direct }: Claim): void {
    const slot = this.#slots.get(formatIp(sighting.ip));
    if (slot === undefined) return;
    slot.seen += 1n;
    const told = slot.told[direct ? 'direct' : 'any'];
    const period = Math.floor(sighting.at / PERIOD);
    if (told.period !== period) Object.assign(told, { period, count: 0 });
    if (told.count === SIGHTINGS_PER_PERIOD) return;
    told.count += 1;
    this.#sightings.push(sighting);
  }
}

export function openModelPlane(options: ModelPlaneOptions = {}): ModelPlane {
  return new Model(options);
}
