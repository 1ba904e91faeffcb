/** Changes judged before they are stored: what is refused, and what nobody is to blame for. */
import { describe, expect, test } from '@jest/globals';
import { admit } from '../../../config/admit.ts';
import type { Change } from '../../../config/admit.ts';
import type { Sources } from '../../../config/parse/sources.ts';
import type { KubeObject } from '../../../kube/objects.ts';
import { ad, bfd, bgpAd, community, node, object, peer, pool } from './objects.ts';

const NONE: Sources = { pools: [], advertisements: [] };
const PEER = { myASN: 64500, peerASN: 64501, peerAddress: '192.0.2.1' };

function judge(
  changed: KubeObject,
  present: Partial<Sources> = {},
  operation: Change['operation'] = 'CREATE',
) {
  const change = { operation, object: changed, namespace: 'metallb-system' };
  return admit(change, { ...NONE, ...present });
}

const refusals = (...args: Parameters<typeof judge>) =>
  judge(...args).problems.map(({ path, message }) => `${path}: ${message}`);
const said = (text: string) => [expect.stringContaining(text)];

describe("MetalLB's words", () => {
  const lan = pool('lan', { addresses: ['1.1.1.0/28'] });

  test.each<[string, KubeObject, Partial<Sources>]>([
    [
      'overlaps with already defined CIDR',
      pool('new', { addresses: ['1.1.1.8-1.1.1.20'] }),
      { pools: [lan] },
    ],
    [
      'invalid aggregation length 26: prefix 28 in this pool is more specific than the ' +
        'aggregation length for addresses 1.1.1.0/28',
      bgpAd('x', { aggregationLength: 26 }),
      { pools: [lan] },
    ],
    [
      'serviceSelectors and aggregationLength are mutually exclusive',
      bgpAd('x', { aggregationLength: 28, serviceSelectors: [{}] }),
      {},
    ],
    ['invalid BGPPeer address', peer('p', { ...PEER, peerAddress: '1.1.1' }), {}],
    ['already exists', peer('p', PEER), { bgpPeers: [peer('a', PEER)] }],
    ['invalid community value: invalid section', community('c', [['a', '1:x']]), {}],
    ['expected community to be of format large', community('c', [['a', '1:2:3:4']]), {}],
    [
      'duplicate definition of community',
      community('d', [['a', '1:1']]),
      { communities: [community('c', [['a', '1:1']])] },
    ],
  ])('%s', (text, changed, present) => {
    expect(refusals(changed, present)).toEqual(said(text));
  });

  test('failed to delete BFDProfile', () => {
    const bgpPeers = [
      peer('b', { ...PEER, bfdProfile: 'fast' }),
      peer('a', { bfdProfile: 'fast' }),
    ];
    expect(refusals(bfd('fast', {}), { bgpPeers }, 'DELETE')).toEqual(
      said('failed to delete BFDProfile "fast": BGPPeer a, b uses it'),
    );
    expect(refusals(bfd('slow', {}), { bgpPeers }, 'DELETE')).toEqual([]);
    expect(refusals(peer('a', {}), { bgpPeers }, 'DELETE')).toEqual([]);
  });

  test('resource must be created in <ns> namespace: of every kind, when it is created', () => {
    const away = (each: KubeObject) =>
      ({ ...each, metadata: { ...each.metadata, namespace: 'default' } }) as KubeObject;
    const kinds = [
      lan,
      ad('x', {}),
      bgpAd('x', {}),
      peer('p', PEER),
      bfd('f', {}),
      community('c', []),
    ];
    for (const each of kinds) {
      expect(refusals(away(each))).toEqual(said('must be created in metallb-system namespace'));
      expect(refusals(away(each), {}, 'UPDATE')).toEqual([]);
      expect(refusals(each)).toEqual([]);
    }
  });
});

