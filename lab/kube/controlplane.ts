/**
 * The command lines of the control plane. Real where it matters to a load balancer (Node and RBAC
 * authorization, the default admission plugins and NodeRestriction, ServiceAccount tokens, two
 * families), and without what costs seconds: leader election, synced disks.
 */
import { join } from 'node:path';
import type { Binaries } from './binaries.ts';
import { API_PORT } from './pki.ts';
import type { Pki } from './pki.ts';
import { POD_RANGES, SERVICE_RANGES } from './wire.ts';

export interface ControlPlane {
  readonly program: Binaries;
  readonly pki: Pki;
  readonly directory: string;
  /** Of the API server on the LAN. */
  readonly address: string;
  /** Without kubelets nobody sends the heartbeats of nodes. */
  readonly kubelets: boolean;
}

const ETCD = 'http://127.0.0.1:2379';
const ETCD_PEER = 'http://127.0.0.1:2380';

export function etcd({ program, directory }: ControlPlane): string[] {
  return [
    program('etcd'),
    '--name=lab',
    `--data-dir=${join(directory, 'etcd')}`,
    // The machine's disk is not what is being tested; etcd survives SIGKILL all the same.
    '--unsafe-no-fsync',
    '--log-level=warn',
    `--listen-client-urls=${ETCD}`,
    `--advertise-client-urls=${ETCD}`,
    `--listen-peer-urls=${ETCD_PEER}`,
    `--initial-advertise-peer-urls=${ETCD_PEER}`,
    `--initial-cluster=lab=${ETCD_PEER}`,
  ];
}

export function apiServer({ program, pki, address }: ControlPlane): string[] {
  return [
    program('kube-apiserver'),
    `--etcd-servers=${ETCD}`,
    '--bind-address=::',
    `--secure-port=${API_PORT}`,
    `--advertise-address=${address}`,
    `--service-cluster-ip-range=${SERVICE_RANGES.join(',')}`,
    '--authorization-mode=Node,RBAC',
    '--enable-admission-plugins=NodeRestriction',
    '--allow-privileged',
    // Reaches pods by their addresses: there is no kube-proxy beside the API server.
    '--enable-aggregator-routing',
    `--client-ca-file=${pki.file('ca.crt')}`,
    `--tls-cert-file=${pki.file('apiserver.crt')}`,
    `--tls-private-key-file=${pki.file('apiserver.key')}`,
    `--kubelet-certificate-authority=${pki.file('ca.crt')}`,
    `--kubelet-client-certificate=${pki.file('apiserver-kubelet-client.crt')}`,
    `--kubelet-client-key=${pki.file('apiserver-kubelet-client.key')}`,
    '--kubelet-preferred-address-types=InternalIP',
    // Nobody is such a proxy here, but the other components look for its authority.
    `--requestheader-client-ca-file=${pki.file('front-proxy-ca.crt')}`,
    '--requestheader-allowed-names=front-proxy-client',
    '--requestheader-username-headers=X-Remote-User',
    '--requestheader-group-headers=X-Remote-Group',
    '--requestheader-extra-headers-prefix=X-Remote-Extra-',
    '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
    `--service-account-key-file=${pki.file('sa.pub')}`,
    `--service-account-signing-key-file=${pki.file('sa.key')}`,
  ];
}

export function controllerManager(plane: ControlPlane): string[] {
  const { program, pki, directory, kubelets } = plane;
  return [
    program('kube-controller-manager'),
    ...asClient(pki.config('kube-controller-manager')),
    `--controllers=${kubelets ? '*' : '*,-node-lifecycle-controller'}`,
    '--node-monitor-grace-period=20s',
    // Each controller asks for its own token first; at the default of 20 a second that takes 4 s.
    '--kube-api-qps=500',
    '--kube-api-burst=500',
    '--use-service-account-credentials',
    `--service-account-private-key-file=${pki.file('sa.key')}`,
    `--root-ca-file=${pki.file('ca.crt')}`,
    '--allocate-node-cidrs',
    `--cluster-cidr=${POD_RANGES.join(',')}`,
    `--service-cluster-ip-range=${SERVICE_RANGES.join(',')}`,
    // Its default is a folder of the machine, which it would create.
    `--flex-volume-plugin-dir=${join(directory, 'flexvolume')}`,
  ];
}

export function scheduler({ program, pki }: ControlPlane): string[] {
  return [program('kube-scheduler'), ...asClient(pki.config('kube-scheduler'))];
}

function asClient(kubeconfig: string): string[] {
  return [
    `--kubeconfig=${kubeconfig}`,
    `--authentication-kubeconfig=${kubeconfig}`,
    `--authorization-kubeconfig=${kubeconfig}`,
    '--leader-elect=false',
    '--bind-address=127.0.0.1',
  ];
}
