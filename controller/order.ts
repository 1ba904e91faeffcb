/**
 * Which pools a claim tries, in which order: those set apart for it by priority (0, none given,
 * last) and name, then the general ones by name. MetalLB takes the general ones in random order.
 */
import type { Claim } from '../config/claim.ts';
import type { Pool } from '../config/model.ts';
import { matchesAny } from '../kube/selector.ts';
import type { Stock } from './stock.ts';

export class Order {
  readonly #stocks: ReadonlyMap<string, Stock>;
  readonly #apart: readonly Stock[];
  readonly #general: readonly Stock[];

  constructor(stocks: ReadonlyMap<string, Stock>) {
    this.#stocks = stocks;
    const automatic = [...stocks.values()]
      .filter(({ pool }) => pool.autoAssign)
      .toSorted((a, b) => (a.pool.name < b.pool.name ? -1 : 1));
    this.#general = automatic.filter(({ pool }) => pool.allocation === undefined);
    this.#apart = automatic
      .filter(({ pool }) => pool.allocation !== undefined)
      .toSorted((a, b) => priorityOf(a.pool) - priorityOf(b.pool));
  }

  /** Groups: in one, a pool for both families is taken before one for a single family. */
  of(claim: Claim): readonly (readonly Stock[])[] {
    if (claim.pool !== undefined) {
      const stock = this.#stocks.get(claim.pool);
      return stock === undefined || refusal(stock.pool, claim) !== undefined ? [] : [[stock]];
    }
    if (this.#apart.length === 0) return [this.#general];
    const apart = this.#apart.filter(({ pool }) => refusal(pool, claim) === undefined);
    return [apart, this.#general];
  }
}

function priorityOf(pool: Pool): number {
  const priority = pool.allocation?.priority ?? 0;
  return priority === 0 ? Number.MAX_SAFE_INTEGER : priority;
}

/** Why a pool is not for a Service, as the rest of a sentence. */
export function refusal(pool: Pool, claim: Claim): string | undefined {
  const { allocation } = pool;
  if (allocation === undefined) return undefined;
  if (allocation.closed !== undefined) return allocation.closed;
  const { namespaces, serviceSelectors } = allocation;
  if (namespaces.size > 0 && !namespaces.has(claim.namespace)) {
    const names = [...namespaces].toSorted();
    return names.length === 1
      ? `it is set apart for namespace ${names[0]}`
      : `it is set apart for namespaces ${names.join(', ')}`;
  }
  if (!matchesAny(serviceSelectors, claim.labels)) {
    return "its serviceSelectors do not match the Service's labels";
  }
  return undefined;
}

/** Whether the claim may get an address there without asking for that address. */
export function isEligible({ pool }: Stock, claim: Claim): boolean {
  const isAsked = claim.pool === undefined ? pool.autoAssign : claim.pool === pool.name;
  return isAsked && refusal(pool, claim) === undefined;
}
