/**
 * What the API server must refuse, with the words by which people find the field, and what it must
 * take. One row for each rule; rules that need other objects to be there are in the suite.
 */

export interface Case {
  /** `metallb.io/v1beta1` unless told. */
  readonly apiVersion?: string;
  readonly kind: string;
  readonly name?: string;
  readonly namespace?: string;
  readonly spec?: unknown;
}

/** All of these words are in the refusal. */
export type Refused = readonly [what: string, object: Case, ...words: string[]];
export type Accepted = readonly [what: string, object: Case];

const pool = (...addresses: unknown[]): Case => ({ kind: 'IPAddressPool', spec: { addresses } });
const apart = (serviceAllocation: unknown): Case => ({
  kind: 'IPAddressPool',
  spec: { addresses: ['203.0.113.0/28'], serviceAllocation },
});
const l2 = (spec: unknown): Case => ({ kind: 'L2Advertisement', spec });
const bgp = (spec: unknown): Case => ({ kind: 'BGPAdvertisement', spec });
const bfd = (spec: unknown): Case => ({ kind: 'BFDProfile', spec });
const community = (...communities: unknown[]): Case => ({
  kind: 'Community',
  spec: { communities },
});
const PEER = { myASN: 64_500, peerASN: 64_501, peerAddress: '203.0.113.1' };
const peer = (more: object): Case => ({
  apiVersion: 'metallb.io/v1beta2',
  kind: 'BGPPeer',
  spec: { ...PEER, ...more },
});
const older = (more: object): Case => ({ ...peer(more), apiVersion: 'metallb.io/v1beta1' });
const claim = (name: string, address: string): Case => ({
  apiVersion: 'arpeggio.dev/v1alpha1',
  kind: 'AddressClaim',
  name,
  spec: { address },
});

const inOrder = (...values: string[]): unknown => ({
  matchExpressions: [{ key: 'tier', operator: 'In', values }],
});
const EXISTS = { key: 'tier', operator: 'Exists' };
const WEB = { matchLabels: { app: 'web' } };

const POOLS: readonly Refused[] = [
  ['no addresses', pool(), 'spec.addresses', 'at least 1'],
  ['one address', pool('203.0.113.1'), 'spec.addresses[0]', 'must be a CIDR'],
  ['no address', pool('203.0.113.0/28', 'lan'), 'spec.addresses[1]', 'must be a CIDR'],
  ['a prefix that is too long', pool('203.0.113.0/33'), 'spec.addresses[0]', 'must be a CIDR'],
  ['a space in a CIDR', pool(' 203.0.113.0/28'), 'spec.addresses[0]', 'must be a CIDR'],
  ['three ends', pool('203.0.113.1-203.0.113.2-203.0.113.3'), 'spec.addresses[0]', 'a range'],
  ['mapped addresses', pool('::ffff:192.0.2.0/124'), 'spec.addresses[0]', 'must be a CIDR'],
  ['half a range', pool('203.0.113.1-'), 'spec.addresses[0]', 'must be a CIDR'],
  ['two families', pool('203.0.113.1-2001:db8:f::1'), 'spec.addresses[0]', 'one address family'],
  [
    'an IPv4 range the wrong way round',
    pool('203.0.113.0/29', '203.0.113.20-203.0.113.10'),
    'spec.addresses[1]',
    'invalid IP range "203.0.113.20-203.0.113.10"',
  ],
  [
    'an IPv6 range the wrong way round',
    pool('2001:db8:f::a-2001:db8:f::9'),
    'spec.addresses[0]',
    'invalid IP range',
  ],
  [
    'an IPv6 range the wrong way round in its first half',
    pool('2001:db8:f::-2001:db8:e:ffff:ffff:ffff:ffff:ffff'),
    'spec.addresses[0]',
    'invalid IP range',
  ],
  [
    'more than 128 entries',
    pool(...Array.from({ length: 129 }, (_, i) => `203.0.${i}.0/24`)),
    'spec.addresses',
    'at most 128',
  ],
  [
    'entries that overlap',
    pool('203.0.113.0/28', '203.0.113.64/28', '203.0.113.70-203.0.113.90'),
    'spec.addresses[2]: CIDR "203.0.113.70-203.0.113.90"',
    'overlaps with already defined CIDR "203.0.113.64/28" in spec.addresses[1]',
  ],
  [
    'a network with bits set behind its prefix',
    pool('203.0.113.64/28', '203.0.113.79/30'),
    'spec.addresses[1]',
    'overlaps with already defined CIDR',
  ],
  [
    'IPv6 ranges of which neither has an end in the middle of a network',
    pool('2001:db8:f::3-2001:db8:f::11', '2001:db8:f::8-2001:db8:f::9'),
    'spec.addresses[1]',
    'overlaps with already defined CIDR',
  ],
  [
    'an IPv6 network in a range, written in another way',
    pool('2001:db8:f::-2001:db8:f::ff', '2001:0DB8:000f:0::10/124'),
    'spec.addresses[1]',
    'overlaps with already defined CIDR',
  ],
  [
    'a namespace twice',
    apart({ namespaces: ['a', 'b', 'a'] }),
    'spec.serviceAllocation.namespaces[2]: duplicate definition in namespaces field: "a"',
  ],
];

