/**
 * Pods on nodes without a kubelet: Pod objects whose status is written by hand, so that the real
 * controllers make EndpointSlices of them, and an HTTP server at the pod's addresses. The addresses
 * are on the node's loopback, which is all that routes between nodes and kube-proxy need.
 */
import { join } from 'node:path';
import type { KubeLab } from '../../lab/kube/kubelab.ts';
import { podRanges } from '../../lab/kube/wire.ts';
import { Program } from '../../lab/process.ts';
import type { Host } from '../../lab/segment.ts';
import { until } from '../../lab/until.ts';
import { ROOT } from './installation.ts';

const PODS = '/api/v1/namespaces/default/pods';
const START_MS = 10_000;

export interface PodOptions {
  readonly app: string;
  /** From 1; the pod is on that node, and there is one of an app on each. */
  readonly node: number;
  /** By name; all of them are served. */
  readonly ports: Readonly<Record<string, number>>;
  readonly ready?: boolean;
}

export class Pods {
  readonly #kube: KubeLab;

  constructor(kube: KubeLab) {
    this.#kube = kube;
  }

  /** Starts `APP-NODE`, which answers with that name. */
  async start({ app, node: i, ports, ready = true }: PodOptions): Promise<void> {
    const node = this.#kube.segment.node(`node${i}`);
    const name = `${app}-${i}`;
    // Servers listen on every address of their node, so pods of one node differ in their ports.
    await Promise.all(Object.values(ports).map((port) => this.#serve(name, node, port)));
    await this.#defaultAccount();
    await this.#kube.api.call('POST', PODS, podObject(name, app, node, ports));
    await this.setReady(name, ready, this.#give(node, i, Object.values(ports)[0] ?? 0));
  }

  /** What a readiness probe does; `addresses` once, when the pod starts. */
  async setReady(name: string, ready: boolean, addresses?: readonly string[]): Promise<void> {
    const now = new Date().toISOString().replace(/\..*$/, 'Z');
    const condition = (type: string, value: boolean): object => ({
      type,
      status: value ? 'True' : 'False',
      lastTransitionTime: now,
    });
    const conditions = [
      condition('Initialized', true),
      condition('PodScheduled', true),
      condition('Ready', ready),
      condition('ContainersReady', ready),
    ];
    const where =
      addresses === undefined
        ? {}
        : { podIP: addresses[0], podIPs: addresses.map((ip) => ({ ip })), startTime: now };
    const status = { phase: 'Running', conditions, ...where };
    await this.#kube.api.call('PATCH', `${PODS}/${name}/status`, { status });
  }

  /** As on a node that was given up: the object goes, whoever runs there. */
  async remove(name: string): Promise<void> {
    const now = { gracePeriodSeconds: 0 };
    await this.#kube.api.call('DELETE', `${PODS}/${name}`, now);
  }

  /** The addresses that a pod got on that node. */
  static addresses(node: number, port: number): readonly [string, string] {
    const [range4, range6] = podRanges(node);
    // Any number will do that differs between the pods of a node.
    const host = 10 + (port % 200);
    return [range4.replace(/0\/\d+$/, String(host)), range6.replace(/\/\d+$/, host.toString(16))];
  }

  #give({ namespace }: Host, i: number, port: number): readonly [string, string] {
    const [ip4, ip6] = Pods.addresses(i, port);
    namespace.ip(`addr add ${ip4}/32 dev lo`, `addr add ${ip6}/128 dev lo nodad`);
    return [ip4, ip6];
  }

  async #serve(name: string, { namespace }: Host, port: number): Promise<void> {
    const argv = [process.execPath, join(ROOT, 'demo/backend.ts'), name, String(port)];
    const { lab, logs: directory } = this.#kube;
    const options = { name: `${name}-${port}`, argv, namespace, directory };
    const server = Program.start(lab, options);
    await server.line((line) => line === 'listening', START_MS, 'it listens');
  }

  /** The controller-manager makes it soon after it started; a pod without is refused. */
  #defaultAccount(): Promise<true> {
    const path = '/api/v1/namespaces/default/serviceaccounts/default';
    const isThere = async (): Promise<true | undefined> =>
      (await this.#kube.api.ask('GET', path)).status === 200 ? true : undefined;
    const deadline = { withinMs: START_MS, what: 'the default ServiceAccount', everyMs: 50 };
    return until(isThere, deadline);
  }
}

function podObject(
  name: string,
  app: string,
  node: Host,
  ports: Readonly<Record<string, number>>,
): object {
  const named = Object.entries(ports).map(([port, containerPort]) => ({
    name: port,
    containerPort,
  }));
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app } },
    spec: {
      nodeName: node.name,
      automountServiceAccountToken: false,
      containers: [{ name: 'web', image: 'arpeggio.lab/web:1', ports: named }],
    },
  };
}
