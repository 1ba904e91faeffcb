/**
 * Nodes with kubelets: pods run, in their own network or in the node's, with the rights they were
 * given and no others; a node that loses its power loses them; the machine keeps no trace.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { hierarchies } from '../../lab/kube/cgroup.ts';
import { makeAgnhostImage } from '../../lab/kube/image.ts';
import { KubeLab } from '../../lab/kube/kubelab.ts';
import { httpGet } from '../../lab/probe.ts';
import { until } from '../../lab/until.ts';

jest.setTimeout(120_000);

/** Bits of <linux/capability.h>. */
const [NET_ADMIN, BPF] = [1n << 12n, 1n << 39n];
const KERNEL = ['vm/overcommit_memory', 'kernel/panic', 'kernel/panic_on_oops'];

let kube: KubeLab;
let image: string;
const before = kernel();

beforeAll(async () => {
  kube = await KubeLab.up({ purpose: 'labtest', extent: 'kubelets' });
  const agnhost = makeAgnhostImage(kube.directory, kube.binary('agnhost'));
  await kube.loadImage(agnhost.archive);
  image = agnhost.name;
});

afterAll(() => kube.close());

function kernel(): string[] {
  return KERNEL.map((key) => readFileSync(`/proc/sys/${key}`, 'utf8'));
}

async function apply(...items: readonly object[]): Promise<void> {
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
  await kube.kubectl(['apply', '-f', '-'], { input });
}

async function rolledOut(what: string): Promise<void> {
  await kube.kubectl(['rollout', 'status', what, '--timeout=50s']);
}

function workload(kind: string, name: string, pod: object, more: object = {}): object {
  const labels = { app: name };
  return {
    apiVersion: 'apps/v1',
    kind,
    metadata: { name },
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: pod },
      ...more,
    },
  };
}

describe('pods of their own network', () => {
  beforeAll(async () => {
    const readinessProbe = { httpGet: { path: '/healthz', port: 8080 }, periodSeconds: 1 };
    const container = { name: 'web', image, args: ['netexec'], readinessProbe };
    const pod = { terminationGracePeriodSeconds: 0, containers: [container] };
    const ports = [{ port: 80, targetPort: 8080, nodePort: 31_313 }];
    await apply(workload('Deployment', 'web', pod, { replicas: 3 }), {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web' },
      spec: {
        type: 'NodePort',
        ipFamilyPolicy: 'RequireDualStack',
        selector: { app: 'web' },
        ports,
      },
    });
    await rolledOut('deployment/web');
  });

  test.each(['192.168.100.100', '[fd00:100::101]'])(
    'answer a client on the LAN through %s, all three in turn',
    async (node) => {
      const seen = new Set<string>();
      const { namespace } = kube.segment.client;
      const look = async (): Promise<boolean> => {
        const answer = await httpGet(namespace, `http://${node}:31313/hostname`);
        if (answer !== undefined) seen.add(answer.body);
        return seen.size === 3;
      };
      const deadline = { withinMs: 10_000, what: 'an answer from each of three pods' };
      await expect(until(look, deadline)).resolves.toBe(true);
    },
  );

  test('can be looked into: a command in one, its log', async () => {
    const run = ['exec', 'deployment/web', '--', '/agnhost', 'netexec', '--help'];
    expect(await kube.kubectl(run)).toMatch(/Usage:\s+agnhost netexec/);
    const logs = await kube.kubectl(['logs', 'deployment/web']);
    expect(logs).toMatch(/Started HTTP server on port 8080/);
  });
});

describe('pods in the network of their node', () => {
  const port = 9090;

  beforeAll(async () => {
    const securityContext = {
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'], add: ['BPF', 'NET_ADMIN'] },
    };
    const args = ['netexec', `--http-port=${port}`, '--udp-port=-1'];
    const containers = [{ name: 'host', image, args, securityContext }];
    const pod = { hostNetwork: true, terminationGracePeriodSeconds: 0, containers };
    await apply(workload('DaemonSet', 'host', pod));
    await rolledOut('daemonset/host');
  });

  test('have its name and its addresses', async () => {
    for (const { name, ip4 } of kube.segment.nodes) {
      const answer = await httpGet(kube.segment.client.namespace, `http://${ip4}:${port}/hostname`);
      expect(answer?.body).toBe(name);
    }
  });

  test('have the capabilities they ask for and no others', async () => {
    const node = kube.segment.node('node1');
    const script = `grep -h CapEff /proc/$(pgrep -xf '/agnhost .*--http-port=${port} .*')/status`;
    const { stdout } = await kube.exec(node, ['sh', '-c', script]);
    expect(BigInt(`0x${stdout.trim().split(/\s+/)[1] ?? ''}`)).toBe(NET_ADMIN | BPF);
  });

  test('go with the power of their node, and come back with it', async () => {
    const node = kube.segment.node('node3');
    await kube.powerOff(node);
    expect(node.namespace.pids()).toEqual([]);
    const patience = ['--for=condition=Ready=Unknown', '--timeout=40s'];
    await kube.kubectl(['wait', 'node/node3', ...patience]);
    await kube.powerOn(node);
    const url = `http://${node.ip4}:${port}/hostname`;
    const answers = async (): Promise<boolean> =>
      (await httpGet(kube.segment.client.namespace, url))?.body === 'node3';
    const deadline = { withinMs: 30_000, what: 'the pod of node3', everyMs: 100 };
    await expect(until(answers, deadline)).resolves.toBe(true);
  });
});

test('the machine is as it was', async () => {
  const { prefix } = kube.lab;
  const groups = (): string[] =>
    hierarchies().flatMap(({ path }) =>
      readdirSync(path).filter((name) => name.startsWith(prefix)),
    );
  expect(groups()).not.toEqual([]);
  await kube.close();
  expect(groups()).toEqual([]);
  expect(existsSync(join(tmpdir(), prefix))).toBe(false);
  expect(readdirSync('/run/netns').filter((name) => name.startsWith(prefix))).toEqual([]);
  const mounts = readFileSync('/proc/self/mounts', 'utf8');
  expect(mounts).not.toContain(prefix);
  expect(kernel()).toEqual(before);
});
