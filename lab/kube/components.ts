/**
 * What a lab of some extent consists of: for each program how it is launched and how one sees that
 * it is ready. Names of a node's programs end with the node's name.
 */
import type { Namespace } from '../namespace.ts';
import { httpGet } from '../probe.ts';
import type { ProgramOptions } from '../process.ts';
import type { Host } from '../segment.ts';
import type { Api } from './api.ts';
import type { Binaries } from './binaries.ts';
import { apiServer, controllerManager, etcd, scheduler } from './controlplane.ts';
import type { Extent } from './extent.ts';
import { makePauseImage } from './image.ts';
import { machine } from './machine.ts';
import { isReady } from './nodes.ts';
import type { Pki } from './pki.ts';
import { PROXY_HEALTH_PORT, proxy } from './proxy.ts';

type Launch = Pick<ProgramOptions, 'argv' | 'env' | 'namespace'>;

export interface Component {
  /** Asked for before every start. */
  readonly launch: () => Launch;
  readonly isReady: (since: Date) => Promise<boolean>;
  /** A look that costs a process takes time from those that are starting. */
  readonly everyMs: number;
}

export interface Parts {
  readonly binary: Binaries;
  readonly pki: Pki;
  readonly api: Api;
  /** Of the lab, and the prefix of its names. */
  readonly directory: string;
  readonly prefix: string;
  readonly extent: Extent;
  /** Archives that nodes with a kubelet have from the start. */
  readonly images: readonly string[];
  readonly control: Host;
  readonly nodes: readonly Host[];
}

/** A proxy configured for this machine cannot reach into the lab. */
export const NO_PROXY = { NO_PROXY: '*', no_proxy: '*' };

const CHEAP_MS = 25;
const DEAR_MS = 150;
const CONTROLLER_MANAGER_PORT = 10_257;
const SCHEDULER_PORT = 10_259;

export function components(parts: Parts): Map<string, Component> {
  const all = new Map(controlPlane(parts));
  for (const node of parts.nodes) all.set(`kube-proxy-${node.name}`, proxyOf(node, parts));
  if (parts.extent !== 'kubelets') return all;
  const pause = makePauseImage(parts.directory);
  const images = [pause.archive, ...parts.images];
  const options = { ...parts, program: parts.binary, images, sandboxImage: pause.name };
  parts.nodes.forEach((node, i) => {
    const launch = (): Launch => {
      const { argv, env } = machine(node, i + 1, options);
      return { argv, env: { ...NO_PROXY, ...env } };
    };
    const ready = (since: Date): Promise<boolean> => isReady(parts.api, node.name, since);
    all.set(`kubelet-${node.name}`, { launch, isReady: ready, everyMs: 100 });
  });
  return all;
}

function controlPlane(parts: Parts): [string, Component][] {
  const { binary: program, pki, directory, api, extent, control } = parts;
  const kubelets = extent === 'kubelets';
  const plane = { program, pki, directory, address: control.ip4, kubelets };
  const component = (
    argv: readonly string[],
    ready: () => Promise<boolean>,
    everyMs: number,
  ): Component => {
    const launch = (): Launch => ({ argv, namespace: control.namespace, env: NO_PROXY });
    return { launch, isReady: ready, everyMs };
  };
  const healthy = (port: number) => (): Promise<boolean> => isHealthy(control.namespace, port);
  const readyz = async (): Promise<boolean> => (await api.ask('GET', '/readyz')).status === 200;
  // The API server waits for etcd better than we could.
  const least: [string, Component][] = [
    ['etcd', component(etcd(plane), () => Promise.resolve(true), CHEAP_MS)],
    ['kube-apiserver', component(apiServer(plane), readyz, CHEAP_MS)],
  ];
  if (extent === 'api') return least;
  const manager = component(controllerManager(plane), healthy(CONTROLLER_MANAGER_PORT), DEAR_MS);
  return [
    ...least,
    ['kube-controller-manager', manager],
    ['kube-scheduler', component(scheduler(plane), healthy(SCHEDULER_PORT), DEAR_MS)],
  ];
}

function proxyOf(node: Host, { binary: program, pki, directory }: Parts): Component {
  const { namespace } = node;
  const argv = proxy(node, { program, pki, directory });
  const url = `http://127.0.0.1:${PROXY_HEALTH_PORT}/healthz`;
  const healthy = async (): Promise<boolean> => (await httpGet(namespace, url))?.status === 200;
  const launch = (): Launch => ({ argv, namespace, env: NO_PROXY });
  return { launch, isReady: healthy, everyMs: DEAR_MS };
}

/** Their certificate is their own. */
async function isHealthy(namespace: Namespace, port: number): Promise<boolean> {
  const url = `https://127.0.0.1:${port}/healthz`;
  return (await namespace.exec(['curl', '-skf', '-m', '1', url])).code === 0;
}
