/**
 * Forwarding without a kube-proxy (`--forward=nftables`): from Services and EndpointSlices to the
 * text of one nftables table. Addresses and ports a Service offers are translated to a ready
 * endpoint, chosen at random for each connection; an endpoint on a node that this speaker's own
 * membership holds dead is left out, because at this level nobody else would mark it unready.
 *
 * Every node gets the whole table, not only the owner of an address: what still arrives at the
 * former owner after a failover is forwarded and not dropped.
 *
 * Alternative not taken: one rule per address. The look-up is a map, so its cost does not grow
 * with the number of Services, and `nft list table inet arpeggio` reads like the Services do.
 */
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
}

const TABLE = 'inet arpeggio';
const SERVICE_NAME = 'kubernetes.io/service-name';

/** All forwards of one Service; none before it has an address. */
export function forwardsOf(
  service: Service,
  slices: readonly EndpointSlice[],
  view: ForwardView,
): Forward[] {
  if (service.spec.type !== 'LoadBalancer') return [];
  const { name, namespace = 'default' } = service.metadata;
  const own = slices.filter(
    ({ metadata }) =>
      metadata.labels?.[SERVICE_NAME] === name && (metadata.namespace ?? 'default') === namespace,
  );
  const keepSource = service.spec.externalTrafficPolicy === 'Local';
  const forwards: Forward[] = [];
  for (const { ip: text = '', ipMode = 'VIP' } of service.status?.loadBalancer?.ingress ?? []) {
    const vip = parseIp(text);
    if (!vip.ok || ipMode !== 'VIP') continue;
    for (const port of service.spec.ports ?? []) {
      const protocol = port.protocol ?? 'TCP';
      if (protocol === 'SCTP') continue;
      const endpoints = endpointsOf(own, port, vip.value.family, keepSource, view);
      const key = `${namespace}/${name}`;
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

function endpointsOf(
  slices: readonly EndpointSlice[],
  port: ServicePort,
  family: Family,
  localOnly: boolean,
  view: ForwardView,
): ForwardEndpoint[] {
  const ready: ForwardEndpoint[] = [];
  const serving: ForwardEndpoint[] = [];
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
      if (nodeName !== undefined && view.dead.has(nodeName)) continue;
      if (localOnly && nodeName !== view.node) continue;
      const list = isReady(endpoint) ? ready : serving;
      if (list === serving && endpoint.conditions?.serving !== true) continue;
      // The addresses of one endpoint are fungible: consumers use the first.
      const ip = parseIp(endpoint.addresses[0] ?? '');
      if (!ip.ok || ip.value.family !== family) continue;
      list.push({ ip: ip.value, port: target, ...(nodeName === undefined ? {} : { nodeName }) });
    }
  }
  // As in kube-proxy, one that terminates but still serves counts when nothing else is left.
  return unique(ready.length > 0 ? ready : serving);
}

/** An absent condition means ready (EndpointConditions in discovery.k8s.io/v1). */
function isReady(endpoint: Endpoint): boolean {
  return endpoint.conditions?.ready !== false;
}

function unique(endpoints: readonly ForwardEndpoint[]): ForwardEndpoint[] {
  const byTarget = new Map(endpoints.map((endpoint) => [targetOf(endpoint), endpoint]));
  return [...byTarget.values()].toSorted((a, b) => compareIp(a.ip, b.ip) || a.port - b.port);
}

/** `address . port`, as nft writes a concatenation. */
function targetOf({ ip, port }: ForwardEndpoint): string {
  return `${formatIp(ip)} . ${port}`;
}

/**
 * The table as one transaction for `nft -f -`: whatever it was before, it is this afterwards. The
 * same forwards in any order give the same text, so equal text means nothing to do.
 */
export function rulesetOf(forwards: readonly Forward[]): string {
  const sorted = [
    ...new Map(forwards.map((forward) => [chainOf(forward), forward])).values(),
  ].toSorted((a, b) => compareIp(a.vip, b.vip) || chainOf(a).localeCompare(chainOf(b)));
  const served = sorted.filter(({ endpoints }) => endpoints.length > 0);
  const lines = [
    `add table ${TABLE}`,
    `delete table ${TABLE}`,
    `table ${TABLE} {`,
    ...indent(served.flatMap((forward) => chain(chainOf(forward), translation(forward)))),
    ...indent(chain('translate', families(served, dispatch))),
    ...indent(hooked('prerouting', 'nat', 'prerouting', 'dstnat', ['jump translate'])),
    ...indent(hooked('output', 'nat', 'output', '-100', ['jump translate'])),
    ...indent(hooked('return-path', 'nat', 'postrouting', 'srcnat', families(served, masquerade))),
    ...indent(chain('unserved', families(sorted, refusal))),
    ...indent(hooked('refuse-forward', 'filter', 'forward', 'filter', ['jump unserved'])),
    ...indent(hooked('refuse-output', 'filter', 'output', 'filter', ['jump unserved'])),
    '}',
  ];
  return `${lines.join('\n')}\n`;
}

/** Takes the table away; no error when there is none. */
export function emptyRuleset(): string {
  return `add table ${TABLE}\ndelete table ${TABLE}\n`;
}

/** `tcp-80-192.0.2.1`; a colon may not be in the name of a chain. */
function chainOf({ vip, port, protocol }: Forward): string {
  return `${protocol.toLowerCase()}-${port}-${formatIp(vip).replaceAll(':', '_')}`;
}

function keyOf({ vip, port, protocol }: Forward): string {
  return `${formatIp(vip)} . ${protocol.toLowerCase()} . ${port}`;
}

function translation({ vip, protocol, service, endpoints }: Forward): string[] {
  // nft allows a port in dnat only after a match on the protocol, though the map made it already.
  const match = `meta l4proto ${protocol.toLowerCase()}`;
  const choice = `${match} dnat ${nft(vip.family)} to numgen random mod ${endpoints.length} map`;
  const targets = endpoints.map((endpoint, i) => `${i} : ${targetOf(endpoint)}`);
  return braced(choice, targets, `comment "${harmless(service)}"`);
}

/** No manifest may end the comment and write rules; 128 bytes is nft's own limit. */
function harmless(text: string): string {
  return text.replaceAll(/[^\w./-]/g, '?').slice(0, 128);
}

/** One rule for each family that has something to say. */
function families(
  forwards: readonly Forward[],
  rule: (forwards: readonly Forward[], ip: string) => string[],
): string[] {
  return ([4, 6] as const).flatMap((family) => {
    const some = forwards.filter(({ vip }) => vip.family === family);
    return some.length === 0 ? [] : rule(some, nft(family));
  });
}

function dispatch(forwards: readonly Forward[], ip: string): string[] {
  const entries = forwards.map((forward) => `${keyOf(forward)} : goto ${chainOf(forward)}`);
  return braced(`${ip} daddr . meta l4proto . th dport vmap`, entries);
}

/**
 * The answer must come back through this node, so the endpoint has to see this node's address; but
 * only for connections that this table translated, never for anybody else's.
 */
function masquerade(forwards: readonly Forward[], ip: string): string[] {
  return (['TCP', 'UDP'] as const).flatMap((protocol) => {
    const keys = forwards
      .filter((forward) => forward.protocol === protocol && !forward.keepSource)
      .map(({ vip, port }) => `${formatIp(vip)} . ${port}`);
    if (keys.length === 0) return [];
    const match = `meta l4proto ${protocol.toLowerCase()} ct status dnat`;
    return braced(`${match} ct original ${ip} daddr . ct original proto-dst`, keys, 'masquerade');
  });
}

/**
 * A packet that still carries a Service address after translation has nobody to go to. Refusing it
 * tells the client at once; forwarding it would ask this very wire who has the address.
 */
function refusal(forwards: readonly Forward[], ip: string): string[] {
  const vips = [...new Set(forwards.map(({ vip }) => formatIp(vip)))];
  return [
    ...braced(`${ip} daddr`, vips, 'meta l4proto tcp reject with tcp reset'),
    ...braced(`${ip} daddr`, vips, 'reject'),
  ];
}

/** An anonymous set or map with one element per line, as long as it may be. */
function braced(before: string, elements: readonly string[], after = ''): string[] {
  const inside = elements.map((element, i) => (i < elements.length - 1 ? `${element},` : element));
  return [`${before} {`, ...indent(inside), `} ${after}`.trimEnd()];
}

function chain(name: string, rules: readonly string[]): string[] {
  return [`chain ${name} {`, ...indent(rules), '}'];
}

function hooked(
  name: string,
  type: string,
  hook: string,
  priority: string,
  rules: readonly string[],
): string[] {
  return chain(name, [`type ${type} hook ${hook} priority ${priority}; policy accept;`, ...rules]);
}

function indent(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}

function nft(family: Family): 'ip' | 'ip6' {
  return family === 4 ? 'ip' : 'ip6';
}
