/**
 * What a configuration is made of: the present objects of each kind, in any order. A list that is
 * undefined was not asked for, or may not be read; that is something else than an empty one.
 */
import type { Resource } from '../../kube/kube.ts';
import type { KubeObject } from '../../kube/objects.ts';

type Objects = readonly KubeObject[] | undefined;

export interface Sources {
  readonly pools: readonly KubeObject[];
  /** L2Advertisements. */
  readonly advertisements: readonly KubeObject[];
  /** undefined: pools with `namespaceSelectors` stay closed. */
  readonly namespaces?: Objects;
  /** undefined: nodes are compared by selector, where it matters. */
  readonly nodes?: Objects;
  readonly bgpAdvertisements?: Objects;
  readonly bgpPeers?: Objects;
  readonly bfdProfiles?: Objects;
  readonly communities?: Objects;
}

/** Which list objects of that kind belong to; undefined: they are no configuration. */
export function listOfKind({ kind }: Pick<Resource, 'kind'>): keyof Sources | undefined {
  return LISTS.get(kind);
}

const LISTS: ReadonlyMap<string, keyof Sources> = new Map<string, keyof Sources>([
  ['IPAddressPool', 'pools'],
  ['L2Advertisement', 'advertisements'],
  ['Namespace', 'namespaces'],
  ['Node', 'nodes'],
  ['BGPAdvertisement', 'bgpAdvertisements'],
  ['BGPPeer', 'bgpPeers'],
  ['BFDProfile', 'bfdProfiles'],
  ['Community', 'communities'],
]);
