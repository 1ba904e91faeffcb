/**
 * The programs as pods of somebody else's manifests: their command line and nothing else, their
 * environment, and a ServiceAccount where a kubelet mounts it. The controller runs beside the API
 * server, one speaker on a host of the LAN.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KubeLab } from '../../lab/kube/kubelab.ts';
import type { Namespace } from '../../lab/namespace.ts';
import { Program } from '../../lab/process.ts';
import { until } from '../../lab/until.ts';
import { NODE } from './generation.ts';
import type { Generation } from './generation.ts';
import { ROOT, SYSTEM } from './installation.ts';
import type { KubernetesObject } from './installation.ts';

/** What a kubelet does with a service account, in the mount namespace of `ip netns exec`. */
const AS_POD =
  'account="$0" && mount -t tmpfs none /run && mkdir -p /run/secrets/kubernetes.io && ' +
  'cp -r "$account" /run/secrets/kubernetes.io/serviceaccount && exec "$@"';

const WITHIN_MS = 20_000;

/** Of the metrics. */
const PORTS = { metrics: ['monitoring', 7472], health: ['metricshttps', 9120] } as const;

export class Swap {
  readonly kube: KubeLab;
  readonly generation: Generation;
  readonly #folder = mkdtempSync(join(tmpdir(), 'arpeggio-swap-'));
  readonly #authority: string;

  static async up(purpose: string, generation: Generation): Promise<Swap> {
    const kube = await KubeLab.up({ purpose, extent: 'api' });
    const authority = await kube.kubectl(['config', 'view', '--raw', '-o', AUTHORITY]);
    const swap = new Swap(kube, generation, Buffer.from(authority, 'base64').toString());
    try {
      await swap.apply(...generation.objects);
      await kube.api.call('POST', '/api/v1/nodes', { metadata: { name: NODE.name } });
      const addresses = [{ type: 'InternalIP', address: NODE.ip }];
      const path = `/api/v1/nodes/${NODE.name}/status`;
      await kube.api.call('PATCH', path, { status: { addresses } });
      return swap;
    } catch (error) {
      await swap.close();
      throw error;
    }
  }

  private constructor(kube: KubeLab, generation: Generation, authority: string) {
    this.kube = kube;
    this.generation = generation;
    this.#authority = authority;
  }

  /** With nothing of ours on the command line. Its pod is what speakers look for. */
  async startController(): Promise<Program> {
    const [name, containerPort] = PORTS[this.generation.probe];
    const pods = `/api/v1/namespaces/${SYSTEM}/pods`;
    await this.kube.api.call('POST', pods, {
      metadata: { name: 'controller-0', labels: { app: 'metallb', component: 'controller' } },
      spec: {
        serviceAccountName: 'controller',
        nodeName: NODE.name,
        containers: [{ name: 'controller', image: 'c', ports: [{ name, containerPort }] }],
      },
    });
    const ip = '192.168.100.10';
    const status = { phase: 'Running', podIP: ip, podIPs: [{ ip }] };
    await this.kube.api.call('PATCH', `${pods}/controller-0/status`, { status });
    return this.#start('controller', this.kube.segment.control, '127.0.0.1', {});
  }

  /** With the key as the Secret has it. */
  async startSpeaker(): Promise<Program> {
    const path = `/api/v1/namespaces/${SYSTEM}/secrets/memberlist`;
    const { data } = (await this.kube.api.call('GET', path)) as { data: Record<string, string> };
    const text = Buffer.from(data['secretkey'] ?? '', 'base64').toString();
    const folder = join(this.#folder, 'ml_secret_key');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'secretkey'), text);
    const { key } = this.generation;
    const env = { [key]: key === 'METALLB_ML_SECRET_KEY' ? text : folder };
    const { client } = this.kube.segment;
    return this.#start('speaker', client.namespace, '192.168.100.10', env);
  }

  /** As an administrator; what kubectl says when it is refused. */
  async tryApply(...items: readonly object[]): Promise<string | undefined> {
    const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
    const done = await this.kube.tryKubectl(['apply', '-f', '-'], { input });
    return done.code === 0 ? undefined : done.stderr;
  }

  /** Also before the API server knows a kind that comes with it. */
  async apply(...items: readonly object[]): Promise<void> {
    let last = '';
    const look = async (): Promise<boolean> => {
      last = (await this.tryApply(...items)) ?? '';
      return last === '';
    };
    await until(look, { withinMs: WITHIN_MS, what: 'objects to be taken', lastSeen: () => last });
  }

  async get(path: string): Promise<KubernetesObject> {
    return (await this.kube.api.call('GET', path)) as KubernetesObject;
  }

  until<T>(
    what: string,
    look: () => Promise<T | undefined | false>,
    within = WITHIN_MS,
  ): Promise<T> {
    return until(look, { withinMs: within, what, everyMs: 50, lastSeen: () => this.#tails() });
  }

  /** How many requests the API server has refused for want of a right. */
  async forbidden(): Promise<number> {
    const { text } = await this.kube.api.ask('GET', '/metrics');
    const counts = [
      ...text.matchAll(/^authorization_attempts_total{result="(?:denied|no-opinion)"} (\d+)/gm),
    ];
    return counts.reduce((sum, [, count]) => sum + Number(count), 0);
  }

  async close(): Promise<void> {
    rmSync(this.#folder, { recursive: true, force: true });
    await this.kube.close();
  }

  readonly #programs: Program[] = [];

  #tails(): string {
    return this.#programs.map((program) => program.tail(12)).join('\n');
  }

  async #start(
    name: 'controller' | 'speaker',
    namespace: Namespace,
    server: string,
    more: Readonly<Record<string, string>>,
  ): Promise<Program> {
    const account = join(this.#folder, name);
    mkdirSync(account, { recursive: true });
    writeFileSync(join(account, 'token'), await this.kube.token(SYSTEM, name));
    writeFileSync(join(account, 'ca.crt'), this.#authority);
    writeFileSync(join(account, 'namespace'), SYSTEM);
    const { args, env } = this.generation[name];
    const program = Program.start(this.kube.lab, {
      name,
      argv: ['sh', '-c', AS_POD, account, process.execPath, join(ROOT, name, 'main.ts'), ...args],
      namespace,
      directory: this.kube.logs,
      env: { KUBERNETES_SERVICE_HOST: server, KUBERNETES_SERVICE_PORT: '6443', ...env, ...more },
    });
    this.#programs.push(program);
    return program;
  }
}

const AUTHORITY = 'jsonpath={.clusters[0].cluster.certificate-authority-data}';
