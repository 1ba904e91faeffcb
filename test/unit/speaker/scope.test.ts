/** What flags change about who is announced: `--lb-class` and `--ignore-exclude-lb`. */
import { describe, expect, test } from '@jest/globals';
import { parse } from '../../../config/parse.ts';
import type { EndpointSlice, KubeObject, Node, Service } from '../../../kube/objects.ts';
import { EXCLUDE_LABEL } from '../../../owners/candidates.ts';
import { forwardsOf } from '../../../speaker/forward.ts';
import { Planner } from '../../../speaker/plan.ts';
import type { Scope, Snapshot } from '../../../speaker/plan.ts';

const CLASS = 'example.org/lab';

const pool = {
  apiVersion: 'metallb.io/v1beta1',
  kind: 'IPAddressPool',
  metadata: { name: 'main', namespace: 'metallb-system' },
  spec: { addresses: ['192.0.2.240-192.0.2.249'] },
} as KubeObject;
const advertisement = {
  apiVersion: 'metallb.io/v1beta1',
  kind: 'L2Advertisement',
  metadata: { name: 'all', namespace: 'metallb-system' },
} as KubeObject;

function node(name: string, labels: Record<string, string>): Node {
  return { apiVersion: 'v1', kind: 'Node', metadata: { name, labels } };
}

function service(name: string, ip: string, loadBalancerClass?: string): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: {
      type: 'LoadBalancer',
      ports: [{ port: 80 }],
      ...(loadBalancerClass === undefined ? {} : { loadBalancerClass }),
    },
    status: { loadBalancer: { ingress: [{ ip }] } },
  };
}

const slice: EndpointSlice = {
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: 'any', namespace: 'default' },
  addressType: 'IPv4',
  endpoints: [{ addresses: ['192.0.2.1'], nodeName: 'node1' }],
};

function owners(scope?: Scope): Record<string, readonly string[]> {
  const parsed = parse({ pools: [pool], advertisements: [advertisement] });
  if (!parsed.ok) throw new Error('the configuration of this test is wrong');
  const services = [service('plain', '192.0.2.240'), service('classed', '192.0.2.241', CLASS)];
  const nodes = [node('node1', {}), node('node2', { [EXCLUDE_LABEL]: '' })];
  const snapshot: Snapshot = {
    config: parsed.value,
    services: new Map(services.map((each) => [`default/${each.metadata.name}`, each])),
    slices: new Map(services.map((each) => [`default/${each.metadata.name}`, [slice]])),
    nodes: new Map(nodes.map((each) => [each.metadata.name, each])),
  };
  const { orders } = new Planner('node1', scope).plan(snapshot);
  return Object.fromEntries([...orders].map(([ip, order]) => [ip, order.owners.toSorted()]));
}

describe('who is announced', () => {
  test('unless told: Services without a class, not from excluded nodes', () => {
    expect(owners()).toEqual({ '192.0.2.240': ['node1'] });
  });

  test('a class: those of it and no others', () => {
    expect(owners({ lbClass: CLASS, ignoreExclude: false })).toEqual({ '192.0.2.241': ['node1'] });
  });

  test('the exclude label may be ignored', () => {
    expect(owners({ lbClass: undefined, ignoreExclude: true })).toEqual({
      '192.0.2.240': ['node1', 'node2'],
    });
  });
});

test('what is forwarded is of that class, too', () => {
  const view = { node: 'node1', dead: new Set<string>(), held: () => true };
  const classed = service('classed', '192.0.2.241', CLASS);
  expect(forwardsOf(classed, [], view)).toEqual([]);
  expect(forwardsOf(classed, [], { ...view, lbClass: CLASS })).toHaveLength(1);
});
