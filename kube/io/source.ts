/**
 * The source of truth that a program was told to follow: a directory of manifests or an API
 * server, exactly one. An API server that is down is no failure to start: the watches find it when
 * it is there, and readiness says so meanwhile.
 */
import { err, ok } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';
import type { Kube } from '../kube.ts';
import { Api } from './api.ts';
import { findControllers } from './controllers.ts';
import { inCluster, podCredentials } from './credentials.ts';
import type { Credentials } from './credentials.ts';
import { Direct } from './direct.ts';
import type { Reporter } from './events.ts';
import type { FilesOptions } from './files.ts';

export interface SourceFlags {
  /** Empty: not given; also the others. */
  readonly manifests: string;
  readonly kubeconfig: string;
  readonly namespace: string;
}

export interface SourceOptions extends FilesOptions {
  readonly reporter: Reporter;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface Source {
  readonly kube: Kube;
  /** For people, such as `the API server at https://192.0.2.1:6443`. */
  readonly name: string;
  /** Of the objects of our own and MetalLB's kinds; undefined: every one (a directory). */
  readonly namespace?: string;
  /** What is not in the port; undefined: there is no API server. */
  readonly direct?: Direct;
  /** Where the controllers are; undefined: not known now, or not known here. */
  controllers(): Promise<readonly string[] | undefined>;
  close(): void;
}

const NAMESPACE = 'metallb-system';

export async function openSource(
  flags: SourceFlags,
  options: SourceOptions,
): Promise<Result<Source, string>> {
  const { manifests, kubeconfig } = flags;
  if (manifests !== '' && kubeconfig !== '') {
    return err('--manifests and --kubeconfig are both given: choose one of them');
  }
  if (manifests !== '') {
    const { openFiles } = await import('./files.ts');
    const files = openFiles(manifests, options);
    if (!files.ok) return files;
    const kube = files.value;
    return ok({
      kube,
      name: `directory "${manifests}"`,
      controllers: () => Promise.resolve(undefined),
      close: () => kube.close(),
    });
  }
  const credentials = await findCredentials(kubeconfig, options.environment);
  if (!credentials.ok) return credentials;
  const { environment, reporter } = options;
  const isPod = kubeconfig === '';
  const namespace =
    flags.namespace ||
    environment['METALLB_NAMESPACE'] ||
    (isPod ? credentials.value.namespace : undefined) ||
    NAMESPACE;
  const api = new Api(credentials.value, { namespace, reporter });
  const direct = new Direct(credentials.value);
  return ok({
    kube: api,
    direct,
    name: `the API server at ${api.server}`,
    namespace,
    controllers: () => findControllers(api, namespace),
    close: () => void Promise.all([api.close(), direct.close()]),
  });
}

async function findCredentials(
  kubeconfig: string,
  environment: SourceOptions['environment'],
): Promise<Result<Credentials, string>> {
  if (kubeconfig !== '') {
    const { kubeconfigCredentials } = await import('./kubeconfig.ts');
    return kubeconfigCredentials(kubeconfig);
  }
  if (inCluster(environment)) return ok(podCredentials(environment));
  return err('give --manifests DIR or --kubeconfig FILE: this is not a pod with a service account');
}
