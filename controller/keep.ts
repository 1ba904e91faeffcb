/**
 * What a Service may go on holding, and whether that is all it wants. A quota is not asked: who
 * holds addresses keeps them when it shrinks.
 */
import type { Claim } from '../config/claim.ts';
import { sameIp } from '../net/ip.ts';
import type { Family, Ip } from '../net/ip.ts';
import type { Ledger } from './ledger.ts';
import { refusal } from './order.ts';
import type { Stock } from './stock.ts';

/** Of `held` what claim and pools allow, all from one pool: that of the first. */
export function keepable(claim: Claim, held: readonly Ip[], ledger: Ledger): readonly Ip[] {
  const kept: Ip[] = [];
  let own: Stock | undefined;
  for (const ip of held) {
    const stock = ledger.stockOf(ip);
    if (stock === undefined || (own !== undefined && stock !== own)) continue;
    if (!isWanted(claim, kept, ip)) continue;
    if (claim.pool !== undefined && stock.pool.name !== claim.pool) continue;
    if (refusal(stock.pool, claim) !== undefined || stock.avoids(ip)) continue;
    if (ledger.isBarred(ip, claim)) continue;
    own = stock;
    kept.push(ip);
  }
  return kept;
}

function isWanted({ requested, families, perFamily }: Claim, kept: readonly Ip[], ip: Ip): boolean {
  if (requested.length > 0) return requested.some((wish) => sameIp(wish, ip));
  if (!families.order.includes(ip.family)) return false;
  const [first] = kept;
  if (families.want === 'first' && first !== undefined && first.family !== ip.family) return false;
  return countOf(kept, ip.family) < perFamily;
}

/** Whether nothing is missing. */
export function suffices(claim: Claim, kept: readonly Ip[]): boolean {
  if (claim.requested.length > 0) return kept.length === claim.requested.length;
  return familiesFor(claim, kept).every((family) => countOf(kept, family) === claim.perFamily);
}

/** The families in which it should have addresses, given those that it has. */
export function familiesFor({ families }: Claim, kept: readonly Ip[]): readonly Family[] {
  const [first] = kept;
  if (families.want !== 'first') return families.order;
  return first === undefined ? families.order.slice(0, 1) : [first.family];
}

export function countOf(addresses: readonly Ip[], family: Family): number {
  let count = 0;
  for (const ip of addresses) if (ip.family === family) count += 1;
  return count;
}