const SELECTORS: readonly Refused[] = [
  [
    'a selector twice',
    apart({ serviceSelectors: [WEB, inOrder('a'), WEB] }),
    'spec.serviceAllocation.serviceSelectors[2]: duplicate definition of serviceSelectors',
  ],
  [
    'a selector twice, its values in another order',
    l2({ nodeSelectors: [inOrder('a', 'b'), inOrder('b', 'a')] }),
    'spec.nodeSelectors[1]: duplicate definition of nodeSelectors',
  ],
  [
    'a condition twice',
    l2({ serviceSelectors: [{}, { matchExpressions: [EXISTS, EXISTS] }] }),
    'spec.serviceSelectors[1].matchExpressions: duplicate definition of match expressions',
  ],
  [
    'a value twice',
    l2({ ipAddressPoolSelectors: [inOrder('a', 'b', 'a')] }),
    'spec.ipAddressPoolSelectors[0].matchExpressions[0].values: duplicate definition',
  ],
  [
    'an operator that is none',
    bgp({ nodeSelectors: [{ matchExpressions: [{ key: 'tier', operator: 'Is' }] }] }),
    'spec.nodeSelectors[0].matchExpressions[0].operator',
    'Unsupported value: "Is"',
  ],
  [
    'In without values',
    bgp({ nodeSelectors: [{ matchExpressions: [EXISTS, { key: 'a', operator: 'In' }] }] }),
    'spec.nodeSelectors[0].matchExpressions[1].values: needed',
  ],
  [
    'Exists with values',
    apart({ namespaceSelectors: [{ matchExpressions: [{ ...EXISTS, values: ['a'] }] }] }),
    'spec.serviceAllocation.namespaceSelectors[0].matchExpressions[0].values: needed',
  ],
  [
    'a key that no label can have',
    peer({ nodeSelectors: [{ matchExpressions: [{ key: 'a b', operator: 'Exists' }] }] }),
    'spec.nodeSelectors[0].matchExpressions[0].key: "a b" is not a label key',
  ],
  [
    'a value that no label can have',
    l2({ nodeSelectors: [inOrder('-a')] }),
    'spec.nodeSelectors[0].matchExpressions[0].values: not all',
  ],
  [
    'labels that cannot be',
    l2({ nodeSelectors: [{ matchLabels: { app: 'a b' } }] }),
    'spec.nodeSelectors[0].matchLabels: not all',
  ],
  [
    'a preference that is not valid',
    l2({ preferredNodeSelectors: [{ weight: 1, preference: inOrder() }] }),
    'spec.preferredNodeSelectors[0].preference.matchExpressions[0].values: needed',
  ],
  [
    'a weight of 0',
    l2({ preferredNodeSelectors: [{ weight: 0, preference: {} }] }),
    'spec.preferredNodeSelectors[0].weight',
    'greater than or equal to 1',
  ],
];

