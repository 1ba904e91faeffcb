/**
 * The configuration as both programs use it: MetalLB's pools and layer 2 advertisements with every
 * default filled in and every reference resolved. `parse` is the only maker, so whoever holds a
 * Config holds a valid one.
 */
import type { LabelSelector } from '../kube/objects.ts';
import type { Range } from '../net/range.ts';
import type { Bgp } from './bgp.ts';

export interface Config {
  readonly pools: ReadonlyMap<string, Pool>;
  readonly advertisements: readonly L2Ad[];
  /** What the BGP kinds say; undefined: nobody was asked. Layer 2 never suffers from it. */
  readonly bgp?: Bgp;
}

/** IPAddressPool. */
export interface Pool {
  readonly name: string;
  /** In declared order, which is the order of allocation; no two overlap, in any pool. */
  readonly ranges: readonly Range[];
  /** May be used by a Service that names neither this pool nor an address in it. */
  readonly autoAssign: boolean;
  /** Never give out IPv4 addresses that end in .0 or .255. */
  readonly avoidBuggyIPs: boolean;
  /** undefined: every Service may use the pool, after the pools that are set apart for it. */
  readonly allocation: PoolAllocation | undefined;
}

/** IPAddressPool's `serviceAllocation`: for whom the pool is set apart. */
export interface PoolAllocation {
  /** Lower is preferred; 0 means none given and comes last. */
  readonly priority: number;
  /**
   * Names, and whatever `namespaceSelectors` match now. Empty: every namespace, as there is
   * neither a name nor a selector; selectors that match nothing close the pool instead.
   */
  readonly namespaces: ReadonlySet<string>;
  /** Alternatives; empty: every Service. */
  readonly serviceSelectors: readonly LabelSelector[];
  /**
   * Why nobody may use the pool for now, as a sentence; undefined: usable. Set when
   * `namespaceSelectors` match no namespace, or cannot be evaluated because Namespace objects
   * cannot be read: neither may open the pool for everybody, as it does in MetalLB.
   */
  readonly closed: string | undefined;
}

/** L2Advertisement: which addresses are answered for, from where. */
export interface L2Ad {
  readonly name: string;
  /** Resolved: names and selector matches united; all pools when the object names none. */
  readonly pools: ReadonlySet<string>;
  /** Alternatives; empty: every node. */
  readonly nodeSelectors: readonly LabelSelector[];
  /** Each match adds its weight to a node's preference. */
  readonly preferredNodes: readonly PreferredNode[];
  /** Alternatives; empty: every Service. */
  readonly serviceSelectors: readonly LabelSelector[];
  /** Names; empty: every interface that the speaker uses. */
  readonly interfaces: readonly string[];
}

export interface PreferredNode {
  /** 1 to 100. */
  readonly weight: number;
  readonly preference: LabelSelector;
}
