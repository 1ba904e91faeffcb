/** Services with annotations and fields of any content: a claim, or a problem for each slip. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { claimOf, heldAddresses, holdingOf } from '../../config/claim.ts';
import type { Service } from '../../kube/objects.ts';
import { expectSentence, nearly, wrong } from './fuzz.ts';

const LOAD_BALANCER = { type: 'LoadBalancer' } as const;

const NAMES = [
  ...['address-pool', 'loadBalancerIPs', 'allow-shared-ip', 'ip-allocated-from-pool'].flatMap(
    (suffix) => [`metallb.io/${suffix}`, `metallb.universe.tf/${suffix}`],
  ),
  'arpeggio.dev/addresses-per-family',
  'arpeggio.dev/reserve',
];

const long = fc.constantFrom('x', '1', ',', '192.0.2.1,').map((part) => part.repeat(20_000));

const value = fc.oneof(
  { arbitrary: long, weight: 1 },
  {
    arbitrary: nearly('192.0.2.1', '192.0.2.1, 2001:db8::1', '2', 'true', 'lan', 'key', ''),
    weight: 9,
  },
);
const address = nearly('192.0.2.1', '2001:db8::1', '::ffff:192.0.2.1', 'None', '');

type Fields = typeof services extends fc.Arbitrary<infer T> ? T : never;

const services = fc.record({
  annotations: fc.dictionary(fc.constantFrom(...NAMES), value),
  clusterIPs: fc.array(address, { maxLength: 3 }),
  ipFamilies: fc.subarray(['IPv4', 'IPv6'] as const),
  ipFamilyPolicy: fc.constantFrom('SingleStack', 'PreferDualStack', 'RequireDualStack' as const),
  loadBalancerIP: fc.option(address, { nil: undefined }),
  held: fc.array(address, { maxLength: 4 }),
});

function check({ annotations, held, loadBalancerIP, ...fields }: Fields): void {
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'shop', annotations },
    spec: { type: 'LoadBalancer', ...fields, ...(loadBalancerIP ? { loadBalancerIP } : {}) },
    status: { loadBalancer: { ingress: held.map((ip) => ({ ip })) } },
  } as Service;
  const claim = claimOf(service);
  expect(holdingOf(service).held).toEqual(heldAddresses(service));
  const isRefused = claim?.ok === false;
  const { barred } = claim?.ok === true ? claim.value : {};
  for (const { message } of isRefused ? claim.error : []) expectSentence(message);
  if (barred !== undefined) expectSentence(barred);
  expect(isRefused ? claim.error.length : claim?.value.perFamily).toBeGreaterThan(0);
}

test('claims', () => {
  expect(wrong(services, check)).toBe(undefined);
});

test('a list of thousands is one problem', () => {
  const annotations = { 'metallb.io/loadBalancerIPs': '192.0.2.1,'.repeat(20_000) };
  const metadata = { name: 'web', namespace: 'shop', annotations };
  const claim = claimOf({ apiVersion: 'v1', kind: 'Service', metadata, spec: LOAD_BALANCER });
  expect(claim?.ok === false && claim.error.map(({ message }) => message)).toEqual([
    expect.stringMatching(/^20001 addresses are requested, but at most 8/),
  ]);
});
