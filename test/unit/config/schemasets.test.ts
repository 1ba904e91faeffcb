/**
 * The CRDs as API servers get them: names, versions and printer columns as MetalLB has them, and
 * two sets that differ only in rules and limits.
 */
import { describe, expect, test } from '@jest/globals';
import { definition } from '../../../config/schema/definition.ts';
import type { Rules } from '../../../config/schema/definition.ts';
import { KINDS } from '../../../config/schema/kind.ts';

interface Crd {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly conversion?: { readonly strategy: string };
    readonly versions: readonly {
      readonly name: string;
      readonly served: boolean;
      readonly storage: boolean;
      readonly deprecationWarning?: string;
      readonly additionalPrinterColumns?: readonly { name: string; priority?: number }[];
      readonly subresources?: unknown;
      readonly schema: { readonly openAPIV3Schema: Schema };
    }[];
  };
}

interface Schema {
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly enum?: readonly string[];
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
}

function crd(name: string, rules: Rules = 'guarded'): Crd {
  const found = KINDS.find(({ kind }) => kind === name);
  if (found === undefined) throw new Error(`no kind ${name}`);
  return definition(found, 'About.', rules) as Crd;
}

/** What MetalLB has too: the bounds of a condition (metav1.Condition) are no limits of ours. */
const LIMITS = new Set(['minItems', 'maxItems', 'maxLength', 'pattern']);

function without(value: unknown, inCondition = false): unknown {
  if (Array.isArray(value)) return value.map((item) => without(item, inCondition));
  if (typeof value !== 'object' || value === null) return value;
  const rest = Object.entries(value).filter(
    ([key]) => key !== 'x-kubernetes-validations' && (inCondition || !LIMITS.has(key)),
  );
  return Object.fromEntries(
    rest.map(([key, inner]) => [key, without(inner, inCondition || key === 'conditions')]),
  );
}

describe.each(KINDS.map(({ kind }) => kind))('%s', (kind) => {
  test('the sets differ in rules and limits only', () => {
    expect(without(crd(kind, 'guarded'))).toEqual(crd(kind, 'bare'));
    expect(JSON.stringify(crd(kind, 'bare'))).not.toContain('x-kubernetes-validations');
  });

  test('nothing of ours is left in a schema', () => {
    const text = JSON.stringify([crd(kind, 'guarded'), crd(kind, 'bare')]);
    expect(text).not.toContain('x-arpeggio');
  });
});

test.each([
  ['IPAddressPool', 'ipaddresspools.metallb.io', ['Auto Assign', 'Avoid Buggy IPs', 'Addresses']],
  [
    'L2Advertisement',
    'l2advertisements.metallb.io',
    ['IPAddressPools', 'IPAddressPool Selectors', 'Interfaces', 'Node Selectors'],
  ],
  [
    'BGPAdvertisement',
    'bgpadvertisements.metallb.io',
    ['IPAddressPools', 'IPAddressPool Selectors', 'Peers', 'Node Selectors'],
  ],
  ['BGPPeer', 'bgppeers.metallb.io', ['Address', 'ASN', 'BFD Profile', 'Multi Hops']],
  [
    'BFDProfile',
    'bfdprofiles.metallb.io',
    ['Passive Mode', 'Transmit Interval', 'Receive Interval', 'Multiplier'],
  ],
  ['Community', 'communities.metallb.io', undefined],
  [
    'ServiceL2Status',
    'servicel2statuses.metallb.io',
    ['Allocated Node', 'Service Name', 'Service Namespace'],
  ],
  [
    'ServiceBGPStatus',
    'servicebgpstatuses.metallb.io',
    ['Node', 'Service Name', 'Service Namespace'],
  ],
  ['ConfigurationState', 'configurationstates.metallb.io', ['Result', 'ErrorSummary', 'Age']],
  ['AddressClaim', 'addressclaims.arpeggio.dev', ['Address', 'Holder', 'Holder Namespace', 'Age']],
])('%s is %s', (kind, name, columns) => {
  const { metadata, spec } = crd(kind);
  expect(metadata.name).toBe(name);
  const shown = spec.versions.at(-1)?.additionalPrinterColumns?.map((column) => column.name);
  expect(shown).toEqual(columns);
});

test('Node Selectors are for a wide screen', () => {
  for (const kind of ['L2Advertisement', 'BGPAdvertisement']) {
    const columns = crd(kind).spec.versions[0]?.additionalPrinterColumns ?? [];
    expect(columns.map(({ priority = 0 }) => priority)).toEqual([0, 0, 0, 10]);
  }
});

test('all but AddressClaim have a status of their own', () => {
  const own = KINDS.filter(({ kind }) => crd(kind).spec.versions[0]?.subresources !== undefined);
  expect(own.map(({ kind }) => kind)).toEqual(
    KINDS.map(({ kind }) => kind).filter((kind) => kind !== 'AddressClaim'),
  );
});

test('a BGPPeer has two versions, of which the older is deprecated', () => {
  const { conversion, versions } = crd('BGPPeer').spec;
  expect(conversion).toEqual({ strategy: 'None' });
  expect(
    versions.map(({ name, served, storage, deprecationWarning }) => ({
      name,
      served,
      storage,
      deprecationWarning,
    })),
  ).toEqual([
    {
      name: 'v1beta1',
      served: true,
      storage: false,
      deprecationWarning: 'v1beta1 is deprecated, please use v1beta2',
    },
    { name: 'v1beta2', served: true, storage: true, deprecationWarning: undefined },
  ]);
  const [older, newer] = versions.map((version) => fields(version.schema.openAPIV3Schema));
  expect(Object.keys(newer ?? {})).toEqual(expect.arrayContaining(Object.keys(older ?? {})));
  expect(older?.['peerPort']).toMatchObject({ minimum: 0, maximum: 16_384 });
  expect(newer?.['peerPort']).toMatchObject({ minimum: 1, maximum: 16_384, default: 179 });
});

function fields(schema: Schema): Readonly<Record<string, Schema>> {
  return schema.properties?.['spec']?.properties ?? {};
}

test.each([
  ['IPAddressPool', 'autoAssign', { default: true }],
  ['IPAddressPool', 'avoidBuggyIPs', { default: false }],
  ['BGPAdvertisement', 'aggregationLength', { minimum: 1, maximum: 32, default: 32 }],
  ['BGPAdvertisement', 'aggregationLengthV6', { maximum: 128, default: 128 }],
  ['BGPPeer', 'myASN', { minimum: 0, maximum: 4_294_967_295, format: 'int64' }],
  ['BGPPeer', 'localASN', { minimum: 1, maximum: 4_294_967_295 }],
  ['BGPPeer', 'dynamicASN', { enum: ['internal', 'external'] }],
  ['BGPPeer', 'dualStackAddressFamily', { default: false }],
  ['BGPPeer', 'disableMP', { default: false }],
  ['BFDProfile', 'receiveInterval', { minimum: 10, maximum: 60_000 }],
  ['BFDProfile', 'detectMultiplier', { minimum: 2, maximum: 255 }],
  ['BFDProfile', 'minimumTtl', { minimum: 1, maximum: 254 }],
])('%s: %s', (kind, field, expected) => {
  const version = crd(kind, 'bare').spec.versions.at(-1);
  const schema = version?.schema.openAPIV3Schema;
  expect(schema === undefined ? undefined : fields(schema)[field]).toMatchObject(expected);
});
