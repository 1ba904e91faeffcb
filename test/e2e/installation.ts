/**
 * The product as installed on a cluster without kubelets: `deploy/arpeggio.yaml` is applied, and
 * the programs run in the network of their nodes with tokens of the ServiceAccounts in it, so that
 * a right that is missing there is missing here. What a kubelet would do is done by hand: it starts
 * the programs, mounts the Secret, and says that the controller's pod runs and where.
 */
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { LabFailure } from '../../lab/failure.ts';
import { KubeLab } from '../../lab/kube/kubelab.ts';
import type { Namespace } from '../../lab/namespace.ts';
import { Program } from '../../lab/process.ts';
import { ready } from '../../lab/ready.ts';
import type { Host } from '../../lab/segment.ts';
import { until } from '../../lab/until.ts';

export const ROOT = join(import.meta.dirname, '../..');
export const SYSTEM = 'metallb-system';
const PORT = 7472;
/** Where the control plane of the lab is on the LAN; our controller runs beside it. */
const CONTROL_IP = '192.168.100.10';

/** What these suites read of any object. */
export interface KubernetesObject {
  readonly metadata: {
    readonly name: string;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly status?: Readonly<Record<string, unknown>>;
}

export class Installation {
  readonly kube: KubeLab;
  readonly #programs = new Map<string, Program>();

