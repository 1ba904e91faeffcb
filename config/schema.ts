/**
 * The shapes of the objects, once: from here come the CRDs in `deploy/crds`, the reference page
 * `docs/crds.md`, the TypeScript types, and the check of what a directory of manifests contains.
 * The one door to zod. Field names, defaults and printer columns are MetalLB's (v1beta1).
 *
 * A shape says what is well-formed; what is meaningful (ranges, overlaps, names) is `parse`'s
 * matter, because the API server accepts it and MetalLB rejects it only as a whole.
 */
import { z } from 'zod';
import type { KubeObject } from '../kube/objects.ts';
import { at, faultOf, unknownFields } from './fault.ts';
import type { Fault } from './fault.ts';

const text = z.string();
const texts = z.record(text, text);

/** metav1.LabelSelector. */
const selector = z
  .object({
    matchLabels: texts.optional().describe('Labels that must be there with exactly this value.'),
    matchExpressions: z
      .array(
        z.object({
          key: text.describe('Label key.'),
          operator: z
            .enum(['In', 'NotIn', 'Exists', 'DoesNotExist'])
            .describe('How the label is compared with `values`.'),
          values: z
            .array(text)
            .optional()
            .describe('For In and NotIn; empty for Exists and DoesNotExist.'),
        }),
      )
      .optional()
      .describe('Conditions that must all hold.'),
  })
  .meta({ 'x-kubernetes-map-type': 'atomic' });

const selectors = z.array(selector).optional();
const names = z.array(text).optional();

const poolSpec = z
  .object({
    addresses: z
      .array(text)
      .describe(
        'Addresses that may be given out: CIDRs such as `192.0.2.0/28` or ranges such as ' +
          '`192.0.2.10-192.0.2.20`, IPv4 or IPv6, used in this order. No two may overlap, in ' +
          'any pool.',
      ),
    autoAssign: z
      .boolean()
      .default(true)
      .describe('Whether Services that name neither the pool nor an address in it may use it.'),
    avoidBuggyIPs: z
      .boolean()
      .default(false)
      .describe('Never give out IPv4 addresses that end in .0 or .255.'),
    serviceAllocation: z
      .object({
        priority: z
          .int()
          .optional()
          .describe('Pools with a lower number are used first; 0 or none is used last.'),
        namespaces: names.describe('Only for Services in these namespaces.'),
        namespaceSelectors: selectors.describe(
          'Only for Services in namespaces with such labels; united with `namespaces`. ' +
            'Not supported yet: a pool with it is given to nobody.',
        ),
        serviceSelectors: selectors.describe('Only for Services with such labels.'),
      })
      .optional()
      .describe('For whom the pool is set apart.'),
  })
  .describe('What may be given out, and to whom.');

const poolStatus = z
  .object({
    assignedIPv4: z.int().describe('IPv4 addresses in use.'),
    assignedIPv6: z.int().describe('IPv6 addresses in use.'),
    availableIPv4: z.int().describe('IPv4 addresses still free.'),
    availableIPv6: z.int().describe('IPv6 addresses still free.'),
  })
  .describe('Counters of the pool.');

const advertisementSpec = z
  .object({
    ipAddressPools: names.describe('Pools to announce, by name; unknown names are ignored.'),
    ipAddressPoolSelectors: selectors.describe(
      'Pools to announce, by label; united with `ipAddressPools`. With neither: all pools.',
    ),
    nodeSelectors: selectors.describe('Nodes that may announce; empty: all nodes.'),
    preferredNodeSelectors: z
      .array(
        z.object({
          weight: z.int().min(1).max(100).describe('Added to the preference of a matching node.'),
          preference: selector.describe('Which nodes.'),
        }),
      )
      .optional()
      .describe('Nodes that are preferred among those that may announce.'),
    serviceSelectors: selectors.describe('Services to announce; empty: all Services.'),
    interfaces: names.describe('Interfaces to announce from; empty: all usable ones.'),
  })
  .describe('Which addresses are answered for, from where. Empty: everything from everywhere.');

