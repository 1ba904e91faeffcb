/**
 * What this node answers for. From the orders, and from who may be answering by the beats, to the
 * addresses that it would own; from there through a question to the segment (`asking.ts`) to the
 * table of the data plane, the multicast groups and the announcements. And what becomes of claims
 * by others: a stranger is told of, and the address defended.
 *
 * What this node has to let go of it lets go of at once. What it may take, and all the rest, is
 * done in portions between which beats and lease have their turn: with ten thousand addresses one
 * turn would outlast the lease.
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
import { Asking } from './asking.ts';
import type { Probe, Whose } from './asking.ts';
import { Conflicts } from './conflicts.ts';
import type { Announcement, Sighting } from './dataplane.ts';
import { Identities } from './identities.ts';
import type { LinkIndex } from './links.ts';
import { Pacer } from './pacer.ts';
import type { OutFrame, Path } from './question.ts';
import type { Conflict, Neighbour, Peer } from './reflexport.ts';
import { NOWHERE, hostAddresses, pathsOf, precedes } from './situation.ts';
import type { Situation } from './situation.ts';
import { Table, chosen } from './table.ts';
import type { Group } from './table.ts';
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

export type HoldingsOutput =
  | { readonly kind: 'apply'; readonly delta: Delta<Announcement> }
  | { readonly kind: 'groups'; readonly delta: Delta<Group> }
  | ({ readonly kind: 'send' } & OutFrame)
  /** Is somebody with a MAC that nobody knows a node of the cluster? To be told by `learn`. */
  | { readonly kind: 'resolve' };

/** So many addresses are looked at in one turn, some milliseconds of work. */
const PORTION = 500;

export class Holdings {
  readonly #options: HoldingsOptions;
  readonly #orders = new Map<string, Order>();
  readonly #table = new Table();
  readonly #asking: Asking;
  readonly #announcer: Announcer;
  readonly #conflicts = new Conflicts();
  readonly #pacer = new Pacer();
  /** Who owned an address when this was last looked at. */
  readonly #owners = new Map<string, string>();
  /** Addresses whose order has become another one; the owner before may not know it yet. */
  readonly #moved = new Set<string>();
  readonly #identities: Identities;
  #now: Instant = -Infinity;
  /** Seen before it was known whose the MAC is. */
  #unresolved: Sighting[] = [];
  readonly #out: HoldingsOutput[] = [];
  #situation: Situation = NOWHERE;
  /** The host's own addresses. */
  #hosts: ReadonlySet<string> = new Set();
  /** Of the links, for orders that name none. */
  #everywhere: readonly Path[] = [];
  /** To be looked at, in this order; before them those that a question has just cleared. */
  readonly #queue = new Set<string>();
  readonly #cleared = new Set<string>();
  /** In the table without an order, and the state of `Asking.baits` that they are from. */
  #baits: readonly string[] = [];
  #baitsSeen = 0;
  readonly #counts = { conflicts: 0, defences: 0, doubles: 0 };

  constructor(options: HoldingsOptions) {
    this.#options = options;
    const pacer = this.#pacer;
    const { random, probe, again, refresh } = options;
    const whose = (mac: Mac, key: string): Whose => this.#whose(mac, key);
    const nodeOf = (mac: Mac): string | undefined => this.#identities.nodeOf(mac);
    this.#identities = new Identities(options.nodeWith);
    this.#asking = new Asking({ random, probe, again, pacer, whose, nodeOf });
    this.#announcer = new Announcer({ random, refresh, pacer });
  }

  /** Addresses answered here; another array whenever they change. */
  get held(): readonly string[] {
    return this.#table.held;
  }

  /** Not everything has been looked at since the last change. */
  get isBusy(): boolean {
    return this.#queue.size + this.#cleared.size > 0;
  }

