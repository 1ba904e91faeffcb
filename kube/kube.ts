/**
 * The port to the source of truth. Two implementations, one contract suite: a directory of
 * manifests (`kube/io/files`) and the API server (`kube/io/api`, to come). It is level-triggered:
 * a watcher gets the whole present set, then changes; it may get the same object twice, never an
 * older one after a newer one.
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

export type WatchEvent =
  | { readonly type: 'put'; readonly object: KubeObject }
  | { readonly type: 'delete'; readonly key: string }
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
}

export type KubeFailure =
  /** Somebody changed the object since it was read: read again, decide again. */
  | { readonly kind: 'conflict'; readonly message: string }
  | { readonly kind: 'not-found'; readonly message: string }
  | { readonly kind: 'forbidden'; readonly message: string }
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

export interface Kube {
  /** Delivers to `sink` until `signal` is aborted; never throws, never gives up. */
  watch(resource: Resource, sink: (event: WatchEvent) => void, signal: AbortSignalLike): void;
  updateStatus(update: StatusUpdate): Promise<Result<KubeObject, KubeFailure>>;
  record(event: KubeEvent): Promise<Result<void, KubeFailure>>;
  /** Where a person finds that field: `file:line`, or the kind and name of the object. */
  place(resource: Resource, key: string, path: string): string;
}