const fixed = {
  'x-kubernetes-validations': [{ rule: 'self == oldSelf', message: 'is immutable' }],
};

const l2Status = z
  .object({
    node: text.optional().meta(fixed).describe('The node that announces.'),
    serviceName: text.optional().meta(fixed).describe('Name of the Service.'),
    serviceNamespace: text.optional().meta(fixed).describe('Namespace of the Service.'),
    interfaces: z
      .array(z.object({ name: text.optional().describe('As the node calls it.') }))
      .optional()
      .describe('Interfaces that the node announces from.'),
  })
  .describe('Who announces what.');

const l2StatusSpec = z.object({}).describe('Nothing is asked for here.');

const advertisementStatus = z.object({}).describe('Nothing is reported here.');

export type IPAddressPoolSpec = z.input<typeof poolSpec>;
export type L2AdvertisementSpec = z.input<typeof advertisementSpec>;

export interface IPAddressPool extends KubeObject {
  readonly spec: IPAddressPoolSpec;
  readonly status?: z.input<typeof poolStatus>;
}

export interface L2Advertisement extends KubeObject {
  readonly spec?: L2AdvertisementSpec;
}

/** Kubernetes' rule for object names; it also keeps path separators out of file names. */
const objectName = text
  .max(253)
  .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/, 'lower-case letters, digits, "-" and "."');

/** RFC 1123 label. Without a dot, `a.b/c` and `a/b.c` cannot have status files of one name. */
const namespaceName = text
  .max(63)
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, 'lower-case letters, digits and "-"');

const metadata = z.looseObject({
  name: objectName,
  namespace: namespaceName.optional(),
  uid: text.optional(),
  resourceVersion: text.optional(),
  generation: z.int().optional(),
  creationTimestamp: text.optional(),
  labels: texts.optional(),
  annotations: texts.optional(),
});

const port = z.int().min(1).max(65535);

const service = z.looseObject({
  spec: z.looseObject({
    type: z.enum(['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName']).optional(),
    clusterIP: text.optional(),
    clusterIPs: names,
    ipFamilies: z
      .array(z.enum(['IPv4', 'IPv6']))
      .max(2)
      .optional(),
    ipFamilyPolicy: z.enum(['SingleStack', 'PreferDualStack', 'RequireDualStack']).optional(),
    selector: texts.optional(),
    ports: z
      .array(
        z.looseObject({
          name: text.optional(),
          protocol: z.enum(['TCP', 'UDP', 'SCTP']).optional(),
          port,
          targetPort: z.union([port, text]).optional(),
          nodePort: z.int().min(0).max(65535).optional(),
        }),
      )
      .optional(),
    externalTrafficPolicy: z.enum(['Cluster', 'Local']).optional(),
    loadBalancerIP: text.optional(),
    loadBalancerClass: text.optional(),
  }),
  status: z
    .looseObject({
      loadBalancer: z
        .looseObject({
          ingress: z
            .array(
              z.looseObject({
                ip: text.optional(),
                hostname: text.optional(),
                ipMode: z.enum(['VIP', 'Proxy']).optional(),
              }),
            )
            .optional(),
        })
        .optional(),
      conditions: z
        .array(
          z.looseObject({
            type: text,
            status: z.enum(['True', 'False', 'Unknown']),
            reason: text,
            message: text,
            lastTransitionTime: text,
            observedGeneration: z.int().optional(),
          }),
        )
        .optional(),
    })
    .optional(),
});

const endpointSlice = z.looseObject({
  addressType: z.enum(['IPv4', 'IPv6', 'FQDN']),
  endpoints: z
    .array(
      z.looseObject({
        addresses: z.array(text),
        nodeName: text.optional(),
        conditions: z
          .looseObject({
            ready: z.boolean().optional(),
            serving: z.boolean().optional(),
            terminating: z.boolean().optional(),
          })
          .optional(),
      }),
    )
    .optional(),
  ports: z
    .array(
      z.looseObject({
        name: text.optional(),
        protocol: text.optional(),
        port: port.optional(),
      }),
    )
    .optional(),
});

