/**
 * A cluster of reflexes in virtual time: one real Reflex machine per node on the model of a data
 * plane, a segment that carries real frames, a network with delay, loss and cuts, nodes that
 * freeze, crash and come back, and hosts that are none of the cluster's. Seeded, so a failing run
 * repeats.
 */
import { seeded } from '../../lib/random.ts';
import type { Random } from '../../lib/random.ts';
import type { Instant, Millis } from '../../lib/time.ts';
import { formatIp, parseIp } from '../../net/ip.ts';
import { macFromBytes } from '../../net/mac.ts';
import type { Beat } from '../../speaker/heartbeat.ts';
import type { Reachability } from '../../speaker/impairment.ts';
import type { ReflexInput, ReflexOutput, ReflexState } from '../../speaker/reflexport.ts';
import type { Order } from '../../speaker/vip.ts';
import { eth0, newMember } from './member.ts';
import type { Member, MemberOptions } from './member.ts';

export interface ClusterOptions extends Omit<MemberOptions, 'random'> {
  readonly seed: number;
  readonly orders: Readonly<Record<string, readonly string[]>>;
  /** Probability that a datagram is lost. */
  readonly loss?: number;
  /** Addresses that nobody has announced yet; else all have been. */
  readonly isNew?: readonly string[];
  /** One-way delay, uniform between the two. */
  readonly delay?: readonly [Millis, Millis];
  /** Called after every change with who answers what; throw to fail. */
  readonly check?: (cluster: Cluster) => void;
}

/** A beat on its way, or a frame. */
type Flight = { readonly at: Instant; readonly to: string } & (
  { readonly beat: Beat } | { readonly frame: Uint8Array }
);

/** A host on the segment: what it sends back for a frame, if anything. */
export type Stranger = (frame: Uint8Array) => readonly Uint8Array[];

export class Cluster {
  now: Instant = 0;
  readonly #options: ClusterOptions;
  readonly #random: Random;
  readonly #members = new Map<string, Member>();
  readonly #cut = new Set<string>();
  /** Beats are lost, frames are not. */
  readonly #deaf = new Set<string>();
  readonly #strangers = new Map<string, Stranger>();
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

  /** A host of somebody else; it hears every frame. */
  stranger(name: string, host: Stranger): void {
    this.#strangers.set(name, host);
  }

  /** A frame from a host that is none of the cluster's. */
  broadcast(from: string, frame: Uint8Array): void {
    this.#carry(from, frame);
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
    this.#look(member);
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
    member.plane.close();
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

  /** Beats from and to it are lost until `heal`, and nothing else. */
  mute(name: string): void {
    for (const other of this.#members.keys()) {
      this.#deaf.add(`${name}>${other}`);
      this.#deaf.add(`${other}>${name}`);
    }
  }

  /** Beats and frames from one to the other are lost until `heal`. */
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
    member.reflex.handle({ kind: 'link', link: { ...member.link, up } }, this.now + member.skew);
    this.#drain(member);
  }

  /** Takes a node's gateway away, or gives it back. */
  gateway(name: string, reach: Reachability): void {
    const member = this.#member(name);
    if (member.crashed || member.frozen) return;
    member.reflex.handle({ kind: 'gateway', reach }, this.now + member.skew);
    this.#drain(member);
  }

  /** Announcement frames sent so far. */
  announced(name: string): number {
    return this.#member(name).announced;
  }

  heal(): void {
    this.#cut.clear();
    this.#deaf.clear();
  }

  /** Heals one direction between two. */
  healOneWay(from: string, to: string): void {
    this.#cut.delete(`${from}>${to}`);
  }

  #newMember(name: string): Member {
    const link = this.#members.get(name)?.link ?? eth0(this.#members.size + 1);
    return newMember(name, link, { ...this.#options, random: this.#random });
  }

  /** A node that is told of these peers only, as one that reads a broken list of nodes. */
  brief(
    name: string,
    known: readonly string[] = this.names,
    isMember = true,
    candidates: readonly string[] = this.names,
  ): void {
    const member = this.#member(name);
    const at = this.now + member.skew;
    const peers = known.map((peer) => ({ name: peer, address: peer }));
    const put = new Map<string, Order>();
    for (const [text, owners] of Object.entries(this.#options.orders)) {
      const ip = parseIp(text);
      if (!ip.ok) throw new Error(ip.error);
      const isNew = this.#options.isNew?.includes(text) === true;
      const own = owners.filter((each) => candidates.includes(each));
      put.set(formatIp(ip.value), { ip: ip.value, owners: own, interfaces: 'all', isNew });
    }
    member.reflex.handle({ kind: 'link', link: member.link }, at);
    // As the brain does it.
    member.reflex.handle({ kind: 'peers', peers, member: isMember }, at);
    member.reflex.handle({ kind: 'orders', delta: { put, remove: [] } }, at);
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
        this.#look(member);
        // A late timer, not an early one: at least half a tick passes, or time stands still.
        member.reflex.tick(Math.max(deadline, this.now + member.skew));
        this.#drain(member);
      }
    }
    this.#options.check?.(this);
  }