const ADVERTISEMENTS: readonly Refused[] = [
  [
    'a pool twice, layer 2',
    l2({ ipAddressPools: ['a', 'a'] }),
    'spec.ipAddressPools[1]: duplicate definition of ipAddressPools "a"',
  ],
  [
    'a pool twice, BGP',
    bgp({ ipAddressPools: ['b', 'a', 'b'] }),
    'spec.ipAddressPools[2]: duplicate definition of ipAddressPools "b"',
  ],
  ['a peer twice', bgp({ peers: ['a', 'a'] }), 'spec.peers[1]: duplicate definition of peers "a"'],
  [
    'a community twice',
    bgp({ communities: ['1:2', '1:2'] }),
    'spec.communities[1]: duplicate definition of community "1:2"',
  ],
  ['an aggregation of 33', bgp({ aggregationLength: 33 }), 'spec.aggregationLength', '32'],
  ['an aggregation of 0', bgp({ aggregationLength: 0 }), 'spec.aggregationLength', '1'],
  ['an IPv6 aggregation of 129', bgp({ aggregationLengthV6: 129 }), 'aggregationLengthV6', '128'],
  ['a negative preference', bgp({ localPref: -1 }), 'spec.localPref', '0'],
  [
    'a community of which a half is too large',
    bgp({ communities: ['no-export', '65536:1'] }),
    'spec.communities[1]',
    'invalid community value: invalid section',
  ],
  [
    'a community of three parts',
    bgp({ communities: ['1:2:3'] }),
    'spec.communities[0]',
    'expected community to be of format large',
  ],
  [
    'a large community of which a part is too large',
    bgp({ communities: ['large:1:2:4294967296'] }),
    'spec.communities[0]',
    'expected community to be of format large',
  ],
  [
    'some Services, aggregated',
    bgp({ serviceSelectors: [WEB], aggregationLength: 24 }),
    'spec.aggregationLength',
    'serviceSelectors and aggregationLength are mutually exclusive',
  ],
  [
    'some Services, aggregated, IPv6',
    bgp({ serviceSelectors: [WEB], aggregationLengthV6: 64 }),
    'spec.aggregationLengthV6',
    'serviceSelectors and aggregationLengthV6 are mutually exclusive',
  ],
  [
    'a name for two communities',
    community({ name: 'a', value: '1:2' }, { name: 'a', value: '1:3' }),
    'spec.communities[1]: duplicate definition of community "a"',
  ],
  [
    'an alias for no community',
    community({ name: 'a', value: 'b' }),
    'spec.communities[0].value',
    'invalid community value',
  ],
  [
    'an alias for a community that is too large',
    community({ name: 'a', value: '1:65536' }),
    'spec.communities[0].value',
    'invalid community value: invalid section',
  ],
];

const PEERS: readonly Refused[] = [
  ['no AS number', peer({ myASN: 0 }), 'spec.myASN', 'missing local ASN'],
  ['an AS number of 33 bits', peer({ myASN: 4_294_967_296 }), 'spec.myASN', '4294967295'],
  ['no peer AS number', peer({ peerASN: 0 }), 'missing peer ASN and dynamicASN'],
  [
    'two peer AS numbers',
    peer({ dynamicASN: 'internal' }),
    'spec.dynamicASN',
    'both peer ASN and dynamicASN specified',
  ],
  [
    'a dynamic AS number of no kind',
    peer({ peerASN: 0, dynamicASN: 'both' }),
    'spec.dynamicASN',
    'Unsupported value',
  ],
  [
    'hops to a peer in the same AS',
    peer({ peerASN: 64_500, ebgpMultiHop: true }),
    'spec.ebgpMultiHop',
    'invalid ebgp-multihop parameter set for an ibgp peer',
  ],
  ['no peer', peer({ peerAddress: '' }), 'peer has no Address or Interface specified'],
  [
    'two peers in one',
    peer({ interface: 'eth0' }),
    'spec.interface',
    'peer has both Address and Interface specified',
  ],
  ['no address', peer({ peerAddress: 'router' }), 'spec.peerAddress', 'invalid BGPPeer address'],
  ['no source', peer({ sourceAddress: '1.2.3' }), 'spec.sourceAddress', 'invalid source IP'],
  ['no identifier', peer({ routerID: '1' }), 'spec.routerID', 'invalid router ID'],
  ['a hold time of 1 s', peer({ holdTime: '1s' }), 'spec.holdTime', 'must be 0 or >=3s'],
  ['a keepalive time of 900 ms', peer({ keepaliveTime: '900ms' }), 'must be 0 or >=3s'],
  [
    'keepalives rarer than the hold time',
    peer({ holdTime: '90s', keepaliveTime: '1m31s' }),
    'spec.keepaliveTime',
    'must be lower than holdTime',
  ],
  ['no duration', peer({ holdTime: 'ninety' }), 'spec.holdTime', 'should match'],
  ['a connect time of 0', peer({ connectTime: '0s' }), 'spec.connectTime', 'between 1 seconds'],
  ['half a second', peer({ connectTime: '1500ms' }), 'spec.connectTime', 'whole number'],
  ['port 0', peer({ peerPort: 0 }), 'spec.peerPort', 'greater than or equal to 1'],
  ['a port above 16384', peer({ peerPort: 16_385 }), 'spec.peerPort', '16384'],
  [
    'two passwords',
    peer({ password: 'a', passwordSecret: { name: 'b' } }),
    'spec.passwordSecret',
    'can not have both password and secret ref',
  ],
  ['two lines of a router', peer({ password: 'a\nb' }), 'spec.password', 'invalid characters'],
  ['a VRF of two lines', peer({ vrf: 'a\rb' }), 'spec.vrf', 'invalid characters'],
  ['no local AS number', peer({ localASN: 0 }), 'spec.localASN', '1'],
  ['v1beta1: no peer AS number', older({ peerASN: 0 }), 'spec.peerASN', 'missing peer ASN'],
  ['a mapped address', peer({ peerAddress: '::ffff:192.0.2.1' }), 'spec.peerAddress', 'invalid'],
  ['v1beta1: no address', older({ peerAddress: 'a' }), 'invalid BGPPeer address'],
  ['v1beta1: a hold time of 2 s', older({ holdTime: '2s' }), 'must be 0 or >=3s'],
  ['BFD: 9 ms', bfd({ receiveInterval: 9 }), 'spec.receiveInterval', '10'],
  ['BFD: above a minute', bfd({ transmitInterval: 60_001 }), 'spec.transmitInterval', '60000'],
  ['BFD: one packet', bfd({ detectMultiplier: 1 }), 'spec.detectMultiplier', '2'],
  ['BFD: a TTL of 255', bfd({ minimumTtl: 255 }), 'spec.minimumTtl', '254'],
  ['BFD: echoes', bfd({ echoInterval: 5 }), 'spec.echoInterval', '10'],
];

