/**
 * What a Service of type LoadBalancer asks for and what it holds, in one value that the allocator
 * and the speaker share. Semantics: MetalLB's annotations and Kubernetes' dual-stack fields.
 *
 * Families. `spec.clusterIPs` decides, as in MetalLB, because the API server has already settled
 * there what the cluster can do. In a directory of manifests nobody fills them in, so the written
 * fields decide: `ipFamilies` (two of them without a policy mean RequireDualStack, as the API
 * server defaults it), else the requested addresses, else any family: IPv4 where some pool has it,
 * otherwise IPv6, so that a Service in an IPv6-only set-up needs no extra field.
 *
 * Difference to MetalLB: a PreferDualStack Service may request one address and gets just that; a
 * user who names one address wants that one. MetalLB refuses.
 */
import { SERVICE } from '../kube/kube.ts';
import { keyOf } from '../kube/objects.ts';
import type { Service } from '../kube/objects.ts';
import { brief, quote } from '../lib/quote.ts';
import { err, ok } from '../lib/result.ts';
import type { Result } from '../lib/result.ts';
import { formatIp, parseIp, sameIp } from '../net/ip.ts';
import type { Family, Ip } from '../net/ip.ts';
import type { Problem } from './problem.ts';

/** Annotation prefixes; the first wins where both are present. The second is MetalLB's old one. */
const PREFIXES = ['metallb.io/', 'metallb.universe.tf/'] as const;

/** Ours: how many addresses of each family a Service wants. */
const PER_FAMILY_ANNOTATION = 'arpeggio.dev/addresses-per-family';

/** A Service with more has no more use of them: clients try a few names' addresses at most. */
export const MOST_PER_FAMILY = 8;

/** Written by the controller together with the status. */
export const POOL_ANNOTATION = 'metallb.io/ip-allocated-from-pool';
/** Names of the nodes that answer, separated by commas. The controller writes it. */
export const ANNOUNCED_BY = 'arpeggio.dev/announced-by';

export interface Claim {
  /** `namespace/name`. */
  readonly key: string;
  readonly namespace: string;
  /** Of the Service; pools and advertisements select by them. */
  readonly labels: Readonly<Record<string, string>>;
  readonly families: Families;
  /** How many addresses of each of its families it wants; all from one pool. */
  readonly perFamily: number;
  /** Why it can have no address, whatever the pools are, as a sentence. */
  readonly barred: string | undefined;
  /** Exactly these and no others; empty: any. */
  readonly requested: readonly Ip[];
  /** Only from this pool. */
  readonly pool: string | undefined;
  /** From status, in the order written there; the first is MetalLB's unit of election. */
  readonly held: readonly Ip[];
  /**
   * Since when it holds them, as text to be compared: of two Services that hold one address the
   * lesser keeps it. Time of `arpeggio.dev/Allocated` becoming True, nothing where an address was
   * written without it (by MetalLB: oldest), then the time of creation.
   */
  readonly since: string;
  /** undefined: shares with nobody. */
  readonly sharing: Sharing | undefined;
  /** `TCP/80`; two Services on one address may not have one in common. */
  readonly ports: readonly string[];
  readonly externalTrafficPolicy: 'Cluster' | 'Local';
  /** Annotation keys with the deprecated prefix that had effect. */
  readonly deprecated: readonly string[];
}

export interface Families {
  /**
   * `first`: one address, of the first family in `order` that a pool has. `both`: two, from one
   * pool. `prefer`: two from one pool, else as `first`.
   */
  readonly want: 'first' | 'both' | 'prefer';
  /** Families allowed, the preferred one first. */
  readonly order: readonly Family[];
}

/** Two Services share an address when these are equal and their ports differ. */
export interface Sharing {
  /** Value of the annotation `allow-shared-ip`. */
  readonly key: string;
  /** The selector under externalTrafficPolicy Local, where both must have the same endpoints. */
  readonly backend: string;
}

/**
 * undefined: not for us (another type, or another loadBalancerClass). `lbClass` undefined takes
 * the Services without a class.
 */
