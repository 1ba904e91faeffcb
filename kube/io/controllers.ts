/**
 * Where the controllers are, for speakers that report to them: the pods that MetalLB's labels name
 * (those of its manifests, or those of its chart). Asked for now and then instead of watched,
 * because MetalLB's RBAC lets a speaker list pods and no more.
 */
import type { KubeObject } from '../objects.ts';
import type { Api } from './api.ts';

const SELECTORS = [
  'app=metallb,component=controller',
  'app.kubernetes.io/name=metallb,app.kubernetes.io/component=controller',
];

const POD = { apiVersion: 'v1', kind: 'Pod' };

/** Of the container port that serves metrics: in MetalLB's manifests before 0.16 and in ours, and
 * since, where it is HTTPS. */
const PLAIN_NAME = 'monitoring';
const SECURE_NAME = 'metricshttps';
const PORT = 7472;

interface Pod extends KubeObject {
  readonly spec?: {
    readonly containers?: readonly {
      readonly ports?: readonly { readonly name?: string; readonly containerPort?: number }[];
    }[];
  };
  readonly status?: { readonly phase?: string; readonly podIP?: string };
}

/** Base addresses, sorted; undefined: the API server does not say now. */
export async function findControllers(
  api: Pick<Api, 'list'>,
  namespace: string,
): Promise<readonly string[] | undefined> {
  for (const selector of SELECTORS) {
    const listed = await api.list(POD, namespace, selector);
    if (!listed.ok) return undefined;
    const urls = listed.value.flatMap((pod) => urlOf(pod as Pod) ?? []);
    if (urls.length > 0) return urls.toSorted();
  }
  return [];
}

function urlOf({ spec, status }: Pod): string | undefined {
  const { phase, podIP } = status ?? {};
  if (phase !== 'Running' || podIP === undefined || podIP === '') return undefined;
  const ports = (spec?.containers ?? []).flatMap((container) => container.ports ?? []);
  const named = (name: string): number | undefined =>
    ports.find((port) => port.name === name)?.containerPort;
  const host = podIP.includes(':') ? `[${podIP}]` : podIP;
  const secure = named(SECURE_NAME);
  if (secure !== undefined) return `https://${host}:${secure}`;
  return `http://${host}:${named(PLAIN_NAME) ?? PORT}`;
}