  conflicts(): readonly Conflict[] {
    return this.#conflicts.all().map(({ key, mac, link, withheld }) => {
      return {
        ip: key,
        mac,
        link: this.#situation.links.get(link)?.name ?? String(link),
        withheld,
      };
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
      this.#asking.drop(key);
      this.#queue.add(key);
    }
    for (const [key, order] of put) {
      this.#queue.add(key);
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
    if (whose !== 'stranger' && form !== 'probe' && this.#orders.has(key)) this.#asking.prove(key);
    // While there is a question, its answers are for it to judge.
    if (form === 'probe' || this.#asking.isOpen(key) || this.#asking.isProxy(mac, now)) return;
    if (whose === 'stranger') this.#clash(key, sighting, now);
    else if (this.#asking.isClear(key)) this.#meet(key, whose, now);
  }

  /** Whom this host's kernel knows by MAC. */
  learn(entries: readonly Neighbour[], peers: readonly Peer[], now: Instant): void {
    this.#identities.learn(entries, peers, now);
    for (const sighting of this.#unresolved.splice(0)) this.hear(sighting, now);
  }

  /** How things stand from now on. What is not this node's any more is let go of, at once. */
  follow(situation: Situation, now: Instant): void {
    this.#situation = situation;
    this.#hosts = hostAddresses(situation);
    this.#everywhere = pathsOf('all', situation);
    for (const key of this.#asking.keys()) if (!this.#heads(key)) this.#asking.drop(key);
    const isTaken = (key: string): boolean => !this.#asking.has(key) && this.#heads(key);
    for (const key of this.#ranked([...this.#orders.keys()].filter(isTaken))) this.#queue.add(key);
    for (const key of this.#orders.keys()) this.#queue.add(key);
    this.#letGo();
    this.#flush(now);
  }

  /** Something is still in the table as answered though nothing is to be; the lease is over. */
  get isStale(): boolean {
    return !this.#situation.serving && this.#table.answers > 0;
  }

  /** Does the next portion of what there is to do. */
  tick(now: Instant): void {
    this.#now = now;
    this.#asking.tick(now);
    this.#conflicts.tick(now);
    this.#takeEvents(now);
    this.#letGo();
    for (const key of this.#ranked([...this.#asking.changed])) this.#cleared.add(key);
    this.#asking.changed.clear();
    let left = PORTION;
    for (const list of [this.#cleared, this.#queue]) {
      for (const key of list) {
        if (left-- <= 0) break;
        list.delete(key);
        this.#decide(key, now);
      }
    }
    this.#bait();
    this.#flush(now);
  }

  /** Announces everything on a link again, or on all of them. */
  again(link: LinkIndex | 'all', now: Instant): void {
    this.#announcer.again(link, now);
  }

  /** What is due to be sent: questions that addresses wait for, then announcements. */
  send(now: Instant): void {
    for (const frame of [
      ...this.#asking.due(now, 'waited for'),
      ...this.#announcer.due(now),
      ...this.#asking.due(now, 'later'),
    ]) {
      this.#out.push({ kind: 'send', ...frame });
    }
  }

  poll(): HoldingsOutput | undefined {
    return this.#out.shift();
  }

  deadline(): Instant | undefined {
    if (this.isBusy || this.#asking.changed.size > 0) return this.#now;
    const at = earlier(this.#asking.deadline(), this.#announcer.deadline());
    return earlier(at, this.#conflicts.deadline());
  }

  // --- decisions ----------------------------------------------------------------------------

  /** Who owns the address as things stand. */
  #ownerOf(key: string): string | undefined {
    const { mayHold, isImpaired } = this.#situation;
    const order = this.#orders.get(key);
    if (order === undefined || this.#hosts.has(key)) return undefined;
    return ownerOf(order, mayHold, isImpaired);
  }

  #heads(key: string): boolean {
    return this.#situation.serving && this.#ownerOf(key) === this.#options.node;
  }

  #decide(key: string, now: Instant): void {
    const order = this.#orders.get(key);
    const owner = this.#situation.serving ? this.#ownerOf(key) : undefined;
    if (order !== undefined && owner === this.#options.node) {
      const { ip, interfaces, isNew } = order;
      const isEverywhere = interfaces === 'all';
      const paths = isEverywhere ? this.#everywhere : pathsOf(interfaces, this.#situation);
      this.#asking.put(key, { ip, paths, isNew, suspects: this.#suspects(key, order) }, now);
    } else {
      this.#asking.drop(key);
      if (owner !== undefined) this.#owners.set(key, owner);
      if (owner !== undefined) this.#moved.delete(key);
    }
    this.#asking.changed.delete(key);
    this.#enter(key);
  }

  /** With whom the address may be, for all that is known; the owner before us is asked for too. */
  #suspects(key: string, { owners }: Order): readonly string[] {
    const { unaccounted, peers } = this.#situation;
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

  // --- the table ----------------------------------------------------------------------------

  /** Puts the address into the table as it stands. */
  #enter(key: string): void {
    const order = this.#orders.get(key);
    const isKernels = order === undefined || this.#hosts.has(key);
    const entry = isKernels ? undefined : { order, isAnswered: this.#asking.isClear(key) };
    this.#table.put(key, entry, this.#situation.links);
  }

  /** At once, because another node may be waiting for it. Without a lease there is time. */
  #letGo(): void {
    if (!this.#situation.serving) return;
    for (const key of this.#asking.changed) {
      if (!this.#table.isAnswered(key) || this.#asking.isClear(key)) continue;
      this.#asking.changed.delete(key);
      this.#enter(key);
    }
  }

  /** What is asked for most goes first, where it makes a difference. */
  #ranked(keys: readonly string[]): readonly string[] {
    if (keys.length <= PORTION) return keys;
    const asked = new Map(keys.map((key) => [key, this.#options.asked(key)]));
    return keys.toSorted((a, b) => (asked.get(b) ?? 0) - (asked.get(a) ?? 0));
  }

  #bait(): void {
    if (this.#baitsSeen === this.#asking.baits) return;
    this.#baitsSeen = this.#asking.baits;
    const baits = [...this.#asking.decoys()];
    for (const key of this.#baits) this.#enter(key);
    for (const [key, ip] of baits) {
      if (!this.#orders.has(key) && !this.#hosts.has(key)) this.#table.watch(key, ip);
    }
    this.#baits = baits.map(([key]) => key);
  }

  #flush(now: Instant): void {
    const { answers, groups, targets } = this.#table.take();
    if (!isEmpty(answers)) this.#out.push({ kind: 'apply', delta: answers });
    if (!isEmpty(groups)) this.#out.push({ kind: 'groups', delta: groups });
    this.#announcer.change(targets, now);
  }

  #takeEvents(now: Instant): void {
    for (const event of this.#asking.events.splice(0)) {
      if (event.kind === 'free') this.#conflicts.remove(event.key);
      else this.#clash(event.key, event, now, event.withheld);
    }
  }

  /** Another node claims what we answer for: who comes after asks whether it is so. */
  #meet(key: string, whose: 'before' | 'after', now: Instant): void {
    this.#counts.doubles += 1;
    if (whose === 'before') this.#asking.contest(key, now);
    else if (this.#defend(key, now, MEETING_INTERVAL)) this.#repeat(key, now);
  }

  /** The other one goes on announcing for as long as it does not hear us: ours is the last word. */
  #repeat(key: string, now: Instant): void {
    for (const index of this.#situation.links.keys())
      this.#announcer.repeat(`${key}%${index}`, now);
  }

  #clash(
    key: string,
    { mac, link }: { readonly mac: Mac; readonly link: LinkIndex },
    now: Instant,
    withheld = false,
  ): void {
    const interfaces = this.#orders.get(key)?.interfaces ?? [];
    const name = this.#situation.links.get(link)?.name ?? '';
    // On another segment it may be somebody's by right.
    if (interfaces !== 'all' && !interfaces.includes(name)) return;
    const { version } = this.#conflicts;
    this.#conflicts.put({ key, mac, link, withheld }, now);
    if (this.#conflicts.version !== version) this.#counts.conflicts += 1;
    if (withheld || !this.#asking.isClear(key)) return;
    if (this.#defend(key, now)) this.#counts.defences += 1;
  }

  /** Says again whose it is. Where there is no room for that, the next claim is an occasion. */
  #defend(key: string, now: Instant, interval?: Millis): boolean {
    const order = this.#orders.get(key);
    if (order === undefined || !this.#pacer.hasRoom(now)) return false;
    if (!this.#conflicts.defends(key, now, interval)) return false;
    for (const { index, mac: own } of chosen(order.interfaces, this.#situation.links)) {
      const frame = announcement({ ip: order.ip, link: index, mac: own });
      if (this.#pacer.take(1, now)) this.#out.push({ kind: 'send', link: index, frame });
    }
    return true;
  }

  #isOwn(mac: Mac): boolean {
    return [...this.#situation.links.values()].some((link) => link.mac === mac);
  }

  #whose(mac: Mac, key: string): Whose {
    const identity = this.#identities.of(mac, this.#now);
    if (identity === 'stranger' || identity === 'unknown') return identity;
    const owners = this.#orders.get(key)?.owners ?? [];
    const { isImpaired } = this.#situation;
    const isBefore = precedes(identity.node, this.#options.node, owners, isImpaired);
    return isBefore ? 'before' : 'after';
  }
}