export function claimOf(
  service: Service,
  lbClass?: string,
): Result<Claim, readonly Problem[]> | undefined {
  if (!isOurs(service, lbClass)) return undefined;
  const { claim, problems } = read(service);
  return problems.length === 0 || claim.barred !== undefined ? ok(claim) : err(problems);
}

/**
 * What a Service goes on holding while its request cannot be understood: the same addresses, no
 * wishes. So a typing error in an annotation never takes a working address away.
 */
export function holdingOf(service: Service): Claim {
  const { claim } = read(service);
  return {
    ...claim,
    families: familiesOf(claim.held),
    perFamily: MOST_PER_FAMILY,
    requested: [],
    pool: undefined,
  };
}

export function isOurs(service: Service, lbClass?: string): boolean {
  return service.spec.type === 'LoadBalancer' && service.spec.loadBalancerClass === lbClass;
}

/** Addresses in `status.loadBalancer.ingress`; host names and malformed ones are left out. */
export function heldAddresses(service: Pick<Service, 'status'>): readonly Ip[] {
  const ingress = service.status?.loadBalancer?.ingress;
  if (ingress === undefined) return NOTHING;
  const known = readings.get(ingress);
  if (known !== undefined) return known;
  const held: Ip[] = [];
  for (const { ip } of ingress) {
    const parsed = ip === undefined ? undefined : parseIp(ip);
    if (parsed?.ok === true && !held.some((other) => sameIp(other, parsed.value))) {
      held.push(parsed.value);
    }
  }
  readings.set(ingress, held);
  return held;
}

const NOTHING: readonly Ip[] = [];

/** An address costs a microsecond to read, and every decision looks at every Service. */
const readings = new WeakMap<readonly unknown[], readonly Ip[]>();

interface Reading {
  readonly claim: Claim;
  readonly problems: readonly Problem[];
}

function read(service: Service): Reading {
  const problems: Problem[] = [];
  const key = keyOf(service);
  const report: Report = (path, message) =>
    problems.push({ resource: SERVICE, key, path, message });
  const annotations = annotationsOf(service);
  const requested = requestedAddresses(service, annotations, report);
  const { spec, metadata } = service;
  const claim: Claim = {
    key,
    namespace: metadata.namespace ?? '',
    labels: metadata.labels ?? {},
    families: wantedFamilies(service, requested, report),
    perFamily: perFamilyOf(service, report),
    barred: barredBy(service),
    requested,
    pool: annotations.get('address-pool')?.value.trim() || undefined,
    held: heldAddresses(service),
    since: sinceOf(service),
    sharing: sharingOf(service, annotations.get('allow-shared-ip')?.value),
    ports: (spec.ports ?? []).map((port) => `${port.protocol ?? 'TCP'}/${port.port}`),
    externalTrafficPolicy: spec.externalTrafficPolicy ?? 'Cluster',
    deprecated: [...annotations.values()]
      .map((annotation) => annotation.key)
      .filter((name) => name.startsWith(PREFIXES[1])),
  };
  if (requested.length > 0) checkRequest(claim, service, annotations, report);
  return { claim, problems };
}

type Report = (path: string, message: string) => void;

interface Annotation {
  readonly key: string;
  readonly value: string;
}

type Annotations = ReadonlyMap<string, Annotation>;

/** Condition that says whether a Service has its addresses. */
const ALLOCATED = 'arpeggio.dev/Allocated';

/** After every time that there is. */
const NOT_YET = '~';

/** The API server keeps whole seconds, so both times are cut to them: they compare as text. */
function sinceOf({ metadata, status }: Service): string {
  const condition = status?.conditions?.find(({ type }) => type === ALLOCATED);
  const isShown = (status?.loadBalancer?.ingress ?? []).length > 0;
  const holds = isShown && (condition === undefined || condition.status === 'True');
  const since = holds ? (condition?.lastTransitionTime ?? '').slice(0, 19) : NOT_YET;
  return `${since} ${(metadata.creationTimestamp ?? '').slice(0, 19)}`;
}

