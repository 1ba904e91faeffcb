/** The BGP kinds: what they mean, and every rule that refuses one of them. */
import { describe, expect, test } from '@jest/globals';
import { hold, NOTHING_HELD } from '../../../config/held.ts';
import { parse } from '../../../config/parse.ts';
import { listOfKind } from '../../../config/parse/sources.ts';
import type { Sources } from '../../../config/parse/sources.ts';
import type { KubeObject } from '../../../kube/objects.ts';
import { bfd, bgpAd, community, node, object, peer, pool } from './objects.ts';

const EMPTY = { bgpAdvertisements: [], bgpPeers: [], bfdProfiles: [], communities: [] };

function sources(objects: readonly KubeObject[]): Sources {
  const lists: Record<string, KubeObject[]> = { pools: [], advertisements: [] };
  for (const list of Object.keys(EMPTY)) lists[list] = [];
  for (const each of objects) (lists[listOfKind(each) ?? ''] ??= []).push(each);
  return lists as unknown as Sources;
}

function bgp(...objects: readonly KubeObject[]) {
  const parsed = parse(sources(objects));
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
  return parsed.value.bgp;
}

const problems = (...objects: readonly KubeObject[]) =>
  (bgp(...objects)?.problems ?? []).map(({ key, path, message }) => [
    key.replace('metallb-system/', ''),
    path,
    message,
  ]);

const PEER = { myASN: 64500, peerASN: 64501, peerAddress: '192.0.2.1' };
const LAN = pool('lan', { addresses: ['192.0.2.0/28'] });

describe('what is in force', () => {
  test('nobody asked: nothing; asked, and nothing there: an empty plan', () => {
    const none = parse({ pools: [LAN], advertisements: [] });
    expect(none.ok && none.value.bgp).toBe(undefined);
    expect(bgp(LAN)).toEqual({
      plan: { advertisements: [], peers: [], bfdProfiles: new Map(), communities: new Map() },
      problems: [],
      objects: 0,
    });
  });

  test('every default, and what follows from other fields', () => {
    const found = bgp(
      LAN,
      peer('a', { ...PEER, holdTime: '90s', nodeSelectors: [{}] }),
      peer('b', { myASN: 64500, dynamicASN: 'external', interface: 'eth1', keepaliveTime: '20s' }),
      bgpAd('x', { communities: ['away', 'large:1:2:3'] }),
      bfd('fast', { receiveInterval: 50 }),
      community('names', [['away', '65535:65282']]),
    );
    const none = {
      dynamicASN: undefined,
      localASN: undefined,
      interface: undefined,
      sourceAddress: undefined,
      peerPort: 179,
      connectTime: undefined,
      routerID: undefined,
      nodeSelectors: [],
      password: undefined,
      passwordSecret: undefined,
      bfdProfile: undefined,
      enableGracefulRestart: false,
      ebgpMultiHop: false,
      vrf: '',
      dualStackAddressFamily: false,
      disableMP: false,
    };
    const peerAddress = { family: 4, value: 0xc0000201n };
    expect(found?.plan?.peers).toEqual([
      { ...none, ...PEER, name: 'a', peerAddress, ...times(90, 30), nodeSelectors: [{}] },
      {
        ...none,
        name: 'b',
        myASN: 64500,
        peerASN: undefined,
        peerAddress: undefined,
        dynamicASN: 'external',
        interface: 'eth1',
        ...times(60, 20),
      },
    ]);
    expect(found?.plan?.advertisements).toEqual([
      {
        name: 'x',
        pools: new Set(['lan']),
        aggregationLength: 32,
        aggregationLengthV6: 128,
        localPref: undefined,
        communities: [
          { kind: 'standard', parts: [65535, 65282] },
          { kind: 'large', parts: [1, 2, 3] },
        ],
        peers: [],
        nodeSelectors: [],
        serviceSelectors: [],
      },
    ]);
    expect(found?.plan?.bfdProfiles.get('fast')?.receiveInterval).toBe(50);
    expect(found?.objects).toBe(5);
  });

  const times = (held: number, keepalive: number) => ({
    holdTime: held * 1000,
    keepaliveTime: keepalive * 1000,
  });

  test('a fault holds back BGP as a whole, and nothing of layer 2', () => {
    const held = hold(NOTHING_HELD, parse(sources([LAN, peer('a', PEER), peer('b', {})])));
    expect([...(held.config?.pools.keys() ?? [])]).toEqual(['lan']);
    expect(held.problems).toEqual([]);
    expect(held.aside.map(({ key }) => key)).toContain('metallb-system/b');
    expect(held.config?.bgp?.plan).toBe(undefined);
  });

  test('faults of both are told together', () => {
    const parsed = parse(sources([pool('a', { addresses: ['x'] }), peer('b', {})]));
    const kinds = parsed.ok ? [] : parsed.error.map(({ resource }) => resource.kind);
    expect(kinds).toEqual(expect.arrayContaining(['IPAddressPool', 'BGPPeer']));
    expect(hold(NOTHING_HELD, parsed).config).toBe(undefined);
  });
});

