/**
 * A real Kubernetes in network namespaces of one machine, for `make lab` and for tests.
 *
 *     const kube = await KubeLab.up({ purpose: 'e2e' });
 *     await kube.kubectl(['apply', '-f', 'deploy/manifests']);
 *     const config = await kube.serviceAccountConfig('arpeggio-system', 'speaker');
 *     Program.start(kube.lab, { namespace: kube.segment.node('node1').namespace, ... });
 *     await kube.close();
 *
 * The control plane is in the namespace `control` of the segment, each node has its own kube-proxy
 * and, if asked for, containerd and a kubelet (machine.ts). Everything belongs to a Lab, so that
 * it ends with the process that made it, unless `keep` says otherwise (then remove.ts ends it).
 */
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { execute } from '../execute.ts';
import type { ExecuteOptions, Finished } from '../execute.ts';
import { LabFailure } from '../failure.ts';
import { Lab, checkMachine, killQuietly } from '../namespace.ts';
import { Program } from '../process.ts';
import type { Exit } from '../process.ts';
import { Segment } from '../segment.ts';
import type { Host } from '../segment.ts';
import { until } from '../until.ts';
import { Api } from './api.ts';
import { binaries } from './binaries.ts';
import type { Binaries } from './binaries.ts';
import { NO_PROXY, components } from './components.ts';
import type { Component } from './components.ts';
import { ROLES } from './extent.ts';
import type { Extent } from './extent.ts';
import { importImage, inMachine } from './machine.ts';
import { createNode } from './nodes.ts';
import { API_PORT, Pki, SERVER_NAMES } from './pki.ts';
import { PROXY_BINDING } from './proxy.ts';
import {
  endProcesses,
  folderOf,
  makeFolder,
  removeFiles,
  removeLab,
  removeNames,
  removeStale,
} from './remove.ts';
import { KUBERNETES_SERVICE, connectUplink, route } from './wire.ts';

export interface KubeLabOptions {
  /** In every name, lower-case letters: whose lab it is. `lab` is for `make lab`. */
  readonly purpose?: string;
  readonly extent?: Extent;
  readonly nodes?: number;
  /** Goes on after this process; ended by `make lab-down`. */
  readonly keep?: boolean;
  /** Archives (image.ts) that nodes with a kubelet have before it starts. */
  readonly images?: readonly string[];
  /** Told what is being done, when it begins. */
  readonly say?: (text: string) => void;
}

/** Where a program of ours reaches the API server from. */
export type From = 'lan' | 'outside';

export interface TokenOptions {
  /** `lan` unless told: our programs run in the lab's namespaces. */
  readonly from?: From;
  /** Ten minutes is the least the API server gives; an hour unless told. */
  readonly seconds?: number;
}

const START_MS = 60_000;
const SIGN_OF_LIFE_MS = 5000;
const KUBECTL_MS = 60_000;

export class KubeLab {
  readonly lab: Lab;
  readonly segment: Segment;
  /** Keys, logs, state; removed by `close`. */
  readonly directory: string;
  readonly logs: string;
  /** As administrator, from outside and from inside the lab's namespaces. */
  readonly kubeconfig: string;
  readonly lanKubeconfig: string;
  /** Of the API server, likewise: `https://192.0.2.1:6443`. */
  readonly servers: Readonly<Record<From, string>>;
  readonly api: Api;
  readonly #options: KubeLabOptions;
  /** The path of the program for a role. */
  readonly binary: Binaries;
  readonly #pki: Pki;
  readonly #components: ReadonlyMap<string, Component>;
  readonly #programs = new Map<string, Program>();
  /** Started and not yet ready. */
  readonly #waiting = new Set<string>();
  readonly #onExit: () => void;

  /** Builds Kubernetes first if it must; a failure leaves nothing but logs, and says where. */
  static async up(options: KubeLabOptions = {}): Promise<KubeLab> {
    const { purpose = 'kube', extent = 'cluster', say = () => {} } = options;
    checkMachine();
    const program = await binaries(ROLES[extent], say);
    await removeStale();
    const lab = new Lab(purpose);
    const onExit = (): void => removeFiles(lab.prefix);
    process.once('exit', onExit);
    try {
      say('namespaces, certificates');
      const kube = new KubeLab(lab, options, { program, onExit });
      await kube.#bringUp(say);
      return kube;
    } catch (error) {
      process.off('exit', onExit);
      await endProcesses(lab.prefix);
      lab.close();
      removeNames(lab.prefix);
      const why = error instanceof Error ? error.message : String(error);
      throw new LabFailure(`${why}\n  the logs are in ${folderOf(lab.prefix)}/log`, {
        cause: error,
      });
    }
  }

