/**
 * The sentence for a Service that gets no address: which pools were tried, why each refused, and
 * what to do. MetalLB says "no available IPs" to all of it.
 *
 * It is made from the ledger once everybody has been served, so it depends on how things are, not
 * on the order in which they came about.
 */
import type { Claim } from '../config/claim.ts';
import { quote } from '../lib/quote.ts';
import { formatIp } from '../net/ip.ts';
import type { Family, Ip } from '../net/ip.ts';
import type { Ledger } from './ledger.ts';
import { isEligible, refusal } from './order.ts';
import type { Reason } from './reason.ts';
import type { Stock } from './stock.ts';

export interface Denied {
  readonly kind: 'denied';
  readonly reason: Reason;
  /** One sentence without a full stop. */
  readonly message: string;
}

/** More than these make a sentence that nobody reads. */
export const MOST_NAMED = 8;

export function deny(reason: Reason, message: string): Denied {
  return { kind: 'denied', reason, message };
}

/** Why a claim without an address has none; `left`: what it gives back itself. */
export function denialOf(claim: Claim, left: readonly Ip[], ledger: Ledger): Denied {
  if (claim.barred !== undefined) return deny('NoClusterIP', claim.barred);
  if (claim.requested.length > 0) {
    const refused = refuseRequest(claim, ledger);
    // Only a neighbour's move can leave nothing in the way, and the next decision gives it.
    return refused ?? deny('AddressBeingReleased', 'an address asked for has just become free');
  }
  if (ledger.stocks.size === 0) return deny('NoPools', 'no IPAddressPool exists; create one');
  const asked = claim.pool === undefined ? undefined : ledger.stocks.get(claim.pool);
  if (claim.pool !== undefined && asked === undefined) {
    return deny('NoSuchPool', `there is no pool ${quote(claim.pool)}; ${POOL_ADVICE}`);
  }
  const why = asked && refusal(asked.pool, claim);
  if (asked !== undefined && why !== undefined) {
    const message = `pool "${asked.pool.name}" is not for it: ${why}; ${OTHER_ADVICE}`;
    return deny('PoolNotForService', message);
  }
  const wanted = claim.perFamily * (claim.families.want === 'both' ? 2 : 1);
  return (
    overQuota(claim, wanted, ledger) ??
    denyPools(claim, left, asked === undefined ? [...ledger.stocks.values()] : [asked], ledger)
  );
}

const POOL_ADVICE = 'create it, or correct the annotation metallb.io/address-pool';
const OTHER_ADVICE = 'ask for another, or change its serviceAllocation';

function overQuota(claim: Claim, more: number, ledger: Ledger): Denied | undefined {
  const { namespace } = claim;
  if (ledger.allowance(namespace) >= more) return undefined;
  const [used, quota] = [ledger.spent(namespace), ledger.quotas.get(namespace)];
  const wish = more === 1 ? 'one more is' : `${more} more are`;
  return deny(
    'QuotaExhausted',
    `namespace "${namespace}" uses ${used} of the ${quota} addresses that it may, and ${wish} ` +
      'wanted, so no pool was tried; free one, or raise its annotation arpeggio.dev/address-quota',
  );
}

function denyPools(
  claim: Claim,
  left: readonly Ip[],
  stocks: readonly Stock[],
  ledger: Ledger,
): Denied {
  const byName = stocks.toSorted((a, b) => (a.pool.name < b.pool.name ? -1 : 1));
  const [tried, others]: [string[], string[]] = [[], []];
  let isUsedUp = false;
  for (const stock of byName) {
    const { pool } = stock;
    if (!isEligible(stock, claim)) {
      others.push(`"${pool.name}": ${refusal(pool, claim) ?? OPTIONAL}`);
      continue;
    }
    const { order } = claim.families;
    if (order.some((family) => ledger.isLeft(stock, family, left))) {
      const message = `an address of pool "${pool.name}" is just being given back`;
      return deny('AddressBeingReleased', message);
    }
    isUsedUp ||= wouldDo(claim, stock);
    tried.push(`"${pool.name}": ${shortageOf(stock, claim, ledger)}`);
  }
  // Those that could have given one are the news; the rest of a long list is only counted.
  const clauses = [...tried, ...others];
  const named = clauses.slice(0, MOST_NAMED).join('; ');
  const more = clauses.length > MOST_NAMED ? `; and ${clauses.length - MOST_NAMED} more` : '';
  const wish = wishText(claim);
  return isUsedUp
    ? deny('NoAddressLeft', `no ${wish} is left in pool ${named}${more}; free one or add addresses`)
    : deny('NoPoolFits', `no pool gives an ${wish}: pool ${named}${more}; ${FIT_ADVICE}`);
}

const OPTIONAL = 'autoAssign is off, so it must be asked for by name';
const FIT_ADVICE = 'change one of these pools or the Service, or add a pool';