describe('peers', () => {
  test.each([
    [{ myASN: 0 }, 'spec.myASN', 'myASN is missing'],
    [{ peerASN: 0 }, 'spec.peerASN', 'either peerASN or dynamicASN, but neither'],
    [{ dynamicASN: 'internal' }, 'spec.peerASN', 'either peerASN or dynamicASN, but both'],
    [{ peerASN: 64500, ebgpMultiHop: true }, 'spec.ebgpMultiHop', 'peers of another AS'],
    [
      { peerASN: 0, dynamicASN: 'internal', ebgpMultiHop: true },
      'spec.ebgpMultiHop',
      'peers of another AS',
    ],
    [{ peerAddress: '' }, 'spec.peerAddress', 'either peerAddress or interface, but neither'],
    [{ interface: 'eth0' }, 'spec.peerAddress', 'either peerAddress or interface, but both'],
    [{ peerAddress: '192.0.2' }, 'spec.peerAddress', 'invalid BGPPeer address'],
    [{ sourceAddress: 'x' }, 'spec.sourceAddress', 'invalid source address'],
    [{ routerID: 'x' }, 'spec.routerID', 'invalid router ID'],
    [{ holdTime: '2s' }, 'spec.holdTime', '0 or at least 3s, not 2s'],
    [{ holdTime: 'long' }, 'spec.holdTime', '"long" is not a duration'],
    [{ keepaliveTime: '900ms' }, 'spec.keepaliveTime', '0 or at least 3s, not three times 900ms'],
    [{ holdTime: '9s', keepaliveTime: '10s' }, 'spec.keepaliveTime', 'is longer than holdTime 9s'],
    [{ connectTime: '500ms' }, 'spec.connectTime', '1s to 65535s'],
    [{ connectTime: '20h' }, 'spec.connectTime', '1s to 65535s'],
    [{ connectTime: '1500ms' }, 'spec.connectTime', 'whole seconds'],
    [{ password: 'x', passwordSecret: { name: 'y' } }, 'spec.password', 'but both are there'],
    [{ nodeSelectors: [{}, {}] }, 'spec.nodeSelectors[1]', 'there twice'],
    [{ bfdProfile: 'gone' }, 'spec.bfdProfile', 'there is no BFDProfile "gone"'],
    [{ peerPort: 70000 }, 'spec.peerPort', 'at most 16384'],
  ])('%j', (more, path, message) => {
    expect(problems(peer('a', { ...PEER, ...more }))).toEqual([
      ['a', path, expect.stringContaining(message)],
    ]);
  });

  test.each([
    { holdTime: '0s' },
    { holdTime: '3s' },
    { holdTime: '1m30s', keepaliveTime: '30s' },
    { connectTime: '65535s' },
    { passwordSecret: { name: 'y' } },
    // What only one of MetalLB's modes refuses.
    { vrf: 'red', connectTime: '1s', enableGracefulRestart: true, disableMP: true },
    { dualStackAddressFamily: true, localASN: 64499 },
  ])('%j is taken', (more) => {
    expect(problems(peer('a', { ...PEER, ...more }))).toEqual([]);
  });

  const rack = (value: string) => [{ matchLabels: { rack: value } }];
  const twins = (a: object, b: object, nodes?: readonly KubeObject[]) => {
    const bgpPeers = [peer('a', { ...PEER, ...a }), peer('b', { ...PEER, ...b })];
    const parsed = parse({ pools: [], advertisements: [], bgpPeers, nodes });
    return parsed.ok && (parsed.value.bgp?.problems ?? []).map(({ message }) => message);
  };

  test('two sessions from one node to one endpoint', () => {
    const twice = ['a session to 192.0.2.1 already exists: BGPPeer "a"'];
    expect(twins({}, {})).toEqual(twice);
    expect(twins({}, { peerASN: 64502, nodeSelectors: rack('1') })).toEqual(twice);
    expect(twins({}, { peerPort: 1179 })).toEqual([]);
    expect(twins({}, { vrf: 'red' })).toEqual([]);
    expect(twins({}, { sourceAddress: '192.0.2.9' })).toEqual([]);
    expect(twins({}, { peerAddress: '192.0.2.2' })).toEqual([]);
    expect(twins({}, { peerAddress: '192.0.2.2', myASN: 64510, routerID: '192.0.2.3' })).toEqual(
      [],
    );
  });

  test('nodes tell whether selectors meet; without them the same text does', () => {
    const [one, two] = [{ nodeSelectors: rack('1') }, { nodeSelectors: rack('2') }];
    const row = { nodeSelectors: [{ matchLabels: { row: 'x' } }] };
    const nodes = [node('n', { rack: '1', row: 'x' }), node('m', { rack: '2' })];
    expect(twins(one, two)).toEqual([]);
    expect(twins(one, one, [])).toHaveLength(1);
    expect(twins(one, row)).toEqual([]);
    expect(twins(one, row, nodes)).toHaveLength(1);
    expect(twins(two, row, nodes)).toEqual([]);
  });

  test('echo packets are for IPv4 only', () => {
    const echo = bfd('e', { echoMode: true });
    const six = pool('six', { addresses: ['2001:db8::/64'] });
    const user = peer('a', { ...PEER, bfdProfile: 'e' });
    const [found] = problems(echo, peer('a', { ...PEER, peerAddress: '::1', bfdProfile: 'e' }));
    expect(found).toEqual(['a', 'spec.bfdProfile', expect.stringContaining('this peer has an')]);
    expect(problems(echo, user, six)).toEqual([]);
    expect(problems(echo, user, six, bgpAd('x', {}))[0]?.[2]).toContain('pool "six" has an IPv6');
  });
});

