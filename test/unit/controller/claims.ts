/** Pools and claims for tests of allocation, in few words. */
import { claimOf } from '../../../config/claim.ts';
import type { Claim } from '../../../config/claim.ts';
import type { Pool, PoolAllocation } from '../../../config/model.ts';
import type { Service } from '../../../kube/objects.ts';
import { parseRange } from '../../../net/range.ts';

export function pool(name: string, addresses: string, more: Partial<Pool> = {}): Pool {
  const ranges = addresses.split(' ').map((text) => {
    const range = parseRange(text);
    if (!range.ok) throw new Error(range.error);
    return range.value;
  });
  const rest = { autoAssign: true, avoidBuggyIPs: false, allocation: undefined };
  return { name, ranges, ...rest, ...more };
}

export function apart(more: Partial<PoolAllocation>): Partial<Pool> {
  const none = { priority: 0, namespaces: new Set<string>(), serviceSelectors: [] };
  return { allocation: { ...none, closed: undefined, ...more } };
}

export interface Wish {
  readonly spec?: Partial<Service['spec']>;
  /** `ips`, `pool`, `share`. */
  readonly ips?: string;
  readonly pool?: string;
  readonly share?: string;
  readonly held?: string;
  readonly namespace?: string;
  readonly labels?: Record<string, string>;
}

export function claim(name: string, wish: Wish = {}): Claim {
  const annotations: Record<string, string> = {};
  if (wish.ips !== undefined) annotations['metallb.io/loadBalancerIPs'] = wish.ips;
  if (wish.pool !== undefined) annotations['metallb.io/address-pool'] = wish.pool;
  if (wish.share !== undefined) annotations['metallb.io/allow-shared-ip'] = wish.share;
  const ingress = (wish.held ?? '').split(' ').flatMap((ip) => (ip === '' ? [] : [{ ip }]));
  const result = claimOf({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name,
      namespace: wish.namespace ?? 'd',
      annotations,
      ...(wish.labels === undefined ? {} : { labels: wish.labels }),
    },
    spec: { type: 'LoadBalancer', ports: [{ port: 80 }], ...wish.spec },
    status: { loadBalancer: { ingress } },
  });
  if (result?.ok !== true) throw new Error(JSON.stringify(result));
  return result.value;
}

export function mapOf(pools: readonly Pool[]): ReadonlyMap<string, Pool> {
  return new Map(pools.map((each) => [each.name, each]));
}
