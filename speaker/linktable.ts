/**
 * The links and addresses that rtnetlink tells of, as one table of `Link`s; and what changed since
 * it was last asked. Level-triggered: a listener that missed messages (ENOBUFS) clears the table,
 * asks the kernel for everything again, and hears only of real differences.
 */
import { diff } from '../lib/diff.ts';
import type { Delta } from '../lib/diff.ts';
import { compareIp, formatIp, sameIp } from '../net/ip.ts';
import type { Ip } from '../net/ip.ts';
import type { Link, LinkIndex } from './links.ts';
import type { LinkFacts, RouteEvent } from './rtnetlink.ts';

export class LinkTable {
  readonly #links = new Map<LinkIndex, LinkFacts>();
  /** Kept apart from links: an address may be told before its link. */
  readonly #addresses = new Map<LinkIndex, Map<string, Ip>>();
  #told: ReadonlyMap<string, Link> = new Map();

  /** Forgets what is known, not what was told. */
  clear(): void {
    this.#links.clear();
    this.#addresses.clear();
  }

  handle(event: RouteEvent): void {
    if (event.kind === 'link') this.#links.set(event.link.index, event.link);
    if (event.kind === 'link-gone') {
      this.#links.delete(event.index);
      this.#addresses.delete(event.index);
    }
    if (event.kind === 'address') {
      const known = this.#addresses.get(event.index) ?? new Map<string, Ip>();
      this.#addresses.set(event.index, known.set(formatIp(event.ip), event.ip));
    }
    if (event.kind === 'address-gone') {
      this.#addresses.get(event.index)?.delete(formatIp(event.ip));
    }
  }

  /** Links that are new, different or gone since the last call; keys are decimal indexes. */
  changes(): Delta<Link> {
    const links = new Map<string, Link>();
    for (const [index, facts] of this.#links) {
      const addresses = [...(this.#addresses.get(index)?.values() ?? [])].toSorted(compareIp);
      links.set(String(index), { ...facts, addresses });
    }
    const delta = diff(this.#told, links, sameLink);
    this.#told = links;
    return delta;
  }
}

function sameLink(a: Link, b: Link): boolean {
  return (
    a.name === b.name &&
    a.mac === b.mac &&
    a.up === b.up &&
    a.noarp === b.noarp &&
    a.loopback === b.loopback &&
    a.broadcast === b.broadcast &&
    a.master === b.master &&
    a.addresses.length === b.addresses.length &&
    a.addresses.every((ip, index) => sameIp(ip, b.addresses[index] ?? ip))
  );
}
