/**
 * Whether this node reaches its default gateways, by ICMP echo: one question for each, every
 * second. Three in a row without an answer, and it is missed: nodes that reach theirs answer for
 * the addresses instead, where there are any (docs/decisions/0013-gateway-check.md).
 *
 * Slow to trust again, so that nothing flaps: ten seconds of answers without a gap, twice as long
 * after every further loss (up to five minutes), until the gateway has kept for ten times as long.
 * Right after a start it is missed until a first answer, which comes in milliseconds; else a node
 * that reaches nothing would take its addresses back at each start.
 *
 * A family without a default gateway says nothing; one whose route has gone is trusted again as if
 * it answered. Equal gateways stand in for each other. A turn that comes late proves nothing:
 * answers may wait in the socket of a busy process.
 */
import type { Machine } from '../lib/machine.ts';
import type { Instant, Millis } from '../lib/time.ts';
import { formatIp, sameIp } from '../net/ip.ts';
import type { Family, Ip } from '../net/ip.ts';
import type { Reachability } from './impairment.ts';
import type { Gateway } from './routes.ts';

export type GatewayInput =
  /** All there are now. */
  | { readonly kind: 'gateways'; readonly gateways: readonly Gateway[] }
  /** An answer to the question of that number. */
  | { readonly kind: 'echo'; readonly from: Ip; readonly number: number };

export type GatewayOutput =
  | { readonly kind: 'ask'; readonly gateway: Gateway; readonly number: number }
  | { readonly kind: 'reach'; readonly reach: Reach };

/** What is known now; told when it changes. */
export interface Reach {
  readonly reach: Reachability;
  /** By family, those with a default gateway. */
  readonly families: ReadonlyMap<Family, boolean>;
  /** For people; undefined: nothing is wrong. */
  readonly sentence: string | undefined;
}

export const BEAT: Millis = 1000;
export const MISSES = 3;
export const GOOD_FOR: Millis = 10_000;
const MOST_GOOD_FOR: Millis = 300_000;
/** A turn that comes later than this is void. */
const LATE: Millis = 200;
/** Numbers have 16 bits in ICMP (RFC 792, RFC 4443 4.1). */
const NUMBERS = 0x10000;

const FAMILIES: readonly Family[] = [4, 6];

/** One family's gateways. Without any there is nothing to reach, which is as good. */
class Side {
  gateways: readonly Gateway[] = [];
  /** The last ones there were. */
  named: readonly Gateway[] = [];
  isReached = true;
  /** The speaker has just started: a first answer is enough. */
  isFresh = false;
  answered = false;
  misses = 0;
  /** Since then there was no gap. */
  goodSince: Instant | undefined;
  /** How long that must last until it is reached again. */
  goodFor = GOOD_FOR;
  reachedSince: Instant = -Infinity;

  get isIdle(): boolean {
    return this.gateways.length === 0 && this.isReached;
  }

  judge(now: Instant): void {
    if (!this.answered && this.gateways.length > 0) {
      this.misses += 1;
      this.goodSince = undefined;
      if (this.misses < MISSES) return;
      this.isReached = false;
      this.isFresh = false;
      return;
    }
    this.misses = 0;
    this.goodSince ??= now - BEAT;
    if (!this.isReached && now - this.goodSince >= this.goodFor) this.#regain(now);
    if (this.isReached && now - this.reachedSince >= 10 * this.goodFor) this.goodFor = GOOD_FOR;
  }

  hear(now: Instant): void {
    this.answered = true;
    if (!this.isFresh) return;
    this.isFresh = false;
    this.isReached = true;
    this.reachedSince = now;
  }

  #regain(now: Instant): void {
    this.isReached = true;
    this.reachedSince = now;
    this.goodFor = Math.min(2 * this.goodFor, MOST_GOOD_FOR);
  }
}

export class GatewayCheck implements Machine<GatewayInput, GatewayOutput> {
  readonly #out: GatewayOutput[] = [];
  readonly #sides = new Map(FAMILIES.map((family) => [family, new Side()]));
  #begun = false;
  #number = 0;
  #turnAt: Instant | undefined;
  #told: string | undefined;

  handle(input: GatewayInput, now: Instant): void {
    if (input.kind === 'gateways') this.#take(input.gateways, now);
    else this.#hear(input.from, input.number, now);
    this.#tell();
  }

  tick(now: Instant): void {
    if (this.#turnAt === undefined || now < this.#turnAt) return;
    if (now - this.#turnAt <= LATE) for (const side of this.#sides.values()) side.judge(now);
    this.#ask(now);
    this.#tell();
  }

  poll(): GatewayOutput | undefined {
    return this.#out.shift();
  }

  deadline(): Instant | undefined {
    return this.#turnAt;
  }

  #take(gateways: readonly Gateway[], now: Instant): void {
    let isNew = false;
    for (const [family, side] of this.#sides) {
      const mine = gateways.filter(({ ip }) => ip.family === family);
      if (sameGateways(side.gateways, mine)) continue;
      side.gateways = mine;
      side.misses = 0;
      if (mine.length === 0) continue;
      side.named = mine;
      isNew = true;
      // Later ones are taken for reached until they are not: a route that is replaced is no loss.
      if (!this.#begun) Object.assign(side, { isReached: false, isFresh: true });
    }
    this.#begun = true;
    if (isNew) this.#ask(now);
  }

  /** The number names the turn. */
  #ask(now: Instant): void {
    this.#number = (this.#number + 1) % NUMBERS;
    for (const side of this.#sides.values()) {
      side.answered = false;
      for (const gateway of side.gateways) {
        this.#out.push({ kind: 'ask', gateway, number: this.#number });
      }
    }
    const isIdle = [...this.#sides.values()].every((side) => side.isIdle);
    this.#turnAt = isIdle ? undefined : now + BEAT;
  }

  #hear(from: Ip, number: number, now: Instant): void {
    const side = this.#sides.get(from.family);
    if (side === undefined || number !== this.#number) return;
    if (side.gateways.some(({ ip }) => sameIp(ip, from))) side.hear(now);
  }

  #tell(): void {
    const families = new Map<Family, boolean>();
    const lost: string[] = [];
    for (const [family, { gateways, named, isReached, isFresh }] of this.#sides) {
      if (gateways.length > 0 || !isReached) families.set(family, isReached);
      // Right after the start nothing is wrong yet: there was no time to answer.
      if (!isReached && !isFresh) lost.push(named.map(({ ip }) => formatIp(ip)).join(' or '));
    }
    const told = `${lost.join()} ${[...families].join()}`;
    if (told === this.#told || !this.#begun) return;
    this.#told = told;
    const isMissed = [...families.values()].includes(false);
    const reach = isMissed ? 'missed' : families.size > 0 ? 'reached' : 'unknown';
    const sentence = lost.length === 0 ? undefined : sentenceOf(lost);
    this.#out.push({ kind: 'reach', reach: { reach, families, sentence } });
  }
}

function sentenceOf(lost: readonly string[]): string {
  return (
    `no answer to ICMP echo from the default gateway ${lost.join(', nor from ')}: other nodes ` +
    'answer for the addresses if they reach theirs'
  );
}

function sameGateways(a: readonly Gateway[], b: readonly Gateway[]): boolean {
  return (
    a.length === b.length && a.every((one, i) => one.link === b[i]?.link && sameIp(one.ip, b[i].ip))
  );
}