/** By suffix, whatever the prefix. */
function annotationsOf(service: Service): Annotations {
  const found = new Map<string, Annotation>();
  for (const suffix of ['loadBalancerIPs', 'address-pool', 'allow-shared-ip']) {
    for (const prefix of PREFIXES) {
      const key = prefix + suffix;
      const value = service.metadata.annotations?.[key];
      if (value !== undefined && !found.has(suffix)) found.set(suffix, { key, value });
    }
  }
  return found;
}

function annotationPath(key: string): string {
  return `metadata.annotations["${key}"]`;
}

function requestedAddresses(
  service: Service,
  annotations: Annotations,
  report: Report,
): readonly Ip[] {
  const annotation = annotations.get('loadBalancerIPs');
  // The API server keeps an empty string where a client wrote one; it asks for nothing.
  const field = service.spec.loadBalancerIP?.trim() || undefined;
  if (annotation === undefined) {
    return field === undefined ? [] : parseList([field], 'spec.loadBalancerIP', report);
  }
  const path = annotationPath(annotation.key);
  if (field !== undefined) {
    report(
      path,
      `addresses are requested twice, in spec.loadBalancerIP (${brief(field)}) and in this ` +
        `annotation (${brief(annotation.value)}); keep the annotation and remove the field`,
    );
    return [];
  }
  return parseList(annotation.value.split(','), path, report);
}

function parseList(texts: readonly string[], path: string, report: Report): readonly Ip[] {
  const addresses: Ip[] = [];
  // Else each is a problem of its own, and all of them are one condition.
  if (texts.length > 2 * MOST_PER_FAMILY) {
    const most = `at most ${MOST_PER_FAMILY} addresses of each family can be requested`;
    report(path, `${texts.length} addresses are requested, but ${most}; name fewer`);
    return [];
  }
  for (const text of texts) {
    const parsed = parseIp(text.trim());
    if (!parsed.ok) {
      report(
        path,
        `${quote(text.trim())} is not an IP address; write one such as 192.0.2.10, or one IPv4 ` +
          'and one IPv6 address separated by a comma',
      );
      continue;
    }
    const { value } = parsed;
    if (addresses.some((other) => sameIp(other, value))) {
      report(path, `${formatIp(value)} is requested twice; name each address once`);
    } else if (countOf(addresses, value.family) === MOST_PER_FAMILY) {
      const most = `at most ${MOST_PER_FAMILY} addresses of each family can be requested`;
      report(path, `${formatIp(value)} is one IPv${value.family} address too many; ${most}`);
    } else addresses.push(value);
  }
  return addresses;
}

/** A request must fit the families that the Service has. */
function checkRequest(
  claim: Claim,
  service: Service,
  annotations: Annotations,
  report: Report,
): void {
  const { families, requested } = claim;
  const annotation = annotations.get('loadBalancerIPs');
  const path = annotation === undefined ? 'spec.loadBalancerIP' : annotationPath(annotation.key);
  for (const ip of requested) {
    if (families.order.includes(ip.family)) continue;
    const has = families.order.map((family) => `IPv${family}`).join(' and ');
    report(path, `${formatIp(ip)} is requested, but the Service is ${has} only; ${FAMILY_ADVICE}`);
  }
  const missing = families.order.find((family) => countOf(requested, family) === 0);
  if (families.want === 'both' && missing !== undefined && requested.length > 0) {
    const policy = service.spec.ipFamilyPolicy ?? 'two families';
    report(
      path,
      `no IPv${missing} address is requested, but the Service needs both families (${policy}); ` +
        'request one IPv4 and one IPv6 address',
    );
  }
}

const FAMILY_ADVICE = 'change the address, or spec.ipFamilies and spec.ipFamilyPolicy';

