/**
 * The class lab's story on a real Kubernetes: a Service that waits, a pool, an address that
 * answers, and everything that a user of `type: LoadBalancer` relies on from there.
 */
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { httpGet, urlOf, whoHas } from '../../lab/probe.ts';
import { monotonic } from '../../lib/io/clock.ts';
import { Client } from './client.ts';
import { Installation, condition } from './installation.ts';
import type { KubernetesObject } from './installation.ts';
import { MYWEB, POOLS, VIP4, VIP6, service } from './objects.ts';
import { Pods } from './pods.ts';

jest.setTimeout(60_000);

let cluster: Installation;
let pods: Pods;
let client: Client;

beforeAll(async () => {
  cluster = await Installation.up('story');
  pods = new Pods(cluster.kube);
  client = new Client(cluster);
  const ports = { web8080: 8080, web8443: 8443 };
  await Promise.all([
    cluster.startController().then(() => cluster.startSpeakers()),
    ...[1, 2, 3].map((node) => pods.start({ app: 'myweb', node, ports })),
  ]);
});

afterAll(() => cluster.close());

const ALL = [1, 2, 3].map((node) => `Hello World! myweb-${node}`);

describe('before there is a pool', () => {
  test('a Service waits, and says for what', async () => {
    await cluster.apply(MYWEB);
    const told = await cluster.until('the condition Allocated', async () =>
      condition(await cluster.service('myweb-svc-lb'), 'arpeggio.dev/Allocated'),
    );
    expect(told).toMatchObject({ status: 'False', message: expect.stringMatching(/pool/i) });
    const [name, type, , external, ports] = await cluster.row('myweb-svc-lb');
    expect([name, type, external]).toEqual(['myweb-svc-lb', 'LoadBalancer', '<pending>']);
    expect(ports).toBe('80:31313/TCP');
  });

  test('nobody answers for the address', async () => {
    expect(await whoHas(cluster.client, VIP4, 500)).toBeUndefined();
  });
});

describe('with a pool and an advertisement', () => {
  beforeAll(() => cluster.apply(...POOLS));

  test('the Service gets the first address, and keeps its node port', async () => {
    expect(await cluster.addressed('myweb-svc-lb')).toEqual([VIP4]);
    const [, , , external, ports] = await cluster.row('myweb-svc-lb');
    expect([external, ports]).toEqual([VIP4, '80:31313/TCP']);
  });

  test('a client reaches all three pods through kube-proxy', async () => {
    expect(await client.pages(urlOf(VIP4), 3)).toEqual(ALL);
  });

  test('one node answers for the address, and only that one', async () => {
    const owner = await client.owned(VIP4);
    expect(await client.voices(VIP4, 3)).toEqual([owner, owner, owner]);
  });

  test('the node port and the cluster address go on working', async () => {
    for (const { ip4 } of cluster.nodes) {
      expect(await client.pages(`http://${ip4}:31313/`, 3)).toEqual(ALL);
    }
    const { spec } = await cluster.service('myweb-svc-lb');
    const node = cluster.kube.segment.node('node2');
    const answer = await httpGet(node.namespace, urlOf(String(spec?.['clusterIP'])));
    expect(answer?.body).toMatch(/^Hello World! myweb-[123]\n$/);
  });

  test('a pod reaches the address too', async () => {
    const { namespace } = cluster.kube.segment.node('node3');
    const [from] = Pods.addresses(3, 8080);
    const done = await namespace.exec(['curl', '-s', '-m2', '--interface', from, urlOf(VIP4)]);
    expect(done.stdout).toMatch(/^Hello World! myweb-[123]\n$/);
  });

  test('a Service of IPv6 gets and answers one', async () => {
    await cluster.apply(service('myweb-svc-lb6', 'myweb', { ipFamilies: ['IPv6'] }));
    expect(await cluster.addressed('myweb-svc-lb6')).toEqual([VIP6]);
    expect(await client.pages(urlOf(VIP6), 3)).toEqual(ALL);
  });

  test('a Service of both families gets one of each from a pool that has both', async () => {
    const both = ['192.168.100.230-192.168.100.231', 'fd00:100::230-fd00:100::231'];
    await cluster.apply(
      {
        apiVersion: 'metallb.io/v1beta1',
        kind: 'IPAddressPool',
        metadata: { name: 'pool-both', namespace: 'metallb-system' },
        spec: { addresses: both, autoAssign: false },
      },
      {
        apiVersion: 'metallb.io/v1beta1',
        kind: 'L2Advertisement',
        metadata: { name: 'both', namespace: 'metallb-system' },
        spec: { ipAddressPools: ['pool-both'] },
      },
    );
    const dual = service('dual', 'myweb', { ipFamilyPolicy: 'RequireDualStack' });
    const metadata = {
      name: 'dual',
      namespace: 'default',
      annotations: { 'metallb.io/address-pool': 'pool-both' },
    };
    await cluster.apply({ ...dual, metadata });
    const ips = await cluster.addressed('dual', 2);
    expect(ips).toEqual(['192.168.100.230', 'fd00:100::230']);
    for (const ip of ips) expect(await client.pages(urlOf(ip), 3)).toEqual(ALL);
  });
});

