/** Pool addresses that the cluster uses for something else. */
import { describe, expect, test } from '@jest/globals';
import { foreignInPools, foreignOf } from '../../../config/foreign.ts';
import type { Node } from '../../../kube/objects.ts';

const node = (name: string, addresses: readonly string[], podCIDRs?: readonly string[]): Node => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name },
  spec: podCIDRs === undefined ? {} : { podCIDRs },
  status: { addresses: addresses.map((address) => ({ type: 'InternalIP', address })) },
});

const pool = (...addresses: unknown[]) => ({
  apiVersion: 'metallb.io/v1beta1',
  kind: 'IPAddressPool',
  metadata: { name: 'lan', namespace: 'm' },
  spec: { addresses },
});

const serviceCidr = (...cidrs: string[]) => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'ServiceCIDR',
  metadata: { name: 'kubernetes' },
  spec: { cidrs },
});

const CLUSTER = foreignOf({
  nodes: [
    node('a', ['192.0.2.7', 'host-a', '2001:db8::7'], ['10.42.0.0/24', '2001:db8:42::/64']),
    node('b', ['192.0.2.8']),
  ],
  serviceCidrs: [serviceCidr('10.43.0.0/16', 'nonsense')],
});

const found = (...addresses: unknown[]) =>
  foreignInPools([pool(...addresses)], CLUSTER).map(({ path, message }) => [path, message]);

describe('what a pool contains that is not its own', () => {
  test.each([
    ['192.0.2.0-192.0.2.7', 'contains 192.0.2.7, an address of node a:'],
    ['2001:db8::/120', 'contains 2001:db8::7, an address of node a:'],
    ['10.42.0.255/32', 'contains 10.42.0.0/24, the pods of node a:'],
    ['2001:db8:42::1/128', 'contains 2001:db8:42::/64, the pods of node a:'],
    ['10.43.255.0-10.44.0.5', 'contains 10.43.0.0/16, ServiceCIDR kubernetes:'],
    ['192.0.2.0/24', 'contains 192.0.2.7, an address of node a; 192.0.2.8, an address of node b:'],
  ])('%s', (text, message) => {
    expect(found(text)).toEqual([['spec.addresses[0]', expect.stringContaining(message)]]);
  });

  test('each entry by its place; others and nonsense not at all', () => {
    expect(found('192.0.2.0/29', '192.0.2.9/32', 'nonsense', 7, '192.0.2.8/32')).toEqual([
      ['spec.addresses[0]', expect.stringContaining('node a')],
      ['spec.addresses[4]', expect.stringContaining('node b')],
    ]);
  });

  test('of many the first are named', () => {
    const nodes = Array.from({ length: 5 }, (_, n) => node(`n${n}`, [`192.0.2.${n}`]));
    const [problem] = foreignInPools([pool('192.0.2.0/29')], foreignOf({ nodes }));
    expect(problem?.message).toContain('node n2; and 2 more: ');
  });

  test('one podCIDR, as old clusters write it', () => {
    const nodes = [{ ...node('a', []), spec: { podCIDR: '10.42.0.0/24' } }];
    expect(foreignInPools([pool('10.42.0.8/29')], foreignOf({ nodes }))).toHaveLength(1);
  });

  test('nothing known, nothing said', () => {
    expect(foreignInPools([pool('192.0.2.0/24')], foreignOf({}))).toEqual([]);
  });
});
