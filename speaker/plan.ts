/**
 * From the objects to the reflex's orders: per address, which nodes may own it, best first.
 *
 * Unit of election: Services that share an address, directly or through others, move together,
 * keyed by the first status address of the first of them, as MetalLB keys by a Service's first
 * address. Their candidates are intersected, or two nodes could each be right about half of them.
 *
 * Pure and complete: the whole plan from the whole snapshot. What is expensive in it, the hash
 * order of ten thousand addresses, is remembered between calls by `Planner`.
 */
import type { Config } from '../config/model.ts';
import { ANNOUNCED_BY, heldAddresses, isOurs } from '../config/claim.ts';
import type { EndpointSlice, Node, Service } from '../kube/objects.ts';
import { keyOf } from '../kube/objects.ts';
import { formatIp } from '../net/ip.ts';
import type { Ip } from '../net/ip.ts';
import { contains } from '../net/range.ts';
import { advertisementsOf, candidates, interfacesOf } from '../owners/candidates.ts';
import type { NoCandidate } from '../owners/candidates.ts';
import { elect } from '../owners/elect.ts';
import type { Order } from './vip.ts';

/** Why an address with a Service is not announced by anybody. */
export type Silence = NoCandidate | 'NoAddress' | 'AddressInNoPool' | 'NoCommonNode';

export const SENTENCES: Readonly<Record<Silence, string>> = {
  NoAddress: 'it has no address yet',
  AddressInNoPool: 'its addresses are not all in one pool',
  NoServingEndpoint: 'none of its endpoints serves',
  NoMatchingAdvertisement: 'no L2Advertisement covers its pool and labels',
  NoEligibleNode: 'no node is selected, free of the exclude label and has its network available',
  NoLocalEndpoint: 'no eligible node runs one of its endpoints (externalTrafficPolicy: Local)',
  NoCommonNode: 'the Services that share its address have no eligible node in common',
};

export interface Snapshot {
  readonly config: Config;
  readonly services: ReadonlyMap<string, Service>;
  /** By Service key. */
  readonly slices: ReadonlyMap<string, readonly EndpointSlice[]>;
  readonly nodes: ReadonlyMap<string, Node>;
}

export interface Plan {
  /** By canonical address. */
  readonly orders: ReadonlyMap<string, Order>;
  /** By Service key: Services of ours that nobody announces, and why. */
  readonly silent: ReadonlyMap<string, Silence>;
  /** By canonical address: the Services that hold it. */
  readonly holders: ReadonlyMap<string, readonly string[]>;
}

interface Member {
  readonly key: string;
  readonly service: Service;
  readonly ips: readonly Ip[];
  readonly pool: string;
}

/** The nodes that a group's members have in common, and their preferences. */
interface Eligible {
  readonly nodes: readonly string[];
  readonly weights: ReadonlyMap<string, number>;
}

/** What flags change about who is served. */
export interface Scope {
  /** undefined: Services without a class. */
  readonly lbClass: string | undefined;
  /** Nodes with the exclude label may announce all the same. */
  readonly ignoreExclude: boolean;
}

const EVERYTHING: Scope = { lbClass: undefined, ignoreExclude: false };

export class Planner {
  readonly #self: string;
  readonly #scope: Scope;
  /** Hash orders by address, for one set of node names. */
  #memo = new Map<string, readonly string[]>();
  #memoFor = '';

  constructor(self: string, scope = EVERYTHING) {
    this.#self = self;
    this.#scope = scope;
  }

