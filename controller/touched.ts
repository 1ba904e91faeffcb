/**
 * What of the ledger has changed since it was last decided on, and whom that concerns: of those
 * that wait for an address only they are looked at again.
 *
 * An address that somebody takes while it is free helps nobody who waits (else it would have been
 * given before), so it counts only for those whose sentence speaks of it.
 */
import type { Claim } from '../config/claim.ts';
import type { Family, Ip } from '../net/ip.ts';
import { has, sharesAlike } from './entry.ts';
import type { Entry, Footprint } from './entry.ts';
import type { Ledger } from './ledger.ts';
import { isEligible } from './order.ts';
import type { Stock } from './stock.ts';

type How = 'filled' | 'changed';

export class Touched {
  readonly #ledger: Ledger;
  /** Everybody is decided on anyway. */
  readonly #isAll: boolean;
  readonly #addresses: Readonly<Record<Family, Set<bigint>>> = { 4: new Set(), 6: new Set() };
  readonly #stocks = new Map<Stock, Partial<Record<Family, How>>>();
  readonly #namespaces = new Set<string>();

  constructor(ledger: Ledger, isAll = false) {
    this.#ledger = ledger;
    this.#isAll = isAll;
  }

  add(ip: Ip, how: How): void {
    if (this.#isAll) return;
    const { family, value } = ip;
    this.#addresses[family].add(value);
    const stock = this.#ledger.stockOf(ip);
    if (stock === undefined) return;
    const families = this.#stocks.get(stock) ?? {};
    this.#stocks.set(stock, families);
    if (families[family] !== 'changed') families[family] = how;
  }

  #has({ family, value }: Ip): boolean {
    return this.#addresses[family].has(value);
  }

  /** Whether something of the same pool has changed. */
  #isNear(ip: Ip): boolean {
    const stock = this.#ledger.stockOf(ip);
    return this.#has(ip) || (stock !== undefined && this.#stocks.has(stock));
  }

  /** How many addresses a namespace uses may change. */
  spent(namespace: string): void {
    this.#namespaces.add(namespace);
  }

  /** What is different about a Service since it was as `was`. */
  compare({ claim, used, left }: Entry, before: Footprint): void {
    if (this.#isAll) return;
    const isAlike =
      before.claim === claim ||
      (before.claim !== undefined && claim !== undefined && sharesAlike(before.claim, claim));
    for (const ip of before.used) if (!isAlike || !has(used, ip)) this.add(ip, 'changed');
    for (const ip of used) {
      if (has(before.used, ip)) continue;
      this.add(ip, this.#ledger.isSole(ip) ? 'filled' : 'changed');
      if (claim !== undefined) this.#namespaces.add(claim.namespace);
    }
    for (const ip of before.used) {
      if (!has(used, ip) && before.claim !== undefined)
        this.#namespaces.add(before.claim.namespace);
    }
    for (const ip of before.left) if (!has(left, ip)) this.add(ip, 'changed');
    for (const ip of left) if (!has(before.left, ip)) this.add(ip, 'changed');
  }

  /** Whether one who waits may get something now, or may have to be told something else. */
  concerns({ claim, decision, used }: Entry): boolean {
    if (claim === undefined || this.#isAll) return this.#isAll;
    const { quotas } = this.#ledger;
    if (quotas.has(claim.namespace) && this.#namespaces.has(claim.namespace)) return true;
    if (claim.requested.length > 0) return claim.requested.some((ip) => this.#has(ip));
    // What is kept for it may be in a pool that it gets nothing else from.
    if (this.#ledger.keptFor(claim.key).some((ip) => this.#isNear(ip))) return true;
    const [first] = decision?.kind === 'allocated' ? used : [];
    const own = first === undefined ? undefined : this.#ledger.stockOf(first);
    for (const [stock, families] of this.#stocks) {
      if (!concernsFamilies(claim, families)) continue;
      if (own === undefined ? isEligible(stock, claim) : stock === own) return true;
    }
    return false;
  }
}

function concernsFamilies(claim: Claim, families: Partial<Record<Family, How>>): boolean {
  const { order, want } = claim.families;
  const heedsFilled = want === 'both' || claim.perFamily > 1;
  return order.some((family) => {
    const how = families[family];
    return how === 'changed' || (how === 'filled' && heedsFilled);
  });
}
