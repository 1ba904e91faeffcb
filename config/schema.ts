/**
 * The shapes of the objects, once: from `config/schema/` come the CRDs, the reference page
 * `docs/crds.md`, the TypeScript types below, and the check of what a directory of manifests
 * contains.
 *
 * A shape says what is well-formed; what is meaningful (ranges, overlaps, names) is `parse`'s
 * matter, because the API server may accept it and MetalLB rejects it only as a whole.
 */
import type { KubeObject } from '../kube/objects.ts';
import { at, faultOf, unknownFields } from './fault.ts';
import type { Fault } from './fault.ts';
import type { addressClaimSpec } from './schema/addressclaim.ts';
import type {
  bgpAdvertisementSpec,
  communitySpec,
  l2AdvertisementSpec,
} from './schema/advertisement.ts';
import {
  clusterNode,
  configMap,
  endpointSlice,
  metadata,
  namespace,
  service,
  serviceCidr,
} from './schema/cluster.ts';
import * as z from './schema/checker.ts';
import { text } from './schema/field.ts';
import { KINDS } from './schema/kind.ts';
import type { Version } from './schema/kind.ts';
import type { bfdProfileSpec, peerSpec } from './schema/peer.ts';
import type { poolSpec, poolStatus } from './schema/pool.ts';
import type { bgpStatus, configurationStatus, l2Status } from './schema/status.ts';

export type IPAddressPoolSpec = z.input<typeof poolSpec>;
export type IPAddressPoolStatus = z.input<typeof poolStatus>;
export type L2AdvertisementSpec = z.input<typeof l2AdvertisementSpec>;
export type BGPAdvertisementSpec = z.input<typeof bgpAdvertisementSpec>;
/** Of v1beta2, the version that is stored. */
export type BGPPeerSpec = z.input<typeof peerSpec>;
export type BFDProfileSpec = z.input<typeof bfdProfileSpec>;
export type CommunitySpec = z.input<typeof communitySpec>;
export type AddressClaimSpec = z.input<typeof addressClaimSpec>;
export type ServiceL2StatusStatus = z.input<typeof l2Status>;
export type ServiceBGPStatusStatus = z.input<typeof bgpStatus>;
export type ConfigurationStateStatus = z.input<typeof configurationStatus>;

export interface IPAddressPool extends KubeObject {
  readonly spec: IPAddressPoolSpec;
  readonly status?: IPAddressPoolStatus;
}

export interface L2Advertisement extends KubeObject {
  readonly spec?: L2AdvertisementSpec;
}

export interface BGPAdvertisement extends KubeObject {
  readonly spec?: BGPAdvertisementSpec;
}

export interface BGPPeer extends KubeObject {
  readonly spec?: BGPPeerSpec;
}

export interface BFDProfile extends KubeObject {
  readonly spec?: BFDProfileSpec;
}

export interface Community extends KubeObject {
  readonly spec?: CommunitySpec;
}

export interface ServiceL2Status extends KubeObject {
  readonly status?: ServiceL2StatusStatus;
}

export interface ServiceBGPStatus extends KubeObject {
  readonly status?: ServiceBGPStatusStatus;
}

export interface ConfigurationState extends KubeObject {
  readonly status?: ConfigurationStateStatus;
}

export interface AddressClaim extends KubeObject {
  readonly spec: AddressClaimSpec;
}

/** Shape of a kind: everything but metadata, which all kinds share. */
interface Shape {
  readonly shape: z.ZodObject;
  /** Ours: a field that is not in the shape is a slip of the pen, so it is reported. */
  readonly closed: boolean;
}

const SHAPES: ReadonlyMap<string, Shape> = new Map<string, Shape>([
  ['v1 Service', { shape: service, closed: false }],
  ['v1 Node', { shape: clusterNode, closed: false }],
  ['v1 Namespace', { shape: namespace, closed: false }],
  ['v1 ConfigMap', { shape: configMap, closed: false }],
  ['discovery.k8s.io/v1 EndpointSlice', { shape: endpointSlice, closed: false }],
  ['networking.k8s.io/v1 ServiceCIDR', { shape: serviceCidr, closed: false }],
  ...KINDS.flatMap(({ kind, group, versions }) =>
    versions.map((version): [string, Shape] => [
      `${group}/${version.name} ${kind}`,
      { shape: body(version), closed: true },
    ]),
  ),
]);

function body({ spec, status, specNeeded }: Version): z.ZodObject {
  return z.object({
    ...(spec === undefined ? {} : { spec: specNeeded ? spec : spec.optional() }),
    ...(status === undefined ? {} : { status: status.optional() }),
  });
}

/** Whether this product reads the kind. */
export function knows(apiVersion: string, kind: string): boolean {
  return SHAPES.has(`${apiVersion} ${kind}`);
}

/**
 * Everything that is malformed in one object of a known kind. Kubernetes takes null for absent, so
 * whoever reads JSON or YAML drops nulls first.
 */
export function validate(raw: unknown): readonly Fault[] {
  return check(raw, true);
}

/**
 * As `validate`, but fields that are not known pass: what an API server stores was accepted by its
 * CRDs, which may be newer than we are.
 */
export function check(raw: unknown, closed = false): readonly Fault[] {
  const head = z.object({ apiVersion: text, kind: text, metadata }).safeParse(raw);
  const headFaults = head.success ? [] : faultsOf(head.error, raw);
  const known = SHAPES.get(`${String(at(raw, ['apiVersion']))} ${String(at(raw, ['kind']))}`);
  if (known === undefined) return headFaults;
  const found = known.shape.safeParse(raw);
  if (!found.success) return [...headFaults, ...faultsOf(found.error, raw)];
  if (!closed || !known.closed) return headFaults;
  const sections = Object.keys(known.shape.shape);
  const extra = sections.flatMap((section) =>
    unknownFields(at(raw, [section]), at(found.data, [section]), [section]),
  );
  return [...headFaults, ...extra];
}

function faultsOf(error: z.ZodError, raw: unknown): readonly Fault[] {
  return error.issues.map((issue) => faultOf(issue, raw));
}
