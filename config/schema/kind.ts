/**
 * The kinds of our CRDs: groups, versions and printer columns as MetalLB has them, so that either
 * product's CRDs serve both. AddressClaim is ours.
 */
import { CLAIM_RULES, addressClaimSpec } from './addressclaim.ts';
import { bgpAdvertisementSpec, communitySpec, l2AdvertisementSpec } from './advertisement.ts';
import type * as z from './checker.ts';
import { bfdProfileSpec, peerSpec, peerSpecV1beta1 } from './peer.ts';
import { poolSpec, poolStatus } from './pool.ts';
import { bgpStatus, configurationStatus, l2Status, nothing, unreported } from './status.ts';

export interface Column {
  readonly name: string;
  readonly type: 'boolean' | 'date' | 'integer' | 'string';
  readonly jsonPath: string;
  /** Above 0: only with `kubectl get -o wide`. */
  readonly priority?: number;
}

export interface Version {
  readonly name: string;
  /** undefined: the kind has no such part. */
  readonly spec: z.ZodObject | undefined;
  readonly status: z.ZodObject | undefined;
  readonly specNeeded: boolean;
  readonly columns: readonly Column[];
  /** Said to whoever uses this version; undefined: it is not deprecated. */
  readonly warning?: string;
  /** Rules about the whole object. */
  readonly rules?: Readonly<Record<string, unknown>>;
}

export interface Kind {
  readonly kind: string;
  readonly group: string;
  /** Served all; the last one is stored. */
  readonly versions: readonly Version[];
}

const METALLB = 'metallb.io';

const column = (name: string, jsonPath: string, type: Column['type'] = 'string'): Column => ({
  name,
  type,
  jsonPath,
});

const AGE = column('Age', '.metadata.creationTimestamp', 'date');
const POOLS = [
  column('IPAddressPools', '.spec.ipAddressPools'),
  column('IPAddressPool Selectors', '.spec.ipAddressPoolSelectors'),
];
const NODES = { ...column('Node Selectors', '.spec.nodeSelectors'), priority: 10 };
const SERVICE = [
  column('Service Name', '.status.serviceName'),
  column('Service Namespace', '.status.serviceNamespace'),
];

/** In the one version that most kinds have. */
function v1beta1(version: Omit<Version, 'name' | 'specNeeded'>, specNeeded = false): Version {
  return { name: 'v1beta1', specNeeded, ...version };
}

const PEER_COLUMNS = [
  column('Address', '.spec.peerAddress'),
  column('ASN', '.spec.peerASN'),
  column('BFD Profile', '.spec.bfdProfile'),
  column('Multi Hops', '.spec.ebgpMultiHop'),
];

const POOL = v1beta1(
  {
    spec: poolSpec,
    status: poolStatus,
    columns: [
      column('Auto Assign', '.spec.autoAssign', 'boolean'),
      column('Avoid Buggy IPs', '.spec.avoidBuggyIPs', 'boolean'),
      column('Addresses', '.spec.addresses'),
    ],
  },
  true,
);

const PEERS: readonly Version[] = [
  v1beta1({
    spec: peerSpecV1beta1,
    status: unreported,
    columns: PEER_COLUMNS,
    warning: 'v1beta1 is deprecated, please use v1beta2',
  }),
  {
    name: 'v1beta2',
    spec: peerSpec,
    status: unreported,
    specNeeded: false,
    columns: PEER_COLUMNS,
  },
];

const BFD_PROFILE = v1beta1({
  spec: bfdProfileSpec,
  status: unreported,
  columns: [
    column('Passive Mode', '.spec.passiveMode', 'boolean'),
    column('Transmit Interval', '.spec.transmitInterval', 'integer'),
    column('Receive Interval', '.spec.receiveInterval', 'integer'),
    column('Multiplier', '.spec.detectMultiplier', 'integer'),
  ],
});

const CONFIGURATION_STATE = v1beta1({
  spec: undefined,
  status: configurationStatus,
  columns: [
    column('Result', '.status.result'),
    column('ErrorSummary', '.status.errorSummary'),
    AGE,
  ],
});

const ADDRESS_CLAIM: Version = {
  name: 'v1alpha1',
  spec: addressClaimSpec,
  status: undefined,
  specNeeded: true,
  columns: [
    column('Address', '.spec.address'),
    column('Holder', '.spec.holders[0].name'),
    column('Holder Namespace', '.spec.holders[0].namespace'),
    AGE,
  ],
  rules: CLAIM_RULES,
};

export const KINDS: readonly Kind[] = [
  { kind: 'IPAddressPool', group: METALLB, versions: [POOL] },
  {
    kind: 'L2Advertisement',
    group: METALLB,
    versions: [
      v1beta1({
        spec: l2AdvertisementSpec,
        status: unreported,
        columns: [...POOLS, column('Interfaces', '.spec.interfaces'), NODES],
      }),
    ],
  },
  {
    kind: 'BGPAdvertisement',
    group: METALLB,
    versions: [
      v1beta1({
        spec: bgpAdvertisementSpec,
        status: unreported,
        columns: [...POOLS, column('Peers', '.spec.peers'), NODES],
      }),
    ],
  },
  { kind: 'BGPPeer', group: METALLB, versions: PEERS },
  { kind: 'BFDProfile', group: METALLB, versions: [BFD_PROFILE] },
  {
    kind: 'Community',
    group: METALLB,
    versions: [v1beta1({ spec: communitySpec, status: unreported, columns: [] })],
  },
  {
    kind: 'ServiceL2Status',
    group: METALLB,
    versions: [
      v1beta1({
        spec: nothing,
        status: l2Status,
        columns: [column('Allocated Node', '.status.node'), ...SERVICE],
      }),
    ],
  },
  {
    kind: 'ServiceBGPStatus',
    group: METALLB,
    versions: [
      v1beta1({
        spec: nothing,
        status: bgpStatus,
        columns: [column('Node', '.status.node'), ...SERVICE],
      }),
    ],
  },
  { kind: 'ConfigurationState', group: METALLB, versions: [CONFIGURATION_STATE] },
  { kind: 'AddressClaim', group: 'arpeggio.dev', versions: [ADDRESS_CLAIM] },
];
