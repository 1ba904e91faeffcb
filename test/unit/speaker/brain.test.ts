/** The brain's decisions: who may own what, told to the reflex as differences. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import type { KubeObject, Node } from '../../../kube/objects.ts';
import type { Resource, WatchEvent } from '../../../kube/kube.ts';
import { elect } from '../../../owners/elect.ts';
import { Brain, WATCHED } from '../../../speaker/brain.ts';
import type { BrainOutput } from '../../../speaker/brain.ts';
import type { ReflexState } from '../../../speaker/reflexport.ts';

const POOL = pool('main', ['192.0.2.240-192.0.2.249']);
const NODES = ['node1', 'node2', 'node3'];

function pool(name: string, addresses: string[], labels?: Record<string, string>): KubeObject {
  const metadata = { name, namespace: 'metallb-system', ...(labels ? { labels } : {}) };
  return {
    apiVersion: 'metallb.io/v1beta1',
    kind: 'IPAddressPool',
    metadata,
    spec: { addresses },
  } as KubeObject;
}

function ad(name: string, spec: object = {}): KubeObject {
  const metadata = { name, namespace: 'metallb-system' };
  return {
    apiVersion: 'metallb.io/v1beta1',
    kind: 'L2Advertisement',
    metadata,
    spec,
  } as KubeObject;
}

function node(name: string, extra: Partial<Node['metadata']> = {}): KubeObject {
  const address = `192.0.2.${100 + NODES.indexOf(name)}`;
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, ...extra },
    status: { addresses: [{ type: 'InternalIP', address }] },
  } as KubeObject;
}

function service(name: string, ips: string[], spec: object = {}): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: { type: 'LoadBalancer', ports: [{ port: 80 }], ...spec },
    status: { loadBalancer: { ingress: ips.map((ip) => ({ ip })) } },
  } as KubeObject;
}

function slice(of: string, endpoints: object[]): KubeObject {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${of}-1`,
      namespace: 'default',
      labels: { 'kubernetes.io/service-name': of },
    },
    addressType: 'IPv4',
    endpoints,
    ports: [{ port: 8080 }],
  } as KubeObject;
}

const READY = { addresses: ['192.0.2.101'], nodeName: 'node2', conditions: { ready: true } };

/** A brain with its outputs collected. */
class Bench {
  now = 0;
  outputs: BrainOutput[] = [];
  readonly brain: Brain;

  constructor(self = 'node1', forwarding = false) {
    this.brain = new Brain(self, forwarding);
  }

  event(resource: Resource, event: WatchEvent): void {
    this.brain.handle({ kind: 'watch', resource, event }, this.now);
  }

  put(...objects: KubeObject[]): this {
    for (const object of objects) this.event(object, { type: 'put', object });
    return this;
  }

  sync(): this {
    for (const resource of WATCHED) this.event(resource, { type: 'synced' });
    return this.settle();
  }

  settle(): this {
    for (let at = this.brain.deadline(); at !== undefined; at = this.brain.deadline()) {
      this.now = at;
      this.brain.tick(at);
    }
    for (let out = this.brain.poll(); out; out = this.brain.poll()) this.outputs.push(out);
    return this;
  }

  take<K extends BrainOutput['kind']>(kind: K): Extract<BrainOutput, { kind: K }>[] {
    const found = this.outputs.filter((out) => out.kind === kind);
    this.outputs = this.outputs.filter((out) => out.kind !== kind);
    return found as Extract<BrainOutput, { kind: K }>[];
  }

  /** Owners by address after the last decision. */
  orders(): Record<string, readonly string[]> {
    const all: Record<string, readonly string[]> = {};
    for (const { delta } of this.take('orders')) {
      for (const [ip, order] of delta.put) all[ip] = order.owners;
      for (const ip of delta.remove) all[ip] = [];
    }
    return all;
  }

  reasons(): (string | undefined)[] {
    return this.take('note')
      .filter(({ note }) => note.event === 'ServiceSilent')
      .map(({ note }) => note.fields['reason'] as string);
  }
}

let bench: Bench;
beforeEach(() => {
  bench = new Bench();
  bench.put(POOL, ad('all'), ...NODES.map((name) => node(name)));
  bench.put(service('web', ['192.0.2.240']), slice('web', [READY]));
});

