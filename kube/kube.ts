/**
 * The port to the source of truth. Two implementations, one contract suite: a directory of
 * manifests (`kube/io/files`) and the API server (`kube/io/api`). It is level-triggered: a watcher
 * gets the whole present set, then changes; it may get the same object twice, never an older one
 * after a newer one.
 */
import type { Result } from '../lib/result.ts';
import type { AbortSignalLike } from '../lib/signal.ts';
import type { KubeObject } from './objects.ts';

/** A kind as `group/version` + `Kind`; the core group is just `v1`. */
export interface Resource {
  readonly apiVersion: string;
  readonly kind: string;
}

export const SERVICE: Resource = { apiVersion: 'v1', kind: 'Service' };
export const NODE: Resource = { apiVersion: 'v1', kind: 'Node' };
export const NAMESPACE: Resource = { apiVersion: 'v1', kind: 'Namespace' };
export const CONFIG_MAP: Resource = { apiVersion: 'v1', kind: 'ConfigMap' };
export const LEASE: Resource = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease' };
export const SERVICE_CIDR: Resource = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'ServiceCIDR',
};
export const ENDPOINT_SLICE: Resource = {
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
};
export const IP_ADDRESS_POOL: Resource = {
  apiVersion: 'metallb.io/v1beta1',
  kind: 'IPAddressPool',
};
export const L2_ADVERTISEMENT: Resource = {
  apiVersion: 'metallb.io/v1beta1',
  kind: 'L2Advertisement',
};
export const SERVICE_L2_STATUS: Resource = {
  apiVersion: 'metallb.io/v1beta1',
  kind: 'ServiceL2Status',
};
export const SERVICE_BGP_STATUS: Resource = {
  apiVersion: 'metallb.io/v1beta1',
  kind: 'ServiceBGPStatus',
};
export const BGP_ADVERTISEMENT: Resource = {
  apiVersion: 'metallb.io/v1beta1',
  kind: 'BGPAdvertisement',
};
export const BGP_PEER: Resource = { apiVersion: 'metallb.io/v1beta2', kind: 'BGPPeer' };
export const BFD_PROFILE: Resource = { apiVersion: 'metallb.io/v1beta1', kind: 'BFDProfile' };
export const COMMUNITY: Resource = { apiVersion: 'metallb.io/v1beta1', kind: 'Community' };
export const CONFIGURATION_STATE: Resource = {
  apiVersion: 'metallb.io/v1beta1',
  kind: 'ConfigurationState',
};
/** Named after an address: who made it has the address. */
export const ADDRESS_CLAIM: Resource = {
  apiVersion: 'arpeggio.dev/v1alpha1',
  kind: 'AddressClaim',
};

export type WatchEvent =
  | { readonly type: 'put'; readonly object: KubeObject }
  | { readonly type: 'delete'; readonly key: string }
  /**
   * Of an object that cannot be read (now) only the status is known; undefined: that is over. The
   * object itself comes and goes by `put` and `delete`: before the one goes the other is told.
   */
  | { readonly type: 'remnant'; readonly key: string; readonly status: unknown }
  /** Everything that existed when the watch began (or began anew) has been delivered. */
  | { readonly type: 'synced' }
  /** Something at the source cannot be used or reached; what was delivered before stays valid. */
  | { readonly type: 'problem'; readonly problem: SourceProblem }
  /** A problem reported earlier under this place is gone. */
  | { readonly type: 'solved'; readonly place: string };

export interface SourceProblem {
  /** Where: `file:line` of a manifest, or the resource watched. */
  readonly place: string;
  /** JSON path inside the object, such as `spec.ports[0].port`; empty when the whole is meant. */
  readonly path: string;
  /** One sentence: what is wrong and what to do. */
  readonly message: string;
  /** The source is there and says that this kind may not be read, or that it does not know it. */
  readonly refusal?: 'forbidden' | 'absent';
}

export type KubeFailure =
  /** Somebody changed the object since it was read: read again, decide again. */
  | { readonly kind: 'conflict'; readonly message: string }
  /** An object of that name is already there. */
  | { readonly kind: 'exists'; readonly message: string }
  | { readonly kind: 'not-found'; readonly message: string }
  | { readonly kind: 'forbidden'; readonly message: string }
  /** The source refuses what it was given; the same again will be refused again. */
  | { readonly kind: 'invalid'; readonly message: string }
  | { readonly kind: 'unavailable'; readonly message: string };

/** What `services/status: update` may carry in one request: the status and annotations. */
export interface StatusUpdate {
  readonly resource: Resource;
  readonly key: string;
  /** The version the decision was based on; a newer one at the source gives `conflict`. */
  readonly resourceVersion: string;
  /** The whole wanted status. */
  readonly status: unknown;
  /** Annotations to set; undefined removes one. Others stay. */
  readonly annotations?: Readonly<Record<string, string | undefined>>;
}

export interface KubeEvent {
  readonly resource: Resource;
  readonly key: string;
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
}

/** `welcome`: older manifests do not know the kind, or grant no right to it; readiness and all else
 * do without. */
export type Need = 'needed' | 'welcome';

export interface Kube {
  /** Delivers to `sink` until `signal` is aborted; never throws, never gives up. */
  watch(
    resource: Resource,
    sink: (event: WatchEvent) => void,
    signal: AbortSignalLike,
    need?: Need,
  ): void;
  updateStatus(update: StatusUpdate): Promise<Result<KubeObject, KubeFailure>>;
  /** An object of ours, without its status, which only `updateStatus` writes. */
  create(object: KubeObject): Promise<Result<KubeObject, KubeFailure>>;
  /** As it is at the source at this moment, not as a watch showed it. */
  read(resource: Resource, key: string): Promise<Result<KubeObject, KubeFailure>>;
  /**
   * All of an object of ours but its status. It must be the version that it names: `conflict`
   * otherwise.
   */
  replace(object: KubeObject): Promise<Result<KubeObject, KubeFailure>>;
  /** Of an object of ours; with a version, only that one (`conflict` otherwise). */
  delete(resource: Resource, key: string, version?: string): Promise<Result<void, KubeFailure>>;
  record(event: KubeEvent): Promise<Result<void, KubeFailure>>;
  /** What keeps the source from being followed now, in one sentence; undefined: nothing. What was
   * delivered before stays valid. */
  notReady(): string | undefined;
  /** Where a person finds that field: `file:line`, or the kind and name of the object. */
  place(resource: Resource, key: string, path: string): string;
}
