/**
 * Speakers on a segment with one Service that has its addresses already, so that no controller is
 * needed; and beside them a client whose kernel and packet host are the neighbours.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeYaml } from '../../kube/yaml.ts';
import { Lab } from '../../lab/namespace.ts';
import { Program } from '../../lab/process.ts';
import { ready } from '../../lab/ready.ts';
import { Segment } from '../../lab/segment.ts';
import type { Host } from '../../lab/segment.ts';
import { onlyWith } from './cable.ts';
import { NeighbourHost } from './neighbourhost.ts';

const ROOT = join(import.meta.dirname, '../..');
const PORT = 7473;

export type PlaneName = 'bpf' | 'packet';
export const PLANES: readonly PlaneName[] = ['bpf', 'packet'];

/** Services by name with the addresses they have. */
export type Served = Readonly<Record<string, readonly string[]>>;

export class Neighbourhood {
  readonly lab: Lab;
  readonly segment: Segment;
  readonly directory: string;
  readonly speakers = new Map<Host, Program>();
  readonly #flags: readonly string[];
  readonly #plane: PlaneName;

  constructor(
    purpose: string,
    options: { nodes: number; plane: PlaneName; flags?: readonly string[] },
  ) {
    this.directory = mkdtempSync(join(tmpdir(), `arpeggio-${purpose}-`));
    mkdirSync(join(this.directory, 'manifests'));
    writeFileSync(join(this.directory, 'secret'), 'a secret that is long enough', { mode: 0o600 });
    this.lab = new Lab(purpose);
    this.segment = new Segment(this.lab, { nodes: options.nodes });
    this.#flags = options.flags ?? [];
    this.#plane = options.plane;
  }

  get client(): Host {
    return this.segment.client;
  }

  /** Makes these the Services that there are. */
  serve(served: Served): void {
    const every = [...this.#fixed(), ...Object.entries(served).flatMap(service)];
    const file = join(this.directory, 'manifests', 'all.yaml');
    writeFileSync(file, every.map(writeYaml).join('---\n'));
  }

  /** Starts a speaker on every node that has none, and waits until it answers for its part. */
  async startSpeakers(): Promise<void> {
    const idle = this.segment.nodes.filter((node) => !this.speakers.has(node));
    for (const node of idle) this.speakers.set(node, this.#start(node));
    for (const [{ namespace }, program] of this.speakers) {
      await ready(program, namespace, { port: PORT });
    }
  }

  packetHost(): Promise<NeighbourHost> {
    return NeighbourHost.start(this.lab, this.client.namespace, this.directory);
  }

  nodeOf(mac: string | undefined): Host | undefined {
    return this.segment.nodes.find((node) => node.mac === mac);
  }

  speakerOn(node: Host): Program {
    const found = this.speakers.get(node);
    if (found === undefined) throw new Error(`no speaker on ${node.name}`);
    return found;
  }

  close(): void {
    this.lab.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  #start({ name, namespace }: Host): Program {
    const at = (file: string): string => join(this.directory, file);
    const own = ['--manifests', at('manifests'), '--node', name, '--secret-file', at('secret')];
    const where = ['--port', String(PORT), '--host', '127.0.0.1', '--data-plane', this.#plane];
    const script = join(ROOT, 'speaker/main.ts');
    const terms = this.#plane === 'packet' ? onlyWith('net_raw') : [];
    const argv = [...terms, process.execPath, script, ...own, ...where, ...this.#flags];
    const { lab, directory } = this;
    return Program.start(lab, { name: `speaker-${name}`, argv, namespace, directory });
  }

  #fixed(): object[] {
    const system = { namespace: 'metallb-system' };
    const apiVersion = 'metallb.io/v1beta1';
    const addresses = ['192.168.100.240-192.168.100.249', 'fd00:100::240-fd00:100::249'];
    return [
      ...this.segment.nodes.map(({ name, ip4 }) => ({
        apiVersion: 'v1',
        kind: 'Node',
        metadata: { name },
        status: { addresses: [{ type: 'InternalIP', address: ip4 }] },
      })),
      {
        apiVersion,
        kind: 'IPAddressPool',
        metadata: { name: 'pool', ...system },
        spec: { addresses },
      },
      { apiVersion, kind: 'L2Advertisement', metadata: { name: 'all', ...system } },
    ];
  }
}

function service([name, ips]: [string, readonly string[]]): object[] {
  const metadata = { name, namespace: 'default' };
  return [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata,
      spec: { type: 'LoadBalancer', ports: [{ port: 80 }] },
      status: { loadBalancer: { ingress: ips.map((ip) => ({ ip })) } },
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { ...metadata, labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      ports: [{ port: 8080 }],
      endpoints: [{ addresses: ['192.168.100.100'], nodeName: 'node1' }],
    },
  ];
}
