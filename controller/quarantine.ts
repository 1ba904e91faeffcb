/**
 * How much of a pool quarantine may take: one host on the segment that answers every probe would
 * otherwise put away address after address until none is left. Beyond the limit the newest
 * conflicts move nobody on; their Services stay withheld, and say why.
 */
import type { Pool } from '../config/model.ts';
import type { Family, Ip } from '../net/ip.ts';
import { contains } from '../net/range.ts';
import { addressOf } from './allocate.ts';
import type { Quarantine } from './allocate.ts';
import { capacity } from './usage.ts';

const LEAST = 4n;
/** Of an IPv6 pool a quarter is no limit. */
const MOST = 64n;

/** `all`: the oldest first. What is in no pool is nobody's to give. */
export function quarantineOf(
  all: ReadonlyMap<string, Quarantine>,
  pools: ReadonlyMap<string, Pool>,
): ReadonlyMap<string, Quarantine> {
  if (all.size <= LEAST) return all;
  const counts = new Map<string, bigint>();
  const within = [...all].filter(([text]) => {
    const ip = addressOf(text);
    const pool = poolOf(ip, pools);
    const place = `${ip.family} ${pool?.name ?? ''}`;
    const count = (counts.get(place) ?? 0n) + 1n;
    counts.set(place, count);
    return pool === undefined || count <= limitOf(pool, ip.family);
  });
  return new Map(within);
}

function poolOf(ip: Ip, pools: ReadonlyMap<string, Pool>): Pool | undefined {
  return [...pools.values()].find(({ ranges }) => ranges.some((range) => contains(range, ip)));
}

function limitOf(pool: Pool, family: Family): bigint {
  const quarter = capacity(pool, family) / 4n;
  if (quarter < LEAST) return LEAST;
  return quarter > MOST ? MOST : quarter;
}
