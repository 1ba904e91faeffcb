/**
 * A cluster of reflexes in virtual time: one real Reflex machine per node, a network with delay,
 * loss and cuts, nodes that freeze, crash and come back. No data plane and no frames here: a node
 * answers for an address when its table has it and its lease runs, which is what the kernel
 * checks. Seeded, so a failing run repeats.
 */
import { seeded } from '../../lib/random.ts';
import type { Random } from '../../lib/random.ts';
import type { Instant, Millis } from '../../lib/time.ts';
import { formatIp, parseIp } from '../../net/ip.ts';
import type { Beat } from '../../speaker/heartbeat.ts';
import type { Link } from '../../speaker/links.ts';
import type { Isolation } from '../../speaker/membership.ts';
import { Reflex } from '../../speaker/reflex.ts';
import type { ReflexInput, ReflexOutput, ReflexState } from '../../speaker/reflexport.ts';
import { PROFILES } from '../../speaker/timing.ts';
import type { Timing } from '../../speaker/timing.ts';
import type { Order } from '../../speaker/vip.ts';

export interface ClusterOptions {
  readonly seed: number;
  readonly orders: Readonly<Record<string, readonly string[]>>;
  readonly isolation?: Isolation;
  readonly timing?: Timing;
  /** Probability that a datagram is lost. */
  readonly loss?: number;
  /** One-way delay, uniform between the two. */
  readonly delay?: readonly [Millis, Millis];
  /** Called after every change with who answers what; throw to fail. */
  readonly check?: (cluster: Cluster) => void;
}

interface Member {
  readonly name: string;
  reflex: Reflex;
  /** Difference of its clock to the others'. */
  readonly skew: Millis;
  table: Set<string>;
  until: Instant;
  state: ReflexState | undefined;
  frozen: boolean;
  crashed: boolean;
  announced: number;
  /** Inputs that arrived while frozen. */
  backlog: ReflexInput[];
}

const ETH0: Link = {
  index: 1,
  name: 'eth0',
  mac: '02:64:00:00:00:01',
  up: true,
  noarp: false,
  loopback: false,
  broadcast: true,
  master: undefined,
  addresses: [],
};

interface Flight {
  readonly at: Instant;
  readonly to: string;
  readonly beat: Beat;
}

export class Cluster {
  now: Instant = 0;
  readonly #options: ClusterOptions;
  readonly #random: Random;
  readonly #members = new Map<string, Member>();
  readonly #cut = new Set<string>();
  #flights: Flight[] = [];

  constructor(names: readonly string[], options: ClusterOptions) {
    this.#options = options;
    this.#random = seeded(options.seed);
    for (const name of names) this.#members.set(name, this.#newMember(name));
    for (const name of names) this.brief(name);
  }