describe('orders', () => {
  test('nothing is decided before every kind has been read', () => {
    expect(bench.settle().outputs).toEqual([]);
  });

  test("MetalLB's order over all eligible nodes", () => {
    expect(bench.sync().orders()).toEqual({ '192.0.2.240': elect(NODES, '192.0.2.240') });
  });

  test('whom a pool is for is settled: a speaker, without Namespaces, announces all of it', () => {
    const serviceAllocation = { namespaceSelectors: [{ matchLabels: { team: 'a' } }] };
    const apart = { spec: { addresses: ['192.0.2.240/28'], serviceAllocation } };
    bench.put(Object.assign(pool('main', []), apart)).sync();
    expect(bench.orders()).toEqual({ '192.0.2.240': elect(NODES, '192.0.2.240') });
  });

  test('a steady state is silent', () => {
    bench.sync();
    bench.outputs = [];
    bench.put(service('web', ['192.0.2.240']), node('node1')).settle();
    expect(bench.outputs).toEqual([]);
  });

  test('both addresses of a dual-stack Service follow the first', () => {
    bench.put(
      pool('six', ['2001:db8::240-2001:db8::249']),
      pool('main', ['192.0.2.240-192.0.2.249', '2001:db8:1::/64']),
    );
    bench.put(service('web', ['192.0.2.240', '2001:db8:1::1'])).sync();
    const first = elect(NODES, '192.0.2.240');
    expect(bench.orders()).toEqual({ '192.0.2.240': first, '2001:db8:1::1': first });
  });

  test('Services that share an address have the nodes in common', () => {
    bench.put(ad('all', { serviceSelectors: [{ matchLabels: { none: 'x' } }] }));
    bench.put(ad('one', { nodeSelectors: [{ matchLabels: { zone: 'a' } }] }));
    bench.put(node('node1', { labels: { zone: 'a' } }));
    bench.put(service('api', ['192.0.2.240']), slice('api', [READY])).sync();
    expect(bench.orders()).toEqual({ '192.0.2.240': ['node1'] });
  });

  test('a Service without endpoints does not silence the one it shares an address with', () => {
    bench.put(service('api', ['192.0.2.240', '192.0.2.241'])).sync();
    expect(Object.keys(bench.orders())).toEqual(['192.0.2.240']);
    expect(bench.reasons()).toEqual(['NoServingEndpoint']);
  });

  test('preferred nodes come first', () => {
    const last = elect(NODES, '192.0.2.240').at(-1) ?? '';
    bench.put(node(last, { labels: { best: 'yes' } }));
    const preference = { matchLabels: { best: 'yes' } };
    bench.put(ad('all', { preferredNodeSelectors: [{ weight: 10, preference }] })).sync();
    expect(bench.orders()['192.0.2.240']?.[0]).toBe(last);
  });
});

describe('who is left out', () => {
  test('a node without an InternalIP, on every node alike', () => {
    bench.put({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'node2' } }).sync();
    expect(bench.orders()['192.0.2.240']).toEqual(elect(['node1', 'node3'], '192.0.2.240'));
    expect(bench.take('note').map(({ note }) => note.event)).toContain('NodeUnreachable');
  });

  test('this node itself, when no Node object is named after it', () => {
    const other = new Bench('node9');
    other.put(POOL, ad('all'), ...NODES.map((name) => node(name))).sync();
    expect(other.take('peers').map(({ member }) => member)).toEqual([false]);
  });

  test('everybody, as long as there was never a valid configuration', () => {
    bench.put(pool('main', ['nonsense'])).sync();
    expect(bench.take('peers')).toEqual([]);
  });

  test('a node with the exclude label, with whatever value', () => {
    bench.put(
      node('node2', {
        labels: { 'node.kubernetes.io/exclude-from-external-load-balancers': 'false' },
      }),
    );
    expect(bench.sync().orders()['192.0.2.240']).toEqual(elect(['node1', 'node3'], '192.0.2.240'));
  });

  test('a node whose network is unavailable', () => {
    const gone = node('node2') as Node;
    const conditions = [{ type: 'NetworkUnavailable', status: 'True' }];
    bench.put({ ...gone, status: { ...gone.status, conditions } } as KubeObject).sync();
    expect(bench.orders()['192.0.2.240']).not.toContain('node2');
  });

  test('under Local, nodes without an endpoint', () => {
    bench.put(service('web', ['192.0.2.240'], { externalTrafficPolicy: 'Local' })).sync();
    expect(bench.orders()).toEqual({ '192.0.2.240': ['node2'] });
  });
});

