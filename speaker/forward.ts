/**
 * Forwarding without a kube-proxy (`--forward=nftables`): from Services and EndpointSlices to what
 * shall be translated; ruleset.ts makes the table of it. Addresses and ports a Service offers are
 * translated to a ready endpoint, chosen at random for each connection; an endpoint on a node that
 * this speaker's own membership holds dead is left out, because at this level nobody else would
 * mark it unready.
 *
 * Every node gets the whole table, not only the owner of an address: what still arrives at the
 * former owner after a failover is forwarded and not dropped.
 *
 * Alternative not taken: translating for every address in a status. An address counts only on a
 * Service of ours and when the plan knows it: a status can be written by hand, and one that names
 * the gateway would take the gateway's connections.
 */
import { isOurs } from '../config/claim.ts';
import { keyOf } from '../kube/objects.ts';
import type { EndpointSlice, Endpoint, Service, ServicePort } from '../kube/objects.ts';
import { compareIp, formatIp, parseIp } from '../net/ip.ts';
import type { Family, Ip } from '../net/ip.ts';

export interface ForwardEndpoint {
  readonly ip: Ip;
  readonly port: number;
  readonly nodeName?: string;
}

/** One address and port of a Service, and where its connections go. */
export interface Forward {
  /** `namespace/name`, for people who read the table. */
  readonly service: string;
  readonly vip: Ip;
  readonly port: number;
  readonly protocol: 'TCP' | 'UDP';
  /** Empty: connections are refused, not left hanging. */
  readonly endpoints: readonly ForwardEndpoint[];
  /** externalTrafficPolicy Local: endpoints of this node only, and they see the client. */
  readonly keepSource: boolean;
}

/** What this speaker knows beyond the objects. */
export interface ForwardView {
  readonly node: string;
  readonly dead: ReadonlySet<string>;
  /** Whether the plan gives this address to the Service with this key. */
  readonly held: (ip: string, service: string) => boolean;
  /** Of the Services that are served. */
  readonly lbClass?: string | undefined;
}

const SERVICE_NAME = 'kubernetes.io/service-name';

/** All forwards of one Service; none before it has an address. */
export function forwardsOf(
  service: Service,
  slices: readonly EndpointSlice[],
  view: ForwardView,
): Forward[] {
  if (!isOurs(service, view.lbClass)) return [];
  const { name, namespace = 'default' } = service.metadata;
  const own = slices.filter(
    ({ metadata }) =>
      metadata.labels?.[SERVICE_NAME] === name && (metadata.namespace ?? 'default') === namespace,
  );
  const keepSource = service.spec.externalTrafficPolicy === 'Local';
  const key = keyOf(service);
  const forwards: Forward[] = [];
  for (const { ip: text = '', ipMode = 'VIP' } of service.status?.loadBalancer?.ingress ?? []) {
    const vip = parseIp(text);
    if (!vip.ok || ipMode !== 'VIP') continue;
    if (!view.held(formatIp(vip.value), key)) continue;
    for (const port of service.spec.ports ?? []) {
      const protocol = port.protocol ?? 'TCP';
      if (protocol === 'SCTP') continue;
      const endpoints = endpointsOf(own, port, vip.value.family, keepSource, view);
      forwards.push({
        service: key,
        vip: vip.value,
        port: port.port,
        protocol,
        endpoints,
        keepSource,
      });
    }
  }
  return forwards;
}

/** In the order of preference; `lost` is on a node that counts as dead. */
type Standing = 'ready' | 'serving' | 'ready, lost' | 'serving, lost';

function endpointsOf(
  slices: readonly EndpointSlice[],
  port: ServicePort,
  family: Family,
  localOnly: boolean,
  view: ForwardView,
): ForwardEndpoint[] {
  const found: Record<Standing, ForwardEndpoint[]> = {
    ready: [],
    serving: [],
    'ready, lost': [],
    'serving, lost': [],
  };
  for (const slice of slices) {
    if (slice.addressType !== `IPv${family}`) continue;
    const target = slice.ports?.find(
      (candidate) =>
        (candidate.name ?? '') === (port.name ?? '') &&
        (candidate.protocol ?? 'TCP') === (port.protocol ?? 'TCP'),
    )?.port;
    if (target === undefined) continue;
    for (const endpoint of slice.endpoints ?? []) {
      const { nodeName } = endpoint;
      if (localOnly && nodeName !== view.node) continue;
      const isLost = nodeName !== undefined && view.dead.has(nodeName);
      const standing = isReady(endpoint) ? 'ready' : 'serving';
      if (standing === 'serving' && endpoint.conditions?.serving !== true) continue;
      // The addresses of one endpoint are fungible: consumers use the first.
      const ip = parseIp(endpoint.addresses[0] ?? '');
      if (!ip.ok || ip.value.family !== family) continue;
      const of = nodeName === undefined ? {} : { nodeName };
      found[isLost ? (`${standing}, lost` as const) : standing].push({
        ip: ip.value,
        port: target,
        ...of,
      });
    }
  }
  // As in kube-proxy, one that terminates but still serves counts when nothing else is left. And
  // then one on a node that counts as dead: the silence of all may mean that we are cut off.
  return unique(Object.values(found).find((each) => each.length > 0) ?? []);
}

/** An absent condition means ready (EndpointConditions in discovery.k8s.io/v1). */
function isReady(endpoint: Endpoint): boolean {
  return endpoint.conditions?.ready !== false;
}

function unique(endpoints: readonly ForwardEndpoint[]): ForwardEndpoint[] {
  const byTarget = new Map(endpoints.map((each) => [`${formatIp(each.ip)} ${each.port}`, each]));
  return [...byTarget.values()].toSorted((a, b) => compareIp(a.ip, b.ip) || a.port - b.port);
}