describe('what a person sees', () => {
  test('the Service says which pool and whether it is allocated', async () => {
    const object = await cluster.service('myweb-svc-lb');
    const { annotations } = object.metadata;
    expect(annotations?.['metallb.io/ip-allocated-from-pool']).toBe('pool-v4');
    expect(condition(object, 'arpeggio.dev/Allocated')).toMatchObject({ status: 'True' });
  });

  test('the Service says which node announces it', async () => {
    const named = await cluster.until('the node that answers to be named', async () => {
      const { annotations } = (await cluster.service('myweb-svc-lb')).metadata;
      const owner = await client.ownerOf(VIP4);
      return owner !== undefined && annotations?.['arpeggio.dev/announced-by'] === owner;
    });
    expect(named).toBe(true);
    const object = await cluster.service('myweb-svc-lb');
    expect(condition(object, 'arpeggio.dev/Announced')).toMatchObject({ status: 'True' });
  });

  test('a ServiceL2Status names that node, and is alone', async () => {
    const path = '/apis/metallb.io/v1beta1/namespaces/metallb-system/servicel2statuses';
    const nodes = await cluster.until('a ServiceL2Status with the node that answers', async () => {
      const { items } = (await cluster.kube.api.call('GET', path)) as {
        readonly items: readonly KubernetesObject[];
      };
      const ours = items.filter(({ status }) => status?.['serviceName'] === 'myweb-svc-lb');
      const named = ours.map(({ status }) => status?.['node']);
      return named.join() === (await client.ownerOf(VIP4)) && named;
    });
    expect(nodes).toHaveLength(1);
  });

  test('kubectl describe tells the story, each event once', async () => {
    const reasons = ['AllocationFailed', 'IPAllocated', 'nodeAssigned'];
    const text = await cluster.until('the events', async () => {
      const described = await cluster.kube.kubectl(['describe', 'svc', 'myweb-svc-lb']);
      return reasons.every((reason) => described.includes(reason)) && described;
    });
    expect(text).toMatch(/IPAllocated .*192\.168\.100\.240/);
    expect(await timesTold('AllocationFailed')).toBe(1);
    expect(await timesTold('IPAllocated')).toBe(1);
    // On a busy machine an owner may change; each change is told, and nothing else is.
    const logs = cluster.nodes.map(({ name }) => cluster.program(`speaker-${name}`).log());
    const changes = logs.join('').split('\n').filter(announced).length;
    expect(await timesTold('nodeAssigned')).toBeLessThanOrEqual(changes);
  });

  function announced(line: string): boolean {
    return line.includes('"ServiceAnnounced"') && line.includes('default/myweb-svc-lb"');
  }

  /** Of the first Service; an event that repeats is one object with a count. */
  async function timesTold(reason: string): Promise<number> {
    const selector = `involvedObject.name=myweb-svc-lb,reason=${reason}`;
    const path = `/api/v1/namespaces/default/events?fieldSelector=${encodeURIComponent(selector)}`;
    const { items } = (await cluster.kube.api.call('GET', path)) as {
      readonly items: readonly { readonly count: number }[];
    };
    return items.reduce((sum, { count }) => sum + count, 0);
  }
});

describe('traffic policy Local', () => {
  const name = 'local';
  let ip = '';

  beforeAll(async () => {
    await pods.start({ app: name, node: 2, ports: { http: 8082 } });
    await cluster.apply(
      service(name, name, {
        externalTrafficPolicy: 'Local',
        ports: [{ port: 80, targetPort: 'http' }],
      }),
    );
    ip = (await cluster.addressed(name))[0] ?? '';
  });

  test('the node of the pod answers', async () => {
    expect(await client.owned(ip)).toBe('node2');
  });

  test('the pod sees the address of the client', async () => {
    const seen = await cluster.until('an answer', () => client.page(`${urlOf(ip)}client`));
    expect(seen).toBe(cluster.client.ip4);
  });

  test('the address follows the pod', async () => {
    await pods.start({ app: name, node: 1, ports: { http: 8082 } });
    await pods.setReady(`${name}-2`, false);
    await cluster.until('node1 to answer', async () => (await client.ownerOf(ip)) === 'node1');
    expect(await client.pages(urlOf(ip), 1)).toEqual([`Hello World! ${name}-1`]);
  });
});

