/**
 * The one door to `@kubernetes/client-node`: reads a kubeconfig file, and knows every way in which
 * one can name credentials (tokens and certificates, inline or in files, exec plugins, OIDC). Only
 * that; requests are ours. It is loaded when a kubeconfig is given, because it brings the models of
 * the whole API with it, some 50 MB that a pod does not need.
 */
import { readFileSync } from 'node:fs';
import type { RequestOptions } from 'node:https';
import { dirname, resolve } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { err, ok } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';
import { readYaml } from '../yaml.ts';
import type { Access, Credentials } from './credentials.ts';
import type { Tls } from './http.ts';

/** The error is one sentence: what is wrong with the file and what to do. */
export function kubeconfigCredentials(file: string): Result<Credentials, string> {
  const loaded = load(file);
  if (!loaded.ok) return loaded;
  let current = loaded.value;
  const { config } = current;
  const context = config.getContextObject(config.getCurrentContext());
  return ok({
    server: config.getCurrentCluster()?.server ?? '',
    namespace: context?.namespace,
    async access() {
      try {
        return ok(await accessOf(current));
      } catch (error) {
        const { message } = error as Error;
        return err(`the kubeconfig "${file}" gives no credentials: ${oneLine(message)}`);
      }
    },
    refresh() {
      // A new object: the old one remembers tokens. What cannot be read now may be mended later.
      const again = load(file);
      if (again.ok) current = again.value;
    },
  });
}

interface Loaded {
  readonly config: KubeConfig;
  /** Of the current user; client-node passes over it. */
  readonly tokenFile: string | undefined;
}

function load(file: string): Result<Loaded, string> {
  const config = new KubeConfig();
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return err(`cannot read --kubeconfig "${file}" (${code}): give a file that exists`);
  }
  try {
    config.loadFromFile(file);
  } catch (error) {
    return err(`--kubeconfig "${file}" is not a kubeconfig: ${oneLine((error as Error).message)}`);
  }
  const cluster = config.getCurrentCluster();
  if (cluster === null) {
    return err(`--kubeconfig "${file}" names no current cluster: set its current-context`);
  }
  if (cluster.proxyUrl !== undefined) {
    return err(`--kubeconfig "${file}" names a proxy, which is not supported: remove proxy-url`);
  }
  return ok({ config, tokenFile: tokenFileOf(text, config.getCurrentUser()?.name, dirname(file)) });
}

interface Users {
  readonly users?: readonly {
    readonly name?: string;
    readonly user?: { readonly tokenFile?: string };
  }[];
}

function tokenFileOf(text: string, name: string | undefined, folder: string): string | undefined {
  const value = readYaml(text).documents[0]?.value as Users | null | undefined;
  const users = value?.users ?? [];
  const tokenFile = users.find((user) => user.name === name)?.user?.tokenFile;
  return tokenFile === undefined ? undefined : resolve(folder, tokenFile);
}

async function accessOf({ config, tokenFile }: Loaded): Promise<Access> {
  const options: RequestOptions = {};
  await config.applyToHTTPSOptions(options);
  const headers = (options.headers ?? {}) as Record<string, string | undefined>;
  let authorization = headers['Authorization'];
  if (typeof options.auth === 'string') {
    authorization = `Basic ${Buffer.from(options.auth).toString('base64')}`;
  }
  if (tokenFile !== undefined) authorization = `Bearer ${readFileSync(tokenFile, 'utf8')}`;
  const { ca, cert, key, passphrase, servername } = options as Record<string, unknown>;
  const given = { ca, cert, key, passphrase, servername };
  const texts = Object.entries(given).flatMap(([name, value]) => {
    if (value === undefined) return [];
    return [[name, Buffer.isBuffer(value) ? value.toString() : value]];
  });
  const tls = Object.fromEntries(texts) as Omit<Tls, 'insecure'>;
  return {
    authorization: authorization?.trim(),
    tls: { ...tls, insecure: options.rejectUnauthorized === false },
  };
}

/** What parsers say goes on for lines. */
function oneLine(text: string): string {
  return text.trim().split('\n')[0] ?? '';
}
