/**
 * kube-proxy of one node, in nftables mode: what delivers an address of a Service once the frames
 * reach the node. Its configuration is JSON, which is YAML.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Host } from '../segment.ts';
import type { Binaries } from './binaries.ts';
import type { Pki } from './pki.ts';
import { POD_RANGES } from './wire.ts';

/** Answers /healthz when the rules are in place. */
export const PROXY_HEALTH_PORT = 10_256;

export interface ProxyOptions {
  readonly program: Binaries;
  readonly pki: Pki;
  readonly directory: string;
}

/** Writes its configuration; the command line that uses it. */
export function proxy(node: Host, { program, pki, directory }: ProxyOptions): string[] {
  const file = join(directory, `kube-proxy-${node.name}.json`);
  const config = {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode: 'nftables',
    hostnameOverride: node.name,
    clientConnection: { kubeconfig: pki.config('kube-proxy') },
    clusterCIDR: POD_RANGES.join(','),
    detectLocalMode: 'ClusterCIDR',
    healthzBindAddress: `0.0.0.0:${PROXY_HEALTH_PORT}`,
    metricsBindAddress: '127.0.0.1:10249',
    nodePortAddresses: ['primary'],
    // nf_conntrack_max can be written in the machine's own namespace only.
    conntrack: { maxPerCore: 0, min: 0 },
    // The default of a second would be most of what a test waits for.
    nftables: { minSyncPeriod: '100ms' },
  };
  writeFileSync(file, JSON.stringify(config, null, 2));
  return [program('kube-proxy'), `--config=${file}`];
}

/** kube-proxy may read what it needs; kubeadm makes the same binding. */
export const PROXY_BINDING = {
  apiVersion: 'rbac.authorization.k8s.io/v1',
  kind: 'ClusterRoleBinding',
  metadata: { name: 'lab:kube-proxy' },
  roleRef: {
    apiGroup: 'rbac.authorization.k8s.io',
    kind: 'ClusterRole',
    name: 'system:node-proxier',
  },
  subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'system:kube-proxy' }],
};
