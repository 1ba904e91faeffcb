/**
 * From orders and attached links to what the plane shall answer and watch, which solicited-node
 * groups the host must have joined, and what is announced. Holds what was last asked for, hands out
 * only differences: a steady state is silent.
 */
import { diff } from '../lib/diff.ts';
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

/** What the table is made of. */
export interface Entries {
  readonly orders: ReadonlyMap<string, Order>;
  readonly isAnswered: (key: string) => boolean;
  /** Left to the kernel: the address is really the host's. */
  readonly isHosts: (key: string) => boolean;
  /** Watched beside the orders. */
  readonly watched: Iterable<readonly [string, Ip]>;
  readonly links: ReadonlyMap<LinkIndex, NamedLink>;
}

export interface TableChange {
  readonly answers: Delta<Announcement>;
  readonly groups: Delta<Group>;
  /** All targets, keyed by address and link; the announcer finds what is new. */
  readonly targets: ReadonlyMap<string, Target>;
}

export class Table {
  #entries: ReadonlyMap<string, Announcement> = new Map();
  #groups: ReadonlyMap<string, Group> = new Map();
  /** Keys of the addresses answered; a new array whenever they change. */
  held: readonly string[] = [];

  set({ orders, isAnswered, isHosts, watched, links }: Entries): TableChange {
    const wanted = new Map<string, Announcement>();
    const targets = new Map<string, Target>();
    const joined = new Map<string, Group>();
    const held: string[] = [];
    const everywhere = chosen('all', links);
    const all = everywhere.length === links.size ? 'all' : indexesOf(everywhere);
    for (const [key, ip] of watched) wanted.set(key, { ip, links: 'all', role: 'watch' });
    for (const [key, { ip, interfaces }] of orders) {
      if (isHosts(key)) continue;
      if (!isAnswered(key)) {
        wanted.set(key, { ip, links: 'all', role: 'watch' });
        continue;
      }
      held.push(key);
      const where = interfaces === 'all' ? everywhere : chosen(interfaces, links);
      wanted.set(key, { ip, links: interfaces === 'all' ? all : indexesOf(where), role: 'answer' });
      for (const { index, mac } of where) {
        targets.set(`${key}%${index}`, { ip, link: index, mac });
        if (ip.family === 4) continue;
        // Addresses can share a group: a set by group and link, joined once.
        const group = solicitedNode(ip);
        joined.set(`${formatIp(group)}%${index}`, { group, link: index });
      }
    }
    const answers = diff(this.#entries, wanted, sameAnnouncement);
    const groups = diff(this.#groups, joined, () => true);
    this.#entries = wanted;
    this.#groups = joined;
    if (!sameList(held, this.held)) this.held = held;
    return { answers, groups, targets };
  }
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