describe('ports and sessions', () => {
  test('with sessionAffinity a client stays with its pod', async () => {
    await cluster.apply(service('sticky', 'myweb', { sessionAffinity: 'ClientIP' }));
    const [ip = ''] = await cluster.addressed('sticky');
    const [first] = await client.pages(urlOf(ip), 1);
    for (let n = 0; n < 12; n += 1) expect(await client.page(urlOf(ip))).toBe(first);
  });

  test('one address carries several ports, by the names that pods gave them', async () => {
    const ports = [
      { name: 'http', port: 80, targetPort: 'web8080' },
      { name: 'https', port: 443, targetPort: 'web8443' },
    ];
    await cluster.apply(service('ports', 'myweb', { ports }));
    const [ip = ''] = await cluster.addressed('ports');
    for (const port of [80, 443]) expect(await client.pages(urlOf(ip, port), 3)).toEqual(ALL);
  });
});

describe('readiness', () => {
  const name = 'slow';
  let ip = '';

  beforeAll(async () => {
    await pods.start({ app: name, node: 3, ports: { http: 8083 }, ready: false });
    await cluster.apply(service(name, name, { ports: [{ port: 80, targetPort: 8083 }] }));
    ip = (await cluster.addressed(name))[0] ?? '';
  });

  test('an address without a ready pod is given, and silent', async () => {
    expect(ip).toMatch(/^192\.168\.100\.24\d$/);
    expect(await whoHas(cluster.client, ip, 1000)).toBeUndefined();
    const told = await cluster.until('the condition Announced', async () =>
      condition(await cluster.service(name), 'arpeggio.dev/Announced'),
    );
    expect(told).toMatchObject({ status: 'False', reason: 'NoServingEndpoint' });
  });

  test('it answers within a second of the first ready pod', async () => {
    const begin = monotonic();
    await pods.setReady(`${name}-3`, true);
    await client.owned(ip);
    expect(monotonic() - begin).toBeLessThan(1000);
    expect(await client.pages(urlOf(ip), 1)).toEqual([`Hello World! ${name}-3`]);
  });

  test('it is silent again without', async () => {
    await pods.setReady(`${name}-3`, false);
    await expect(client.silent(ip)).resolves.toBe(true);
  });
});

describe('what is no business of ours', () => {
  test('a Service that becomes ClusterIP gives its address back', async () => {
    await cluster.apply(service('turning', 'myweb'));
    const [ip = ''] = await cluster.addressed('turning');
    await client.owned(ip);
    const patch = JSON.stringify({ spec: { type: 'ClusterIP' } });
    await cluster.kube.kubectl(['patch', 'svc', 'turning', '-p', patch]);
    await cluster.addressed('turning', 0);
    await expect(client.silent(ip)).resolves.toBe(true);
    const { annotations = {} } = (await cluster.service('turning')).metadata;
    expect(Object.keys(annotations)).not.toContain('metallb.io/ip-allocated-from-pool');
    await cluster.apply(service('next', 'myweb'));
    expect(await cluster.addressed('next')).toEqual([ip]);
  });

  test('ExternalName, NodePort and a foreign class are left alone', async () => {
    const alias = {
      type: 'ExternalName',
      externalName: 'example.com',
      selector: null,
      ports: null,
    };
    await cluster.apply(
      service('alias', 'myweb', alias),
      service('plain', 'myweb', { type: 'NodePort' }),
      service('foreign', 'myweb', { loadBalancerClass: 'example.com/other' }),
      service('after', 'myweb'),
    );
    // Who comes after them has been seen to, so they have been looked at.
    await cluster.addressed('after');
    for (const name of ['alias', 'plain', 'foreign']) {
      const { status } = await cluster.service(name);
      expect(status).toEqual({ loadBalancer: {} });
    }
  });

  test('a Service that is deleted leaves silence', async () => {
    const [ip = ''] = await cluster.addresses('after');
    await client.owned(ip);
    await cluster.kube.kubectl(['delete', 'svc', 'after']);
    await expect(client.silent(ip)).resolves.toBe(true);
  });
});

test('no program was refused anything', () => {
  const names = ['controller', ...cluster.nodes.map(({ name }) => `speaker-${name}`)];
  const lines = names.flatMap((name) => cluster.program(name).log().split('\n'));
  expect(lines.filter((line) => /forbidden|cannot (?:list|watch|get)/i.test(line))).toEqual([]);
});
