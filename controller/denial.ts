/**
 * The sentence for a Service that gets no address: which pools were tried, why each refused, and
 * what to do. MetalLB says "no available IPs" to all of it.
 */
import type { Claim } from '../config/claim.ts';
import type { Pool } from '../config/model.ts';
import type { Family } from '../net/ip.ts';
import type { Ledger } from './ledger.ts';
import type { Reason } from './reason.ts';
import { capacity } from './usage.ts';

export interface Denied {
  readonly kind: 'denied';
  readonly reason: Reason;
  /** One sentence without a full stop. */
  readonly message: string;
}

/** More than these make a sentence that nobody reads. */
const NAMED = 8;

export function deny(reason: Reason, message: string): Denied {
  return { kind: 'denied', reason, message };
}

export function denyPools(
  claim: Claim,
  pools: readonly Pool[],
  refusal: (pool: Pool, claim: Claim) => string | undefined,
  ledger: Ledger,
): Denied {
  if (pools.length === 0) return deny('NoPools', 'no IPAddressPool exists; create one');
  const clauses: string[] = [];
  let usedUp = false;
  for (const pool of pools.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const why = refusal(pool, claim) ?? (isOptional(pool, claim) ? OPTIONAL : undefined);
    if (why !== undefined) {
      clauses.push(`"${pool.name}": ${why}`);
      continue;
    }
    const counts = claim.families.order.map((family) => [family, capacity(pool, family)] as const);
    if (counts.some(([family, count]) => count > 0n && ledger.isLeaving(pool, family))) {
      const message = `an address of pool "${pool.name}" is just being given back`;
      return deny('AddressBeingReleased', message);
    }
    usedUp ||= fits(claim, counts);
    clauses.push(`"${pool.name}": ${countsText(claim, counts)}`);
  }
  const named = clauses.slice(0, NAMED).join('; ');
  const more = clauses.length > NAMED ? `; and ${clauses.length - NAMED} more` : '';
  const wish = wishText(claim);
  return usedUp
    ? deny('NoAddressLeft', `no ${wish} is left in pool ${named}${more}; free one or add addresses`)
    : deny('NoPoolFits', `no pool gives an ${wish}: pool ${named}${more}`);
}

const OPTIONAL = 'autoAssign is off, so it must be asked for by name';

function isOptional(pool: Pool, claim: Claim): boolean {
  return !pool.autoAssign && claim.pool !== pool.name;
}

type Counts = readonly (readonly [Family, bigint])[];

/** Whether the pool would do if it were empty. */
function fits(claim: Claim, counts: Counts): boolean {
  const has = counts.filter(([, count]) => count > 0n).length;
  return claim.families.want === 'both' ? has === 2 : has > 0;
}

function countsText(claim: Claim, counts: Counts): string {
  if (fits(claim, counts)) {
    const full = counts.filter(([, count]) => count > 0n);
    const parts = full.map(([family, count]) => `${count} IPv${family}`);
    return `${parts.join(' and ')} in use`;
  }
  const missing = counts.filter(([, count]) => count === 0n).map(([family]) => `IPv${family}`);
  return `it has no ${missing.join(' and no ')} addresses`;
}

function wishText({ families }: Claim): string {
  const names = families.order.map((family) => `IPv${family}`);
  return families.want === 'both'
    ? `${names.join(' and ')} address of one pool`
    : `${names.join(' or ')} address`;
}
