/**
 * Who may speak to whom in a cluster of the lab: one authority, a certificate for every component
 * as kubeadm would name it, and a kubeconfig for each that is a client. The authority's key never
 * reaches the disk. Kubeconfigs are JSON, which is YAML.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Authority, tokenKeys } from './certificate.ts';
import type { Credential } from './certificate.ts';

export const API_PORT = 6443;

/** By which the API server is known inside every cluster. */
export const SERVER_NAMES = [
  'localhost',
  'kubernetes',
  'kubernetes.default',
  'kubernetes.default.svc',
  'kubernetes.default.svc.cluster.local',
] as const;

export interface PkiOptions {
  readonly directory: string;
  /** Every address and name by which the API server is reached. */
  readonly serverNames: readonly string[];
  /** The API server as its neighbours, as the LAN, and as the machine outside see it. */
  readonly local: string;
  readonly lan: string;
  readonly outside: string;
}

/** What proves an identity to the API server. */
export type Proof = Credential | { readonly token: string };

export class Pki {
  readonly admin: Credential;
  /** PEM. */
  readonly authority: string;
  readonly #authority = new Authority('kubernetes');
  readonly #options: PkiOptions;

  constructor(options: PkiOptions) {
    this.#options = options;
    this.authority = this.#authority.certificate;
    for (const folder of ['pki', 'kubeconfig']) {
      mkdirSync(join(options.directory, folder), { mode: 0o700 });
    }
    this.#write('ca.crt', this.authority);
    this.#write('front-proxy-ca.crt', new Authority('front-proxy').certificate);
    this.#server('apiserver', 'kube-apiserver', options.serverNames);
    const keys = tokenKeys();
    this.#write('sa.key', keys.privateKey);
    this.#write('sa.pub', keys.publicKey);
    this.#pair('apiserver-kubelet-client', this.#client('kube-apiserver', 'system:masters'));
    this.admin = this.#client('kubernetes-admin', 'system:masters');
    this.kubeconfig('admin', options.outside, this.admin);
    this.kubeconfig('admin-lan', options.lan, this.admin);
    for (const name of ['kube-controller-manager', 'kube-scheduler']) {
      this.kubeconfig(name, options.local, this.#client(`system:${name}`));
    }
    this.kubeconfig('kube-proxy', options.lan, this.#client('system:kube-proxy'));
  }

  /** A kubelet is a client of the API server, and a server to it. */
  node(name: string, addresses: readonly string[]): void {
    const credential = this.#authority.issue({
      commonName: `system:node:${name}`,
      organization: 'system:nodes',
      usages: ['client', 'server'],
      names: [name, ...addresses],
    });
    this.#pair(name, credential);
    this.kubeconfig(name, this.#options.lan, credential);
  }

  /** The path of a file of `pki/`. */
  file(name: string): string {
    return join(this.#options.directory, 'pki', name);
  }

  /** The path of a kubeconfig written before. */
  config(name: string): string {
    return join(this.#options.directory, 'kubeconfig', name);
  }

  /** Writes one and says where. */
  kubeconfig(name: string, server: string, proof: Proof): string {
    const path = this.config(name);
    const cluster = {
      server,
      'certificate-authority-data': base64(this.authority),
    };
    const user =
      'token' in proof
        ? { token: proof.token }
        : {
            'client-certificate-data': base64(proof.certificate),
            'client-key-data': base64(proof.key),
          };
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'lab', cluster }],
      users: [{ name, user }],
      contexts: [{ name: 'lab', context: { cluster: 'lab', user: name } }],
      'current-context': 'lab',
    };
    writeFileSync(path, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 });
    return path;
  }

  #server(file: string, commonName: string, names: readonly string[]): void {
    this.#pair(file, this.#authority.issue({ commonName, usages: ['server'], names }));
  }

  #client(commonName: string, organization?: string): Credential {
    const group = organization === undefined ? {} : { organization };
    return this.#authority.issue({ commonName, usages: ['client'], ...group });
  }

  #pair(name: string, { certificate, key }: Credential): void {
    this.#write(`${name}.crt`, certificate);
    this.#write(`${name}.key`, key);
  }

  #write(name: string, text: string): void {
    writeFileSync(this.file(name), text, { mode: 0o600 });
  }
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