/** Whether the pool would do if it were empty. */
function wouldDo({ families, perFamily }: Claim, { capacity }: Stock): boolean {
  const has = families.order.filter((family) => capacity[family] >= BigInt(perFamily)).length;
  return families.want === 'both' ? has === 2 : has > 0;
}

/** What a pool lacks, family by family, as the rest of a sentence. */
function shortageOf(stock: Stock, claim: Claim, ledger: Ledger): string {
  const { order, want } = claim.families;
  const empty = order.filter((family) => stock.capacity[family] === 0n);
  const without = `it has no ${empty.map((family) => `IPv${family}`).join(' and no ')} addresses`;
  // Of a pool that may give either family, the one that it has is what matters.
  if (empty.length === order.length || (empty.length > 0 && want === 'both')) return without;
  const short = order
    .filter((family) => !empty.includes(family))
    .map((family) => shortage(stock, family, claim, ledger));
  return short.filter((text) => text !== undefined).join(', ') || 'it cannot give all of them';
}

function shortage(stock: Stock, family: Family, claim: Claim, ledger: Ledger): string | undefined {
  const name = `IPv${family}`;
  const { perFamily } = claim;
  if (ledger.lowest(stock, family, claim) !== undefined) {
    return perFamily === 1 ? undefined : `fewer than ${perFamily} ${name} are free`;
  }
  const [all, used] = [stock.capacity[family], BigInt(stock.inUse[family])];
  const quarantined = BigInt(ledger.quarantined(stock, family));
  const reserved = all - used - quarantined;
  const parts = [
    used > 0n ? `${used} ${name} in use` : '',
    quarantined > 0n ? `${quarantined} ${name} in quarantine, claimed by strangers` : '',
    reserved > 0n ? `${reserved} ${name} reserved` : '',
  ];
  const state = parts.filter((text) => text !== '').join(' and ');
  return state + whyNotShared(stock, family, claim, ledger);
}

/** Of the addresses with the same sharing key the first one speaks for all. */
function whyNotShared(stock: Stock, family: Family, claim: Claim, ledger: Ledger): string {
  if (claim.sharing === undefined) return '';
  const [slot] = ledger.sharedUnder(claim.sharing.key, stock, family);
  const conflict = slot?.conflict(claim);
  if (slot === undefined || conflict === undefined) return '';
  return ` (${formatIp(slot.ip)} ${conflict.message})`;
}

function wishText({ families, perFamily }: Claim): string {
  const names = families.order.map((family) => `IPv${family}`);
  const many = perFamily === 1 ? 'address' : `address (${perFamily} of a family)`;
  return families.want === 'both'
    ? `${names.join(' and ')} ${many} of one pool`
    : `${names.join(' or ')} ${many}`;
}

/** Why the addresses that it asks for are not to be had; undefined: they are. */
export function refuseRequest(claim: Claim, ledger: Ledger): Denied | undefined {
  let own: Stock | undefined;
  for (const ip of claim.requested) {
    const stock = ledger.stockOf(ip);
    const refused = refuseOne(claim, ip, stock, own);
    if (refused !== undefined) return refused;
    own = stock;
  }
  for (const ip of claim.requested) {
    const conflict = ledger.conflict(ip, claim);
    if (conflict === undefined) continue;
    const advice = conflict.reason === 'AddressBeingReleased' ? '' : `; ${CONFLICT_ADVICE}`;
    return deny(conflict.reason, `${formatIp(ip)} ${conflict.message}${advice}`);
  }
  const more = claim.requested.filter((ip) => !ledger.isSpent(ip, claim.namespace)).length;
  return more === 0 ? undefined : overQuota(claim, more, ledger);
}

const CONFLICT_ADVICE = 'ask for another address, or for none';

function refuseOne(
  claim: Claim,
  ip: Ip,
  stock: Stock | undefined,
  own: Stock | undefined,
): Denied | undefined {
  const text = formatIp(ip);
  if (stock === undefined) {
    return deny('AddressOutsidePools', `${text} is in no pool; ask for one that is, or add it`);
  }
  const { pool } = stock;
  if (claim.pool !== undefined && claim.pool !== pool.name) {
    const message = `${text} is in pool "${pool.name}", but pool ${quote(claim.pool)} is asked for`;
    return deny('AddressInOtherPool', `${message}; correct one of the two`);
  }
  if (own !== undefined && own !== stock) {
    const names = `pools "${own.pool.name}" and "${pool.name}"`;
    return deny('AddressesInDifferentPools', `the addresses are in ${names}; all must be in one`);
  }
  const why = refusal(pool, claim);
  if (why !== undefined) {
    const message = `${text} is in pool "${pool.name}", which is not for it: ${why}`;
    return deny('PoolNotForService', `${message}; ${OTHER_ADVICE}`);
  }
  if (!stock.avoids(ip)) return undefined;
  const message = `${text}: pool "${pool.name}" avoids addresses ending in .0 and .255`;
  return deny('AddressAvoided', `${message}; ask for another`);
}