describe('why a Service is silent', () => {
  test.each([
    ['NoAddress', [service('web', [])]],
    ['AddressInNoPool', [service('web', ['198.51.100.1'])]],
    ['NoServingEndpoint', [slice('web', [{ ...READY, conditions: { ready: false } }])]],
    ['NoMatchingAdvertisement', [ad('all', { ipAddressPools: ['other'] })]],
    ['NoEligibleNode', [ad('all', { nodeSelectors: [{ matchLabels: { zone: 'z' } }] })]],
    [
      'NoLocalEndpoint',
      [
        service('web', ['192.0.2.240'], { externalTrafficPolicy: 'Local' }),
        slice('web', [{ addresses: ['192.0.2.9'] }]),
      ],
    ],
  ])('%s', (reason, objects) => {
    bench.put(...objects).sync();
    expect(bench.orders()).toEqual({});
    expect(bench.reasons()).toEqual([reason]);
  });

  test('an endpoint that terminates but serves still counts', () => {
    const conditions = { ready: false, serving: true, terminating: true };
    bench.put(slice('web', [{ ...READY, conditions }])).sync();
    expect(bench.orders()['192.0.2.240']).toHaveLength(3);
  });
});

describe('change', () => {
  test('the first ready endpoint, then none, then the type', () => {
    bench.put(slice('web', [])).sync();
    expect(bench.orders()).toEqual({});
    bench.put(slice('web', [READY])).settle();
    expect(bench.orders()['192.0.2.240']).toHaveLength(3);
    bench.put(service('web', ['192.0.2.240'], { type: 'ClusterIP' })).settle();
    expect(bench.orders()).toEqual({ '192.0.2.240': [] });
  });

  test('a broken configuration is reported once and changes nothing; mended, it counts', () => {
    bench.sync();
    bench.outputs = [];
    bench.put(pool('main', ['192.0.2.250-192.0.2.1'])).settle();
    bench.put(pool('main', ['192.0.2.250-192.0.2.1'])).settle();
    const notes = bench.take('note').filter(({ note }) => note.event === 'ConfigProblem');
    expect(notes.map(({ note }) => note.fields['path'])).toEqual(['spec.addresses[0]']);
    expect(bench.take('configured').map(({ held }) => held.problems.length)).toEqual([1]);
    expect(bench.orders()).toEqual({});
    bench.put(pool('main', ['198.51.100.0/24'])).settle();
    expect(bench.orders()).toEqual({ '192.0.2.240': [] });
    expect(bench.take('configured').map(({ held }) => held.problems.length)).toEqual([0]);
  });

  test('the counters of a pool set nothing going', () => {
    bench.sync();
    const counted: unknown = { ...POOL, status: { assignedIPv4: 1 } };
    bench.put(counted as KubeObject);
    expect(bench.brain.deadline()).toBe(undefined);
  });

  test('peers are the other nodes, by InternalIP; told again only when they change', () => {
    bench.sync();
    expect(bench.take('peers').map(({ peers }) => peers)).toEqual([
      [
        { name: 'node2', address: '192.0.2.101' },
        { name: 'node3', address: '192.0.2.102' },
      ],
    ]);
    bench.put(node('node2', { labels: { a: 'b' } })).settle();
    expect(bench.take('peers')).toEqual([]);
    bench.event({ apiVersion: 'v1', kind: 'Node' }, { type: 'delete', key: 'node2' });
    bench.settle();
    expect(bench.take('peers')[0]?.peers.map(({ name }) => name)).toEqual(['node3']);
  });

  test('without any Node object the host is on its own, and says so', () => {
    const alone = new Bench();
    alone.put(POOL, ad('all'), service('web', ['192.0.2.240']), slice('web', [READY])).sync();
    expect(alone.orders()).toEqual({ '192.0.2.240': ['node1'] });
    expect(alone.take('note').map(({ note }) => note.event)).toContain('NodeAlone');
  });
});

