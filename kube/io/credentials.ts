/**
 * Who we are to the API server, and how it proves who it is. In a pod that is the service account:
 * three files, which the kubelet replaces (tokens live for an hour), so they are read again.
 */
import { existsSync, readFileSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import { err, ok } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';
import type { Tls } from './http.ts';

export interface Access {
  /** The value of the header Authorization. */
  readonly authorization: string | undefined;
  readonly tls: Tls;
}

export interface Credentials {
  /** URL, perhaps with a path. */
  readonly server: string;
  /** Namespace that goes with them, if they say. */
  readonly namespace: string | undefined;
  /** As they are now. The error is one sentence. */
  access(): Promise<Result<Access, string>>;
  /** The server refused them: forget what is remembered. */
  refresh(): void;
}

export const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

type Environment = Readonly<Record<string, string | undefined>>;

/** Whether this process runs in a pod with a service account. */
export function inCluster(environment: Environment, folder = SERVICE_ACCOUNT): boolean {
  return environment['KUBERNETES_SERVICE_HOST'] !== undefined && existsSync(join(folder, 'token'));
}

/** Of the pod that this process runs in. */
export function podCredentials(environment: Environment, folder = SERVICE_ACCOUNT): Credentials {
  const host = environment['KUBERNETES_SERVICE_HOST'] ?? '';
  const port = environment['KUBERNETES_SERVICE_PORT'] ?? '443';
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8').trim();
  return {
    server: `https://${isIPv6(host) ? `[${host}]` : host}:${port}`,
    namespace: existsSync(join(folder, 'namespace')) ? read('namespace') : undefined,
    access() {
      try {
        const tls = { ca: read('ca.crt'), insecure: false };
        return Promise.resolve(ok({ authorization: `Bearer ${read('token')}`, tls }));
      } catch (error) {
        const { code = 'error' } = error as NodeJS.ErrnoException;
        return Promise.resolve(err(`the service account in ${folder} cannot be read (${code})`));
      }
    },
    refresh() {},
  };
}
