/**
 * How large pools are and how much of them is in use, counted for the metrics. A shared address
 * counts once; addresses that a pool avoids do not count.
 */
import type { Pool } from '../config/model.ts';
import { formatIp } from '../net/ip.ts';
import type { Family } from '../net/ip.ts';
import { size } from '../net/range.ts';
import type { Range } from '../net/range.ts';
import type { Decision } from './allocate.ts';

export interface Usage {
  readonly pool: string;
  readonly family: Family;
  readonly total: bigint;
  readonly used: number;
  /** Services that have their addresses from the pool, of whatever family. */
  readonly services: number;
}

export function usageOf(
  pools: ReadonlyMap<string, Pool>,
  decisions: Iterable<Decision>,
): readonly Usage[] {
  const used = new Map<string, Set<string>>();
  const services = new Map<string, number>();
  for (const decision of decisions) {
    if (decision.kind !== 'allocated') continue;
    services.set(decision.pool, (services.get(decision.pool) ?? 0) + 1);
    for (const ip of decision.addresses) {
      const key = `${ip.family} ${decision.pool}`;
      const addresses = used.get(key) ?? new Set();
      used.set(key, addresses.add(formatIp(ip)));
    }
  }
  const families: readonly Family[] = [4, 6];
  return [...pools.values()].flatMap((pool) =>
    families.map((family) => ({
      pool: pool.name,
      family,
      total: capacity(pool, family),
      used: used.get(`${family} ${pool.name}`)?.size ?? 0,
      services: services.get(pool.name) ?? 0,
    })),
  );
}

export function capacity(pool: Pool, family: Family): bigint {
  let sum = 0n;
  for (const range of pool.ranges) {
    if (range.family !== family) continue;
    sum += size(range);
    if (pool.avoidBuggyIPs && family === 4) sum -= endingIn(range, 0n) + endingIn(range, 255n);
  }
  return sum;
}

/** How many addresses of the range have that last byte. */
function endingIn({ first, last }: Range, byte: bigint): bigint {
  // Counts below or at `end`; may be -1 below the first such address, which cancels out.
  const upTo = (end: bigint): bigint => ((end - byte) >> 8n) + 1n;
  return upTo(last) - upTo(first - 1n);
}