describe('what the reflex reports', () => {
  const state = (held: string[], dead: string[] = []): ReflexState => ({
    phase: 'serving',
    cause: 'confirmed',
    peers: new Map([['node2', dead.includes('node2') ? 'dead' : 'alive']]),
    held,
    conflicts: [],
    links: [{ name: 'eth0', mac: '02:00:00:00:00:01' }],
  });

  test('one event when this node begins to answer for a Service, none when it goes on', () => {
    bench.sync();
    bench.brain.handle({ kind: 'reflex', state: state(['192.0.2.240']) }, 10);
    bench.brain.handle({ kind: 'reflex', state: state(['192.0.2.240']) }, 20);
    bench.settle();
    const events = bench.take('event').map(({ event }) => [event.key, event.reason, event.message]);
    const text = 'announcing from node "node1" with protocol "layer2"';
    expect(events).toEqual([['default/web', 'nodeAssigned', text]]);
    expect(bench.brain.announced).toEqual([{ service: 'default/web', ip: '192.0.2.240' }]);
    bench.brain.handle({ kind: 'reflex', state: state([]) }, 30);
    expect(bench.brain.announced).toEqual([]);
  });

  test('a report: what is held, on which interfaces, why a Service is silent, who is there', () => {
    const on = (...links: string[]): ReflexState => ({
      ...state(['192.0.2.240'], ['node2']),
      links: links.map((name) => ({ name, mac: `02:00:00:00:00:0${name.slice(-1)}` })),
    });
    bench.put(service('idle', []), service('other', ['192.0.2.240']), slice('other', []));
    bench.sync();
    expect(bench.take('changed')).not.toEqual([]);
    expect(bench.brain.status('bpf').addresses).toEqual([]);
    bench.brain.handle({ kind: 'reflex', state: on('eth1', 'eth0') }, 10);
    bench.settle();
    expect(bench.take('changed')).toHaveLength(1);
    expect(bench.brain.status('bpf')).toEqual({
      phase: 'serving',
      plane: 'bpf',
      addresses: [
        {
          ip: '192.0.2.240',
          services: ['default/web'],
          interfaces: [
            { name: 'eth0', mac: '02:00:00:00:00:00' },
            { name: 'eth1', mac: '02:00:00:00:00:01' },
          ],
        },
      ],
      silent: [
        { service: 'default/idle', reason: 'NoAddress', sentence: 'it has no address yet' },
        {
          service: 'default/other',
          reason: 'NoServingEndpoint',
          sentence: 'none of its endpoints serves',
        },
      ],
      conflicts: [],
      troubles: [],
      peers: { alive: [], joining: [], absent: [], dead: ['node2'] },
    });
    bench.put(ad('all', { interfaces: ['eth1'] })).settle();
    expect(bench.brain.status('bpf').addresses[0]?.interfaces).toEqual([
      { name: 'eth1', mac: '02:00:00:00:00:01' },
    ]);
  });

  test('ready only when there is a configuration, the reflex serves and a link carries', () => {
    expect(bench.brain.notReady()).toContain('have not been read');
    bench.sync();
    expect(bench.brain.notReady()).toContain('listening');
    bench.brain.handle({ kind: 'reflex', state: { ...state([]), links: [] } }, 10);
    expect(bench.brain.notReady()).toContain('interface');
    bench.brain.handle({ kind: 'reflex', state: state([]) }, 10);
    expect(bench.brain.notReady()).toBeUndefined();
  });

  test('forwarding leaves out the endpoints of dead nodes, at once', () => {
    const forwarding = new Bench('node1', true);
    forwarding.put(POOL, ad('all'), ...NODES.map((name) => node(name)));
    const local = { addresses: ['192.0.2.100'], nodeName: 'node1' };
    forwarding.put(service('web', ['192.0.2.240']), slice('web', [READY, local])).sync();
    forwarding.take('forward');
    forwarding.brain.handle({ kind: 'reflex', state: state([], ['node2']) }, 10);
    forwarding.settle();
    const targets = forwarding.take('forward')[0]?.forwards[0]?.endpoints;
    expect(targets?.map(({ nodeName }) => nodeName)).toEqual(['node1']);
  });
});
