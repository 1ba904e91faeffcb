/**
 * The image and the manifests as a cluster runs them: one `kubectl apply -f` on nodes with
 * kubelets. Pods have the rights they need and no others, probes tell the truth, an update and a
 * node without power are short silences.
 */
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { join } from 'node:path';
import { makeProgramImage } from '../../deploy/image/image.ts';
import { makeAgnhostImage } from '../../lab/kube/image.ts';
import { KubeLab } from '../../lab/kube/kubelab.ts';
import { OutageMeter } from '../../lab/outage.ts';
import { httpGet, urlOf, whoHas } from '../../lab/probe.ts';
import type { Host } from '../../lab/segment.ts';
import { until } from '../../lab/until.ts';
import { ROOT, SYSTEM } from './installation.ts';
import { POOLS, VIP4, service } from './objects.ts';

jest.setTimeout(180_000);

/** Above what is promised (0.6 s), for a machine of two processors that is three nodes. */
const OUTAGE_LIMIT_MS = 1500;
/** Bits of <linux/capability.h>. */
const [NET_ADMIN, NET_RAW, BPF] = [1n << 12n, 1n << 13n, 1n << 39n];

let kube: KubeLab;

beforeAll(async () => {
  kube = await KubeLab.up({ purpose: 'image', extent: 'kubelets' });
  const agnhost = makeAgnhostImage(kube.directory, kube.binary('agnhost'));
  const ours = makeProgramImage(join(kube.directory, 'arpeggio.tar'));
  await Promise.all([kube.loadImage(ours.archive), kube.loadImage(agnhost.archive)]);
  await kube.kubectl(['apply', '-f', join(ROOT, 'deploy/arpeggio.yaml')]);
  await apply(web(agnhost.name));
  await rolledOut('default', 'deployment/web');
}, 120_000);

afterAll(() => kube.close());

async function apply(...items: readonly object[]): Promise<void> {
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
  await kube.kubectl(['apply', '-f', '-'], { input });
}

function rolledOut(namespace: string, what: string): Promise<string> {
  const argv = ['-n', namespace, 'rollout', 'status', what, '--timeout=90s'];
  return kube.kubectl(argv, { timeoutMs: 100_000 });
}

/** One pod on every node, as three replicas that do not like each other. */
function web(image: string): object {
  const labels = { app: 'web' };
  const apart = { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: labels } };
  const spec = {
    terminationGracePeriodSeconds: 0,
    affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [apart] } },
    containers: [
      {
        name: 'web',
        image,
        args: ['netexec'],
        readinessProbe: { httpGet: { path: '/healthz', port: 8080 }, periodSeconds: 1 },
      },
    ],
  };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace: 'default' },
    spec: {
      replicas: 3,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec },
    },
  };
}

/** Who answers for the address, if anybody. */
async function owner(): Promise<Host | undefined> {
  const mac = await whoHas(kube.segment.client, VIP4, 300);
  return kube.segment.nodes.find((node) => node.mac === mac);
}

/** Waits for one, other than that. */
function owned(other?: Host): Promise<Host> {
  const what = `an answer for ${VIP4}${other === undefined ? '' : ` not from ${other.name}`}`;
  const look = async (): Promise<Host | false | undefined> => {
    const found = await owner();
    return found !== other && found;
  };
  return until(look, { withinMs: 20_000, what, everyMs: 50 });
}

function meter(): Promise<OutageMeter> {
  const { lab, logs: directory, segment } = kube;
  const url = `${urlOf(VIP4)}hostname`;
  const { namespace } = segment.client;
  return OutageMeter.start(lab, { namespace, url, directory, intervalMs: 20 });
}

/** The one process of that program on a node, by its pid there. */
async function pidOf(node: Host, program: string): Promise<string | undefined> {
  const { stdout } = await kube.exec(node, ['pgrep', '-f', `/app/${program}.mjs`]);
  return stdout.trim().split('\n')[0] || undefined;
}

async function statusOf(node: Host, pid: string): Promise<ReadonlyMap<string, string>> {
  const { stdout } = await kube.exec(node, ['cat', `/proc/${pid}/status`]);
  const lines = stdout.split('\n').map((line) => line.split(/:\s+/));
  return new Map(lines.map(([key = '', value = '']) => [key, value]));
}

async function rootOf(node: Host, pid: string): Promise<string | undefined> {
  const { stdout } = await kube.exec(node, ['cat', `/proc/${pid}/mounts`]);
  const root = stdout.split('\n').find((line) => line.split(' ')[1] === '/');
  return root?.split(' ')[3]?.split(',')[0];
}

