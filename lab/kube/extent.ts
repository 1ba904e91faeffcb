/**
 * How much of a Kubernetes a lab has, and which programs that takes.
 */
import type { Role } from './binaries.ts';

/**
 * `api`: etcd and the API server alone, which tests of a client need. `cluster`: and the rest of
 * the control plane, three nodes, kube-proxy. `kubelets`: and nodes that run pods.
 */
export type Extent = 'api' | 'cluster' | 'kubelets';

const API: readonly Role[] = ['etcd', 'kube-apiserver', 'kubectl'];
const CLUSTER: readonly Role[] = [
  ...API,
  'kube-controller-manager',
  'kube-scheduler',
  'kube-proxy',
];
export const ROLES: Readonly<Record<Extent, readonly Role[]>> = {
  api: API,
  cluster: CLUSTER,
  kubelets: [...CLUSTER, 'kubelet', 'agnhost'],
};