const PLACES: readonly Refused[] = ['IPAddressPool', 'L2Advertisement', 'BFDProfile'].map(
  (kind): Refused => [
    `${kind} in another namespace`,
    {
      kind,
      namespace: 'default',
      spec: kind === 'IPAddressPool' ? pool('203.0.113.0/28').spec : {},
    },
    'resource must be created in metallb-system namespace',
  ],
);

const CLAIMS: readonly Refused[] = [
  ['a claim of nothing', claim('a', 'a'), 'spec.address', 'must be an IPv4 or IPv6 address'],
  ['a claim under another name', claim('203.0.113.2', '203.0.113.1'), 'metadata.name'],
  ['an IPv6 claim, shortened', claim('2001-db8--1', '2001:db8::1'), 'metadata.name'],
];

export const REFUSED: readonly Refused[] = [
  ...POOLS,
  ...SELECTORS,
  ...ADVERTISEMENTS,
  ...PEERS,
  ...PLACES,
  ...CLAIMS,
];

export const ACCEPTED: readonly Accepted[] = [
  ['spaces around the hyphen', pool('203.0.113.1 - 203.0.113.4')],
  ['both families', pool('203.0.113.0/28', '2001:db8:f::/64')],
  ['a range of one address', pool('203.0.113.7-203.0.113.7', '2001:db8:f::7-2001:db8:f::7')],
  ['neighbours', pool('203.0.113.0/28', '203.0.113.16/28', '203.0.113.32-203.0.113.40')],
  ['IPv6 neighbours', pool('2001:db8:f::/65', '2001:db8:f:0:8000::/65', '2001:db8:e::/64')],
  ['a range over the middle', pool('2001:db8:e:ffff:ffff:ffff:ffff:fff0-2001:db8:f::f')],
  [
    '128 entries',
    pool(...Array.from({ length: 128 }, (_, i) => `2001:db8:f:${i.toString(16)}::/64`)),
  ],
  ['selectors that differ', apart({ serviceSelectors: [WEB, inOrder('a'), inOrder('b')] })],
  ['a priority alone', apart({ priority: 10 })],
  ['an advertisement of everything', l2(undefined)],
  ['a name that no pool has', l2({ ipAddressPools: ['later'] })],
  ['an interface twice', l2({ interfaces: ['eth0', 'eth0'] })],
  [
    'a preference twice',
    l2({ preferredNodeSelectors: [1, 1].map((weight) => ({ weight, preference: WEB })) }),
  ],
  ['an alias that is not defined yet', bgp({ communities: ['later', 'large:1:2:4294967295'] })],
  ['some Services, not aggregated', bgp({ serviceSelectors: [WEB], aggregationLength: 32 })],
  ['an unnumbered peer', peer({ peerAddress: undefined, interface: 'eth0' })],
  ['a peer of any AS', peer({ peerASN: undefined, dynamicASN: 'external' })],
  ['a peer without hold time', peer({ holdTime: '0s', keepaliveTime: '0s' })],
  ['times', peer({ holdTime: '1m30s', keepaliveTime: '30s', connectTime: '1m' })],
  ['a profile that does not exist yet', peer({ bfdProfile: 'later' })],
  ['a Secret that does not exist yet', peer({ passwordSecret: { name: 'later' } })],
  ['an IPv6 peer', peer({ peerAddress: '2001:db8:f::1', vrf: 'red', localASN: 1 })],
  ['v1beta1: port 0', older({ peerPort: 0, holdTime: '90s' })],
  ['a profile of nothing', bfd({})],
  ['aliases', community({ name: 'a', value: '65535:0' }, { name: 'b', value: 'large:1:2:3' })],
  ['a reservation', claim('203.0.113.1', '203.0.113.1')],
  ['an IPv6 claim', claim('2001-0db8-0000-0000-0000-0000-0000-0001', '2001:db8::1')],
];
