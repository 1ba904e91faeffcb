/**
 * ValidatingAdmissionPolicies: what MetalLB's webhooks refuse and a CRD's own rules cannot, so
 * that no webhook server is needed. Every refusal names the field and the index.
 *
 * The namespace is nowhere written down. Rules about other objects take them from the namespace of
 * the request (`paramRef` without `namespace`), which is where MetalLB's objects count. Which
 * namespace that is says a label on it, LABEL; without such a namespace nothing is refused for it.
 *
 * Rules about other objects ignore their own failures: for up to 30 s after its CRDs are new, an
 * API server does not find the kind of such objects, and would refuse everything; the controller
 * judges the same. All others fail closed, as MetalLB's webhooks do.
 *
 * A change that leaves the spec alone is not judged, so that what was there before these policies
 * can still be labelled.
 */
import { ADVERTISEMENTS, AGGREGATION, COMMUNITIES, COMMUNITY_NAMES } from './advertisements.ts';
import { BFD_PROFILES, PEERS, PEER_TWINS, PEER_WARNINGS } from './peers.ts';
import type { Policy } from './policy.ts';
import { POOLS, POOL_OVERLAPS } from './pools.ts';

/** On the namespace whose objects are the configuration. */
export const LABEL = { 'arpeggio.dev/configuration': 'true' };

const IN_NAMESPACE: Policy = {
  name: 'arpeggio-namespace',
  resources: [
    'ipaddresspools',
    'l2advertisements',
    'bgpadvertisements',
    'bgppeers',
    'bfdprofiles',
    'communities',
  ],
  operations: ['CREATE'],
  param: { apiVersion: 'v1', kind: 'Namespace' },
  labels: LABEL,
  variables: [],
  validations: [
    {
      // More than one is labelled where there are two installations.
      expression: `object.metadata.namespace == params.metadata.name ||
${Object.entries(LABEL)
  .map(([key, value]) => `namespaceObject.metadata.?labels['${key}'].orValue('') == '${value}'`)
  .join(' && ')}`,
      messageExpression: "'resource must be created in ' + params.metadata.name + ' namespace'",
    },
  ],
};

export const POLICIES: readonly Policy[] = [
  IN_NAMESPACE,
  POOLS,
  POOL_OVERLAPS,
  ADVERTISEMENTS,
  AGGREGATION,
  PEERS,
  PEER_TWINS,
  PEER_WARNINGS,
  COMMUNITIES,
  COMMUNITY_NAMES,
  BFD_PROFILES,
];
