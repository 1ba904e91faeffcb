/**
 * What this node answers for. From the orders, and from who may be answering by the beats, to the
 * addresses that it would own; from there through a question to the segment (`asking.ts`) to the
 * table of the data plane, the multicast groups and the announcements. And what becomes of claims
 * by others: a stranger is told of, and the address defended.
 *
 * The plane's table has every address that there is an order for, also other nodes', so that it can
 * see who claims them and keep this host's kernel quiet. Not in it is what really is the host's:
 * an address of a link that we use is answered by the kernel, with or without us.
 */
import { isEmpty } from '../lib/diff.ts';
import type { Delta } from '../lib/diff.ts';
import type { Random } from '../lib/random.ts';
import { earlier } from '../lib/time.ts';
import type { Instant, Millis } from '../lib/time.ts';
import { formatIp } from '../net/ip.ts';
import type { Mac } from '../net/mac.ts';
import { Announcer, announcement } from './announce.ts';
import type { Target } from './announce.ts';
import { Asking } from './asking.ts';
import type { Bid, Probe, Whose } from './asking.ts';
import { Conflicts } from './conflicts.ts';
import type { Announcement, Sighting } from './dataplane.ts';
import { isLinkLocal } from './links.ts';
import type { LinkIndex } from './links.ts';
import { Pacer } from './pacer.ts';
import type { OutFrame, Path } from './question.ts';
import type { Conflict, Neighbour, Peer } from './reflexport.ts';
import { chosen, Table } from './table.ts';
import type { Group, NamedLink } from './table.ts';
import { MEETING_INTERVAL } from './timing.ts';
import { ownerOf, sameList } from './vip.ts';
import type { Order } from './vip.ts';

export interface HoldingsOptions {
  readonly node: string;
  readonly random: Random;
  /** Between two refreshing announcements; 0: none. */
  readonly refresh?: Millis | undefined;
  readonly probe: Probe;
  /** Between two questions to an owner that answers; one beat. */
  readonly again: Millis;
  /** How often an address was asked for; those that are wanted most are announced first. */
  readonly asked: (key: string) => number;
  /** The node whose speaker, one with our secret, named the MAC. */
  readonly nodeWith: (mac: Mac) => string | undefined;
}

/** How things stand with this node and the others. */
export interface Situation {
  readonly serving: boolean;
  readonly links: ReadonlyMap<LinkIndex, NamedLink>;
  readonly mayHold: (node: string) => boolean;
  readonly isImpaired: (node: string) => boolean;
  /** Nodes, of those that there are, of which nobody knows what they do. */
  readonly unaccounted: ReadonlySet<string>;
  readonly peers: { has(node: string): boolean };
}

export type HoldingsOutput =
  | { readonly kind: 'apply'; readonly delta: Delta<Announcement> }
  | { readonly kind: 'groups'; readonly delta: Delta<Group> }
  | ({ readonly kind: 'send' } & OutFrame)
  /** Is somebody with a MAC that nobody knows a node of the cluster? To be told by `learn`. */
  | { readonly kind: 'resolve' };

/** What the neighbours' MACs are is asked for again after this long. */
const RESOLVED_FOR: Millis = 10_000;

export class Holdings {
  readonly #options: HoldingsOptions;
  readonly #orders = new Map<string, Order>();
  readonly #table = new Table();
  readonly #asking: Asking;
  readonly #announcer: Announcer;
  readonly #conflicts = new Conflicts();
  /** Who owned an address when this was last looked at. */
  readonly #owners = new Map<string, string>();
  /** Addresses whose order has become another one; the owner before may not know it yet. */
  readonly #moved = new Set<string>();
  /** Nodes by MAC, by the host's own neighbour tables. */
  #neighbours: ReadonlyMap<Mac, string> = new Map();
  #resolvedAt: Instant = -Infinity;
  #now: Instant = -Infinity;
  /** Seen before it was known whose the MAC is. */
  #unresolved: Sighting[] = [];
  readonly #out: HoldingsOutput[] = [];
  #links: ReadonlyMap<LinkIndex, NamedLink> = new Map();
  #isImpaired: Situation['isImpaired'] = () => false;
  #askingSeen = -1;
  readonly #counts = { conflicts: 0, defences: 0, doubles: 0 };

  constructor(options: HoldingsOptions) {
    this.#options = options;
    const pacer = new Pacer();
    const { random, probe, again, refresh } = options;
    const whose = (mac: Mac, key: string): Whose => this.#whose(mac, key);
    this.#asking = new Asking({ random, probe, again, pacer, whose });
    const rank = ({ ip }: Target): number => options.asked(formatIp(ip));
    this.#announcer = new Announcer({ random, refresh, pacer, rank });
  }

