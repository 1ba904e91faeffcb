/**
 * What a real API server takes and refuses with our CRDs and admission policies, and no webhook.
 * First there are the CRDs for older servers, and objects that only those take; then everything
 * is applied over them, as in an upgrade.
 */
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import { join } from 'node:path';
import { collectionPath, pluralOf } from '../../kube/location.ts';
import type { Answer } from '../../lab/kube/api.ts';
import { KubeLab } from '../../lab/kube/kubelab.ts';
import { until } from '../../lab/until.ts';
import { ACCEPTED, REFUSED } from './admissioncases.ts';
import type { Case } from './admissioncases.ts';
import { COLUMNS, body, pathOf, peer, pool, refusal, resourceOf } from './admissionobjects.ts';
import { ROOT, SYSTEM } from './installation.ts';
import { EDGES, entries, holdsNetwork, wanted } from './intervals.ts';

jest.setTimeout(60_000);

let kube: KubeLab;

/** Would it be taken; nothing is stored. */
function tried(object: Case): Promise<Answer> {
  const { namespace = SYSTEM } = object;
  const path = `${collectionPath(resourceOf(object), namespace)}?dryRun=All`;
  return kube.api.ask('POST', path, body(object));
}

async function create(object: Case): Promise<void> {
  const path = collectionPath(resourceOf(object), object.namespace ?? SYSTEM);
  await kube.api.call('POST', path, body(object));
}

