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
    for (const [key, order] of owned) wanted.set(key, announcement(order, links));
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

function announcement(order: Order, links: ReadonlyMap<LinkIndex, NamedLink>): Announcement {
  const { ip, interfaces } = order;
  if (interfaces === 'all') return { ip, links: 'all' };
  const chosen = [...links.values()].filter((link) => interfaces.includes(link.name));
  return { ip, links: chosen.map((link) => link.index) };
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
