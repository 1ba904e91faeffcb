/**
 * From orders and attached links to what the plane shall answer, which solicited-node groups the
 * host must have joined, and what is announced. Holds what was last asked for, hands out only
 * differences: a steady state is silent.
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
  /** Where of each subnet only the first link is to answer. */
  readonly subnets?: readonly string[];
}

export interface TableChange {
  readonly answers: Delta<Announcement>;
  readonly groups: Delta<Group>;
  /** All targets, keyed by address and link; the announcer finds what is new. */
  readonly targets: ReadonlyMap<string, Target>;
}

export class Table {
  #answers = new Map<string, Announcement>();
  #groups = new Map<string, Group>();
  /** Keys of the addresses answered; a new array whenever they change. */
  held: readonly string[] = [];

  /** Makes these orders, all owned here, the table. */
  set(owned: ReadonlyMap<string, Order>, links: ReadonlyMap<LinkIndex, NamedLink>): TableChange {
    const wanted = new Map<string, Announcement>();
    const all = firstOfSubnets([...links.values()]);
    const everywhere = all.length === links.size ? 'all' : all.map(({ index }) => index);
    for (const [key, order] of owned) {
      const { ip, interfaces } = order;
      const where = interfaces === 'all' ? everywhere : indexesOf(interfaces, links);
      wanted.set(key, { ip, links: where, role: 'answer' });
    }
    const answers = diff(this.#answers, wanted, sameAnnouncement);
    this.#answers = wanted;
    if (answers.remove.length > 0 || answers.put.size > 0) this.held = [...wanted.keys()];

    const targets = new Map<string, Target>();
    const joined = new Map<string, Group>();
    for (const [key, { ip, links: where }] of wanted) {
      for (const link of where === 'all' ? links.values() : named(where, links)) {
        targets.set(`${key}%${link.index}`, { ip, link: link.index, mac: link.mac });
        if (ip.family === 4) continue;
        // Addresses can share a group: a set by group and link, joined once.
        const group = solicitedNode(ip);
        joined.set(`${formatIp(group)}%${link.index}`, { group, link: link.index });
      }
    }
    const groups = diff(this.#groups, joined, () => true);
    this.#groups = joined;
    return { answers, groups, targets };
  }
}

/** Those that are chosen by name; of a subnet the first of them. */
function indexesOf(
  names: readonly string[],
  links: ReadonlyMap<LinkIndex, NamedLink>,
): readonly LinkIndex[] {
  const chosen = [...links.values()].filter(({ name }) => names.includes(name));
  return firstOfSubnets(chosen).map(({ index }) => index);
}

function named(
  indexes: readonly LinkIndex[],
  links: ReadonlyMap<LinkIndex, NamedLink>,
): NamedLink[] {
  return indexes.map((index) => links.get(index)).filter((link) => link !== undefined);
}

function sameAnnouncement(a: Announcement, b: Announcement): boolean {
  if (a.links === 'all' || b.links === 'all') return a.links === b.links;
  return sameList(a.links, b.links);
}
