/**
 * The lab itself: what comes up is a Kubernetes whose rules are on, whose Services the network
 * delivers, and which can be broken and mended piece by piece.
 */
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { KubeLab } from '../../lab/kube/kubelab.ts';
import type { Namespace } from '../../lab/namespace.ts';
import { httpGet, urlOf } from '../../lab/probe.ts';
import { Program } from '../../lab/process.ts';
import { until } from '../../lab/until.ts';

jest.setTimeout(60_000);

const VIP4 = '192.168.100.240';
const VIP6 = 'fd00:100::240';
const SERVER = `
  const http = require('node:http');
  const answer = (q, s) => s.end(process.argv[1] + ' ' + q.socket.remoteAddress);
  http.createServer(answer).listen(8080, '::', () => console.log('listening'));
`;

let kube: KubeLab;

beforeAll(async () => {
  kube = await KubeLab.up({ purpose: 'labtest' });
});

afterAll(() => kube.close());

async function apply(...items: readonly object[]): Promise<void> {
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
  await kube.kubectl(['apply', '-f', '-'], { input });
}

describe('the cluster', () => {
  test('has three nodes that are ready, of both families', async () => {
    const path = '{range .items[*]}{.metadata.name} {.status.addresses[*].address}{"\\n"}{end}';
    const all = await kube.kubectl(['get', 'nodes', '-o', `jsonpath=${path}`]);
    expect(all.trim().split('\n')).toEqual([
      'node1 192.168.100.100 fd00:100::100 node1',
      'node2 192.168.100.101 fd00:100::101 node2',
      'node3 192.168.100.102 fd00:100::102 node3',
    ]);
    const wait = ['wait', '--for=condition=Ready', 'nodes', '--all', '--timeout=5s'];
    await kube.kubectl(wait);
    const taints = await kube.kubectl(['get', 'nodes', '-o', 'jsonpath={.items[*].spec.taints}']);
    expect(taints).toBe('');
  });

  test('is reached from a node over the LAN as well', async () => {
    const argv = [kube.binary('kubectl'), 'get', '--raw', '/readyz'];
    const env = { KUBECONFIG: kube.lanKubeconfig };
    const answer = await kube.segment.node('node2').namespace.exec(argv, { env });
    expect(answer).toMatchObject({ code: 0, stdout: 'ok' });
  });

  test('checks objects on admission', async () => {
    const input = JSON.stringify({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'nobody' },
      spec: { type: 'LoadBalancer', loadBalancerClass: 'not a class', ports: [{ port: 80 }] },
    });
    const refused = await kube.tryKubectl(['create', '-f', '-'], { input });
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/spec.loadBalancerClass: Invalid value/);
  });
});

describe('a ServiceAccount', () => {
  const nodes = ['get', 'nodes', '-o', 'name'];

  async function asAccount(name: string): Promise<readonly [number | null, string]> {
    const config = await kube.serviceAccountConfig('default', name, { from: 'outside' });
    const done = await kube.tryKubectl(nodes, { env: { KUBECONFIG: config } });
    return [done.code, done.stdout + done.stderr];
  }

  test('may do what its role says, and nothing before', async () => {
    await kube.kubectl(['create', 'serviceaccount', 'reader']);
    const [code, why] = await asAccount('reader');
    expect(code).toBe(1);
    expect(why).toMatch(/"system:serviceaccount:default:reader" cannot list resource "nodes"/);
    const to = ['--serviceaccount=default:reader', '--clusterrole=reader'];
    await kube.kubectl(['create', 'clusterrole', 'reader', '--verb=list', '--resource=nodes']);
    await kube.kubectl(['create', 'clusterrolebinding', 'reader', ...to]);
    const mayList = async (): Promise<boolean> => (await asAccount('reader'))[0] === 0;
    await until(mayList, { withinMs: 5000, what: 'the role to be known', everyMs: 100 });
  });

  test('that is not there has no token', async () => {
    await expect(kube.token('default', 'nobody')).rejects.toThrow(
      /serviceaccounts "nobody" not found/,
    );
  });
});

