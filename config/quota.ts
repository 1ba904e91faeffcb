/**
 * How many addresses the Services of a namespace may have together: an annotation of ours on the
 * Namespace. MetalLB knows no quota.
 *
 * Kubernetes' own ResourceQuota counts Services of type LoadBalancer, not addresses: sharing and
 * dual stack make these different. A number that cannot be read counts as 0, so a typing error
 * opens nothing; holders keep what they have.
 */
import { NAMESPACE } from '../kube/kube.ts';
import type { KubeObject } from '../kube/objects.ts';
import type { Problem } from './problem.ts';

export const QUOTA_ANNOTATION = 'arpeggio.dev/address-quota';

export interface Quotas {
  /** By name of the namespace; without one: any number. */
  readonly quotas: ReadonlyMap<string, number>;
  readonly problems: readonly Problem[];
}

export function quotasOf(namespaces: Iterable<KubeObject>): Quotas {
  const quotas = new Map<string, number>();
  const problems: Problem[] = [];
  for (const { metadata } of namespaces) {
    const text = metadata.annotations?.[QUOTA_ANNOTATION];
    if (text === undefined) continue;
    const isNumber = /^[0-9]{1,9}$/.test(text.trim());
    quotas.set(metadata.name, isNumber ? Number(text) : 0);
    if (isNumber) continue;
    problems.push({
      resource: NAMESPACE,
      key: metadata.name,
      path: `metadata.annotations["${QUOTA_ANNOTATION}"]`,
      message: `"${text}" is not a number of addresses; until it is, no more are given there`,
    });
  }
  return { quotas, problems };
}