describe('advertisements', () => {
  test.each([
    [{ aggregationLength: 33 }, 'spec.aggregationLength', 'at most 32'],
    [{ aggregationLengthV6: 129 }, 'spec.aggregationLengthV6', 'at most 128'],
    [{ peers: ['a', 'a'] }, 'spec.peers[1]', '"a" is listed twice'],
    [{ ipAddressPools: ['a', 'a'] }, 'spec.ipAddressPools[1]', 'listed twice'],
    [{ communities: ['1:1', '1:1'] }, 'spec.communities[1]', 'listed twice'],
    [{ communities: ['gone'] }, 'spec.communities[0]', 'no Community gives "gone" a value'],
    [{ communities: ['1:x'] }, 'spec.communities[0]', 'invalid community value: invalid section'],
    [{ nodeSelectors: [{ matchLabels: { '': '' } }] }, 'spec.nodeSelectors[0].matchLabels[""]', ''],
    [
      { aggregationLength: 24, serviceSelectors: [{}] },
      'spec.serviceSelectors',
      'serviceSelectors and aggregationLength are mutually exclusive',
    ],
  ])('%j', (spec, path, message) => {
    expect(problems(bgpAd('x', spec))).toEqual([['x', path, expect.stringContaining(message)]]);
  });

  test('an aggregate wider than what the pool has', () => {
    const narrow = pool('narrow', { addresses: ['1.1.1.0/28', '2001:db8::/64'] });
    const six = { aggregationLengthV6: 63 };
    expect(problems(narrow, bgpAd('x', { aggregationLength: 26, ...six }))).toEqual([
      [
        'x',
        'spec.aggregationLength',
        'invalid aggregation length 26: prefix 28 in this pool is more specific than the ' +
          'aggregation length for addresses 1.1.1.0/28 (pool "narrow")',
      ],
      ['x', 'spec.aggregationLengthV6', expect.stringContaining('63: prefix 64 in this pool')],
    ]);
    expect(problems(narrow, bgpAd('x', { aggregationLength: 28 }))).toEqual([]);
    const other = { aggregationLength: 26, ipAddressPools: ['lan'] };
    expect(problems(narrow, LAN, bgpAd('x', other))).toHaveLength(1);
  });

  test.each([
    ['192.0.2.1-192.0.2.6', 31],
    ['192.0.2.0-192.0.2.255', 24],
    ['192.0.2.7-192.0.2.8', 32],
    ['0.0.0.0-255.255.255.255', 0],
  ])('of %s the broadest part is a /%i', (addresses, prefix) => {
    const wide = pool('p', { addresses: [addresses] });
    const lengths = [prefix, prefix - 1].filter((length) => length > 0);
    const counts = lengths.map((aggregationLength) =>
      problems(wide, bgpAd('x', { aggregationLength })),
    );
    expect(counts.map(({ length }) => length)).toEqual([0, 1].slice(0, lengths.length));
  });

  test('one prefix, two preferences', () => {
    const rival = (...specs: readonly object[]) =>
      problems(LAN, ...specs.map((spec, index) => bgpAd(`x${index}`, spec)));
    expect(rival({ localPref: 1 }, { localPref: 2 }, { localPref: 1 })).toEqual([
      [
        'x1',
        'spec.localPref',
        expect.stringContaining('"x0" says another localPref for pool "lan"'),
      ],
    ]);
    expect(rival({ localPref: 1 }, { localPref: 1 })).toEqual([]);
    expect(rival({}, { localPref: 0 })).toEqual([]);
    expect(rival({ localPref: 1 }, { localPref: 2, peers: ['p'] })).toEqual([]);
    expect(rival({ localPref: 1 }, { localPref: 2, aggregationLength: 28 })).toEqual([]);
    expect(rival({ localPref: 1 }, { localPref: 2, serviceSelectors: [{}] })).toEqual([]);
  });

  test('the same nodes are the same, however they are selected', () => {
    const ads = [
      bgpAd('x', { localPref: 1, nodeSelectors: [{ matchLabels: { rack: '1' } }] }),
      bgpAd('y', { localPref: 2, nodeSelectors: [{ matchLabels: { row: 'x' } }] }),
    ];
    const count = (nodes?: readonly KubeObject[]) => {
      const parsed = parse({ pools: [LAN], advertisements: [], bgpAdvertisements: ads, nodes });
      return parsed.ok && parsed.value.bgp?.problems.length;
    };
    expect(count()).toBe(0);
    expect(count([node('n', { rack: '1', row: 'x' })])).toBe(1);
    expect(count([node('n', { rack: '1' })])).toBe(0);
  });
});

describe('communities', () => {
  test.each([
    ['1:65536', 'invalid community value: invalid section "65536"'],
    ['1:', 'invalid community value: invalid section ""'],
    ['large:1:2:4294967296', 'invalid community value: invalid section "4294967296"'],
    ['small:1:2:3', 'expected community to be of format large'],
    ['1:2:3', 'expected community to be of format large'],
    ['word', 'expected community to be of format large'],
  ])('%s', (value, message) => {
    expect(problems(community('c', [['a', value]]))).toEqual([
      ['c', 'spec.communities[0].value', expect.stringContaining(message)],
    ]);
  });

  test('an alias twice, also in two objects', () => {
    const twice = 'duplicate definition of community "a"; rename or remove one';
    const [first, second] = [community('c', [['a', '1:1']]), community('d', [['a', '1:2']])];
    expect(problems(second, first)).toEqual([['d', 'spec.communities[0].name', twice]]);
  });

  test('objects that have no shape of their kind', () => {
    expect(problems(object('BFDProfile')('p', { receiveInterval: 'often' }))).toEqual([
      ['p', 'spec.receiveInterval', expect.stringContaining('must be')],
    ]);
  });
});