  private constructor(
    lab: Lab,
    options: KubeLabOptions,
    { program, onExit }: { readonly program: Binaries; readonly onExit: () => void },
  ) {
    this.lab = lab;
    this.#options = options;
    this.binary = program;
    this.#onExit = onExit;
    this.directory = makeFolder(lab.prefix);
    this.logs = join(this.directory, 'log');
    const api = this.#extent === 'api';
    this.segment = new Segment(lab, { nodes: api ? 0 : (options.nodes ?? 3) });
    const control = this.segment.connectControl();
    route(control, this.segment.nodes);
    const outside = connectUplink(lab.prefix, control.namespace);
    const url = (ip: string): string => `https://${ip}:${API_PORT}`;
    this.servers = { lan: url(control.ip4), outside: url(outside) };
    const addresses = ['127.0.0.1', '::1', control.ip4, control.ip6, outside];
    this.#pki = new Pki({
      directory: this.directory,
      serverNames: [...SERVER_NAMES, ...addresses, ...KUBERNETES_SERVICE],
      local: url('127.0.0.1'),
      ...this.servers,
    });
    this.kubeconfig = this.#pki.config('admin');
    this.lanKubeconfig = this.#pki.config('admin-lan');
    symlinkSync(program('kubectl'), join(this.directory, 'kubectl'));
    const { authority, admin: credential } = this.#pki;
    this.api = new Api({ server: this.servers.outside, authority, credential });
    this.#components = components({
      binary: program,
      pki: this.#pki,
      api: this.api,
      directory: this.directory,
      prefix: lab.prefix,
      extent: this.#extent,
      images: options.images ?? [],
      nodes: this.segment.nodes,
      control,
    });
  }

  get #extent(): Extent {
    return this.#options.extent ?? 'cluster';
  }

  /** The names that `start` and `kill` know: `kube-apiserver`, `kube-proxy-node1`. */
  get components(): readonly string[] {
    return [...this.#components.keys()];
  }

  /** A component as it was started last. */
  program(name: string): Program {
    const program = this.#programs.get(name);
    if (program === undefined) throw new Error(`${name} was not started`);
    return program;
  }

  /** Starts a component (again, on the data it left) and waits until it is ready. */
  async start(name: string): Promise<Program> {
    const component = this.#components.get(name);
    if (component === undefined) throw new Error(`no component ${name} in this lab`);
    const since = new Date();
    const program = Program.start(this.lab, {
      name,
      ...component.launch(),
      keep: this.#options.keep === true,
      directory: this.logs,
    });
    this.#programs.set(name, program);
    const { isReady: look, everyMs } = component;
    this.#waiting.add(name);
    await program.until(() => look(since), START_MS, 'it is ready', everyMs);
    this.#waiting.delete(name);
    return program;
  }

  /** kill -9. */
  kill(name: string): Promise<Exit> {
    return this.program(name).kill();
  }

  /** Runs kubectl as administrator; what it prints. Throws what it complains. */
  async kubectl(args: readonly string[], options: ExecuteOptions = {}): Promise<string> {
    const done = await this.tryKubectl(args, options);
    if (done.code === 0) return done.stdout;
    throw new LabFailure(`\`kubectl ${args.join(' ')}\` failed: ${done.stderr.trim()}`);
  }

  /** The same for who expects a refusal. */
  tryKubectl(args: readonly string[], options: ExecuteOptions = {}): Promise<Finished> {
    const env = {
      ...NO_PROXY,
      KUBECONFIG: this.kubeconfig,
      // Not into the home of who runs the tests.
      KUBECACHEDIR: join(this.directory, 'kubectl-cache'),
      ...options.env,
    };
    const argv = [this.binary('kubectl'), ...args];
    return execute(argv, { timeoutMs: KUBECTL_MS, ...options, env });
  }

  /** A token for a ServiceAccount, as `kubectl create token` and a pod's volume have it. */
  async token(namespace: string, name: string, seconds = 3600): Promise<string> {
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
    const asked = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { expirationSeconds: seconds },
    };
    const made = (await this.api.call('POST', path, asked)) as { status: { token: string } };
    return made.status.token;
  }

  /** A kubeconfig that holds such a token and nothing else; its path. */
  async serviceAccountConfig(
    namespace: string,
    name: string,
    { from = 'lan', seconds }: TokenOptions = {},
  ): Promise<string> {
    const token = await this.token(namespace, name, seconds);
    const file = `${namespace}-${name}-${from}`;
    return this.#pki.kubeconfig(file, this.servers[from], { token });
  }

  /** Cable out, every process and pod of the node killed. */
  async powerOff(node: Host): Promise<void> {
    for (const pid of node.namespace.pids()) killQuietly(pid);
    this.segment.unplug(node);
    const programs = this.#ofNode(node).map((name) => this.program(name));
    await Promise.all(programs.map(({ exited }) => exited));
    // What a kernel without power forgets.
    await node.namespace.exec(['nft', 'flush', 'ruleset']);
  }

  async powerOn(node: Host): Promise<void> {
    this.segment.plug(node);
    await Promise.all(this.#ofNode(node).map((name) => this.start(name)));
  }

  /** Runs a command in all namespaces of a node with a kubelet, as `docker exec` would. */
  exec(node: Host, argv: readonly string[], options?: ExecuteOptions): Promise<Finished> {
    return execute(inMachine(this.program(`kubelet-${node.name}`).pid, argv), options);
  }

  /** Gives every node with a kubelet an image, for good: it survives a power cut. */
  async loadImage(archive: string): Promise<void> {
    const load = async (node: Host): Promise<void> => {
      const done = await this.exec(node, importImage(archive), { timeoutMs: START_MS });
      if (done.code === 0) return;
      throw new LabFailure(`${archive} cannot be imported on ${node.name}: ${done.stderr.trim()}`);
    };
    await Promise.all(this.segment.nodes.map(load));
  }

  /** Leaves everything running for `make lab-down`; for a lab with `keep`. */
  release(): void {
    process.off('exit', this.#onExit);
    this.api.close();
    this.lab.release();
  }

  /** Ends everything and removes everything. Idempotent. */
  async close(): Promise<void> {
    process.off('exit', this.#onExit);
    this.api.close();
    await removeLab(this.lab.prefix);
    this.lab.close();
  }

  #ofNode({ name }: Host): string[] {
    return this.components.filter((component) => component.endsWith(name));
  }

  async #bringUp(say: (text: string) => void): Promise<void> {
    const waiting = (): void => say(`waiting for ${[...this.#waiting].join(', ')}`);
    const alive = setInterval(waiting, SIGN_OF_LIFE_MS);
    try {
      await this.#startAll(say);
    } finally {
      clearInterval(alive);
    }
  }

  async #startAll(say: (text: string) => void): Promise<void> {
    say('etcd, API server');
    let isUp = false;
    const store = await this.start('etcd');
    const server = this.start('kube-apiserver').then(() => (isUp = true));
    // An end of etcd would only make the API server wait, and then blame the network.
    await Promise.all([server, store.until(() => isUp, START_MS, 'the API server is ready')]);
    if (this.#extent === 'api') return;
    const kubelets = this.#extent === 'kubelets';
    const some = kubelets ? ', kubelets' : '';
    say(`controller-manager, scheduler, Node objects, kube-proxy${some}`);
    await this.api.call(
      'POST',
      '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings',
      PROXY_BINDING,
    );
    const nodes = this.segment.nodes.map(async (node, i) => {
      await createNode(this.api, node, i + 1, { kubelets });
      await Promise.all(this.#ofNode(node).map((name) => this.start(name)));
    });
    const rest = ['kube-controller-manager', 'kube-scheduler'].map((name) => this.start(name));
    await Promise.all([...nodes, ...rest]);
    await this.#hasServiceAccounts();
  }

  /** Pods and tokens of the namespace `default` need it; the controller-manager makes it. */
  async #hasServiceAccounts(): Promise<void> {
    const path = '/api/v1/namespaces/default/serviceaccounts/default';
    const look = async (): Promise<boolean> => (await this.api.ask('GET', path)).status === 200;
    await until(look, { withinMs: START_MS, what: 'the first ServiceAccount', everyMs: 25 });
  }
}