  #deliver(flight: Flight): void {
    if ('frame' in flight) {
      this.#receive(flight.to, flight.frame);
      return;
    }
    const { to, beat } = flight;
    const member = this.#member(to);
    if (member.crashed) return;
    const input: ReflexInput = { kind: 'beat', beat };
    if (member.frozen) member.backlog.push(input);
    else {
      this.#look(member);
      member.reflex.handle(input, this.now + member.skew);
      this.#drain(member);
    }
  }

  /** The kernel's part: it answers also while the process is frozen. */
  #receive(to: string, frame: Uint8Array): void {
    const host = this.#strangers.get(to);
    for (const reply of host?.(frame) ?? []) this.#carry(to, reply);
    const member = this.#members.get(to);
    if (member === undefined || member.crashed) return;
    const { reply } = member.plane.receive(member.link, frame, this.now + member.skew);
    if (reply !== undefined) this.#carry(to, reply);
  }

  /** What the kernel has seen is read when the process wakes. */
  #look(member: Member): void {
    for (const sighting of member.plane.sightings()) {
      member.reflex.handle({ kind: 'sighting', sighting }, this.now + member.skew);
      this.#drain(member);
    }
  }

  /** A switch: to everybody, or to whom the frame is for. */
  #carry(from: string, frame: Uint8Array): void {
    const to = macFromBytes(frame.subarray(0, 6));
    const isGroup = ((frame[0] ?? 0) & 1) === 1;
    for (const { name, link } of this.#members.values()) {
      if (name !== from && (isGroup || to === link.mac)) this.#launch(from, name, { frame });
    }
    for (const name of this.#strangers.keys()) {
      if (name !== from) this.#launch(from, name, { frame });
    }
  }

  #drain(member: Member): void {
    for (let out = member.reflex.poll(); out !== undefined; out = member.reflex.poll()) {
      this.#act(member, out);
    }
  }

  #act(member: Member, out: ReflexOutput): void {
    switch (out.kind) {
      case 'beat':
        for (const to of out.to) this.#beat(member.name, to, out.beat);
        break;
      case 'attach':
        member.plane.attach(out.link);
        break;
      case 'detach':
        member.plane.detach(out.index);
        break;
      case 'renew':
        member.until = out.until;
        member.plane.renew(out.until);
        break;
      case 'state':
        member.state = out.state;
        break;
      case 'send':
        member.announced += 1;
        this.#carry(member.name, out.frame);
        break;
      case 'apply':
        member.plane.apply(out.delta);
        for (const key of out.delta.remove) member.table.delete(key);
        for (const [key, { role }] of out.delta.put) {
          if (role === 'answer') member.table.add(key);
          else member.table.delete(key);
        }
        break;
      case 'resolve':
        this.#resolve(member);
        break;
      case 'groups':
      case 'stopped':
        break;
    }
  }

  /** Whom the host's kernel knows by MAC: it exchanges beats with all of them. */
  #resolve(member: Member): void {
    const others = [...this.#members.values()].filter(({ name }) => name !== member.name);
    const entries = others.map(({ name, link }) => ({ address: name, mac: link.mac }));
    member.reflex.handle({ kind: 'neighbours', entries }, this.now + member.skew);
  }

  #beat(from: string, to: string, beat: Beat): void {
    if (!this.#deaf.has(`${from}>${to}`)) this.#launch(from, to, { beat });
  }

  #launch(from: string, to: string, what: { beat: Beat } | { frame: Uint8Array }): void {
    if (this.#cut.has(`${from}>${to}`) || this.#random() < (this.#options.loss ?? 0)) return;
    const [least, most] = this.#options.delay ?? [0.1, 1];
    const at = this.now + least + this.#random() * (most - least);
    // Nearly in order already, so the place is found from the end.
    let place = this.#flights.length;
    while (place > 0 && (this.#flights[place - 1]?.at ?? 0) > at) place -= 1;
    this.#flights.splice(place, 0, { at, to, ...what });
  }
}
