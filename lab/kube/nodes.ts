/**
 * Node objects. With a kubelet the object is only what a kubelet cannot choose, the ranges of its
 * pods, which routes of the lab rely on. Without one the object says Ready for good: the nodes are
 * real enough for kube-proxy, for speakers and for the scheduler, and nobody runs their pods.
 */
import type { Host } from '../segment.ts';
import type { Api } from './api.ts';
import { podRanges } from './wire.ts';

const PATH = '/api/v1/nodes';
const CAPACITY = { cpu: '4', memory: '8Gi', pods: '110', 'ephemeral-storage': '10Gi' };

export async function createNode(
  api: Api,
  node: Host,
  i: number,
  options: { readonly kubelets: boolean },
): Promise<void> {
  const status = options.kubelets ? { addresses: addresses(node) } : ready(node);
  await api.call('POST', PATH, { ...described(node, i), status });
  if (options.kubelets) return;
  // Admission taints a new node; the controller that would lift it waits for heartbeats.
  await api.call('PATCH', `${PATH}/${node.name}`, { spec: { taints: null } });
}

/** Whether its kubelet has said so since then; the API server counts whole seconds. */
export async function isReady(api: Api, node: string, since: Date): Promise<boolean> {
  const { status, text } = await api.ask('GET', `${PATH}/${node}`);
  if (status !== 200) return false;
  const conditions = (JSON.parse(text) as NodeObject).status?.conditions ?? [];
  const heard = Math.floor(since.getTime() / 1000) * 1000;
  return conditions.some(
    (one) =>
      one.type === 'Ready' && one.status === 'True' && Date.parse(one.lastHeartbeatTime) >= heard,
  );
}

interface NodeObject {
  readonly status?: {
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly lastHeartbeatTime: string;
    }[];
  };
}

function described(node: Host, i: number): object {
  const [pods4, pods6] = podRanges(i);
  const labels = {
    'kubernetes.io/hostname': node.name,
    'kubernetes.io/os': 'linux',
    'kubernetes.io/arch': process.arch === 'arm64' ? 'arm64' : 'amd64',
  };
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: node.name, labels },
    spec: { podCIDR: pods4, podCIDRs: [pods4, pods6] },
  };
}

function addresses(node: Host): object[] {
  return [
    { type: 'InternalIP', address: node.ip4 },
    { type: 'InternalIP', address: node.ip6 },
    { type: 'Hostname', address: node.name },
  ];
}

function ready(node: Host): object {
  const now = new Date().toISOString().replace(/\..*$/, 'Z');
  const condition = {
    type: 'Ready',
    status: 'True',
    reason: 'Lab',
    message: 'no kubelet runs here',
    lastHeartbeatTime: now,
    lastTransitionTime: now,
  };
  return {
    addresses: addresses(node),
    capacity: CAPACITY,
    allocatable: CAPACITY,
    conditions: [condition],
  };
}
