/**
 * Addresses for a Service that lacks some. They are taken in the ledger; nothing is said about why
 * there are none, because that is true only once everybody has been served (denial.ts).
 *
 * Who has some of what it wants first looks for the rest in the pool they are from. A Service that
 * must have both families gives its one up for a pool that has both; one that prefers both does so
 * only if it had both before. Fewer addresses per family than wished are kept, not given: a number
 * raised later must not take a working address away.
 */
import type { Claim } from '../config/claim.ts';
import type { Family, Ip } from '../net/ip.ts';
import { refuseRequest } from './denial.ts';
import { united, without } from './entry.ts';
import { countOf, familiesFor, keepable, suffices } from './keep.ts';
import type { Ledger } from './ledger.ts';
import { isEligible } from './order.ts';
import type { Order } from './order.ts';
import type { Stock } from './stock.ts';

export interface Lacking {
  readonly claim: Claim;
  readonly held: readonly Ip[];
  /** Of what it held; has it already. */
  readonly kept: readonly Ip[];
  /** Where those went that shared with it what nobody may have for a while. */
  readonly companions: readonly Ip[];
}

/** All that the Service has from now on. Empty: nothing, not even what it had kept. */
export function give(
  { claim, held, kept, companions }: Lacking,
  ledger: Ledger,
  order: Order,
): readonly Ip[] {
  const dropAll = (addresses: readonly Ip[]): void => {
    for (const ip of addresses) ledger.drop(ip, claim);
  };
  if (claim.requested.length > 0) {
    if (refuseRequest(claim, ledger) === undefined) return takeAll(claim.requested, claim, ledger);
    dropAll(kept);
    return [];
  }
  const first = kept.length > 0 ? kept : reserved(claim, ledger);
  const own = follow(claim, first, companions, ledger);
  if (own.length === 0) {
    const found = fromPools(claim, ledger, order, claim.families.want === 'both');
    // Fewer of the second family than wished are more than none.
    return claim.families.want === 'prefer' ? complete(claim, found, ledger) : found;
  }
  const more = complete(claim, own, ledger);
  const { want, order: families } = claim.families;
  const hasBoth = families.every((family) => countOf(more, family) > 0);
  const hadBoth = families.every((family) => countOf(held, family) > 0);
  if (want === 'first' || hasBoth || (want === 'prefer' && !hadBoth)) return more;
  if (want === 'prefer') {
    const pair = fromPools(claim, ledger, order, true);
    dropAll(pair.length > 0 ? more : []);
    return pair.length > 0 ? pair : more;
  }
  dropAll(more);
  return fromPools(claim, ledger, order, true);
}

function takeAll(addresses: readonly Ip[], claim: Claim, ledger: Ledger): readonly Ip[] {
  for (const ip of addresses) ledger.take(ip, claim);
  return addresses;
}

/** What a claim object keeps for it, as far as its quota goes. */
function reserved(claim: Claim, ledger: Ledger): readonly Ip[] {
  const addresses = keepable(claim, ledger.keptFor(claim.key), ledger).filter((ip) =>
    ledger.isOpen(ip, claim),
  );
  const allowance = ledger.allowance(claim.namespace);
  return takeAll(addresses.slice(0, Math.max(0, allowance)), claim, ledger);
}

/** To where it can share again with those that it shared with. */
function follow(
  claim: Claim,
  own: readonly Ip[],
  companions: readonly Ip[],
  ledger: Ledger,
): readonly Ip[] {
  if (companions.length === 0) return own;
  const all = [...own];
  for (const ip of without(keepable(claim, united(own, companions), ledger), own)) {
    const stock = ledger.stockOf(ip);
    const isPaid = ledger.isSpent(ip, claim.namespace) || ledger.allowance(claim.namespace) > 0;
    const mayHave = isPaid && ledger.isOpen(ip, claim);
    if (!mayHave || stock === undefined || !isEligible(stock, claim)) continue;
    ledger.take(ip, claim);
    all.push(ip);
  }
  return all;
}

/** With what is missing from the pool of those that stay, as far as it goes. */
function complete(claim: Claim, own: readonly Ip[], ledger: Ledger): readonly Ip[] {
  const [first] = own;
  const stock = first === undefined ? undefined : ledger.stockOf(first);
  const all = [...own];
  if (stock === undefined || suffices(claim, own)) return own;
  for (const family of familiesFor(claim, own)) {
    for (let count = countOf(own, family); count < claim.perFamily; count += 1) {
      const ip = ledger.lowest(stock, family, claim);
      if (ip === undefined) break;
      ledger.take(ip, claim);
      all.push(ip);
    }
  }
  return all;
}

function fromPools(claim: Claim, ledger: Ledger, order: Order, pairsOnly: boolean): readonly Ip[] {
  for (const stocks of order.of(claim)) {
    const found = pick(claim, stocks, ledger, pairsOnly);
    if (found !== undefined) return found;
  }
  return [];
}

/** From one group of pools: two families from one pool, or else one. */
function pick(
  claim: Claim,
  stocks: readonly Stock[],
  ledger: Ledger,
  pairsOnly: boolean,
): readonly Ip[] | undefined {
  if (claim.families.want !== 'first') {
    for (const stock of stocks) {
      const pair = gatherBoth(stock, claim, ledger);
      if (pair !== undefined) return pair;
    }
  }
  if (pairsOnly) return undefined;
  for (const family of claim.families.order) {
    for (const stock of stocks) {
      const found = gather(stock, family, claim, ledger);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

function gatherBoth(stock: Stock, claim: Claim, ledger: Ledger): readonly Ip[] | undefined {
  if (stock.capacity[4] === 0n || stock.capacity[6] === 0n) return undefined;
  const four = gather(stock, 4, claim, ledger);
  const six = four === undefined ? undefined : gather(stock, 6, claim, ledger);
  if (four !== undefined && six !== undefined) return [...four, ...six];
  for (const ip of four ?? []) ledger.drop(ip, claim);
  return undefined;
}

/** As many as the claim wants of a family, or none. */
function gather(
  stock: Stock,
  family: Family,
  claim: Claim,
  ledger: Ledger,
): readonly Ip[] | undefined {
  const found: Ip[] = [];
  while (found.length < claim.perFamily) {
    const ip = ledger.lowest(stock, family, claim);
    if (ip === undefined) {
      for (const each of found) ledger.drop(each, claim);
      return undefined;
    }
    ledger.take(ip, claim);
    found.push(ip);
  }
  return found;
}