  get names(): string[] {
    return [...this.#members.keys()];
  }

  /** Nodes whose kernel would answer for the address now. */
  answering(ip: string): string[] {
    return [...this.#members.values()]
      .filter((m) => m.table.has(ip) && this.now + m.skew < m.until)
      .map((m) => m.name);
  }

  state(name: string): ReflexState | undefined {
    return this.#member(name).state;
  }

  run(duration: Millis): void {
    const end = this.now + duration;
    for (;;) {
      const next = this.#nextEvent();
      if (next === undefined || next > end) break;
      this.now = Math.max(this.now, next);
      this.#step();
    }
    this.now = end;
    this.#options.check?.(this);
  }

  /** Runs until the condition holds; how long that took, or undefined if never in `limit`. */
  until(condition: () => boolean, limit: Millis): Millis | undefined {
    const start = this.now;
    while (!condition()) {
      if (this.now - start > limit) return undefined;
      this.run(1);
    }
    return this.now - start;
  }

  freeze(name: string): void {
    this.#member(name).frozen = true;
  }

  /** `lost`: what arrived meanwhile is gone, as when a virtual machine was paused. */
  thaw(name: string, lost = false): void {
    const member = this.#member(name);
    if (!member.frozen || member.crashed) return;
    member.frozen = false;
    // A thawed process finds its timers late and its socket full, in either order.
    const backlog = member.backlog.splice(0);
    const inputs = lost ? [] : backlog;
    const timersFirst = this.#random() < 0.5;
    if (timersFirst) member.reflex.tick(this.now + member.skew);
    for (const input of inputs) member.reflex.handle(input, this.now + member.skew);
    if (!timersFirst) member.reflex.tick(this.now + member.skew);
    this.#drain(member);
  }

  /** kill -9: the kernel drops the table with the process. */
  crash(name: string): void {
    const member = this.#member(name);
    member.crashed = true;
    member.table.clear();
  }

  restart(name: string, known: readonly string[] = this.names): void {
    this.#members.set(name, this.#newMember(name));
    this.brief(name, known);
  }

  stop(name: string): void {
    const member = this.#member(name);
    member.reflex.handle({ kind: 'stop' }, this.now + member.skew);
    this.#drain(member);
    this.crash(name);
  }

  isCrashed(name: string): boolean {
    return this.#member(name).crashed;
  }

  /** Datagrams from one to the other are lost until `heal`. */
  cutOneWay(from: string, to: string): void {
    this.#cut.add(`${from}>${to}`);
  }

  cut(name: string): void {
    for (const other of this.#members.keys()) {
      this.cutOneWay(name, other);
      this.cutOneWay(other, name);
    }
  }

  /** Takes the only data link away, or gives it back; heartbeats go another way. */
  plug(name: string, up: boolean): void {
    const member = this.#member(name);
    if (member.crashed || member.frozen) return;
    member.reflex.handle({ kind: 'link', link: { ...ETH0, up } }, this.now + member.skew);
    this.#drain(member);
  }

  /** Announcement frames sent so far. */
  announced(name: string): number {
    return this.#member(name).announced;
  }

  heal(): void {
    this.#cut.clear();
  }

  /** Heals one direction between two. */
  healOneWay(from: string, to: string): void {
    this.#cut.delete(`${from}>${to}`);
  }

  #newMember(name: string): Member {
    const boot = Array.from({ length: 16 }, () => Math.floor(this.#random() * 16).toString(16));
    return {
      name,
      reflex: new Reflex({
        node: name,
        boot: boot.join(''),
        timing: this.#options.timing ?? PROFILES.default,
        isolation: this.#options.isolation ?? 'keep',
        random: this.#random,
      }),
      skew: Math.floor(this.#random() * 1e6),
      table: new Set(),
      until: -Infinity,
      state: undefined,
      frozen: false,
      crashed: false,
      announced: 0,
      backlog: [],
    };
  }

  /** A node that is told of these peers only, as one that reads a broken list of nodes. */
  brief(name: string, known: readonly string[] = this.names, isMember = true): void {
    const member = this.#member(name);
    const at = this.now + member.skew;
    const peers = known.map((peer) => ({ name: peer, address: peer }));
    const put = new Map<string, Order>();
    for (const [text, owners] of Object.entries(this.#options.orders)) {
      const ip = parseIp(text);
      if (!ip.ok) throw new Error(ip.error);
      put.set(formatIp(ip.value), { ip: ip.value, owners, interfaces: 'all', isNew: false });
    }
    member.reflex.handle({ kind: 'link', link: ETH0 }, at);
    member.reflex.handle({ kind: 'orders', delta: { put, remove: [] } }, at);
    member.reflex.handle({ kind: 'peers', peers, member: isMember }, at);
    this.#drain(member);
  }

  #member(name: string): Member {
    const member = this.#members.get(name);
    if (member === undefined) throw new Error(`no node ${name}`);
    return member;
  }

  #nextEvent(): Instant | undefined {
    let next = this.#flights[0]?.at;
    for (const member of this.#members.values()) {
      if (member.frozen || member.crashed) continue;
      const deadline = member.reflex.deadline();
      if (deadline === undefined) continue;
      // Timers of a real process fire up to a millisecond late.
      const at = deadline - member.skew;
      if (next === undefined || at < next) next = at;
    }
    return next === undefined ? undefined : Math.max(next, this.now);
  }

  #step(): void {
    while (this.#flights[0] !== undefined && this.#flights[0].at <= this.now) {
      const flight = this.#flights.shift();
      if (flight !== undefined) this.#deliver(flight);
    }
    for (const member of this.#members.values()) {
      if (member.frozen || member.crashed) continue;
      const deadline = member.reflex.deadline();
      if (deadline !== undefined && deadline - member.skew <= this.now + 1e-6) {
        // A late timer, not an early one: at least half a tick passes, or time stands still.
        member.reflex.tick(Math.max(deadline, this.now + member.skew));
        this.#drain(member);
      }
    }
    this.#options.check?.(this);
  }

  #deliver({ to, beat }: Flight): void {
    const member = this.#member(to);
    if (member.crashed) return;
    const input: ReflexInput = { kind: 'beat', beat };
    if (member.frozen) member.backlog.push(input);
    else {
      member.reflex.handle(input, this.now + member.skew);
      this.#drain(member);
    }
  }

  #drain(member: Member): void {
    for (let out = member.reflex.poll(); out !== undefined; out = member.reflex.poll()) {
      this.#act(member, out);
    }
  }

  #act(member: Member, out: ReflexOutput): void {
    if (out.kind === 'beat') for (const to of out.to) this.#send(member.name, to, out.beat);
    if (out.kind === 'renew') member.until = out.until;
    if (out.kind === 'state') member.state = out.state;
    if (out.kind === 'send') member.announced += 1;
    if (out.kind === 'apply') {
      for (const key of out.delta.remove) member.table.delete(key);
      for (const key of out.delta.put.keys()) member.table.add(key);
    }
  }

  #send(from: string, to: string, beat: Beat): void {
    if (this.#cut.has(`${from}>${to}`) || this.#random() < (this.#options.loss ?? 0)) return;
    const [least, most] = this.#options.delay ?? [0.1, 1];
    const at = this.now + least + this.#random() * (most - least);
    // Nearly in order already, so the place is found from the end.
    let place = this.#flights.length;
    while (place > 0 && (this.#flights[place - 1]?.at ?? 0) > at) place -= 1;
    this.#flights.splice(place, 0, { at, to, beat });
  }
}