const clusterNode = z.looseObject({
  spec: z.looseObject({ unschedulable: z.boolean().optional() }).optional(),
  status: z
    .looseObject({
      addresses: z.array(z.looseObject({ type: text, address: text })).optional(),
      conditions: z.array(z.looseObject({ type: text, status: text })).optional(),
    })
    .optional(),
});

/** Shape of a kind: everything but metadata, which all kinds share. */
interface Shape {
  readonly shape: z.ZodObject;
  /** Ours: a field that is not in the shape is a slip of the pen, so it is reported. */
  readonly closed: boolean;
}

const SHAPES: ReadonlyMap<string, Shape> = new Map<string, Shape>([
  ['v1 Service', { shape: service, closed: false }],
  ['v1 Node', { shape: clusterNode, closed: false }],
  ['discovery.k8s.io/v1 EndpointSlice', { shape: endpointSlice, closed: false }],
  [
    'metallb.io/v1beta1 IPAddressPool',
    { shape: z.object({ spec: poolSpec, status: poolStatus.optional() }), closed: true },
  ],
  [
    'metallb.io/v1beta1 L2Advertisement',
    {
      shape: z.object({
        spec: advertisementSpec.optional(),
        status: advertisementStatus.optional(),
      }),
      closed: true,
    },
  ],
  [
    'metallb.io/v1beta1 ServiceL2Status',
    { shape: z.object({ status: l2Status.optional() }), closed: true },
  ],
]);

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
  const body = known.shape.safeParse(raw);
  if (!body.success) return [...headFaults, ...faultsOf(body.error, raw)];
  if (!closed || !known.closed) return headFaults;
  const sections = Object.keys(known.shape.shape);
  const extra = sections.flatMap((section) =>
    unknownFields(at(raw, [section]), at(body.data, [section]), [section]),
  );
  return [...headFaults, ...extra];
}

function faultsOf(error: z.ZodError, raw: unknown): readonly Fault[] {
  return error.issues.map((issue) => faultOf(issue, raw));
}

/** Part of a CRD's `openAPIV3Schema`; only what `deploy/crds` and the reference page use. */
export interface JsonSchema {
  type?: string;
  description?: string;
  default?: unknown;
  format?: string;
  minimum?: number;
  maximum?: number;
  enum?: readonly string[];
  required?: readonly string[];
  items?: JsonSchema;
  properties?: Record<string, JsonSchema>;
  additionalProperties?: JsonSchema | boolean;
}

export type CrdKind = 'IPAddressPool' | 'L2Advertisement' | 'ServiceL2Status';

/** The shapes of our CRDs' spec and status as the API server wants them. */
export function crdSchemas(): Readonly<Record<CrdKind, Parts>> {
  return {
    IPAddressPool: { spec: jsonSchema(poolSpec), status: jsonSchema(poolStatus) },
    L2Advertisement: {
      spec: jsonSchema(advertisementSpec),
      status: jsonSchema(advertisementStatus),
    },
    ServiceL2Status: { spec: jsonSchema(l2StatusSpec), status: jsonSchema(l2Status) },
  };
}

export interface Parts {
  readonly spec: JsonSchema;
  readonly status: JsonSchema;
}

function jsonSchema(shape: z.ZodType): JsonSchema {
  const made = z.toJSONSchema(shape, {
    target: 'openapi-3.0',
    io: 'input',
    override: ({ jsonSchema: node }) => {
      // The bounds of JavaScript's whole numbers mean nothing to a user; those of int64 are tacit.
      if (node.minimum === Number.MIN_SAFE_INTEGER) delete node.minimum;
      if (node.maximum === Number.MAX_SAFE_INTEGER) {
        delete node.maximum;
        node.format = 'int64';
      }
      if (node.type === 'integer' && node.format === undefined) node.format = 'int32';
    },
  });
  return made as JsonSchema;
}
