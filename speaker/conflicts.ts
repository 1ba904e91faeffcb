/**
 * Strangers that claim addresses of ours: who, where, since when it was seen last, and when the
 * address was defended last (RFC 5227 2.4, the middle way: not given up, defended once per
 * `DEFEND_INTERVAL`, because two that defend without a limit would shout for ever).
 *
 * `withheld` ones are not answered for; a question decides when that is over (`asking.ts`). Of the
 * others only silence tells: what was not seen for `CONFLICT_KEPT` is over.
 */
import type { Instant, Millis } from '../lib/time.ts';
import type { Mac } from '../net/mac.ts';
import type { LinkIndex } from './links.ts';
import { CONFLICT_KEPT, DEFEND_INTERVAL, STRANGER_KEPT } from './timing.ts';

export interface Clash {
  /** The address, by `formatIp`. */
  readonly key: string;
  readonly mac: Mac;
  readonly link: LinkIndex;
  readonly withheld: boolean;
}

interface Known extends Clash {
  seenAt: Instant;
  /** Or another one in its place. */
  claimedAt: Instant;
}

export class Conflicts {
  readonly #known = new Map<string, Known>();
  readonly #defendedAt = new Map<string, Instant>();
  /** Grows whenever `all` says something else. */
  version = 0;

  /**
   * The stranger was seen. Of several the first is told of, for as long as it is seen now and then:
   * one that makes up MACs would be news with each frame.
   */
  put(clash: Clash, now: Instant): void {
    const before = this.#known.get(clash.key);
    if (before?.withheld !== clash.withheld || now >= before.seenAt + STRANGER_KEPT) {
      this.#known.set(clash.key, { ...clash, seenAt: now, claimedAt: now });
      this.version += 1;
      return;
    }
    before.claimedAt = now;
    if (before.mac === clash.mac && before.link === clash.link) before.seenAt = now;
  }

  /** It is over, or no business of ours any more. */
  remove(key: string): void {
    this.#defendedAt.delete(key);
    if (this.#known.delete(key)) this.version += 1;
  }

  /** May the address be defended now? If so, it is. */
  defends(key: string, now: Instant, interval: Millis = DEFEND_INTERVAL): boolean {
    if (now - (this.#defendedAt.get(key) ?? -Infinity) < interval) return false;
    this.#defendedAt.set(key, now);
    return true;
  }

  tick(now: Instant): void {
    for (const { key, withheld, claimedAt } of this.#known.values()) {
      if (!withheld && now >= claimedAt + CONFLICT_KEPT) this.remove(key);
    }
  }

  deadline(): Instant | undefined {
    const over = [...this.#known.values()]
      .filter(({ withheld }) => !withheld)
      .map(({ claimedAt }) => claimedAt + CONFLICT_KEPT);
    return over.length === 0 ? undefined : Math.min(...over);
  }

  all(): readonly Clash[] {
    return [...this.#known.values()];
  }
}