describe('installed by one kubectl apply -f', () => {
  test('the controller runs, and speakers on all nodes', async () => {
    await rolledOut(SYSTEM, 'deployment/controller');
    await rolledOut(SYSTEM, 'daemonset/speaker');
    const path = 'jsonpath={.status.numberReady}';
    const ready = await kube.kubectl(['-n', SYSTEM, 'get', 'ds', 'speaker', '-o', path]);
    expect(ready).toBe('3');
  });

  test('a Service gets the first address, and all pods answer at it', async () => {
    await apply(...POOLS, service('web', 'web'));
    const seen = new Set<string>();
    const look = async (): Promise<boolean> => {
      const answer = await httpGet(kube.segment.client.namespace, `${urlOf(VIP4)}hostname`, 400);
      if (answer?.status === 200) seen.add(answer.body);
      return seen.size === 3;
    };
    await until(look, { withinMs: 20_000, what: `three pods at ${VIP4}` });
    const row = await kube.kubectl(['get', 'svc', 'web', '--no-headers']);
    expect(row.split(/\s+/)[3]).toBe(VIP4);
  });
});

describe('the pods', () => {
  test('a speaker has three capabilities, and cannot write', async () => {
    for (const node of kube.segment.nodes) {
      const pid = (await pidOf(node, 'speaker')) ?? '';
      const status = await statusOf(node, pid);
      expect(BigInt(`0x${status.get('CapEff') ?? ''}`)).toBe(NET_ADMIN | NET_RAW | BPF);
      expect(status.get('NoNewPrivs')).toBe('1');
      expect(await rootOf(node, pid)).toBe('ro');
    }
  });

  test('both controllers are nobody, have no capability, and cannot write', async () => {
    const found = await Promise.all(
      kube.segment.nodes.map(async (node) => ({ node, pid: await pidOf(node, 'controller') })),
    );
    const running = found.filter(({ pid }) => pid !== undefined);
    expect(running).toHaveLength(2);
    for (const { node, pid = '' } of running) {
      const status = await statusOf(node, pid);
      expect(status.get('Uid')).toBe('65534\t65534\t65534\t65534');
      expect(BigInt(`0x${status.get('CapEff') ?? ''}`)).toBe(0n);
      expect(await rootOf(node, pid)).toBe('ro');
    }
  });

  test('a speaker that is frozen is not ready, and another node answers', async () => {
    const node = await owned();
    const pid = (await pidOf(node, 'speaker')) ?? '';
    await kube.exec(node, ['kill', '-STOP', pid]);
    expect(await owned(node)).not.toBe(node);
    await expect(becomes(node, 'not ready')).resolves.toBe(true);
    await kube.exec(node, ['kill', '-CONT', pid]);
    await expect(becomes(node, 'ready')).resolves.toBe(true);
  });

  function becomes(node: Host, wanted: 'ready' | 'not ready'): Promise<boolean> {
    const path = `/api/v1/namespaces/${SYSTEM}/pods?labelSelector=component%3Dspeaker`;
    const look = async (): Promise<boolean> => {
      const { items } = (await kube.api.call('GET', path)) as {
        readonly items: readonly {
          readonly spec: { readonly nodeName?: string };
          readonly status: {
            readonly conditions?: readonly { readonly type: string; readonly status: string }[];
          };
        }[];
      };
      const pod = items.find(({ spec }) => spec.nodeName === node.name);
      const condition = pod?.status.conditions?.find(({ type }) => type === 'Ready');
      return condition?.status === (wanted === 'ready' ? 'True' : 'False');
    };
    const what = `the speaker of ${node.name} to be ${wanted}`;
    return until(look, { withinMs: 60_000, what, everyMs: 100 });
  }
});

describe('what happens to a cluster', () => {
  test('an update of the DaemonSet is a short silence', async () => {
    const measured = await meter();
    const since = OutageMeter.now();
    await kube.kubectl(['-n', SYSTEM, 'rollout', 'restart', 'daemonset/speaker']);
    await rolledOut(SYSTEM, 'daemonset/speaker');
    await measured.goodAnswersSince(OutageMeter.now(), 50, 15_000);
    expect(measured.outage(since)?.ms).toBeLessThan(OUTAGE_LIMIT_MS);
    await measured.stop();
  });

  test('a node without power: another answers; with power it is one of three again', async () => {
    const node = await owned();
    await kube.powerOff(node);
    await owned(node);
    await kube.powerOn(node);
    await rolledOut(SYSTEM, 'daemonset/speaker');
    await expect(owned()).resolves.toBeDefined();
  });
});