beforeAll(async () => {
  kube = await KubeLab.up({ purpose: 'admission', extent: 'api' });
  await kube.api.call('POST', '/api/v1/namespaces', { metadata: { name: SYSTEM } });
  await kube.kubectl(['apply', '-k', join(ROOT, 'deploy/crds-legacy')]);
  await kube.kubectl(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=20s']);
  const bad = [pool('bad', '203.0.113.300/28', '198.51.100.9-198.51.100.1'), pool('empty')];
  const first = bad[0] as Case;
  await until(async () => (await tried(first)).status === 201, {
    withinMs: 10_000,
    what: 'pools to be served',
  });
  for (const object of bad) await create(object);
  await kube.kubectl(['apply', '-f', join(ROOT, 'deploy/arpeggio.yaml')]);
  await policiesAreInForce();
}, 60_000);

afterAll(() => kube?.close());

/** Of each policy one refusal is seen; that of the overlaps needs a pool that is there. */
async function policiesAreInForce(): Promise<void> {
  await create(pool('taken', '192.0.2.10-192.0.2.99', '2001:db8::3-2001:db8::5:0'));
  const probes = [
    pool('new', '192.0.2.0/27'),
    ...REFUSED.filter(([what]) => PROBES.has(what)).map(([, object]) => object),
  ];
  expect(probes.length).toBe(PROBES.size + 1);
  const look = async (): Promise<boolean> => {
    const answers = await Promise.all(probes.map(tried));
    return answers.every(({ status }) => status === 422);
  };
  await until(look, { withinMs: 40_000, what: 'policies to be in force', everyMs: 50 });
}

const PROBES = new Set([
  'entries that overlap',
  'a pool twice, layer 2',
  'a key that no label can have',
  'a name for two communities',
  'IPAddressPool in another namespace',
]);

describe('is refused', () => {
  test.each(REFUSED)('%s', async (_, object, ...words) => {
    const message = refusal(await tried(object));
    for (const word of words) expect(message).toContain(word);
  });
});

describe('is taken', () => {
  test.each(ACCEPTED)('%s', async (_, object) => {
    const { status, text } = await tried(object);
    expect([status, text]).toEqual([201, expect.anything()]);
  });
});

describe('addresses in CEL are what they are to us', () => {
  test('order and overlap', async () => {
    const property = fc.asyncProperty(entries, async (list) => {
      const answer = await tried(pool('new', ...list));
      const faults = wanted(list);
      expect([list, answer.status]).toEqual([list, faults.length === 0 ? 201 : 422]);
      const isSaid = faults.length === 0 || faults.some((fault) => fault.test(answer.text));
      expect([list, answer.text, isSaid]).toEqual([list, answer.text, true]);
    });
    await fc.assert(property, { numRuns: 200 });
  });

  test('aggregation', async () => {
    for (const [i, entry] of EDGES.entries()) await create(pool(`edge${i}`, entry));
    const advertise = (i: number, more: object): Promise<Answer> =>
      tried({ kind: 'BGPAdvertisement', spec: { ipAddressPools: [`edge${i}`], ...more } });
    const last = EDGES.length - 1;
    await until(async () => (await advertise(last, { aggregationLengthV6: 1 })).status === 422, {
      withinMs: 5000,
      what: 'the pools to be known',
    });
    for (const [i, entry] of EDGES.entries()) {
      // 7 has no factor in common with the 4 bits of a digit.
      const [field, most, step] = entry.includes(':')
        ? ['aggregationLengthV6', 128, 7]
        : ['aggregationLength', 32, 1];
      for (let length = 1; length <= most; length += step) {
        const answer = await advertise(i, { [field]: length });
        const status = holdsNetwork(entry, length) ? 201 : 422;
        expect([entry, length, answer.status]).toEqual([entry, length, status]);
      }
    }
  });
});

describe('what is there counts', () => {
  beforeAll(async () => {
    const tenancy = { matchLabels: { tier: 'bgp' } };
    await create(pool('narrow', '1.1.1.0/28'));
    const labels = { metadata: { labels: { tier: 'narrow' } } };
    await kube.api.call('PATCH', pathOf(pool('narrow')), labels);
    await create({ kind: 'Community', name: 'there', spec: { communities: [alias('taken')] } });
    await create({ kind: 'BFDProfile', name: 'used', spec: {} });
    await create({ kind: 'BFDProfile', name: 'idle', spec: {} });
    await create(
      peer('router', { ...ROUTER, bfdProfile: 'used', nodeSelectors: [tenancy], vrf: 'red' }),
    );
    // A param that is not in the cache yet is not counted.
    const twin = peer('new', { ...ROUTER, nodeSelectors: [tenancy], vrf: 'red' });
    const name: Case = { kind: 'Community', spec: { communities: [alias('taken')] } };
    const ipAddressPoolSelectors = [{ matchLabels: { tier: 'narrow' } }];
    const spec = { ipAddressPoolSelectors, aggregationLength: 26 };
    const wide: Case = { kind: 'BGPAdvertisement', spec };
    const look = async (): Promise<boolean> => {
      const answers = await Promise.all([tried(twin), tried(name), tried(wide)]);
      return answers.every(({ status }) => status === 422);
    };
    await until(look, { withinMs: 40_000, what: 'peers and communities to be known' });
  });

  const alias = (name: string): object => ({ name, value: '64500:1' });
  const ROUTER = { myASN: 64_500, peerASN: 64_501, peerAddress: '192.0.2.254' };

  test.each([
    ['192.0.2.0/27', '192.0.2.10-192.0.2.99'],
    ['192.0.2.99-192.0.2.120', '192.0.2.10-192.0.2.99'],
    ['192.0.0.0/16', '192.0.2.10-192.0.2.99'],
    ['2001:db8::/126', '2001:db8::3-2001:db8::5:0'],
    ['2001:db8::4:ffff-2001:db8::4:ffff', '2001:db8::3-2001:db8::5:0'],
    ['2001:db7::-2001:db9::', '2001:db8::3-2001:db8::5:0'],
    ['2001:db8::5:0-2001:db8::6:0', '2001:db8::3-2001:db8::5:0'],
  ])('%s overlaps with another pool', async (entry, other) => {
    const message = refusal(await tried(pool('new', '203.0.113.0/28', entry)));
    expect(message).toContain(`spec.addresses[1]: CIDR "${entry}" in pool "new"`);
    expect(message).toContain(`overlaps with already defined CIDR "${other}" of pool "taken"`);
  });

  test.each(['192.0.2.0/29', '192.0.2.100/30', '2001:db8::/127', '2001:db8::5:1-2001:db8::6:0'])(
    '%s does not',
    async (entry) => {
      expect((await tried(pool('new', entry))).status).toBe(201);
    },
  );

  test('a pool may grow over itself', async () => {
    const grown = { spec: { addresses: ['192.0.2.0/24', '2001:db8::3-2001:db8::5:0'] } };
    const { status } = await kube.api.ask('PATCH', `${pathOf(pool('taken'))}?dryRun=All`, grown);
    expect(status).toBe(200);
  });

  test.each([
    ['one by name', { ipAddressPools: ['narrow'] }],
    ['one by label', { ipAddressPoolSelectors: [{ matchLabels: { tier: 'narrow' } }] }],
    [
      'one by conditions',
      {
        ipAddressPoolSelectors: [
          {
            matchExpressions: [
              { key: 'tier', operator: 'In', values: ['narrow'] },
              { key: 'other', operator: 'DoesNotExist' },
              { key: 'tier', operator: 'NotIn', values: ['wide'] },
            ],
          },
        ],
      },
    ],
  ])('networks longer than their aggregation: %s', async (_, spec) => {
    const aggregationLength = 26;
    const object: Case = { kind: 'BGPAdvertisement', spec: { ...spec, aggregationLength } };
    expect(refusal(await tried(object))).toContain(
      'spec.aggregationLength: invalid aggregation length 26: prefix 28 in this pool is more ' +
        'specific than the aggregation length for addresses 1.1.1.0/28 of pool "narrow"',
    );
  });

  test('networks longer than their aggregation: all pools', async () => {
    const object: Case = { kind: 'BGPAdvertisement', spec: { aggregationLength: 26 } };
    expect(refusal(await tried(object))).toContain('is more specific than the aggregation length');
  });

  test.each([
    ['of another pool', { ipAddressPools: ['taken'], aggregationLength: 31 }],
    ['by another label', { ipAddressPoolSelectors: [{ matchLabels: { tier: 'wide' } }] }],
    ['long enough', { ipAddressPools: ['narrow'], aggregationLength: 28 }],
  ])('networks %s', async (_, spec) => {
    expect((await tried({ kind: 'BGPAdvertisement', spec })).status).toBe(201);
  });

  test('an alias in another Community', async () => {
    const communities = [alias('free'), alias('taken')];
    const message = refusal(await tried({ kind: 'Community', spec: { communities } }));
    expect(message).toContain('spec.communities[1]: duplicate definition of community "taken"');
    expect(message).toContain('"there"');
  });

  test('a profile in use', async () => {
    const used: Case = { kind: 'BFDProfile', name: 'used' };
    const message = refusal(await kube.api.ask('DELETE', pathOf(used)));
    expect(message).toContain('failed to delete BFDProfile used, used by BGPPeer router');
    const idle = await kube.api.ask('DELETE', pathOf({ ...used, name: 'idle' }));
    expect(idle.status).toBe(200);
  });

  test('a second session with a router', async () => {
    const nodeSelectors = [{ matchLabels: { tier: 'bgp' } }];
    const message = refusal(await tried(peer('new', { ...ROUTER, nodeSelectors, vrf: 'red' })));
    expect(message).toContain('already exists: BGPPeer "router"');
    for (const other of [{ nodeSelectors }, { vrf: 'red' }]) {
      expect((await tried(peer('new', { ...ROUTER, ...other }))).status).toBe(201);
    }
  });

  test('a place of two installations', async () => {
    const labels = { 'arpeggio.dev/configuration': 'true' };
    const metadata = { name: 'second', labels };
    await kube.api.call('POST', '/api/v1/namespaces', { metadata });
    const there = { ...pool('new', '192.0.2.0/24'), namespace: 'second' };
    const look = async (): Promise<boolean> => (await tried(there)).status === 201;
    // Pools of another namespace do not count either.
    await until(look, { withinMs: 5000, what: 'the label to count' });
    expect((await tried(pool('new', '203.0.113.0/28'))).status).toBe(201);
  });
});

describe('what was there before', () => {
  const bad = pool('bad');

  test('can be labelled', async () => {
    for (const one of [bad, pool('empty')]) {
      const labels = { metadata: { labels: { tier: 'old' } } };
      const { status, text } = await kube.api.ask('PATCH', pathOf(one), labels);
      expect([status, text]).toEqual([200, expect.anything()]);
    }
  });

  test('cannot be made worse', async () => {
    const worse = { spec: { addresses: ['203.0.113.400/28'] } };
    expect(refusal(await kube.api.ask('PATCH', pathOf(bad), worse))).toContain('must be a CIDR');
  });

  test('can be mended', async () => {
    const mended = { spec: { addresses: ['203.0.113.0/28'] } };
    const { status } = await kube.api.ask('PATCH', `${pathOf(bad)}?dryRun=All`, mended);
    expect(status).toBe(200);
  });

  test('does not stand in the way of others', async () => {
    expect((await tried(pool('new', '198.51.100.0/28'))).status).toBe(201);
  });
});

describe('BGPPeer', () => {
  const spec = {
    myASN: 64_500,
    peerASN: 64_502,
    peerAddress: '192.0.2.253',
    holdTime: '90s',
    nodeSelectors: [{ matchExpressions: [{ key: 'tier', operator: 'In', values: ['bgp'] }] }],
  };

  test('made as v1beta1, read as v1beta2, and back', async () => {
    const old = peer('older', spec, 'metallb.io/v1beta1');
    const made = await kube.kubectl(['create', '-f', '-'], { input: JSON.stringify(body(old)) });
    expect(made).toContain('created');
    const newer = await kube.api.call('GET', pathOf({ ...old, apiVersion: 'metallb.io/v1beta2' }));
    expect(newer).toMatchObject({ apiVersion: 'metallb.io/v1beta2', spec });
    expect(await kube.api.call('GET', pathOf(old))).toMatchObject({
      apiVersion: 'metallb.io/v1beta1',
      spec,
    });
  });

  test('a deprecated version, and a deprecated field', async () => {
    const say = async (object: Case): Promise<string> => {
      const input = JSON.stringify(body(object));
      const argv = ['create', '--dry-run=server', '-f', '-'];
      return (await kube.tryKubectl(argv, { input })).stderr;
    };
    const other = { ...spec, peerAddress: '192.0.2.252' };
    expect(await say(peer('a', other, 'metallb.io/v1beta1'))).toContain(
      'Warning: v1beta1 is deprecated, please use v1beta2',
    );
    expect(await say(peer('a', { ...other, disableMP: true }))).toContain(
      'disableMP is deprecated in favor of dualStackAddressFamily',
    );
    expect(await say(peer('a', other))).toBe('');
  });

  test('graceful restart stays as it was', async () => {
    await create(
      peer('graceful', { ...spec, peerAddress: '192.0.2.251', enableGracefulRestart: true }),
    );
    const change = { spec: { enableGracefulRestart: false } };
    const answer = await kube.api.ask('PATCH', pathOf(peer('graceful', {})), change);
    expect(refusal(answer)).toContain('spec.enableGracefulRestart');
  });
});

test('who announces cannot be exchanged', async () => {
  const object: Case = { kind: 'ServiceL2Status', name: 'l2-a', spec: {} };
  await create(object);
  const status = { node: 'node1', serviceName: 'web', serviceNamespace: 'default' };
  await kube.api.call('PATCH', `${pathOf(object)}/status`, { status });
  const answer = await kube.api.ask('PATCH', `${pathOf(object)}/status`, {
    status: { node: 'node2' },
  });
  expect(refusal(answer)).toContain('status.node');
});

test('a claim keeps its address', async () => {
  const apiVersion = 'arpeggio.dev/v1alpha1';
  const object: Case = { apiVersion, kind: 'AddressClaim', name: '192.0.2.1' };
  await create({ ...object, spec: { address: '192.0.2.1' } });
  const change = { spec: { address: '192.0.2.2' } };
  expect(refusal(await kube.api.ask('PATCH', pathOf(object), change))).toContain('spec.address');
  const again = await kube.api.ask('POST', collectionPath(resourceOf(object), SYSTEM), {
    ...body({ ...object, spec: { address: '192.0.2.1' } }),
  });
  expect(again.status).toBe(409);
});

test('what kubectl shows of each kind', async () => {
  const spec = { ipAddressPools: ['taken'] };
  await create({ kind: 'L2Advertisement', name: 'lan', spec: { ...spec, interfaces: ['eth0'] } });
  await create({ kind: 'BGPAdvertisement', name: 'lan', spec: { ...spec, peers: ['router'] } });
  await create({ kind: 'ServiceBGPStatus', name: 'bgp-a', spec: {} });
  const state: Case = { kind: 'ConfigurationState', name: 'controller' };
  await create(state);
  const status = { result: 'Invalid', errorSummary: 'why' };
  await kube.api.call('PATCH', `${pathOf(state)}/status`, { status });
  const printed = await kube.kubectl([
    'get',
    '-n',
    SYSTEM,
    '-o',
    'wide',
    Object.keys(COLUMNS).map(pluralOf).join(','),
  ]);
  // A table for each kind; columns are two or more spaces apart.
  const tables = printed
    .trim()
    .split(/\n\s*\n/)
    .map((table) => table.split('\n').map((row) => row.trim().split(/ {2,}/)));
  const table = (name: string): string[][] =>
    tables.find((rows) => rows[1]?.[0]?.startsWith(`${name}.`)) ?? [];
  for (const [kind, columns] of Object.entries(COLUMNS)) {
    expect([kind, table(kind)[0]]).toEqual([kind, columns]);
  }
  expect(
    table('ipaddresspool')
      .find(([name]) => name?.endsWith('/taken'))
      ?.slice(1),
  ).toEqual(['true', 'false', '["192.0.2.10-192.0.2.99","2001:db8::3-2001:db8::5:0"]']);
  expect(table('configurationstate')[1]?.slice(1, 3)).toEqual(['Invalid', 'why']);
});
