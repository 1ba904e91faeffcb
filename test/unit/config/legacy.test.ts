/** The text of the old ConfigMap: what it means, and every way to get it wrong. */
import { describe, expect, test } from '@jest/globals';
import { readLegacy } from '../../../config/compat/legacy.ts';
import { parse } from '../../../config/parse.ts';
import { listOfKind } from '../../../config/parse/sources.ts';
import type { KubeObject } from '../../../kube/objects.ts';

type Object = KubeObject & { readonly spec: unknown };

const read = (...lines: readonly string[]) =>
  readLegacy(lines.join('\n'), { namespace: 'metallb-system' });

function objects(...lines: readonly string[]): readonly (readonly [string, string, unknown])[] {
  const { made, faults } = read(...lines);
  expect(faults).toEqual([]);
  return made.map(({ object }) => [object.kind, object.metadata.name, (object as Object).spec]);
}

const faults = (...lines: readonly string[]) =>
  read(...lines).faults.map(({ path, line, message }) => [path, line, message]);

/** As kubespray 2.18 writes it: Python's `True`, an empty list of peers, a name with `_`. */
const KUBESPRAY = [
  'peers:',
  'address-pools:',
  '- name: loadbalanced',
  '  protocol: layer2',
  '  addresses:',
  '  - 192.0.2.240-192.0.2.249',
  '  auto-assign: True',
  '- name: kube_service_pool',
  '  protocol: layer2',
  '  addresses:',
  '  - 198.51.100.0/28',
  '  auto-assign: False',
];

const EVERYTHING = [
  'peers:',
  '- peer-address: 192.0.2.1',
  '  peer-asn: 64501',
  '  my-asn: 64500',
  '  peer-port: 1179',
  '  source-address: 192.0.2.2',
  '  hold-time: 120s',
  '  keepalive-time: 40s',
  '  router-id: 192.0.2.3',
  '  password: 12345',
  '  bfd-profile: fast',
  '  ebgp-multihop: yes',
  '  node-selectors:',
  '  - match-labels: {rack: 1}',
  '    match-expressions:',
  '    - {key: kubernetes.io/hostname, operator: In, values: [a, b]}',
  'address-pools:',
  '- name: wan',
  '  protocol: bgp',
  '  addresses: [198.51.100.0/24]',
  '  avoid-buggy-ips: on',
  '  bgp-advertisements:',
  '  - aggregation-length: 32',
  '    aggregation-length-v6: 64',
  '    localpref: 100',
  '    communities: [no-advertise, "64500:1"]',
  '  - aggregation-length: 24',
  '- name: bare',
  '  protocol: bgp',
  '  addresses: ["2001:db8::/64"]',
  'bgp-communities:',
  '  no-advertise: 65535:65282',
  'bfd-profiles:',
  '- name: fast',
  '  receive-interval: 100',
  '  transmit-interval: 101',
  '  detect-multiplier: 3',
  '  echo-interval: 60',
  '  echo-mode: off',
  '  passive-mode: true',
  '  minimum-ttl: 250',
];

const MADE = [
  [
    'BGPPeer',
    'peer1',
    {
      peerAddress: '192.0.2.1',
      peerASN: 64501,
      myASN: 64500,
      peerPort: 1179,
      sourceAddress: '192.0.2.2',
      holdTime: '120s',
      keepaliveTime: '40s',
      routerID: '192.0.2.3',
      password: '12345',
      bfdProfile: 'fast',
      ebgpMultiHop: true,
      nodeSelectors: [
        {
          matchLabels: { rack: '1' },
          matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: ['a', 'b'] }],
        },
      ],
    },
  ],
  ['IPAddressPool', 'wan', { addresses: ['198.51.100.0/24'], avoidBuggyIPs: true }],
  [
    'BGPAdvertisement',
    'bgpadvertisement1',
    {
      ipAddressPools: ['wan'],
      aggregationLength: 32,
      aggregationLengthV6: 64,
      localPref: 100,
      communities: ['no-advertise', '64500:1'],
    },
  ],
  ['BGPAdvertisement', 'bgpadvertisement2', { ipAddressPools: ['wan'], aggregationLength: 24 }],
  ['IPAddressPool', 'bare', { addresses: ['2001:db8::/64'] }],
  ['BGPAdvertisement', 'bgpadvertisement3', { ipAddressPools: ['bare'] }],
  [
    'BFDProfile',
    'fast',
    {
      receiveInterval: 100,
      transmitInterval: 101,
      detectMultiplier: 3,
      echoInterval: 60,
      echoMode: false,
      passiveMode: true,
      minimumTtl: 250,
    },
  ],
  ['Community', 'communities', { communities: [{ name: 'no-advertise', value: '65535:65282' }] }],
];

