/** Malformed objects: the path and the sentence of each fault. */
import { describe, expect, test } from '@jest/globals';
import { check, knows, validate } from '../../../config/schema.ts';

const pool = (spec: unknown, metadata: unknown = { name: 'lan' }) => ({
  apiVersion: 'metallb.io/v1beta1',
  kind: 'IPAddressPool',
  metadata,
  spec,
});
const service = (spec: unknown) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'default' },
  spec,
});
const faults = (raw: unknown) => validate(raw).map(({ path, message }) => [path, message]);

describe('validate', () => {
  test('accepts what MetalLB accepts', () => {
    expect(faults(pool({ addresses: ['192.0.2.0/28'], autoAssign: false }))).toEqual([]);
    expect(
      faults({
        apiVersion: 'metallb.io/v1beta1',
        kind: 'L2Advertisement',
        metadata: { name: 'all' },
      }),
    ).toEqual([]);
  });

  test.each([
    [pool({}), 'spec.addresses', 'addresses is missing'],
    [
      pool({ addresses: '192.0.2.0/24' }),
      'spec.addresses',
      'addresses must be a list, but it is the text "192.0.2.0/24"',
    ],
    [
      pool({ addresses: [4] }),
      'spec.addresses[0]',
      'addresses[0] must be text, but it is 4; put it in quotes: "4"',
    ],
    [
      pool({ addresses: [], autoAssign: 'yes' }),
      'spec.autoAssign',
      'autoAssign must be true or false, but it is the text "yes"',
    ],
    [
      pool({ addresses: [], autoAsign: true }),
      'spec.autoAsign',
      'autoAsign is not a field; check its spelling',
    ],
    [
      pool({ addresses: [], serviceAllocation: { serviceSelectors: [{ matchLabel: {} }] } }),
      'spec.serviceAllocation.serviceSelectors[0].matchLabel',
      'matchLabel is not a field; check its spelling',
    ],
    [
      pool({ addresses: [] }, { name: 'a/../b' }),
      'metadata.name',
      'name must consist of lower-case letters, digits, "-" and ".", but it is the text "a/../b"',
    ],
    [
      { ...service({}), metadata: { name: 'c', namespace: 'a.b' } },
      'metadata.namespace',
      'namespace must consist of lower-case letters, digits and "-", but it is the text "a.b"',
    ],
    [
      { ...service({}), metadata: { name: 'c', namespace: 'a'.repeat(64) } },
      'metadata.namespace',
      'namespace is longer than 63 characters',
    ],
    [
      pool({ addresses: [] }, { name: 'a', annotations: { 'example.org/a': true } }),
      'metadata.annotations["example.org/a"]',
      'example.org/a must be text, but it is true; put it in quotes: "true"',
    ],
    [
      service({ type: 'Balancer' }),
      'spec.type',
      'type must be ClusterIP or NodePort or LoadBalancer or ExternalName, ' +
        'but it is the text "Balancer"',
    ],
    [
      service({ ports: [{ port: '80' }] }),
      'spec.ports[0].port',
      'port must be a number, but it is the text "80"',
    ],
    [
      service({ ports: [{ port: 70000 }] }),
      'spec.ports[0].port',
      'port must be at most 65535, but it is 70000',
    ],
    [
      service({ ports: [{ port: 80, targetPort: true }] }),
      'spec.ports[0].targetPort',
      'targetPort must be a port number or the name of a port, but it is true',
    ],
    [service(undefined), 'spec', 'spec is missing'],
    [[], '', 'the document must be a map of fields, but it is a list'],
  ])('%j', (raw, path, message) => {
    expect(faults(raw)).toEqual([[path, message]]);
  });

  test.each([
    ['v1beta1', 'BGPAdvertisement', {}],
    ['v1beta1', 'BGPAdvertisement', { spec: { aggregationLength: 24, communities: ['1:2'] } }],
    ['v1beta1', 'BGPPeer', { spec: { myASN: 1, peerASN: 2, peerAddress: '192.0.2.1' } }],
    ['v1beta2', 'BGPPeer', { spec: { myASN: 1, dynamicASN: 'external', interface: 'eth0' } }],
    ['v1beta1', 'BFDProfile', { spec: { echoMode: true } }],
    ['v1beta1', 'Community', { spec: { communities: [{ name: 'a', value: '1:2' }] } }],
    ['v1beta1', 'ServiceBGPStatus', { status: { node: 'node1', peers: ['router'] } }],
    ['v1beta1', 'ConfigurationState', { status: { result: 'Valid' } }],
  ])('accepts of MetalLB also: %s %s %j', (version, kind, rest) => {
    const apiVersion = `metallb.io/${version}`;
    expect(knows(apiVersion, kind)).toBe(true);
    expect(faults({ apiVersion, kind, metadata: { name: 'a' }, ...rest })).toEqual([]);
  });

  test('accepts a reservation', () => {
    const metadata = { name: '192.0.2.1', namespace: 'metallb-system' };
    const claim = { apiVersion: 'arpeggio.dev/v1alpha1', kind: 'AddressClaim', metadata };
    expect(faults({ ...claim, spec: { address: '192.0.2.1' } })).toEqual([]);
    expect(faults(claim)).toEqual([['spec', 'spec is missing']]);
  });

  test.each([
    ['BGPAdvertisement', { aggregationLength: 33 }, 'aggregationLength must be at most 32'],
    ['BFDProfile', { detectMultiplier: 1 }, 'detectMultiplier must be at least 2'],
    ['BGPPeer', { myASN: 1, peerPort: 20_000 }, 'peerPort must be at most 16384'],
    ['BGPPeer', { myASN: 1, dynamicASN: 'both' }, 'dynamicASN must be internal or external'],
    ['BGPPeer', { myASN: 1, peerAddres: 'x' }, 'peerAddres is not a field'],
    ['Community', { communities: [{ alias: 'a' }] }, 'alias is not a field'],
  ])('%s %j', (kind, spec, message) => {
    const apiVersion = `metallb.io/${kind === 'BGPPeer' ? 'v1beta2' : 'v1beta1'}`;
    const found = faults({ apiVersion, kind, metadata: { name: 'a' }, spec });
    expect(found[0]?.[1]).toContain(message);
  });

  test('names all faults at once', () => {
    expect(faults(pool({ addresses: [1, 2], autoAssign: 3 }, {})).length).toBe(4);
  });

  test('keeps out of kinds that are not ours', () => {
    expect(faults(service({ type: 'ClusterIP', newField: { a: 1 } }))).toEqual([]);
    expect(faults({ ...service({}), apiVersion: 'apps/v1', kind: 'Deployment' })).toEqual([]);
    expect(knows('apps/v1', 'Deployment')).toBe(false);
  });
});

test('check passes fields that a newer CRD may have', () => {
  expect(check(pool({ addresses: [], newer: 1 }))).toEqual([]);
});
