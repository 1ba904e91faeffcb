/**
 * The links and addresses that rtnetlink tells of, as one table of `Link`s; and what changed since
 * it was last asked. Level-triggered: a listener that missed messages (ENOBUFS) clears the table,
 * asks the kernel for everything again, and hears only of real differences.
 *
 * Only links that something was heard of are looked at: an interface of IPVS may hold ten thousand
 * addresses, and most news are not of it.
 */
import type { Delta } from '../lib/diff.ts';
import { compareIp, formatIp, sameIp } from '../net/ip.ts';
import type { Link, LinkIndex, LinkPrefix } from './links.ts';
import type { LinkFacts, RouteEvent } from './rtnetlink.ts';

export class LinkTable {
  readonly #links = new Map<LinkIndex, LinkFacts>();
  /** Kept apart from links: an address may be told before its link. */
  readonly #prefixes = new Map<LinkIndex, Map<string, LinkPrefix>>();
  readonly #told = new Map<LinkIndex, Link>();
  /** Of which something was heard since `changes`. */
  readonly #touched = new Set<LinkIndex>();

  /** How many there are, of all links. */
  get addresses(): number {
    let sum = 0;
    for (const prefixes of this.#prefixes.values()) sum += prefixes.size;
    return sum;
  }

  /** Forgets what is known, not what was told. */
  clear(): void {
    this.#links.clear();
    this.#prefixes.clear();
    for (const index of this.#told.keys()) this.#touched.add(index);
  }

  handle(event: RouteEvent): void {
    if (event.kind === 'link') {
      this.#links.set(event.link.index, event.link);
      this.#touched.add(event.link.index);
    }
    if (event.kind === 'link-gone') {
      this.#links.delete(event.index);
      this.#prefixes.delete(event.index);
      this.#touched.add(event.index);
    }
    if (event.kind === 'address' || event.kind === 'address-gone') {
      const { index, ip, length } = event;
      const known = this.#prefixes.get(index) ?? new Map<string, LinkPrefix>();
      // The same address may be there with several lengths.
      const key = `${formatIp(ip)}/${length}`;
      if (event.kind === 'address') this.#prefixes.set(index, known.set(key, { ip, length }));
      else known.delete(key);
      this.#touched.add(index);
    }
  }

  /** Links that are new, different or gone since the last call; keys are decimal indexes. */
  changes(): Delta<Link> {
    const put = new Map<string, Link>();
    const remove: string[] = [];
    for (const index of this.#touched) {
      const [before, link] = [this.#told.get(index), this.#link(index)];
      if (link === undefined) {
        if (this.#told.delete(index)) remove.push(String(index));
      } else if (before === undefined || !sameLink(before, link)) {
        this.#told.set(index, link);
        put.set(String(index), link);
      }
    }
    this.#touched.clear();
    return { put, remove };
  }

  #link(index: LinkIndex): Link | undefined {
    const facts = this.#links.get(index);
    if (facts === undefined) return undefined;
    const prefixes = [...(this.#prefixes.get(index)?.values() ?? [])].toSorted(comparePrefix);
    const isFirst = ({ ip }: LinkPrefix, at: number): boolean => {
      const before = prefixes[at - 1];
      return before === undefined || !sameIp(before.ip, ip);
    };
    return { ...facts, addresses: prefixes.filter(isFirst).map(({ ip }) => ip), prefixes };
  }
}

function comparePrefix(a: LinkPrefix, b: LinkPrefix): number {
  return compareIp(a.ip, b.ip) || a.length - b.length;
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
    samePrefixes(a.prefixes, b.prefixes)
  );
}

function samePrefixes(a: Link['prefixes'] = [], b: Link['prefixes'] = []): boolean {
  if (a.length !== b.length) return false;
  return a.every(({ ip, length }, at) => {
    const other = b[at];
    return other !== undefined && sameIp(ip, other.ip) && length === other.length;
  });
}
