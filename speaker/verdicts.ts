/**
 * Does a host answer for its own addresses, or for everything? Whoever answered a question is asked
 * for decoys before the answer counts, and the verdict is kept for a while.
 *
 * MACs are made up easily, so few things are kept, and the oldest goes first.
 */
import type { Random } from '../lib/random.ts';
import type { Instant, Millis } from '../lib/time.ts';
import type { Ip } from '../net/ip.ts';
import type { Mac } from '../net/mac.ts';
import { decoysFor, isProxy } from './decoy.ts';
import type { Decoys } from './decoy.ts';
import { Question } from './question.ts';
import type { Asked } from './question.ts';
import { DECOY } from './timing.ts';

const KEPT: Millis = 600_000;
const MOST = 1024;

export class Verdicts {
  readonly #random: Random;
  readonly #decoys = new Map<Mac, Decoys>();
  readonly #verdicts = new Map<Mac, { readonly isProxy: boolean; readonly until: Instant }>();
  /** Grows whenever `decoys` say something else. */
  version = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  isProxy(mac: Mac, now: Instant): boolean {
    const verdict = this.#verdicts.get(mac);
    if (verdict !== undefined && now >= verdict.until) this.#verdicts.delete(mac);
    return this.#verdicts.get(mac)?.isProxy === true;
  }

  has(mac: Mac): boolean {
    return this.#verdicts.has(mac);
  }

  /** Addresses to watch that nobody has. */
  *decoys(): Iterable<readonly [string, Ip]> {
    for (const { ips } of this.#decoys.values()) yield* ips;
  }

  /** To be put to the segment. */
  *questions(): Iterable<Question> {
    for (const { question } of this.#decoys.values()) yield question;
  }

  /** Asks for decoys beside an address, where that was asked for. */
  tempt(mac: Mac, asked: Asked | undefined, isTaken: (key: string) => boolean, now: Instant): void {
    if (this.#decoys.has(mac)) return;
    // Linux answers a broadcast for others up to 0.8 s late (proxy_delay), and a unicast at once.
    const question = new Question(DECOY, now, mac);
    const ips = asked && decoysFor(asked.ip, this.#random, isTaken);
    for (const [each, ip] of ips ?? []) {
      question.addresses.set(each, { ip, paths: asked?.paths ?? [] });
    }
    this.#decoys.set(mac, { ips: ips ?? new Map(), question, answered: new Set() });
    this.version += 1;
  }

  /** An answer for what may be a decoy. */
  hear(key: string, mac: Mac): void {
    for (const decoys of this.#decoys.values()) {
      if (decoys.ips.has(key)) decoys.answered.add(`${key} ${mac}`);
    }
  }

  /** Those about whom there is a verdict now. */
  tick(now: Instant): readonly Mac[] {
    const judged: Mac[] = [];
    for (const [mac, decoys] of this.#decoys) {
      if (!decoys.question.isOld(DECOY.clear, now)) continue;
      this.#decoys.delete(mac);
      this.version += 1;
      this.#verdicts.set(mac, { isProxy: isProxy(decoys, mac), until: now + KEPT });
      const [oldest] = this.#verdicts.keys();
      if (oldest !== undefined && this.#verdicts.size > MOST) this.#verdicts.delete(oldest);
      judged.push(mac);
    }
    return judged;
  }
}
