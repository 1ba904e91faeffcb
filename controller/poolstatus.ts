/**
 * IPAddressPool.status: how many addresses of a pool are in use and how many are left, as MetalLB
 * counts them, except that nothing overflows. The pools are the user's: only their status is
 * written, and made good when somebody edits it.
 */
import type { Duty, Wanted } from '../kube/keeper.ts';
import { IP_ADDRESS_POOL } from '../kube/kube.ts';
import type { KubeObject } from '../kube/objects.ts';
import type { Family } from '../net/ip.ts';
import type { Usage } from './usage.ts';

interface PoolStatus {
  readonly assignedIPv4: number;
  readonly assignedIPv6: number;
  readonly availableIPv4: number;
  readonly availableIPv6: number;
}

/** The largest number below 2^63 that JavaScript has. It is printed as 9223372036854775000. */
const MOST_INT64 = 2n ** 63n - 1024n;

const NONE: Pick<Usage, 'total' | 'used'> = { total: 0n, used: 0 };

export class PoolStatuses implements Duty {
  readonly resource = IP_ADDRESS_POOL;
  readonly failing = 'PoolStatusFailed';
  /** A thousand Services get their addresses in the meantime, and nobody reads it faster. */
  readonly settle = 300;
  readonly #usage: () => readonly Usage[] | undefined;

  /** `usage`, undefined: it is not known yet, or it is somebody else's turn to say it. */
  constructor(usage: () => readonly Usage[] | undefined) {
    this.#usage = usage;
  }

  wanted(shown: ReadonlyMap<string, KubeObject>): ReadonlyMap<string, Wanted> | undefined {
    const usage = this.#usage();
    if (usage === undefined) return undefined;
    const known = new Map(usage.map((each) => [`${each.family} ${each.pool}`, each]));
    const wanted = new Map<string, Wanted>();
    for (const [key, { metadata }] of shown) {
      const of = (family: Family): Usage | undefined => known.get(`${family} ${metadata.name}`);
      const [v4, v6] = [of(4), of(6)];
      // Not (yet) in force, because the newest configuration is refused.
      if (v4 === undefined && v6 === undefined) continue;
      const status = statusOf(v4 ?? NONE, v6 ?? NONE);
      wanted.set(key, {
        make: undefined,
        status: (before) => (gist(before) === gist(status) ? undefined : status),
      });
    }
    return wanted;
  }

  isStale(): boolean {
    return false;
  }
}

function statusOf(
  v4: Pick<Usage, 'total' | 'used'>,
  v6: Pick<Usage, 'total' | 'used'>,
): PoolStatus {
  return {
    assignedIPv4: v4.used,
    assignedIPv6: v6.used,
    availableIPv4: available(v4),
    availableIPv6: available(v6),
  };
}

function available({ total, used }: Pick<Usage, 'total' | 'used'>): number {
  const left = total - BigInt(used);
  if (left < 0n) return 0;
  return Number(left > MOST_INT64 ? MOST_INT64 : left);
}

function gist(status: unknown): string {
  const { assignedIPv4, assignedIPv6, availableIPv4, availableIPv6 } = (status ??
    {}) as Partial<PoolStatus>;
  return JSON.stringify([assignedIPv4, assignedIPv6, availableIPv4, availableIPv6]);
}
