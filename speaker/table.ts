/**
 * From orders and attached links to what the plane shall answer and watch, which solicited-node
 * groups the host must have joined, and what is announced. Holds what was last asked for, hands out
 * only differences: a steady state is silent. One address at a time, because of ten thousand only
 * some change.
 */
import type { Delta } from '../lib/diff.ts';
import { formatIp, solicitedNode } from '../net/ip.ts';
import type { Ip } from '../net/ip.ts';
import type { Target } from './announce.ts';
import type { Announcement, PlaneLink } from './dataplane.ts';
import { firstOfSubnets } from './links.ts';
import type { LinkIndex } from './links.ts';
import { sameList } from './vip.ts';
import type { Order } from './vip.ts';

/** A multicast membership: the solicited-node group of an address, on one link. */
export interface Group {
  readonly group: Ip;
  readonly link: LinkIndex;
}

export interface NamedLink extends PlaneLink {
  readonly name: string;
  /** The link's own. */
  readonly addresses?: readonly Ip[];
  /** Where of each subnet only the first link is to answer. */
  readonly subnets?: readonly string[];
}

/** How an address stands. In no table: what nobody orders, and what is the host's. */
export interface Entry {
  readonly order: Order;
  readonly isAnswered: boolean;
}

export interface TableChange {
  readonly answers: Delta<Announcement>;
  readonly groups: Delta<Group>;
  /** By address and link. */
  readonly targets: Delta<Target>;
}

export class Table {
  readonly #entries = new Map<string, Announcement>();
  readonly #targets = new Map<string, ReadonlyMap<string, Target>>();
  /** Addresses can share a group: it is left with the last of them. */
  readonly #joined = new Map<string, { readonly group: Group; readonly keys: Set<string> }>();
  readonly #answered = new Set<string>();
  #held: readonly string[] | undefined = [];
  #change = noChange();

  /** Keys of the addresses answered; a new array whenever they change. */
  get held(): readonly string[] {
    this.#held ??= [...this.#answered];
    return this.#held;
  }

  /** How many addresses are answered. */
  get answers(): number {
    return this.#answered.size;
  }

  isAnswered(key: string): boolean {
    return this.#answered.has(key);
  }

  /** Makes this the entry of that address, as links are now. */
  put(key: string, entry: Entry | undefined, links: ReadonlyMap<LinkIndex, NamedLink>): void {
    const isAnswered = entry?.isAnswered === true;
    const where = entry !== undefined && isAnswered ? chosen(entry.order.interfaces, links) : [];
    if (isAnswered !== this.#answered.has(key)) this.#held = undefined;
    if (isAnswered) this.#answered.add(key);
    else this.#answered.delete(key);
    this.#announce(key, entry && announcementOf(entry, where, links.size));
    this.#aim(key, entry?.order.ip, where);
  }

  /** An address that nobody orders, but that is to be watched. */
  watch(key: string, ip: Ip): void {
    this.#announce(key, { ip, links: 'all', role: 'watch' });
  }

  /** What has changed since the last time. */
  take(): TableChange {
    const { answers, groups, targets } = this.#change;
    this.#change = noChange();
    return { answers: asDelta(answers), groups: asDelta(groups), targets: asDelta(targets) };
  }

  #announce(key: string, wanted: Announcement | undefined): void {
    const before = this.#entries.get(key);
    if (wanted === undefined) {
      if (this.#entries.delete(key)) this.#change.answers.set(key, undefined);
    } else if (before === undefined || !sameAnnouncement(before, wanted)) {
      this.#entries.set(key, wanted);
      this.#change.answers.set(key, wanted);
    }
  }

  #aim(key: string, ip: Ip | undefined, where: readonly NamedLink[]): void {
    const before = this.#targets.get(key);
    const wanted = new Map<string, Target>();
    for (const { index, mac } of ip === undefined ? [] : where) {
      wanted.set(`${key}%${index}`, { ip: ip as Ip, link: index, mac });
    }
    for (const [each, target] of before ?? []) {
      if (wanted.has(each)) continue;
      this.#change.targets.set(each, undefined);
      this.#leave(key, target);
    }
    for (const [each, target] of wanted) {
      if (before?.get(each)?.mac === target.mac) continue;
      this.#change.targets.set(each, target);
      this.#join(key, target);
    }
    if (wanted.size === 0) this.#targets.delete(key);
    else this.#targets.set(key, wanted);
  }

  #join(key: string, { ip, link }: Target): void {
    if (ip.family === 4) return;
    const group = { group: solicitedNode(ip), link };
    const name = nameOf(group);
    const joined = this.#joined.get(name);
    if (joined !== undefined) joined.keys.add(key);
    else {
      this.#joined.set(name, { group, keys: new Set([key]) });
      this.#change.groups.set(name, group);
    }
  }

  #leave(key: string, { ip, link }: Target): void {
    if (ip.family === 4) return;
    const name = nameOf({ group: solicitedNode(ip), link });
    const joined = this.#joined.get(name);
    joined?.keys.delete(key);
    if (joined?.keys.size !== 0) return;
    this.#joined.delete(name);
    this.#change.groups.set(name, undefined);
  }
}

/** What is to become of each key; undefined: it goes. */
type Change<T> = Map<string, T | undefined>;

function noChange() {
  return {
    answers: new Map() as Change<Announcement>,
    groups: new Map() as Change<Group>,
    targets: new Map() as Change<Target>,
  };
}

function asDelta<T>(change: Change<T>): Delta<T> {
  const put = new Map<string, T>();
  const remove: string[] = [];
  for (const [key, value] of change) {
    if (value === undefined) remove.push(key);
    else put.set(key, value);
  }
  return { put, remove };
}

function nameOf({ group, link }: Group): string {
  return `${formatIp(group)}%${link}`;
}

function announcementOf(
  { order, isAnswered }: Entry,
  where: readonly NamedLink[],
  links: number,
): Announcement {
  const { ip, interfaces } = order;
  if (!isAnswered) return { ip, links: 'all', role: 'watch' };
  const isEverywhere = interfaces === 'all' && where.length === links;
  return { ip, links: isEverywhere ? 'all' : indexesOf(where), role: 'answer' };
}

/** The links that an order is announced on; of a subnet the first of them. */
export function chosen(
  interfaces: Order['interfaces'],
  links: ReadonlyMap<LinkIndex, NamedLink>,
): readonly NamedLink[] {
  const all = [...links.values()];
  return firstOfSubnets(
    interfaces === 'all' ? all : all.filter(({ name }) => interfaces.includes(name)),
  );
}

function indexesOf(links: readonly NamedLink[]): readonly LinkIndex[] {
  return links.map(({ index }) => index);
}

function sameAnnouncement(a: Announcement, b: Announcement): boolean {
  if (a.role !== b.role) return false;
  if (a.links === 'all' || b.links === 'all') return a.links === b.links;
  return sameList(a.links, b.links);
}