  /** Addresses answered here; another array whenever they change. */
  get held(): readonly string[] {
    return this.#table.held;
  }

  conflicts(): readonly Conflict[] {
    return this.#conflicts.all().map(({ key, mac, link, withheld }) => {
      return { ip: key, mac, link: this.#links.get(link)?.name ?? String(link), withheld };
    });
  }

  /** Grows when `conflicts` says something else. */
  get conflictsVersion(): number {
    return this.#conflicts.version;
  }

  /**
   * `asked`: questions begun; `occupied`: those that found the owner there; `doubles`: claims by
   * another node for what is answered here; `conflicts` with strangers, and `defences`.
   */
  get counts(): ReadonlyMap<string, number> {
    return new Map(Object.entries({ ...this.#asking.counts, ...this.#counts }));
  }

  order({ put, remove }: Delta<Order>): void {
    for (const key of remove) {
      this.#orders.delete(key);
      this.#owners.delete(key);
      this.#moved.delete(key);
      this.#asking.forget(key);
      this.#conflicts.remove(key);
    }
    for (const [key, order] of put) {
      const before = this.#orders.get(key)?.owners;
      if (before !== undefined && !sameList(before, order.owners)) this.#moved.add(key);
      this.#orders.set(key, order);
    }
  }

  hear(sighting: Sighting, now: Instant): void {
    this.#now = now;
    const { mac, form } = sighting;
    if (this.#isOwn(mac)) return;
    // Of whomever: until it is known whose the MAC is, an answer is an answer.
    this.#asking.hear(sighting, now);
    const key = formatIp(sighting.ip);
    const whose = this.#whose(mac, key);
    if (whose === 'unknown') {
      this.#unresolved.push(sighting);
      if (this.#unresolved.length === 1) this.#out.push({ kind: 'resolve' });
      return;
    }
    // While there is a question, its answers are for it to judge.
    if (form === 'probe' || this.#asking.isOpen(key) || this.#asking.isProxy(mac, now)) return;
    if (whose === 'stranger') this.#clash(key, sighting, now);
    else if (this.#asking.isClear(key)) this.#meet(key, whose, now);
  }

  /** Whom this host's kernel knows; those of them that are the cluster's nodes are no strangers. */
  learn(entries: readonly Neighbour[], peers: readonly Peer[], now: Instant): void {
    const nodes = new Map(peers.map(({ name, address }) => [address, name]));
    const theirs = entries.map(({ address, mac }) => [mac, nodes.get(address)] as const);
    this.#neighbours = new Map(
      theirs.filter((each): each is [Mac, string] => each[1] !== undefined),
    );
    this.#resolvedAt = now;
    for (const sighting of this.#unresolved.splice(0)) this.hear(sighting, now);
  }

  /** Whether something changed that only time brought about; then `publish` is due. */
  tick(now: Instant): boolean {
    this.#now = now;
    this.#asking.tick(now);
    this.#conflicts.tick(now);
    this.#takeEvents(now);
    return this.#asking.version !== this.#askingSeen;
  }

  /** Turns orders and situation into table, groups, questions and announcements. */
  publish(situation: Situation, now: Instant): void {
    this.#links = situation.links;
    this.#isImpaired = situation.isImpaired;
    const hosts = hostAddresses(situation.links);
    const bids = situation.serving ? this.#bids(situation, hosts) : new Map<string, Bid>();
    this.#asking.set(bids, now);
    this.#askingSeen = this.#asking.version;
    const { answers, groups, targets } = this.#table.set({
      orders: this.#orders,
      isAnswered: (key) => this.#asking.isClear(key),
      isHosts: (key) => hosts.has(key),
      watched: this.#asking.decoys(),
      links: situation.links,
    });
    if (!isEmpty(answers)) this.#out.push({ kind: 'apply', delta: answers });
    if (!isEmpty(groups)) this.#out.push({ kind: 'groups', delta: groups });
    this.#announcer.set(targets, now);
    this.#takeEvents(now);
  }

  /** Announces everything on a link again, or on all of them. */
  again(link: LinkIndex | 'all', now: Instant): void {
    this.#announcer.again(link, now);
  }

  /** What is due to be sent: questions before announcements. */
  send(now: Instant): void {
    for (const frame of this.#asking.due(now)) this.#out.push({ kind: 'send', ...frame });
    for (const frame of this.#announcer.due(now)) this.#out.push({ kind: 'send', ...frame });
  }

  poll(): HoldingsOutput | undefined {
    return this.#out.shift();
  }

  deadline(): Instant | undefined {
    const at = earlier(this.#asking.deadline(), this.#announcer.deadline());
    return earlier(at, this.#conflicts.deadline());
  }

  // --- decisions ----------------------------------------------------------------------------

  #bids(situation: Situation, hosts: ReadonlySet<string>): ReadonlyMap<string, Bid> {
    const { node } = this.#options;
    const { mayHold, isImpaired, links } = situation;
    const everywhere = chosen('all', links).map(pathOf);
    const bids = new Map<string, Bid>();
    for (const [key, order] of this.#orders) {
      const owner = hosts.has(key) ? undefined : ownerOf(order, mayHold, isImpaired);
      if (owner !== node) {
        if (owner !== undefined) this.#owners.set(key, owner);
        this.#moved.delete(key);
        continue;
      }
      const { ip, interfaces, isNew } = order;
      const paths = interfaces === 'all' ? everywhere : chosen(interfaces, links).map(pathOf);
      bids.set(key, { ip, paths, isNew, suspects: this.#suspects(key, order, situation) });
    }
    return bids;
  }

  /** With whom the address may be, for all that is known; the owner before us is asked for too. */
  #suspects(key: string, { owners }: Order, situation: Situation): readonly string[] {
    const { unaccounted, peers } = situation;
    if (this.#asking.isClear(key)) {
      this.#owners.set(key, this.#options.node);
      this.#moved.delete(key);
      return [];
    }
    const suspects = unaccounted.size === 0 ? [] : owners.filter((each) => unaccounted.has(each));
    const before = this.#owners.get(key) ?? this.#options.node;
    const isOthers = before !== this.#options.node && (!peers.has(before) || this.#moved.has(key));
    return isOthers && !suspects.includes(before) ? [...suspects, before] : suspects;
  }

  #takeEvents(now: Instant): void {
    for (const event of this.#asking.events.splice(0)) {
      if (event.kind === 'free') this.#conflicts.remove(event.key);
      else this.#clash(event.key, event, now, event.withheld);
    }
  }

  /** Another node answers for what we answer for: who comes after lets go, the other says so. */
  #meet(key: string, whose: 'before' | 'after', now: Instant): void {
    this.#counts.doubles += 1;
    if (whose === 'before') this.#asking.yield(key, now);
    else if (this.#conflicts.defends(key, now, MEETING_INTERVAL)) this.#sayAgain(key);
  }

  #clash(
    key: string,
    { mac, link }: { readonly mac: Mac; readonly link: LinkIndex },
    now: Instant,
    withheld = false,
  ): void {
    if (!this.#orders.has(key)) return;
    const { version } = this.#conflicts;
    this.#conflicts.put({ key, mac, link, withheld }, now);
    if (this.#conflicts.version !== version) this.#counts.conflicts += 1;
    if (withheld || !this.#asking.isClear(key) || !this.#conflicts.defends(key, now)) return;
    this.#counts.defences += 1;
    this.#sayAgain(key);
  }

  #sayAgain(key: string): void {
    const order = this.#orders.get(key);
    if (order === undefined) return;
    for (const { index, mac: own } of chosen(order.interfaces, this.#links)) {
      const frame = announcement({ ip: order.ip, link: index, mac: own });
      this.#out.push({ kind: 'send', link: index, frame });
    }
  }

  /** Does that node come before this one? Not if it is in no order of ours. */
  #precedes(node: string, key: string): boolean {
    const owners = this.#orders.get(key)?.owners ?? [];
    const [theirs, ours] = [owners.indexOf(node), owners.indexOf(this.#options.node)];
    const isWorse = this.#isImpaired(this.#options.node);
    // As in `ownerOf`: among equals the order counts.
    if (this.#isImpaired(node) !== isWorse) return theirs >= 0 && isWorse;
    return theirs >= 0 && theirs < ours;
  }

  #isOwn(mac: Mac): boolean {
    return [...this.#links.values()].some((link) => link.mac === mac);
  }

  #whose(mac: Mac, key: string): Whose {
    const node = this.#options.nodeWith(mac) ?? this.#neighbours.get(mac);
    if (node !== undefined) return this.#precedes(node, key) ? 'before' : 'after';
    return this.#now - this.#resolvedAt < RESOLVED_FOR ? 'stranger' : 'unknown';
  }
}

function pathOf({ index, mac, addresses = [] }: NamedLink): Path {
  return { index, mac, linkLocal: addresses.find((ip) => ip.family === 6 && isLinkLocal(ip)) };
}

function hostAddresses(links: ReadonlyMap<LinkIndex, NamedLink>): ReadonlySet<string> {
  const all = [...links.values()].flatMap(({ addresses = [] }) => addresses);
  return new Set(all.map(formatIp));
}