describe('kube-proxy', () => {
  test('delivers an address of a Service, in both families, once frames reach a node', async () => {
    const backend = kube.segment.node('node2');
    const argv = [process.execPath, '-e', SERVER, backend.name];
    const { lab, logs: directory } = kube;
    const { namespace } = backend;
    const program = Program.start(lab, { name: 'backend', argv, namespace, directory });
    await program.line((line) => line === 'listening', 5000, 'it listens');
    await apply(service(), endpoints(4, backend.ip4), endpoints(6, backend.ip6));
    const ingress = [{ ip: VIP4 }, { ip: VIP6 }];
    const patch = JSON.stringify({ status: { loadBalancer: { ingress } } });
    await kube.kubectl(['patch', 'svc', 'web', '--subresource=status', '-p', patch]);
    // Nobody answers ARP for the address here: that is what this project is for.
    const { client } = kube.segment;
    const entry = `lladdr ${kube.segment.node('node1').mac} dev eth0`;
    client.namespace.ip(`neigh replace ${VIP4} ${entry}`, `neigh replace ${VIP6} ${entry}`);
    for (const vip of [VIP4, VIP6]) {
      expect(await firstAnswer(client.namespace, vip)).toMatch(/^node2 /);
    }
  });

  function service(): object {
    const ports = [{ port: 80, targetPort: 8080 }];
    return {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web' },
      spec: { type: 'LoadBalancer', ipFamilyPolicy: 'RequireDualStack', ports },
    };
  }

  function endpoints(family: 4 | 6, address: string): object {
    const labels = { 'kubernetes.io/service-name': 'web' };
    return {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: `web-${family}`, labels },
      addressType: `IPv${family}`,
      ports: [{ port: 8080, protocol: 'TCP' }],
      endpoints: [{ addresses: [address], nodeName: 'node2', conditions: { ready: true } }],
    };
  }

  function firstAnswer(from: Namespace, vip: string): Promise<string> {
    const look = async (): Promise<string | undefined> =>
      (await httpGet(from, urlOf(vip), 300))?.body;
    return until(look, { withinMs: 5000, what: `an answer from ${vip}` });
  }
});

describe('broken and mended', () => {
  test('the API server comes back with what it knew', async () => {
    await kube.kubectl(['create', 'configmap', 'kept']);
    await kube.kill('kube-apiserver');
    expect((await kube.api.ask('GET', '/readyz')).status).toBe(0);
    await kube.start('kube-apiserver');
    expect(await kube.kubectl(['get', 'configmap', 'kept', '-o', 'name'])).toBe('configmap/kept\n');
  });

  test('etcd comes back with what it knew', async () => {
    await kube.kill('etcd');
    await kube.start('etcd');
    const look = async (): Promise<boolean> =>
      (await kube.api.ask('GET', '/api/v1/namespaces/default/configmaps/kept')).status === 200;
    const deadline = { withinMs: 20_000, what: 'the ConfigMap', everyMs: 100 };
    await expect(until(look, deadline)).resolves.toBe(true);
  });

  test('a node loses its power and gets it back', async () => {
    const node = kube.segment.node('node3');
    const ping = async (): Promise<number | null> =>
      (await kube.segment.client.namespace.exec(['arping', '-qc1', '-w1', '-I', 'eth0', node.ip4]))
        .code;
    expect(await ping()).toBe(0);
    await kube.powerOff(node);
    expect(node.namespace.pids()).toEqual([]);
    expect(await ping()).toBe(1);
    await kube.powerOn(node);
    expect(await ping()).toBe(0);
    expect(kube.program('kube-proxy-node3').exit).toBeUndefined();
  });
});

test('a second lab beside it has its own everything', async () => {
  const other = await KubeLab.up({ purpose: 'labtest', extent: 'api' });
  try {
    expect(other.lab.prefix).not.toBe(kube.lab.prefix);
    expect(other.servers.outside).not.toBe(kube.servers.outside);
    await other.kubectl(['create', 'configmap', 'theirs']);
    const here = await kube.tryKubectl(['get', 'configmap', 'theirs']);
    expect(here.stderr).toMatch(/"theirs" not found/);
  } finally {
    await other.close();
  }
  expect((await kube.api.ask('GET', '/readyz')).status).toBe(200);
});
