/**
 * Addresses that the cluster uses for something else: those of its nodes, of Services inside the
 * cluster, and of pods. A pool that contains one of them gives out, sooner or later, an address
 * that somebody else answers for; a node's address given to a Service takes the node off the net.
 *
 * MetalLB refused pools with node addresses in 0.15.0 and took that back in 0.15.1. What is found
 * here is only told, unless the administrator wants it refused: there are clusters that do it on
 * purpose, and a configuration that worked must not stop working because a node was added.
 */
import { IP_ADDRESS_POOL } from '../kube/kube.ts';
import { keyOf } from '../kube/objects.ts';
import type { KubeObject, Node } from '../kube/objects.ts';
import { formatIp, parseIp } from '../net/ip.ts';
import { overlaps, parseRange } from '../net/range.ts';
import type { Range } from '../net/range.ts';
import type { Problem } from './problem.ts';

/** Addresses in use for something else. */
export interface Foreign {
  readonly range: Range;
  /** What they are, as the rest of a sentence: `192.0.2.7, an address of node a`. */
  readonly what: string;
}

interface ServiceCidr extends KubeObject {
  readonly spec?: { readonly cidrs?: readonly string[] };
}

/** Whatever of it may be read. */
export interface Cluster {
  readonly nodes?: Iterable<Node>;
  /** ServiceCIDR objects (networking.k8s.io/v1). */
  readonly serviceCidrs?: Iterable<KubeObject>;
}

/** What cannot be understood is left out: it is not ours to judge. */
export function foreignOf({ nodes = [], serviceCidrs = [] }: Cluster): readonly Foreign[] {
  const found: Foreign[] = [];
  const add = (text: string, what: string): void => {
    const range = parseRange(text);
    if (range.ok) found.push({ range: range.value, what: `${text}, ${what}` });
  };
  for (const { metadata, spec, status } of nodes) {
    for (const { address } of status?.addresses ?? []) {
      const ip = parseIp(address);
      if (!ip.ok) continue;
      const { family, value } = ip.value;
      const what = `${formatIp(ip.value)}, an address of node ${metadata.name}`;
      found.push({ range: { family, first: value, last: value }, what });
    }
    const first = spec?.podCIDR === undefined ? [] : [spec.podCIDR];
    for (const text of spec?.podCIDRs ?? first) add(text, `the pods of node ${metadata.name}`);
  }
  for (const object of serviceCidrs) {
    const { metadata, spec } = object as ServiceCidr;
    for (const text of spec?.cidrs ?? []) add(text, `ServiceCIDR ${metadata.name}`);
  }
  return found;
}

/** More of one entry make a list that nobody reads. */
const MOST_NAMED = 3;

/** One problem for each entry of a pool that contains such addresses. */
export function foreignInPools(
  pools: Iterable<KubeObject>,
  foreign: readonly Foreign[],
): readonly Problem[] {
  const problems: Problem[] = [];
  for (const pool of pools) {
    for (const [index, text] of addressesOf(pool).entries()) {
      if (typeof text !== 'string') continue;
      const range = parseRange(text);
      if (!range.ok) continue;
      const inside = foreign.filter((each) => overlaps(each.range, range.value));
      if (inside.length === 0) continue;
      const named = inside.slice(0, MOST_NAMED).map(({ what }) => what);
      const more = inside.length > MOST_NAMED ? `; and ${inside.length - MOST_NAMED} more` : '';
      problems.push({
        resource: IP_ADDRESS_POOL,
        key: keyOf(pool),
        path: `spec.addresses[${index}]`,
        message:
          `${text} contains ${named.join('; ')}${more}: ` +
          'a Service that got one would take it from its owner; leave it out of the pool',
      });
    }
  }
  return problems;
}

function addressesOf(pool: KubeObject): readonly unknown[] {
  const { spec } = pool as KubeObject & { readonly spec?: { readonly addresses?: unknown } };
  return Array.isArray(spec?.addresses) ? spec.addresses : [];
}
