/**
 * A node that runs pods: containerd and a kubelet of its own, in namespaces of their own inside
 * the network namespace of the node. What happens in there is node.sh; this file is what it is
 * told. containerd, runc and the CNI plugins are Debian's; one containerd per node, because two
 * kubelets on one would delete each other's pods.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { LabFailure } from '../failure.ts';
import type { Host } from '../segment.ts';
import type { Binaries } from './binaries.ts';
import { hierarchies, makeGroups } from './cgroup.ts';
import type { Pki } from './pki.ts';
import { podRanges } from './wire.ts';

export interface MachineOptions {
  readonly program: Binaries;
  readonly pki: Pki;
  /** Of the lab. */
  readonly directory: string;
  /** The lab's prefix: control groups are the machine's, and carry it. */
  readonly prefix: string;
  /** Archives that every node has from the start. */
  readonly images: readonly string[];
  /** The name of the image that holds a pod's namespaces; one of `images`. */
  readonly sandboxImage: string;
}

/** A command line and its environment. */
export interface Launch {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

const SOCKET = '/run/containerd/containerd.sock';
const CNI_PLUGINS = ['/usr/lib/cni', '/opt/cni/bin'];

/** Writes what the node needs; `i` from 1. To be called again before every start. */
export function machine(node: Host, i: number, options: MachineOptions): Launch {
  const { directory, pki, prefix, program } = options;
  const folder = join(directory, node.name);
  for (const name of ['kubelet', 'containerd', 'cni']) {
    mkdirSync(join(folder, name), { recursive: true });
  }
  pki.node(node.name, [node.ip4, node.ip6]);
  const write = (name: string, content: string): void => writeFileSync(join(folder, name), content);
  write('cni/10-bridge.conflist', JSON.stringify(podNetwork(i), null, 2));
  write('containerd.toml', containerd(join(folder, 'cni'), options.sandboxImage));
  write('kubelet.json', JSON.stringify(kubelet(node, pki), null, 2));
  const env = {
    NODE: node.name,
    NODE_IP: `${node.ip4},${node.ip6}`,
    NETNS: `/run/netns/${node.namespace.name}`,
    GROUPS: makeGroups(`${prefix}-${node.name}`).join(' '),
    HIERARCHIES: mounts(),
    FOLDER: folder,
    KUBELET: program('kubelet'),
    KUBECONFIG: pki.config(node.name),
    IMAGES: options.images.join(' '),
  };
  return { argv: ['sh', join(import.meta.dirname, 'node.sh')], env };
}

/** The command line that runs `argv` in all namespaces of a node; `pid` is that of its program. */
export function inMachine(pid: number, argv: readonly string[]): string[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  const init = children.trim().split(' ')[0];
  if (init === undefined || init === '') throw new LabFailure('the node is off');
  const all = ['--mount', '--uts', '--ipc', '--net', '--pid', '--cgroup'];
  return ['nsenter', `--target=${init}`, ...all, '--', ...argv];
}

/** The command line, for `inMachine`, that gives a node an image. */
export function importImage(archive: string): string[] {
  return ['ctr', '--namespace', 'k8s.io', 'images', 'import', archive];
}

function mounts(): string {
  const all = hierarchies();
  if (all.some(({ version }) => version === 2)) return 'unified';
  return all
    .map(({ path, controllers }) => {
      // A named hierarchy has no controllers and says so.
      const options = controllers.startsWith('name=') ? `none,${controllers}` : controllers;
      return `${basename(path)}=${options}`;
    })
    .join(' ');
}

/** A bridge on every node; the routes between them are the lab's (wire.ts). */
function podNetwork(i: number): object {
  const ranges = podRanges(i).map((subnet) => [{ subnet }]);
  const routes = [{ dst: '0.0.0.0/0' }, { dst: '::/0' }];
  return {
    cniVersion: '0.4.0',
    name: 'lab',
    plugins: [
      {
        type: 'bridge',
        bridge: 'cni0',
        isGateway: true,
        ipMasq: false,
        // A pod that calls its own Service meets itself.
        hairpinMode: true,
        // In /run: a node that starts again gives its addresses afresh.
        ipam: { type: 'host-local', dataDir: '/run/cni', ranges, routes },
      },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  };
}

function containerd(cniFolder: string, sandboxImage: string): string {
  const plugins = CNI_PLUGINS.find((folder) => existsSync(join(folder, 'bridge')));
  if (plugins === undefined) {
    throw new LabFailure(
      'the CNI plugins are missing: run `apt-get install containernetworking-plugins`',
    );
  }
  return `version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
  address = "${SOCKET}"
[debug]
  level = "warn"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${sandboxImage}"
  disable_apparmor = true
  # Containers of a machine without CAP_SYS_RESOURCE, such as a CI container, would not start.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${plugins}"
    conf_dir = "${cniFolder}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
`;
}

function kubelet(node: Host, pki: Pki): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    // 1.35 refuses control groups of version 1 unless told.
    failCgroupV1: false,
    cgroupDriver: 'cgroupfs',
    cgroupRoot: '/',
    containerRuntimeEndpoint: `unix://${SOCKET}`,
    authentication: {
      x509: { clientCAFile: pki.file('ca.crt') },
      webhook: { enabled: true },
      anonymous: { enabled: false },
    },
    authorization: { mode: 'Webhook' },
    tlsCertFile: pki.file(`${node.name}.crt`),
    tlsPrivateKeyFile: pki.file(`${node.name}.key`),
    failSwapOn: false,
    makeIPTablesUtilChains: false,
    clusterDomain: 'cluster.local',
    resolvConf: '',
    // A dead node is known after node-monitor-grace-period, 20 s.
    nodeStatusUpdateFrequency: '5s',
    nodeLeaseDurationSeconds: 20,
    imageGCHighThresholdPercent: 100,
    evictionHard: {
      'memory.available': '50Mi',
      'nodefs.available': '1%',
      'nodefs.inodesFree': '1%',
      'imagefs.available': '1%',
    },
    volumePluginDir: '/var/lib/kubelet/volumeplugins',
  };
}
