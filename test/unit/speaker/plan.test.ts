/** What the plan says of an address besides its owners: whether it was ever announced. */
import { expect, test } from '@jest/globals';
import { parse } from '../../../config/parse.ts';
import type { KubeObject, Node, Service } from '../../../kube/objects.ts';
import { Planner } from '../../../speaker/plan.ts';
import { sameOrder } from '../../../speaker/vip.ts';

const SYSTEM = 'metallb-system';

function object(kind: string, name: string, namespace: string, rest: object): KubeObject {
  return { apiVersion: 'v1', kind, metadata: { name, namespace }, ...rest };
}

function service(name: string, ip: string, by?: string): Service {
  const annotations = by === undefined ? {} : { 'arpeggio.dev/announced-by': by };
  const made = object('Service', name, 'default', {
    spec: { type: 'LoadBalancer', ports: [{ port: 80 }] },
    status: { loadBalancer: { ingress: [{ ip }] } },
  });
  return { ...made, metadata: { ...made.metadata, annotations } } as Service;
}

function ordersOf(...services: readonly Service[]): ReturnType<Planner['plan']>['orders'] {
  const addresses = ['192.0.2.240-192.0.2.249'];
  const config = parse({
    pools: [object('IPAddressPool', 'lan', SYSTEM, { spec: { addresses } })],
    advertisements: [object('L2Advertisement', 'lan', SYSTEM, { spec: {} })],
  });
  if (!config.ok) throw new Error('the configuration is valid');
  const node = { apiVersion: 'v1', kind: 'Node', metadata: { name: 'node1' } } as Node;
  const endpoints = [{ addresses: ['10.0.0.1'], conditions: { ready: true } }];
  const slices = services.map(({ metadata: { name } }) => {
    const slice = object('EndpointSlice', name, 'default', { endpoints });
    return [`default/${name}`, [slice as never]] as const;
  });
  return new Planner('node1').plan({
    config: config.value,
    services: new Map(services.map((each) => [`default/${each.metadata.name}`, each])),
    slices: new Map(slices),
    nodes: new Map([['node1', node]]),
  }).orders;
}

test('an address is new as long as no Service that holds it says who announces it', () => {
  const orders = ordersOf(
    service('web', '192.0.2.240'),
    service('old', '192.0.2.241', 'node2'),
    service('one', '192.0.2.242', 'node2'),
    service('two', '192.0.2.242'),
    service('idle', '192.0.2.243', ''),
  );
  expect(Object.fromEntries([...orders].map(([ip, { isNew }]) => [ip, isNew]))).toEqual({
    '192.0.2.240': true,
    '192.0.2.241': false,
    '192.0.2.242': false,
    '192.0.2.243': true,
  });
});

test('that it is announced by now is no other order', () => {
  const before = ordersOf(service('web', '192.0.2.240')).get('192.0.2.240');
  const after = ordersOf(service('web', '192.0.2.240', 'node1')).get('192.0.2.240');
  expect(before && after && [before.isNew, after.isNew, sameOrder(before, after)]).toEqual([
    true,
    false,
    true,
  ]);
});
