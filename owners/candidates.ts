/**
 * Which nodes may own the addresses of a Service, and on which interfaces: MetalLB's eligibility
 * rules (speaker, layer 2), asked by the speaker, the controller and the command line alike.
 *
 * A Service is announced when an endpoint serves, by nodes that an L2Advertisement of its pool
 * selects, that carry no `exclude-from-external-load-balancers` label, whose network is available
 * and, under externalTrafficPolicy Local, that run an endpoint themselves.
 */
import type { Config, L2Ad } from '../config/model.ts';
import type { EndpointSlice, Node, Service } from '../kube/objects.ts';
import { matches, matchesAny } from '../kube/selector.ts';

/** Why nobody may own; each has one name, in logs, metrics and conditions. */
export type NoCandidate =
  'NoServingEndpoint' | 'NoMatchingAdvertisement' | 'NoEligibleNode' | 'NoLocalEndpoint';

export interface Candidates {
  /** Names of eligible nodes, unordered. */
  readonly nodes: readonly string[];
  /** Sum of matching preferences per node; absent means 0. */
  readonly weights: ReadonlyMap<string, number>;
  /** Set exactly when `nodes` is empty. */
  readonly reason: NoCandidate | undefined;
}

export interface CandidateQuestion {
  readonly service: Service;
  /** Name of the pool that holds the Service's addresses. */
  readonly pool: string;
  /** Slices of this Service only. */
  readonly slices: readonly EndpointSlice[];
  readonly nodes: Iterable<Node>;
  readonly config: Config;
  /** MetalLB's `--ignore-exclude-lb`. */
  readonly ignoreExclude?: boolean;
}

export const EXCLUDE_LABEL = 'node.kubernetes.io/exclude-from-external-load-balancers';

export function candidates(question: CandidateQuestion): Candidates {
  const { service, slices, config } = question;
  const hosts = servingHosts(slices);
  if (hosts === undefined) return nobody('NoServingEndpoint');
  const ads = advertisementsOf(service, question.pool, config);
  if (ads.length === 0) return nobody('NoMatchingAdvertisement');
  const weights = new Map<string, number>();
  let eligible: string[] = [];
  for (const node of question.nodes) {
    const selecting = ads.filter((ad) => selectsNode(ad, node));
    if (selecting.length === 0 || isBarred(node, question.ignoreExclude ?? false)) continue;
    eligible.push(node.metadata.name);
    const weight = preference(selecting, node);
    if (weight > 0) weights.set(node.metadata.name, weight);
  }
  if (eligible.length === 0) return nobody('NoEligibleNode');
  if (service.spec.externalTrafficPolicy === 'Local') {
    eligible = eligible.filter((name) => hosts.has(name));
    if (eligible.length === 0) return nobody('NoLocalEndpoint');
  }
  return { nodes: eligible, weights, reason: undefined };
}

/** The layer 2 advertisements that apply to a Service whose addresses are in that pool. */
export function advertisementsOf(service: Service, pool: string, config: Config): L2Ad[] {
  const labels = service.metadata.labels ?? {};
  return config.advertisements.filter(
    (ad) => ad.pools.has(pool) && matchesAny(ad.serviceSelectors, labels),
  );
}

/** Interfaces to answer on at that node: united over its advertisements; one without names: all. */
export function interfacesOf(ads: readonly L2Ad[], node: Node): 'all' | readonly string[] {
  const names = new Set<string>();
  for (const ad of ads) {
    if (!selectsNode(ad, node)) continue;
    if (ad.interfaces.length === 0) return 'all';
    for (const name of ad.interfaces) names.add(name);
  }
  return [...names].toSorted();
}

/** Nodes with a serving endpoint; undefined when no endpoint serves anywhere. */
function servingHosts(slices: readonly EndpointSlice[]): ReadonlySet<string> | undefined {
  const hosts = new Set<string>();
  let serving = false;
  for (const slice of slices) {
    for (const { conditions, nodeName } of slice.endpoints ?? []) {
      // An absent `ready` means ready; `serving` counts even while terminating.
      if (conditions?.ready === false && conditions.serving !== true) continue;
      serving = true;
      if (nodeName !== undefined) hosts.add(nodeName);
    }
  }
  return serving ? hosts : undefined;
}

function selectsNode(ad: L2Ad, node: Node): boolean {
  return matchesAny(ad.nodeSelectors, node.metadata.labels ?? {});
}

function preference(ads: readonly L2Ad[], node: Node): number {
  const labels = node.metadata.labels ?? {};
  let sum = 0;
  for (const ad of ads) {
    for (const { weight, preference: wish } of ad.preferredNodes) {
      if (matches(wish, labels)) sum += weight;
    }
  }
  return sum;
}

function isBarred(node: Node, ignoreExclude: boolean): boolean {
  if (!ignoreExclude && node.metadata.labels?.[EXCLUDE_LABEL] !== undefined) return true;
  const conditions = node.status?.conditions ?? [];
  return conditions.some(({ type, status }) => type === 'NetworkUnavailable' && status === 'True');
}

function nobody(reason: NoCandidate): Candidates {
  return { nodes: [], weights: new Map(), reason };
}