describe('only what the change makes worse', () => {
  const broken = pool('broken', { addresses: ['192.0.2.0/28', '192.0.2.8/32'] });

  test('an object that was broken before is in nobody’s way', () => {
    const present = { pools: [broken, pool('odd', { addresses: ['x'] })] };
    expect(refusals(pool('new', { addresses: ['198.51.100.0/28'] }), present)).toEqual([]);
    expect(refusals(ad('x', {}), present)).toEqual([]);
    expect(refusals(bgpAd('x', {}), present)).toEqual([]);
  });

  test('it may be mended, also by halves, and touched otherwise', () => {
    const present = { pools: [broken] };
    const mended = pool('broken', { addresses: ['192.0.2.0/28'] });
    expect(refusals(mended, present, 'UPDATE')).toEqual([]);
    const labelled = pool('broken', { addresses: ['192.0.2.0/28', '192.0.2.8/32'] }, { a: 'b' });
    expect(refusals(labelled, present, 'UPDATE')).toEqual([]);
    const worse = pool('broken', { addresses: ['192.0.2.0/28', '192.0.2.8/32', 'x'] });
    expect(refusals(worse, present, 'UPDATE')).toHaveLength(1);
  });

  test('an update is not compared with what it replaces', () => {
    const lan = pool('lan', { addresses: ['192.0.2.0/28'] });
    expect(
      refusals(pool('lan', { addresses: ['192.0.2.0/27'] }), { pools: [lan] }, 'UPDATE'),
    ).toEqual([]);
  });

  test('the overlap that a new pool makes is refused, whichever of the two is named', () => {
    const present = { pools: [pool('z', { addresses: ['192.0.2.0/28'] })] };
    expect(refusals(pool('a', { addresses: ['192.0.2.8/32'] }), present)).toEqual(
      said('"192.0.2.8/32" in pool "a"'),
    );
  });
});

describe('what may come later', () => {
  test('references: BFD profile, Secret, alias of a community, names of pools and peers', () => {
    const more = { bfdProfile: 'later', passwordSecret: { name: 'later' } };
    const known = { bfdProfiles: [], communities: [], bgpPeers: [] };
    expect(refusals(peer('p', { ...PEER, ...more }), known)).toEqual([]);
    const later = { communities: ['later'], ipAddressPools: ['later'], peers: ['later'] };
    expect(refusals(bgpAd('x', later), known)).toEqual([]);
    expect(refusals(ad('x', { ipAddressPools: ['later'] }))).toEqual([]);
  });

  test('a pool does not break the advertisements that are there: `parse` finds it', () => {
    const present = { bgpAdvertisements: [bgpAd('x', { aggregationLength: 24 })] };
    expect(refusals(pool('lan', { addresses: ['192.0.2.0/28'] }), present)).toEqual([]);
  });

  test('nodes decide whether peers meet', () => {
    const on = (rack: string) => ({ ...PEER, nodeSelectors: [{ matchLabels: { rack } }] });
    const bgpPeers = [peer('a', on('1'))];
    const row = peer('b', { ...PEER, nodeSelectors: [{ matchLabels: { row: 'x' } }] });
    expect(refusals(row, { bgpPeers, nodes: [node('n', { rack: '1' })] })).toEqual([]);
    expect(refusals(row, { bgpPeers, nodes: [node('n', { rack: '1', row: 'x' })] })).toHaveLength(
      1,
    );
  });
});

test('disableMP: a warning, and judged all the same', () => {
  expect(judge(peer('p', { ...PEER, disableMP: true }))).toEqual({
    problems: [],
    warnings: [expect.stringContaining('disableMP is deprecated')],
  });
  expect(judge(peer('p', { ...PEER, myASN: 0, disableMP: true })).problems).toHaveLength(1);
});

test('nulls are absent fields; other kinds are nobody’s business', () => {
  const withNulls = pool('lan', { addresses: ['192.0.2.0/28'], serviceAllocation: null });
  expect(refusals(withNulls)).toEqual([]);
  expect(refusals(object('Deployment', 'apps/v1')('x', 'y'))).toEqual([]);
});