function wantedFamilies(service: Service, requested: readonly Ip[], report: Report): Families {
  const { clusterIPs, clusterIP, ipFamilies = [], ipFamilyPolicy } = service.spec;
  const settled = clusterIPs ?? (clusterIP === undefined || clusterIP === '' ? [] : [clusterIP]);
  if (settled.length > 0) return familiesOfCluster(service, settled, report);
  const written = ipFamilies.map((family): Family => (family === 'IPv4' ? 4 : 6));
  const order = unique(written.length > 0 ? written : requested.map((ip) => ip.family));
  // The API server takes two families without a policy as RequireDualStack.
  const policy = ipFamilyPolicy ?? (order.length === 2 ? 'RequireDualStack' : 'SingleStack');
  if (policy === 'SingleStack') {
    if (order.length === 2) {
      const path = written.length === 2 ? 'spec.ipFamilies' : 'spec.ipFamilyPolicy';
      report(path, 'SingleStack allows one family; name one, or choose PreferDualStack');
    }
    return { want: 'first', order: order.length > 0 ? order : [4, 6] };
  }
  const both = unique<Family>([...order, 4, 6]);
  return { want: policy === 'RequireDualStack' ? 'both' : 'prefer', order: both };
}

function familiesOfCluster(
  service: Service,
  clusterIPs: readonly string[],
  report: Report,
): Families {
  const order: Family[] = [];
  clusterIPs.forEach((text, index) => {
    const parsed = parseIp(text);
    if (parsed.ok) order.push(parsed.value.family);
    else {
      report(
        `spec.clusterIPs[${index}]`,
        `${quote(text)} is not an IP address; a Service of type LoadBalancer needs a cluster IP`,
      );
    }
  });
  const families = unique<Family>(order.length > 0 ? order : [4]);
  const policy = service.spec.ipFamilyPolicy;
  if (families.length === 2) {
    return { want: policy === 'PreferDualStack' ? 'prefer' : 'both', order: families };
  }
  if (policy === 'RequireDualStack') {
    report(
      'spec.ipFamilyPolicy',
      'RequireDualStack needs two cluster IPs and the Service has one; make the cluster ' +
        'dual-stack or choose PreferDualStack',
    );
  }
  return { want: 'first', order: families };
}

function familiesOf(held: readonly Ip[]): Families {
  const order = unique(held.map((ip) => ip.family));
  if (order.length === 2) return { want: 'both', order };
  return { want: 'first', order: order.length === 1 ? order : [4, 6] };
}

function perFamilyOf({ metadata }: Service, report: Report): number {
  const text = metadata.annotations?.[PER_FAMILY_ANNOTATION];
  if (text === undefined) return 1;
  const count = /^[1-9]$/.test(text.trim()) ? Number(text) : NaN;
  if (count <= MOST_PER_FAMILY) return count;
  const advice = `write one from 1 to ${MOST_PER_FAMILY}`;
  const message = `${quote(text)} is not a number of addresses; ${advice}`;
  report(annotationPath(PER_FAMILY_ANNOTATION), message);
  return 1;
}

/** What an API server shows has a uid; there every Service that can be reached has a cluster IP. */
function barredBy({ metadata, spec }: Service): string | undefined {
  const clusterIP = spec.clusterIPs?.[0] ?? spec.clusterIP ?? '';
  if (clusterIP === 'None') {
    return 'a headless Service gets no address; remove spec.clusterIP: None';
  }
  if (clusterIP !== '' || metadata.uid === undefined) return undefined;
  return 'it has no cluster IP; the API server gives one to each Service of type LoadBalancer';
}

function countOf(addresses: readonly Ip[], family: Family): number {
  return addresses.filter((ip) => ip.family === family).length;
}

function sharingOf(service: Service, key: string | undefined): Sharing | undefined {
  if (key === undefined || key === '') return undefined;
  if (service.spec.externalTrafficPolicy !== 'Local') return { key, backend: '' };
  const selector = Object.entries(service.spec.selector ?? {}).toSorted(byName);
  return { key, backend: selector.map(([name, value]) => `${name}=${value}`).join(',') };
}

function byName(a: readonly [string, string], b: readonly [string, string]): number {
  return a[0] < b[0] ? -1 : 1;
}

function unique<T>(list: readonly T[]): readonly T[] {
  return [...new Set(list)];
}
