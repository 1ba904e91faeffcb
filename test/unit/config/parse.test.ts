/** Pools and advertisements: what they mean, and every problem they can have. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { hold, NOTHING_HELD } from '../../../config/held.ts';
import type { Config } from '../../../config/model.ts';
import { parse } from '../../../config/parse.ts';
import type { KubeObject } from '../../../kube/objects.ts';
import { ad, namespace, pool } from './objects.ts';

function good(pools: readonly KubeObject[], advertisements: readonly KubeObject[] = []): Config {
  const parsed = parse({ pools, advertisements });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
  return parsed.value;
}

function problems(pools: readonly KubeObject[], advertisements: readonly KubeObject[] = []) {
  const parsed = parse({ pools, advertisements });
  return parsed.ok ? [] : parsed.error.map(({ key, path, message }) => [key, path, message]);
}

describe('pools', () => {
  test('get every default, and ranges in declared order', () => {
    const config = good([
      pool('lan', { addresses: ['192.0.2.8-192.0.2.9', '192.0.2.0/30', '2001:db8::/127'] }),
    ]);
    expect(config.pools.get('lan')).toEqual({
      name: 'lan',
      ranges: [
        { family: 4, first: 0xc0000208n, last: 0xc0000209n },
        { family: 4, first: 0xc0000200n, last: 0xc0000203n },
        { family: 6, first: 0x20010db8n << 96n, last: (0x20010db8n << 96n) + 1n },
      ],
      autoAssign: true,
      avoidBuggyIPs: false,
      allocation: undefined,
    });
  });

  test('serviceAllocation is kept', () => {
    const serviceAllocation = { priority: 5, namespaces: ['prod'] };
    const config = good([pool('a', { addresses: ['192.0.2.0/30'], serviceAllocation })]);
    expect(config.pools.get('a')?.allocation).toEqual({
      priority: 5,
      namespaces: new Set(['prod']),
      serviceSelectors: [],
      closed: undefined,
    });
  });

  test('every problem is reported, with object, path and sentence', () => {
    expect(
      problems([
        pool('a', { addresses: [] }),
        pool('b', { addresses: ['192.0.2.9-192.0.2.1', 'x', '192.0.2.1'] }),
        pool('c', {
          addresses: ['192.0.2.0/24'],
          serviceAllocation: {
            namespaces: ['x', 'x'],
            serviceSelectors: [
              { matchExpressions: [{ key: 'a', operator: 'In' }] },
              { matchLabels: { a: 'b' } },
              { matchLabels: { a: 'b' } },
            ],
          },
        }),
        pool('d', { addresses: 'many' }),
      ]),
    ).toEqual([
      ['metallb-system/d', 'spec.addresses', 'addresses must be a list, but it is the text "many"'],
      ['metallb-system/a', 'spec.addresses', expect.stringContaining('no addresses')],
      ['metallb-system/b', 'spec.addresses[0]', expect.stringContaining('starts after its end')],
      ['metallb-system/b', 'spec.addresses[1]', expect.stringContaining('neither')],
      ['metallb-system/b', 'spec.addresses[2]', expect.stringContaining('192.0.2.1/32')],
      ['metallb-system/c', 'spec.serviceAllocation.namespaces[1]', '"x" is listed twice'],
      [
        'metallb-system/c',
        'spec.serviceAllocation.serviceSelectors[0].matchExpressions[0].values',
        'In needs at least one value',
      ],
      [
        'metallb-system/c',
        'spec.serviceAllocation.serviceSelectors[2]',
        'this selector is there twice; remove one',
      ],
    ]);
  });

  test('overlaps are found inside and across pools, with both names', () => {
    expect(
      problems([
        pool('wide', { addresses: ['192.0.2.0/24'] }),
        pool('narrow', { addresses: ['192.0.2.7-192.0.2.8', '192.0.2.8/32', '2001:db8::/64'] }),
      ]),
    ).toEqual([
      [
        'metallb-system/wide',
        'spec.addresses[0]',
        '"192.0.2.0/24" in pool "wide" overlaps with already defined CIDR or range ' +
          '"192.0.2.7-192.0.2.8" in pool "narrow"; take the common addresses out of one of them',
      ],
      [
        'metallb-system/wide',
        'spec.addresses[0]',
        expect.stringContaining('"192.0.2.8/32" in pool "narrow"'),
      ],
    ]);
    expect(problems([pool('a', { addresses: ['192.0.2.0/25', '192.0.2.4/32'] })])[0]?.[2]).toMatch(
      'in the same pool',
    );
  });

  test('the same name in two namespaces is a problem', () => {
    const twin = pool('a', { addresses: ['192.0.2.4/30'] });
    const other = { ...twin, metadata: { name: 'a', namespace: 'other' } };
    expect(problems([pool('a', { addresses: ['192.0.2.0/30'] }), other])).toEqual([
      ['other/a', 'metadata.name', 'IPAddressPool "a" is defined twice; rename or remove one'],
    ]);
  });

  test('overlap is found exactly when two intervals have an address in common', () => {
    const interval = fc
      .tuple(fc.nat(255), fc.nat(20))
      .map(([first, more]) => [first, Math.min(255, first + more)] as const);
    fc.assert(
      fc.property(fc.array(interval, { minLength: 1, maxLength: 6 }), (intervals) => {
        const pools = intervals.map(([first, last], index) =>
          pool(`p${index}`, { addresses: [`192.0.2.${first}-192.0.2.${last}`] }),
        );
        const common = intervals.some((a, i) =>
          intervals.some((b, j) => i < j && a[0] <= b[1] && b[0] <= a[1]),
        );
        expect(parse({ pools, advertisements: [] }).ok).toBe(!common);
      }),
    );
  });
});

describe('namespaceSelectors', () => {
  const team = [{ matchLabels: { team: 'x' } }];
  const allocation = (spec: object, namespaces?: readonly KubeObject[]) => {
    const addresses = ['192.0.2.0/30'];
    const pools = [
      pool('a', { addresses, serviceAllocation: { namespaceSelectors: team, ...spec } }),
    ];
    const parsed = parse({ pools, advertisements: [], namespaces });
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
    const { namespaces: names, closed } = parsed.value.pools.get('a')?.allocation ?? {};
    return [[...(names ?? [])].toSorted(), closed];
  };
  const existing = [
    namespace('one', { team: 'x' }),
    namespace('two', { team: 'y' }),
    namespace('three', { team: 'x' }),
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'bare' } },
  ];

  test('stand for the names that they match, beside those that are listed', () => {
    expect(allocation({}, existing)).toEqual([['one', 'three'], undefined]);
    const both = { namespaces: ['four'] };
    expect(allocation(both, existing)).toEqual([['four', 'one', 'three'], undefined]);
    expect(allocation({ namespaceSelectors: [] }, existing)).toEqual([[], undefined]);
  });

  test('that match nothing close the pool, with and without service selectors', () => {
    const closed = expect.stringContaining('match no namespace');
    expect(allocation({}, [namespace('two', {})])).toEqual([[], closed]);
    expect(allocation({ serviceSelectors: [{}] }, [])).toEqual([[], closed]);
  });

  test('that cannot be compared close the pool, but not for the names that are listed', () => {
    expect(allocation({})).toEqual([[], expect.stringContaining('Namespaces cannot be read')]);
    expect(allocation({ namespaces: ['four'] })).toEqual([['four'], undefined]);
  });
});

describe('advertisements', () => {
  const pools = [
    pool('a', { addresses: ['192.0.2.0/30'] }, { tier: 'front' }),
    pool('b', { addresses: ['192.0.2.4/30'] }),
    pool('c', { addresses: ['192.0.2.8/30'] }),
  ];
  const poolsOf = (spec: unknown) => [
    ...(good(pools, [ad('x', spec)]).advertisements[0]?.pools ?? []),
  ];

  test('no spec means every pool', () => {
    expect(poolsOf(undefined)).toEqual(['a', 'b', 'c']);
  });

  test('names and selectors are united; unknown names are ignored', () => {
    expect(
      poolsOf({
        ipAddressPools: ['b', 'gone'],
        ipAddressPoolSelectors: [{ matchLabels: { tier: 'front' } }],
      }),
    ).toEqual(['a', 'b']);
    expect(poolsOf({ ipAddressPools: ['gone'] })).toEqual([]);
  });

  test('rest is taken over', () => {
    const config = good(pools, [
      ad('x', {
        interfaces: ['eth0'],
        nodeSelectors: [{ matchLabels: { a: 'b' } }],
        serviceSelectors: [{}],
        preferredNodeSelectors: [{ weight: 7, preference: { matchLabels: { c: 'd' } } }],
      }),
    ]);
    expect(config.advertisements[0]).toEqual({
      name: 'x',
      pools: new Set(['a', 'b', 'c']),
      interfaces: ['eth0'],
      nodeSelectors: [{ matchLabels: { a: 'b' } }],
      serviceSelectors: [{}],
      preferredNodes: [{ weight: 7, preference: { matchLabels: { c: 'd' } } }],
    });
  });

  test('problems', () => {
    expect(
      problems(pools, [
        ad('x', {
          ipAddressPools: ['a', 'a'],
          nodeSelectors: [{ matchLabels: { 'no key': '' } }],
          preferredNodeSelectors: [
            { weight: 1, preference: { matchExpressions: [{ key: 'a', operator: 'In' }] } },
          ],
        }),
        ad('y', { preferredNodeSelectors: [{ weight: 101, preference: {} }] }),
      ]).map(([key, path]) => [key, path]),
    ).toEqual([
      ['metallb-system/y', 'spec.preferredNodeSelectors[0].weight'],
      ['metallb-system/x', 'spec.ipAddressPools[1]'],
      ['metallb-system/x', 'spec.nodeSelectors[0].matchLabels["no key"]'],
      ['metallb-system/x', 'spec.preferredNodeSelectors[0].preference.matchExpressions[0].values'],
    ]);
  });
});

test('a broken configuration leaves the last good one in force', () => {
  const first = hold(NOTHING_HELD, parse({ pools: [], advertisements: [] }));
  const broken = hold(first, parse({ pools: [pool('a', { addresses: [] })], advertisements: [] }));
  expect(broken.config).toBe(first.config);
  expect(broken.problems).toHaveLength(1);
  expect(hold(NOTHING_HELD, parse({ pools: [pool('a', {})], advertisements: [] })).config).toBe(
    undefined,
  );
});
