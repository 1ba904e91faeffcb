/**
 * One question to the segment: who answers for these addresses? An ARP probe (RFC 5227 2.1.1) or a
 * Neighbor Solicitation, put a few times; whoever answers is remembered by MAC address. What the
 * answers mean is for `asking.ts` to say.
 *
 * In IPv4 the sender is 0.0.0.0, so that no cache learns anything from a question. In IPv6 it is
 * the link's own link-local address where there is one: MetalLB's speakers do not answer a
 * solicitation that comes from `::`.
 */
import type { Instant, Millis } from '../lib/time.ts';
import { arpProbe, emitArp } from '../net/arp.ts';
import type { Ip } from '../net/ip.ts';
import type { Mac } from '../net/mac.ts';
import { UNSPECIFIED_V6, emitNdp, neighborSolicitation } from '../net/ndp.ts';
import type { LinkIndex } from './links.ts';
import type { Questioning } from './timing.ts';

/** A link to ask on, and as whom. */
export interface Path {
  readonly index: LinkIndex;
  readonly mac: Mac;
  /** The link's own, in fe80::/10. */
  readonly linkLocal?: Ip | undefined;
}

export interface Asked {
  readonly ip: Ip;
  readonly paths: readonly Path[];
}

export interface OutFrame {
  readonly link: LinkIndex;
  readonly frame: Uint8Array;
}

/** Who answered, where, and for which address by `formatIp`. */
export interface Answer {
  readonly mac: Mac;
  readonly link: LinkIndex;
  readonly key: string;
}

/** Of the addresses that hang on one answer, so many are asked for at a time. */
const SAMPLES = 3;

export class Question {
  readonly addresses = new Map<string, Asked>();
  readonly answers = new Map<Mac, Answer>();
  readonly timing: Questioning;
  #round = 0;
  /** Judged once already, and free by that judgement. */
  isClear = false;
  /** To be judged when it is known who answered. */
  isPending = false;
  /** Of this round, still to be sent. */
  #frames: OutFrame[] = [];
  /** Where the next round's samples begin. */
  #next = 0;
  readonly #to: Mac | undefined;
  #notBefore: Instant;
  #startedAt: Instant | undefined;

  /** Put to everybody, or in IPv4 to the one with that MAC alone. */
  constructor(timing: Questioning, now: Instant, to?: Mac) {
    this.timing = timing;
    this.#notBefore = now;
    this.#to = to;
  }

  /** Puts it again from the beginning, not before then. */
  again(at: Instant): void {
    this.#round = 0;
    this.#frames = [];
    this.#startedAt = undefined;
    this.#notBefore = at;
    this.answers.clear();
  }

  /** The next frame to send at `now`; it is gone from here when `take` says that it was sent. */
  due(now: Instant): OutFrame | undefined {
    if (this.#frames.length === 0 && now >= this.#roundAt()) {
      this.#frames = this.#sample();
      this.#round += 1;
    }
    return this.#frames[0];
  }

  /** The frame that `due` gave has been sent. */
  take(now: Instant): void {
    this.#frames.shift();
    if (this.#frames.length === 0) this.#startedAt ??= now;
  }

  /** Is it that long since the first round was complete? As `deadline` adds, to the last bit. */
  isOld(offset: Millis, now: Instant): boolean {
    return this.#startedAt !== undefined && now >= this.#startedAt + offset;
  }

  /** The first round is complete. */
  get isPut(): boolean {
    return this.#startedAt !== undefined;
  }

  /** When something is next to be sent, for which there is no room before `opensAt`, or judged. */
  deadline(opensAt: Instant): Instant {
    const { clear, end } = this.timing;
    const asks = this.#frames.length > 0 ? opensAt : Math.max(this.#roundAt(), opensAt);
    if (this.#startedAt === undefined || this.isPending) return asks;
    return Math.min(asks, this.#startedAt + (this.isClear ? end : clear));
  }

  /** Where one answer is enough no more is asked: planes tell of so many claims a second. */
  #roundAt(): Instant {
    if (this.#round === 0) return this.#notBefore;
    const offset = this.timing.at[this.#round];
    if (offset === undefined || (this.timing.once && this.answers.size > 0)) return Infinity;
    return this.#startedAt === undefined ? Infinity : this.#startedAt + offset;
  }

  #sample(): OutFrame[] {
    const all = [...this.addresses.values()];
    const count = Math.min(SAMPLES, all.length);
    const frames: OutFrame[] = [];
    for (let i = 0; i < count; i++) {
      const asked = all[(this.#next + i) % all.length];
      if (asked === undefined) continue;
      for (const path of asked.paths) {
        frames.push({ link: path.index, frame: questionFrame(asked.ip, path, this.#to) });
      }
    }
    this.#next = (this.#next + count) % Math.max(1, all.length);
    return frames;
  }
}

function questionFrame(ip: Ip, { mac, linkLocal }: Path, to?: Mac): Uint8Array {
  if (ip.family === 4) {
    const probe = arpProbe(ip, mac);
    return emitArp(to === undefined ? probe : { ...probe, destination: to });
  }
  return emitNdp(neighborSolicitation(ip, linkLocal ?? UNSPECIFIED_V6, mac));
}