  /** A cluster with the manifests applied and no program started yet. */
  static async up(purpose: string): Promise<Installation> {
    const kube = await KubeLab.up({ purpose });
    try {
      const file = join(ROOT, 'deploy/arpeggio.yaml');
      await kube.kubectl(['apply', '--server-side', '-f', file]);
      await kube.kubectl(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=20s']);
      return new Installation(kube);
    } catch (error) {
      await kube.close();
      throw error;
    }
  }

  private constructor(kube: KubeLab) {
    this.kube = kube;
  }

  get client(): Host {
    return this.kube.segment.client;
  }

  get nodes(): readonly Host[] {
    return this.kube.segment.nodes;
  }

  /** The one started last: `controller`, `speaker-node1`. */
  program(name: string): Program {
    const program = this.#programs.get(name);
    if (program === undefined) throw new Error(`${name} was not started`);
    return program;
  }

  async startController(): Promise<Program> {
    const { control } = this.kube.segment;
    const program = await this.#start('controller', control, ['--host=::']);
    await Promise.all([
      ready(program, control, { port: PORT }),
      this.#mountSecret(),
      this.#sayItRuns(),
    ]);
    return program;
  }

  /** As the DaemonSet does it; all at once unless told. */
  async startSpeakers(nodes: readonly Host[] = this.nodes): Promise<void> {
    await this.#mountSecret();
    const start = async ({ name, namespace, ip4 }: Host): Promise<void> => {
      const args = [`--node=${name}`, `--host=${ip4}`];
      const program = await this.#start('speaker', namespace, args, name);
      await ready(program, namespace, { port: PORT, host: ip4 });
    };
    await Promise.all(nodes.map(start));
  }

  /** Applies objects as an administrator would. */
  async apply(...items: readonly object[]): Promise<void> {
    const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
    await this.kube.kubectl(['apply', '-f', '-'], { input });
  }

  /** One object, as it is now; the path is that of the API. */
  async get(path: string): Promise<KubernetesObject> {
    return (await this.kube.api.call('GET', path)) as KubernetesObject;
  }

  service(name: string): Promise<KubernetesObject> {
    return this.get(servicePath(name));
  }

  /** Waits until there are so many, and says which. */
  addressed(name: string, count = 1, withinMs?: number): Promise<readonly string[]> {
    const look = async (): Promise<readonly string[] | false> => {
      const ips = await this.addresses(name);
      return ips.length === count && ips;
    };
    return this.until(`${name} to have ${count} addresses`, look, withinMs);
  }

  /** `kubectl get svc NAME`: the row, cut at its spaces. */
  async row(name: string): Promise<readonly string[]> {
    const printed = await this.kube.kubectl(['get', 'svc', name, '--no-headers']);
    return printed.trim().split(/\s+/);
  }

  /** Addresses in the Service's status. */
  async addresses(name: string): Promise<readonly string[]> {
    const { status } = await this.service(name);
    const balancer = status?.['loadBalancer'] as
      { readonly ingress?: readonly { readonly ip: string }[] } | undefined;
    return balancer?.ingress?.map(({ ip }) => ip) ?? [];
  }

  /** Waits for something that programs of ours do together; one that ended is the reason. */
  until<T>(
    what: string,
    look: () => Promise<T | undefined | false>,
    withinMs = 15_000,
  ): Promise<T> {
    const all = [...this.#programs.values()];
    const lookAtAll = (): Promise<T | undefined | false> => {
      const ended = all.find(({ exit }) => exit !== undefined);
      if (ended === undefined) return look();
      throw new LabFailure(`${ended.name} ended before ${what}\n${ended.tail()}`);
    };
    const lastSeen = (): string => all.map((program) => program.tail(4)).join('\n');
    return until(lookAtAll, { withinMs, what, everyMs: 25, lastSeen });
  }

  /** From now on its end is no reason to fail. */
  forget(name: string): Program {
    const program = this.program(name);
    this.#programs.delete(name);
    return program;
  }

  close(): Promise<void> {
    return this.kube.close();
  }

  async #start(
    account: 'controller' | 'speaker',
    namespace: Namespace,
    args: readonly string[],
    node?: string,
  ): Promise<Program> {
    const config = await this.kube.serviceAccountConfig(SYSTEM, account);
    const name = node === undefined ? account : `${account}-${node}`;
    const flags = [`--kubeconfig=${config}`, `--port=${PORT}`, ...args];
    const argv = [process.execPath, join(ROOT, account, 'main.ts'), ...flags];
    const { lab, logs: directory } = this.kube;
    const env = { METALLB_ML_SECRET_KEY_PATH: dirname(this.#secretFile) };
    const program = Program.start(lab, { name, argv, namespace, directory, env });
    this.#programs.set(name, program);
    return program;
  }

  get #secretFile(): string {
    return join(this.kube.directory, 'secretkey');
  }

  /** The Secret as a kubelet mounts it, once it exists. */
  async #mountSecret(): Promise<void> {
    const path = `/api/v1/namespaces/${SYSTEM}/secrets/memberlist`;
    const data = await this.until('the controller to create the Secret memberlist', async () => {
      const { status, text } = await this.kube.api.ask('GET', path);
      if (status !== 200) return undefined;
      return (JSON.parse(text) as { readonly data: Readonly<Record<string, string>> }).data;
    });
    const key = Buffer.from(data['secretkey'] ?? '', 'base64');
    writeFileSync(this.#secretFile, key, { mode: 0o600 });
  }

  /** Speakers find the controller by the labels of its pod, which is waiting for a kubelet. */
  async #sayItRuns(): Promise<void> {
    const pods = `/api/v1/namespaces/${SYSTEM}/pods`;
    const selector = encodeURIComponent('app=metallb,component=controller');
    const name = await this.until('a pod of the Deployment controller', async () => {
      const found = await this.kube.api.call('GET', `${pods}?labelSelector=${selector}`);
      return (found as { readonly items: readonly KubernetesObject[] }).items[0]?.metadata.name;
    });
    const ip = CONTROL_IP;
    const status = {
      phase: 'Running',
      podIP: ip,
      podIPs: [{ ip }],
      conditions: [{ type: 'Ready', status: 'True' }],
    };
    await this.kube.api.call('PATCH', `${pods}/${name}/status`, { status });
  }
}

export function servicePath(name: string): string {
  return `/api/v1/namespaces/default/services/${name}`;
}

/** A condition of a Service's status. */
export function condition({ status }: KubernetesObject, type: string): unknown {
  const all = (status?.['conditions'] ?? []) as readonly { readonly type: string }[];
  return all.find((one) => one.type === type);
}
