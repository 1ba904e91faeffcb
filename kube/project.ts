/**
 * What is kept of an object from an API server: the fields that `objects.ts` names, and nothing
 * else. An object as it comes is five times as large (`managedFields` alone is half of it), and ten
 * thousand Services must fit beside everything else in a small container.
 *
 * A projection is for reading. Whoever writes an object reads the whole of it first, or the fields
 * that are missing here would be taken from it; of kinds that are replaced all is kept.
 */
import type { Resource } from './kube.ts';
import type {
  Endpoint,
  EndpointSlice,
  KubeObject,
  Meta,
  Node,
  Service,
  ServicePort,
} from './objects.ts';

type SlicePort = NonNullable<EndpointSlice['ports']>[number];

type Raw<T extends KubeObject> = Omit<T, 'apiVersion' | 'kind'>;

/** Items of a list name neither their kind nor its version; `resource` does. */
export function project(resource: Resource, raw: KubeObject): KubeObject {
  const { apiVersion, kind } = resource;
  return { apiVersion, kind, ...partOf(kind, raw) };
}

function partOf(kind: string, raw: KubeObject): Raw<KubeObject> {
  switch (kind) {
    case 'Service':
      return serviceOf(raw as Service);
    case 'EndpointSlice':
      return sliceOf(raw as EndpointSlice);
    case 'Node':
      return nodeOf(raw);
    case 'AddressClaim':
    case 'Lease': {
      // They are replaced as a whole: finalizers, owners and what kubectl remembers go back too.
      const { apiVersion: _, kind: __, metadata, ...rest } = raw;
      const { managedFields: ___, ...kept } = metadata as Meta & { managedFields?: unknown };
      return { ...rest, metadata: kept };
    }
    default: {
      // Kinds of ours are small, and what they hold is for us.
      const { apiVersion: _, kind: __, metadata, ...rest } = raw;
      return { ...rest, metadata: metaOf(metadata, metadata.labels, metadata.annotations) };
    }
  }
}

/** What `kubectl apply` remembers: the whole object once more, in one string. */
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

function metaOf(
  { name, namespace, uid, resourceVersion, generation, creationTimestamp }: Meta,
  labels: Meta['labels'],
  annotations: Meta['annotations'],
): Meta {
  const { [LAST_APPLIED]: _, ...kept } = annotations ?? {};
  return present<Meta>({
    name,
    namespace,
    uid,
    resourceVersion,
    generation,
    creationTimestamp,
    labels,
    annotations: Object.keys(kept).length === 0 ? undefined : kept,
    // Set when an object is made, and never looked at again.
    ownerReferences: undefined,
  });
}

function serviceOf({ metadata, spec, status }: Service): Raw<Service> {
  return present<Raw<Service>>({
    metadata: metaOf(metadata, metadata.labels, metadata.annotations),
    spec: present<Service['spec']>({
      type: spec.type,
      clusterIP: spec.clusterIP,
      clusterIPs: spec.clusterIPs,
      ipFamilies: spec.ipFamilies,
      ipFamilyPolicy: spec.ipFamilyPolicy,
      selector: spec.selector,
      ports: spec.ports?.map(({ name, protocol, port, targetPort, nodePort }) =>
        present<ServicePort>({ name, protocol, port, targetPort, nodePort }),
      ),
      externalTrafficPolicy: spec.externalTrafficPolicy,
      loadBalancerIP: spec.loadBalancerIP,
      loadBalancerClass: spec.loadBalancerClass,
    }),
    // Whole: a status is written as a whole, and others put things there too.
    status,
  });
}

const SERVICE_NAME = 'kubernetes.io/service-name';

/** Nobody asks how old a slice is. */
type SliceMeta = Pick<Meta, 'name' | 'namespace' | 'uid' | 'resourceVersion' | 'labels'>;

function sliceOf({ metadata, addressType, endpoints, ports }: EndpointSlice): Raw<EndpointSlice> {
  const service = metadata.labels?.[SERVICE_NAME];
  return present<Raw<EndpointSlice>>({
    metadata: present<SliceMeta>({
      name: metadata.name,
      namespace: metadata.namespace,
      uid: metadata.uid,
      resourceVersion: metadata.resourceVersion,
      labels: service === undefined ? undefined : { [SERVICE_NAME]: service },
    }),
    addressType,
    endpoints: endpoints?.map(endpointOf),
    ports: ports?.map(({ name, protocol, port }) => present<SlicePort>({ name, protocol, port })),
  });
}

type Conditions = NonNullable<Endpoint['conditions']>;

/** There are few different ones, and tens of thousands of endpoints share them. */
const CONDITIONS = new Map<string, Conditions>();

function endpointOf({ addresses, nodeName, conditions }: Endpoint): Endpoint {
  return present<Endpoint>({
    addresses,
    nodeName,
    conditions: conditions === undefined ? undefined : sharedConditions(conditions),
  });
}

function sharedConditions({ ready, serving, terminating }: Conditions): Conditions {
  const key = `${ready} ${serving} ${terminating}`;
  let shared = CONDITIONS.get(key);
  if (shared === undefined) {
    shared = present<Conditions>({ ready, serving, terminating });
    CONDITIONS.set(key, shared);
  }
  return shared;
}

function nodeOf({ metadata, spec, status }: Node): Raw<Node> {
  const { unschedulable, podCIDR, podCIDRs } = spec ?? {};
  const kept = present<NonNullable<Node['spec']>>({ unschedulable, podCIDR, podCIDRs });
  return {
    metadata: metaOf(metadata, metadata.labels, undefined),
    ...(Object.keys(kept).length === 0 ? {} : { spec: kept }),
    status: present<NonNullable<Node['status']>>({
      addresses: status?.addresses?.map(({ type, address }) => ({ type, address })),
      conditions: status?.conditions?.map(({ type, status: is }) => ({ type, status: is })),
    }),
  };
}

/** Every field by name: one that `objects.ts` gains and this file forgets does not compile. */
type Every<T> = { readonly [K in keyof Required<T>]: T[K] | undefined };

/** Without the fields that are not there; also nulls, which an API server may send for empty. */
function present<T extends object>(fields: Every<T>): T {
  const values: readonly unknown[] = Object.values(fields);
  // As it was written: half the size of one that grew field by field.
  if (!values.some((value) => value === undefined || value === null)) return fields as T;
  const kept: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined && value !== null) kept[name] = value;
  }
  return kept as T;
}
