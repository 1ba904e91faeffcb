/**
 * Which links of the host are attached: those that may carry announcements, as `links.ts` says.
 * Everything that rtnetlink tells goes in, what follows for the data plane comes out. A link that
 * is left out by name may change as it likes, and nothing follows: on a node with IPVS one of them
 * holds the addresses of all Services.
 */
import type { Millis } from '../lib/time.ts';
import { formatIp } from '../net/ip.ts';
import type { Ip } from '../net/ip.ts';
import type { PlaneLink } from './dataplane.ts';
import { EXCLUDED_LINKS, isLinkLocal, subnetsOf, unusable } from './links.ts';
import type { Link, LinkIndex, LinkPrefix } from './links.ts';
import type { NamedLink } from './table.ts';
import { sameList } from './vip.ts';

export interface AttachmentOptions {
  /** Names of links left out; MetalLB's list unless told. */
  readonly excluded?: readonly RegExp[];
  /** Of links in one subnet only the first answers. */
  readonly onePerSubnet?: boolean;
}

export interface LinkChange {
  readonly attach: readonly PlaneLink[];
  readonly detach: readonly LinkIndex[];
  /** Attached as before, but not quite the same: its neighbours may be others. */
  readonly altered: readonly LinkIndex[];
  /** Nothing was attached before. */
  readonly isFirst: boolean;
}

/** A link that could not be attached is tried again after this long. */
export const ATTACH_RETRY: Millis = 1000;

/** Undefined: nothing that matters has changed. */
export type Change = LinkChange | undefined;

export class Attachment {
  readonly #excluded: readonly RegExp[];
  readonly #onePerSubnet: boolean;
  /** All links, whether they are of use or not. */
  readonly #known = new Map<LinkIndex, Link>();
  #links: ReadonlyMap<LinkIndex, NamedLink> = new Map();
  /** By link: what an attached one looked like. */
  #looks: ReadonlyMap<LinkIndex, readonly string[]> = new Map();

  constructor({ excluded = EXCLUDED_LINKS, onePerSubnet = false }: AttachmentOptions = {}) {
    this.#excluded = excluded;
    this.#onePerSubnet = onePerSubnet;
  }

  /** Those that are attached, in order of their indexes. */
  get links(): ReadonlyMap<LinkIndex, NamedLink> {
    return this.#links;
  }

  put(link: Link): Change {
    const before = this.#known.get(link.index);
    this.#known.set(link.index, link);
    return this.#matters(link) || this.#matters(before) ? this.sync() : undefined;
  }

  remove(index: LinkIndex): Change {
    const before = this.#known.get(index);
    this.#known.delete(index);
    return this.#matters(before) ? this.sync() : undefined;
  }

  /** The data plane could not attach it; the next `sync` asks for it again. */
  failed(index: LinkIndex): void {
    this.#links = new Map([...this.#links].filter(([each]) => each !== index));
  }

  /** Compares what is attached with what should be. */
  sync(): Change {
    const usable = [...this.#known.values()]
      .filter((link) => this.#isUsable(link))
      .toSorted((a, b) => a.index - b.index);
    const before = { links: this.#links, looks: this.#looks };
    this.#links = new Map(usable.map((link) => [link.index, this.#named(link)]));
    this.#looks = new Map(usable.map((link) => [link.index, this.#looksOf(link)]));
    const [attach, altered]: [PlaneLink[], LinkIndex[]] = [[], []];
    for (const [index, link] of this.#links) {
      const was = before.links.get(index);
      if (was?.mac !== link.mac || !sameIp4(was, link)) attach.push(link);
      if (was?.mac !== link.mac) continue;
      const [past, present] = [before.looks.get(index) ?? [], this.#looks.get(index) ?? []];
      if (!sameList(past, present)) altered.push(index);
    }
    const detach = [...before.links.keys()].filter((index) => !this.#links.has(index));
    if (attach.length + detach.length + altered.length === 0) return undefined;
    return { attach, detach, altered, isFirst: before.links.size === 0 };
  }

  #matters(link: Link | undefined): boolean {
    if (link === undefined) return false;
    const { master } = link;
    return this.#isUsable(link) || (master !== undefined && this.#links.has(master));
  }

  #isUsable(link: Link): boolean {
    return unusable(link, this.#excluded) === undefined;
  }

  /** Without link-local addresses, which come a second after each link. */
  #looksOf({ index, name, addresses, prefixes = [] }: Link): readonly string[] {
    const lengths = prefixes.filter(({ ip }) => !isLinkLocal(ip)).map(textOf);
    const own = addresses.filter((ip) => !isLinkLocal(ip)).map(formatIp);
    return [name, ...own, ...lengths, ...this.#portsOf(index)];
  }

  /** A segment that a bridge gets a port to has heard nothing yet; containers come too often. */
  #portsOf(master: LinkIndex): readonly string[] {
    const ports = [...this.#known.values()].filter((link) => link.master === master && link.up);
    const known = ports.filter(({ name }) => !this.#excluded.some((each) => each.test(name)));
    return known.map(({ index }) => `port ${index}`).toSorted();
  }

  #named(link: Link): NamedLink {
    const { index, mac, name, addresses } = link;
    const subnets = this.#onePerSubnet ? { subnets: subnetsOf(link) } : {};
    return { index, mac, ip4: ip4Of(link), name, addresses, ...subnets };
  }
}

function textOf({ ip, length }: LinkPrefix): string {
  return `${formatIp(ip)}/${length}`;
}

function ip4Of({ addresses }: Link): Ip | undefined {
  const all = addresses.filter(({ family }) => family === 4);
  return all.find((ip) => !isLinkLocal(ip)) ?? all[0];
}

function sameIp4(a: PlaneLink, b: PlaneLink): boolean {
  return a.ip4?.value === b.ip4?.value;
}