  plan(snapshot: Snapshot): Plan {
    const silent = new Map<string, Silence>();
    const members = membersOf(snapshot, silent, this.#scope);
    const orders = new Map<string, Order>();
    const holders = new Map<string, string[]>();
    this.#prepare(snapshot);
    for (const { key, ips } of members) for (const ip of ips) put(holders, formatIp(ip), key);
    for (const group of groupsOf(members)) {
      const { able, nodes, weights } = candidatesOf(group, snapshot, silent, this.#scope);
      if (nodes.length > 0) this.#order(able, { nodes, weights }, snapshot, orders);
      else for (const { key } of able) silent.set(key, 'NoCommonNode');
    }
    return { orders, silent, holders };
  }

  #prepare({ nodes }: Snapshot): void {
    const names = [...nodes.keys()].toSorted().join();
    if (names === this.#memoFor) return;
    this.#memoFor = names;
    this.#memo = new Map();
  }

  #order(
    group: readonly Member[],
    found: Eligible,
    snapshot: Snapshot,
    orders: Map<string, Order>,
  ): void {
    const first = group[0]?.ips[0];
    if (first === undefined) return;
    const owners = this.#owners(formatIp(first), found, snapshot);
    for (const member of group) {
      const self = snapshot.nodes.get(this.#self);
      const ads = advertisementsOf(member.service, member.pool, snapshot.config);
      const interfaces = self === undefined ? [] : interfacesOf(ads, self);
      for (const ip of member.ips) {
        const key = formatIp(ip);
        const before = orders.get(key);
        const isNew = before?.isNew !== false && isUnannounced(member.service);
        const all = united(before?.interfaces ?? [], interfaces);
        orders.set(key, { ip, owners, interfaces: all, isNew });
      }
    }
  }

  #owners(ip: string, found: Eligible, { nodes }: Snapshot): readonly string[] {
    if (found.weights.size > 0) return elect(found.nodes, ip, found.weights);
    let all = this.#memo.get(ip);
    if (all === undefined) {
      all = elect([...nodes.keys()], ip);
      this.#memo.set(ip, all);
    }
    if (found.nodes.length === all.length) return all;
    const eligible = new Set(found.nodes);
    return all.filter((name) => eligible.has(name));
  }
}

/** The Services of ours that hold addresses of one pool; the others are noted as silent. */
function membersOf(snapshot: Snapshot, silent: Map<string, Silence>, { lbClass }: Scope): Member[] {
  const members: Member[] = [];
  for (const service of snapshot.services.values()) {
    if (!isOurs(service, lbClass)) continue;
    const key = keyOf(service);
    const ips = heldAddresses(service);
    const pool = poolOf(ips, snapshot.config);
    if (ips.length === 0) silent.set(key, 'NoAddress');
    else if (pool === undefined) silent.set(key, 'AddressInNoPool');
    else members.push({ key, service, ips, pool });
  }
  return members.toSorted((a, b) => (a.key < b.key ? -1 : 1));
}

/** The pool that contains all of them. */
function poolOf(ips: readonly Ip[], config: Config): string | undefined {
  for (const pool of config.pools.values()) {
    if (ips.every((ip) => pool.ranges.some((range) => contains(range, ip)))) return pool.name;
  }
  return undefined;
}

/** Members connected through shared addresses, each group in the members' order. */
function groupsOf(members: readonly Member[]): Member[][] {
  const groupOf = new Map<string, Member[]>();
  const groups = new Set<Member[]>();
  for (const member of members) {
    const group: Member[] = [];
    for (const ip of member.ips) {
      const other = groupOf.get(formatIp(ip));
      if (other === undefined || other === group) continue;
      group.push(...other);
      groups.delete(other);
      for (const { ips } of other) for (const each of ips) groupOf.set(formatIp(each), group);
    }
    group.push(member);
    for (const ip of member.ips) groupOf.set(formatIp(ip), group);
    groups.add(group);
  }
  return [...groups];
}

/**
 * What the members of a group have in common. A Service that nobody can serve is noted as silent
 * and left out: it must not silence those it shares an address with.
 */
function candidatesOf(
  group: readonly Member[],
  snapshot: Snapshot,
  silent: Map<string, Silence>,
  { ignoreExclude }: Scope,
): Eligible & { readonly able: readonly Member[] } {
  const { config, nodes } = snapshot;
  const able: Member[] = [];
  let common: Eligible | undefined;
  for (const member of group) {
    const { key, service, pool } = member;
    const slices = snapshot.slices.get(key) ?? [];
    const all = nodes.values();
    const found = candidates({ service, pool, slices, nodes: all, config, ignoreExclude });
    if (found.reason !== undefined) {
      silent.set(key, found.reason);
      continue;
    }
    able.push(member);
    const both = common?.nodes.filter((name) => found.nodes.includes(name));
    common = { nodes: both ?? found.nodes, weights: common?.weights ?? found.weights };
  }
  return { able, nodes: common?.nodes ?? [], weights: common?.weights ?? new Map() };
}

/** The controller says on a Service who announces it; without controllers nobody does. */
function isUnannounced({ metadata }: Service): boolean {
  return (metadata.annotations?.[ANNOUNCED_BY] ?? '') === '';
}

function united(a: Order['interfaces'], b: Order['interfaces']): Order['interfaces'] {
  if (a === 'all' || b === 'all') return 'all';
  return [...new Set([...a, ...b])].toSorted();
}

function put(map: Map<string, string[]>, key: string, value: string): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
