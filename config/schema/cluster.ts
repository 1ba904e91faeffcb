/**
 * Kubernetes' own kinds, as far as this product reads them; everything else in them passes. Not a
 * part of any CRD: they check what a directory of manifests contains.
 */
import * as z from './checker.ts';
import { text, texts } from './field.ts';

/** Kubernetes' rule for object names; it also keeps path separators out of file names. */
const objectName = text
  .max(253)
  .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/, 'lower-case letters, digits, "-" and "."');

/** RFC 1123 label. Without a dot, `a.b/c` and `a/b.c` cannot have status files of one name. */
const namespaceName = text
  .max(63)
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, 'lower-case letters, digits and "-"');

export const metadata = z.looseObject({
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

export const service = z.looseObject({
  spec: z.looseObject({
    type: z.enum(['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName']).optional(),
    clusterIP: text.optional(),
    clusterIPs: z.array(text).optional(),
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

export const endpointSlice = z.looseObject({
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

export const clusterNode = z.looseObject({
  spec: z.looseObject({ unschedulable: z.boolean().optional() }).optional(),
  status: z
    .looseObject({
      addresses: z.array(z.looseObject({ type: text, address: text })).optional(),
      conditions: z.array(z.looseObject({ type: text, status: text })).optional(),
    })
    .optional(),
});

/** Its labels choose pools. */
export const namespace = z.looseObject({});

export const configMap = z.looseObject({ data: texts.optional() });

export const serviceCidr = z.looseObject({
  spec: z.looseObject({ cidrs: z.array(text).optional() }).optional(),
});
