/**
 * How fast the controller is where the API server is real (etcd and kube-apiserver, nothing else):
 *
 * burst    1,000 Services wait, then their pool is created: from its creation to the last status as
 *          a watch of somebody else sees it; and as many equal writes, of a claim and a status
 *          each, by the same client with the same parallelism and nothing to decide.
 * restart  10,000 Services have their addresses, and the controller starts: until one that came
 *          meanwhile has its address.
 *
 * Burst and writes take turns, on Services of their own; the ratio is of the medians.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Api } from '../kube/io/api.ts';
import { kubeconfigCredentials } from '../kube/io/kubeconfig.ts';
import { SERVICE } from '../kube/kube.ts';
import { keyOf } from '../kube/objects.ts';
import type { Service } from '../kube/objects.ts';
import { executeSync } from '../lab/execute.ts';
import { LabFailure } from '../lab/failure.ts';
import { KubeLab } from '../lab/kube/kubelab.ts';
import { SMALL_HEAP } from '../lib/io/heap.ts';
import { httpGet } from '../lab/probe.ts';
import { Program } from '../lab/process.ts';
import { until } from '../lab/until.ts';
import { median } from './median.ts';

const ROOT = join(import.meta.dirname, '..');
const SYSTEM = 'metallb-system';
const PORT = 7472;
const BURST = 1000;
const MANY = 10_000;
const AT_ONCE = 16;
const WITHIN_MS = 600_000;
const POOLS = `/apis/metallb.io/v1beta1/namespaces/${SYSTEM}/ipaddresspools`;

export interface Burst {
  readonly burst_ratio: number;
  readonly restart_s: number;
  readonly rss_mib: number;
  readonly burst_s: number;
  readonly writes_s: number;
}

export async function burst(rounds: number, say: (text: string) => void): Promise<Burst> {
  const scratch = mkdtempSync(join(tmpdir(), 'arpeggio-bundle-'));
  say('bundling');
  const bundled = executeSync([process.execPath, join(ROOT, 'scripts/bundle.ts'), scratch]);
  if (bundled.code !== 0) throw new LabFailure(`the bundles fail: ${bundled.stderr.trim()}`);
  say('etcd and an API server');
  const kube = await KubeLab.up({ purpose: 'burst', extent: 'api' });
  try {
    await kube.kubectl(['apply', '--server-side', '-f', join(ROOT, 'deploy/arpeggio.yaml')]);
    await kube.kubectl(['wait', '--for=condition=Established', 'crd', '--all', '--timeout=20s']);
    return await new Bench(kube, join(scratch, 'controller.mjs'), say).run(rounds);
  } finally {
    await kube.close();
    rmSync(scratch, { recursive: true, force: true });
  }
}

class Bench {
  readonly #kube: KubeLab;
  /** As it is in the image. */
  readonly #bundle: string;
  readonly #say: (text: string) => void;
  /** Services that show an address, by the watch of a third party. */
  readonly #addressed = new Set<string>();
  #controller: Program | undefined;

  constructor(kube: KubeLab, bundle: string, say: (text: string) => void) {
    this.#kube = kube;
    this.#bundle = bundle;
    this.#say = say;
  }

  async run(rounds: number): Promise<Burst> {
    const watch = this.#watch();
    const bursts: number[] = [];
    const writes: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      await this.#start();
      bursts.push(await this.#burst(round));
      await this.#stop();
      writes.push(await this.#writes(round));
      const [one, other] = [bursts.at(-1), writes.at(-1)].map((ms) => (ms ?? 0).toFixed(0));
      this.#say(`round ${round + 1}: burst ${one} ms, equal writes ${other} ms`);
    }
    const restart = await this.#restart(rounds);
    const rss = this.#rss();
    await this.#stop();
    await watch.close();
    const [took, needed] = [median(bursts), median(writes)];
    const round = (value: number, digits: number): number => Number(value.toFixed(digits));
    return {
      burst_ratio: round(took / needed, 3),
      restart_s: round(restart / 1000, 2),
      rss_mib: rss,
      burst_s: round(took / 1000, 3),
      writes_s: round(needed / 1000, 3),
    };
  }

  #watch(): Api {
    const credentials = kubeconfigCredentials(this.#kube.kubeconfig);
    if (!credentials.ok) throw new LabFailure(credentials.error);
    const api = new Api(credentials.value, {
      namespace: SYSTEM,
      reporter: { component: 'bench' },
    });
    const sink = (object: Service): void => {
      const { ingress = [] } = object.status?.loadBalancer ?? {};
      if (ingress.length > 0) this.#addressed.add(keyOf(object));
    };
    const watching = new AbortController();
    api.watch(
      SERVICE,
      (event) => {
        if (event.type === 'put') sink(event.object as Service);
      },
      watching.signal,
    );
    return api;
  }

  async #burst(round: number): Promise<number> {
    const name = `burst${round}`;
    await this.#services(name, BURST, { 'metallb.io/address-pool': name });
    // Each has been looked at, and waits.
    await this.#quiet();
    const since = performance.now();
    const metadata = { name, namespace: SYSTEM };
    const spec = { addresses: [`10.${100 + round}.0.0/16`] };
    const pool = { apiVersion: 'metallb.io/v1beta1', kind: 'IPAddressPool', metadata, spec };
    await this.#kube.api.call('POST', POOLS, pool);
    await this.#seen(name, BURST);
    return performance.now() - since;
  }

  /** Claims and statuses, by the client of the controller in a process of its own. */
  async #writes(round: number): Promise<number> {
    const name = `equal${round}`;
    await this.#services(name, BURST, {}, 'example.org/nobody');
    const config = await this.#kube.serviceAccountConfig(SYSTEM, 'controller');
    const file = join(ROOT, 'bench/burstwriter.ts');
    const argv = [process.execPath, file, config, name, `10.${150 + round}`, String(BURST)];
    const writer = this.#program(name, argv);
    const line = await writer.line((text) => text.startsWith('took '), WITHIN_MS, 'its time');
    await this.#seen(name, BURST);
    return Number(line.slice('took '.length));
  }

  async #restart(round: number): Promise<number> {
    const { api } = this.#kube;
    this.#say(`${MANY} Services`);
    const metadata = { name: 'many', namespace: SYSTEM };
    const spec = { addresses: ['10.200.0.0/16'] };
    const pool = { apiVersion: 'metallb.io/v1beta1', kind: 'IPAddressPool', metadata, spec };
    await api.call('POST', POOLS, pool);
    await this.#services('many', MANY - BURST * round, { 'metallb.io/address-pool': 'many' });
    this.#say('they get their addresses');
    await this.#start();
    await this.#seen('many', MANY - BURST * round);
    await this.#quiet();
    await this.#stop();
    await this.#services('last', 1, { 'metallb.io/address-pool': 'many' });
    this.#say('restart');
    const since = performance.now();
    await this.#launch();
    await this.#seen('last', 1);
    return performance.now() - since;
  }

  async #services(
    prefix: string,
    count: number,
    annotations: Record<string, string>,
    loadBalancerClass?: string,
  ): Promise<void> {
    const rest = Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
    const create = async (): Promise<void> => {
      for (let name = rest.pop(); name !== undefined; name = rest.pop()) {
        await this.#kube.api.call('POST', '/api/v1/namespaces/default/services', {
          apiVersion: 'v1',
          kind: 'Service',
          metadata: { name, annotations },
          spec: {
            type: 'LoadBalancer',
            ports: [{ port: 80 }],
            // There are fewer node ports than Services here.
            allocateLoadBalancerNodePorts: false,
            ...(loadBalancerClass === undefined ? {} : { loadBalancerClass }),
          },
        });
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, create));
  }

  /** Waits until so many of them show an address. */
  #seen(prefix: string, count: number): Promise<unknown> {
    const look = (): boolean => {
      let seen = 0;
      for (const key of this.#addressed) if (key.startsWith(`default/${prefix}-`)) seen += 1;
      return seen >= count;
    };
    const lastSeen = (): string => this.#controller?.tail(6) ?? '';
    const what = `${count} addresses of ${prefix}`;
    return until(look, { withinMs: WITHIN_MS, everyMs: 2, what, lastSeen });
  }

  async #start(): Promise<void> {
    await this.#launch();
    const url = `http://127.0.0.1:${PORT}/readyz`;
    const { control } = this.#kube.segment;
    const isReady = async (): Promise<boolean> => (await httpGet(control, url))?.status === 200;
    await this.#controller?.until(isReady, WITHIN_MS, 'it is ready', 50);
  }

  async #launch(): Promise<void> {
    const config = await this.#kube.serviceAccountConfig(SYSTEM, 'controller');
    const flags = ['--host=127.0.0.1', `--port=${PORT}`, `--kubeconfig=${config}`];
    const argv = [process.execPath, this.#bundle, ...flags];
    this.#controller = this.#program('controller', argv);
  }

  #program(name: string, argv: readonly string[]): Program {
    const { lab, segment, logs: directory } = this.#kube;
    const namespace = segment.control;
    // As in a pod.
    return Program.start(lab, { name, argv, namespace, directory, env: SMALL_HEAP });
  }

  async #stop(): Promise<void> {
    await this.#controller?.stop();
    this.#controller = undefined;
  }

  /** The controller has nothing more to do: its writes do not grow for half a second. */
  async #quiet(): Promise<void> {
    const url = `http://127.0.0.1:${PORT}/metrics`;
    let before = '';
    const look = async (): Promise<boolean> => {
      const text = (await httpGet(this.#kube.segment.control, url, 5000))?.body ?? '';
      const now =
        /^arpeggio_service_statuses_written_total(?:\{[^}]*\})? .*$/m.exec(text)?.[0] ?? '?';
      const isSame = now === before;
      before = now;
      return isSame;
    };
    await until(look, { withinMs: WITHIN_MS, everyMs: 1000, what: 'the controller to rest' });
  }

  #rss(): number {
    const status = readFileSync(`/proc/${this.#controller?.pid}/status`, 'utf8');
    return Math.round(Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1024);
  }
}
