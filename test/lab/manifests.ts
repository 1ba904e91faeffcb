/**
 * A directory of manifests for speakers under test, and speakers that read it: a Node, pools with
 * an advertisement each, and Services that hold addresses and have an endpoint.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Lab, Namespace } from '../../lab/namespace.ts';
import { Program } from '../../lab/process.ts';
import { writeYaml } from '../../kube/yaml.ts';

const ROOT = join(import.meta.dirname, '../..');
const SYSTEM = { namespace: 'metallb-system' };

export class Manifests {
  readonly directory: string;
  readonly #objects: object[] = [];

  /** `directory`: for everything of the test; manifests have their own in it. */
  constructor(directory: string) {
    this.directory = directory;
    mkdirSync(join(directory, 'manifests'));
    writeFileSync(join(directory, 'secret'), 'a secret that is long enough', { mode: 0o600 });
  }

  node(name: string, address: string): this {
    const addresses = [{ type: 'InternalIP', address }];
    return this.#add({ apiVersion: 'v1', kind: 'Node', metadata: { name }, status: { addresses } });
  }

  /** With its advertisement, on interfaces of these names or on all. */
  pool(name: string, addresses: readonly string[], interfaces: readonly string[] = []): this {
    const metadata = { name, ...SYSTEM };
    const apiVersion = 'metallb.io/v1beta1';
    const named = interfaces.length > 0 ? { interfaces } : {};
    const spec = { ipAddressPools: [name], ...named };
    this.#add({ apiVersion, kind: 'IPAddressPool', metadata, spec: { addresses } });
    return this.#add({ apiVersion, kind: 'L2Advertisement', metadata, spec });
  }

  service(name: string, ips: readonly string[]): this {
    const metadata = { name, namespace: 'default' };
    this.#add({
      apiVersion: 'v1',
      kind: 'Service',
      metadata,
      spec: { type: 'LoadBalancer', ports: [{ port: 80 }] },
      status: { loadBalancer: { ingress: ips.map((ip) => ({ ip })) } },
    });
    return this.#add({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { ...metadata, labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      ports: [{ port: 8080 }],
      endpoints: [{ addresses: ['192.168.100.100'] }],
    });
  }

  write(): void {
    const all = this.#objects.map(writeYaml).join('---\n');
    writeFileSync(join(this.directory, 'manifests', 'all.yaml'), all);
  }

  #add(object: object): this {
    this.#objects.push(object);
    return this;
  }
}

export interface SpeakerOptions {
  readonly manifests: Manifests;
  /** Its name among the Nodes. */
  readonly node: string;
  readonly namespace: Namespace;
  readonly flags?: readonly string[];
}

export function startSpeaker(lab: Lab, options: SpeakerOptions): Program {
  const { manifests, node, namespace, flags = [] } = options;
  const { directory } = manifests;
  const from = ['--manifests', join(directory, 'manifests')];
  const as = ['--node', node, '--secret-file', join(directory, 'secret'), '--host', '127.0.0.1'];
  const argv = [process.execPath, join(ROOT, 'speaker/main.ts'), ...from, ...as, ...flags];
  return Program.start(lab, { name: `speaker-${node}`, argv, namespace, directory });
}