describe('meaning', () => {
  test("kubespray's: pools with advertisements of their own, names kept", () => {
    expect(objects(...KUBESPRAY)).toEqual([
      [
        'IPAddressPool',
        'loadbalanced',
        { addresses: ['192.0.2.240-192.0.2.249'], autoAssign: true },
      ],
      ['L2Advertisement', 'l2advertisement1', { ipAddressPools: ['loadbalanced'] }],
      ['IPAddressPool', 'kube_service_pool', { addresses: ['198.51.100.0/28'], autoAssign: false }],
      ['L2Advertisement', 'l2advertisement2', { ipAddressPools: ['kube_service_pool'] }],
    ]);
  });

  test('everything there is', () => {
    expect(objects(...EVERYTHING)).toEqual(MADE);
  });

  test('what is made of it is a valid configuration', () => {
    const { made } = read(...KUBESPRAY);
    const all = made.map(({ object }) => object);
    const of = (list: string) => all.filter((object) => listOfKind(object) === list);
    const parsed = parse({ pools: of('pools'), advertisements: of('advertisements') });
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
    expect([...parsed.value.pools.keys()]).toEqual(['kube_service_pool', 'loadbalanced']);
    expect(parsed.value.advertisements.map(({ pools }) => pools)).toEqual([
      new Set(['loadbalanced']),
      new Set(['kube_service_pool']),
    ]);
  });

  test.each(['', 'null', '---', '# nothing', '{}', 'address-pools:', 'address-pools: []'])(
    '%j has no pools',
    (text) => {
      expect(objects(text)).toEqual([]);
    },
  );
});

describe('faults', () => {
  const pool = ['address-pools:', '- name: a', '  protocol: layer2'];

  test("minikube's before it is configured: an empty range", () => {
    expect(faults(...pool, '  addresses:', '  - -')).toEqual([
      ['address-pools[0].addresses[0]', 5, 'addresses[0] must be text, but it is a list'],
    ]);
  });

  test.each([
    [
      'protocol',
      ['- name: a', '  protocol: l2', '  addresses: []'],
      'address-pools[0].protocol',
      3,
    ],
    ['no protocol', ['- name: a', '  addresses: []'], 'address-pools[0].protocol', 2],
    ['no name', ['- protocol: layer2', '  addresses: [192.0.2.0/28]'], 'address-pools[0].name', 2],
    ['no pools', ['- name: a', '  protocol: layer2'], 'address-pools[0].addresses', 2],
    ['a map', ['  name: a'], 'address-pools', 1],
  ])('%s', (_, lines, path, line) => {
    const [fault] = faults('address-pools:', ...lines);
    expect(fault).toEqual([path, line, expect.stringMatching(/must be|is missing/)]);
  });

  test('what is not a field, at its line', () => {
    expect(faults(...pool, '  addresses: [192.0.2.0/28]', '  auto-asign: true')).toEqual([
      ['address-pools[0].auto-asign', 5, 'auto-asign is not a field; check its spelling'],
    ]);
  });

  test('a pool twice; BGP for layer 2', () => {
    expect(
      faults(
        ...pool,
        '  addresses: [192.0.2.0/28]',
        '  bgp-advertisements:',
        '  - localpref: 1',
        '- name: a',
        '  protocol: bgp',
        '  addresses: [198.51.100.0/28]',
      ),
    ).toEqual([
      ['address-pools[1].name', 7, '"a" is defined twice; rename or remove one'],
      ['address-pools[0].bgp-advertisements', 5, expect.stringContaining('are for protocol bgp')],
    ]);
  });

  test('ranges and overlaps have their own lines', () => {
    expect(
      faults(
        ...pool,
        '  addresses:',
        '  - 192.0.2.0/28',
        '  - 192.0.2.9-192.0.2.1',
        '- name: b',
        '  protocol: layer2',
        '  addresses:',
        '  - 192.0.2.4/32',
      ),
    ).toEqual([
      ['address-pools[0].addresses[1]', 6, expect.stringContaining('starts after its end')],
      ['address-pools[1].addresses[0]', 10, expect.stringContaining('overlaps with already')],
    ]);
  });

  test.each([
    ['a: [', 1],
    ['a: 1\na: 2', 2],
    ['address-pools:\n- name: a\n  name: b', 3],
    ['a: {b: [{c: 1,\nc: 2}]}', 2],
    ['a: &a [*a]', 1],
    ['a: *b', 1],
    ['['.repeat(5000), 1],
  ])('no YAML: %#', (text, line) => {
    expect(faults(text)[0]).toEqual(['', line, expect.any(String)]);
  });

  test('two documents', () => {
    expect(faults('address-pools: []', '---', 'address-pools: []')).toEqual([
      ['', 1, expect.stringContaining('several documents')],
    ]);
  });

  test('fields of objects are found in the text', () => {
    const text = read(
      'peers:',
      '- my-asn: 1',
      '  peer-asn: 2',
      '  ebgp-multihop: true',
      '  hold-time: 1s',
      'bgp-communities:',
      '  a: 1:1',
      '  b: 2',
    );
    const [peer, communities] = text.made;
    const fields = ['spec.holdTime', 'spec.peerAddress', 'spec.ebgpMultiHop'].map(
      (path) => peer?.field(path) ?? '',
    );
    expect(fields.map((field) => [field, text.lineOf(field)])).toEqual([
      ['peers[0].hold-time', 5],
      ['peers[0].peer-address', 2],
      ['peers[0].ebgp-multihop', 4],
    ]);
    expect(communities?.field('spec.communities[1].value')).toBe('bgp-communities.b');
    expect(text.lineOf('bgp-communities.b')).toBe(8);
  });
});
