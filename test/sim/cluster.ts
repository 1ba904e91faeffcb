/**
 * A cluster of reflexes in virtual time: one real Reflex machine per node on the model of a data
 * plane, a segment that carries real frames, a network with delay, loss and cuts, nodes that
 * freeze, crash and come back, and hosts that are none of the cluster's. Seeded, so a failing run
 * repeats.
 */
import { seeded } from '../../lib/random.ts';
import type { Random } from '../../lib/random.ts';
import type { Instant, Millis } from '../../lib/time.ts';
import type { Beat } from '../../speaker/heartbeat.ts';
import type { Reachability } from '../../speaker/impairment.ts';
import type { ReflexInput, ReflexOutput, ReflexState } from '../../speaker/reflexport.ts';
import type { Happening, Watcher } from './happening.ts';
import { Heap } from './heap.ts';
import { Ledger } from './ledger.ts';
import { eth0, localTime, newMember } from './member.ts';
import type { Member, MemberOptions } from './member.ts';
import { Segment } from './segment.ts';
import type { SegmentOptions } from './segment.ts';
import { Voices } from './voices.ts';

export interface ClusterOptions
  extends Omit<MemberOptions, 'random'>, Omit<SegmentOptions, 'random'> {
  readonly seed: number;
  readonly orders: Readonly<Record<string, readonly string[]>>;
  /** Addresses that nobody has announced yet; else all have been. */
  readonly isNew?: readonly string[];
  /** Timers fire late by up to this. */
  readonly late?: Millis;
  /** Called after every change with who answers what; throw to fail. */
  readonly check?: (cluster: Cluster) => void;
}

/** A host on the segment: what it sends back for a frame, if anything. */
export type Stranger = (frame: Uint8Array) => readonly Uint8Array[];

/** Beats that a socket holds for a process that does not read: 212 kB, Linux' usual limit. */
const SOCKET_HOLDS = 256;

export class Cluster {
  now: Instant = 0;
  watcher: Watcher | undefined;
  readonly segment: Segment;
  readonly voices = new Voices();
  readonly orders = new Ledger();
  readonly #options: ClusterOptions;
  readonly #random: Random;
  readonly #members = new Map<string, Member>();
  readonly #strangers = new Map<string, Stranger>();
  readonly #happenings = new Heap<Happening>();

  constructor(names: readonly string[], options: ClusterOptions) {
    this.#options = options;
    this.#random = seeded(options.seed);
    this.segment = new Segment({ ...options, random: this.#random });
    for (const [ip, owners] of Object.entries(options.orders)) {
      this.orders.set(ip, owners, options.isNew?.includes(ip) === true);
    }
    for (const name of names) {
      this.segment.add(name);
      this.#members.set(name, this.#newMember(name));
    }
    for (const name of names) this.brief(name);
  }

  get names(): string[] {
    return [...this.#members.keys()];
  }

  /** A host of somebody else; it hears every frame. */
  stranger(name: string, host: Stranger): void {
    this.segment.add(name);
    this.#strangers.set(name, host);
  }

  /** A frame from a host that is none of the cluster's. */
  broadcast(from: string, frame: Uint8Array): void {
    this.#carry(from, frame);
  }

  /** Calls back at that instant. */
  at(at: Instant, call: () => void): void {
    this.#happenings.push({ at, order: 0, kind: 'call', call });
  }

  /** Nodes whose kernel would answer for the address now. */
  answering(ip: string): string[] {
    return this.voices.answering(ip, this.now);
  }

  /** To look at, not to change. */
  member(name: string): Member {
    return this.#member(name);
  }

  state(name: string): ReflexState | undefined {
    return this.#member(name).state;
  }

  run(duration: Millis): void {
    const end = this.now + duration;
    for (;;) {
      const next = this.#happenings.first;
      if (next === undefined || next.at > end) break;
      this.#happenings.pop();
      this.now = Math.max(this.now, next.at);
      this.#take(next);
      this.#options.check?.(this);
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

  // --- nodes --------------------------------------------------------------------------------

  freeze(name: string): void {
    const member = this.#member(name);
    if (member.frozen) return;
    member.frozen = true;
    member.frozenAt = this.now;
  }

  /** `lost`: the beats that arrived meanwhile are gone, as when a virtual machine was paused. */
  thaw(name: string, lost = false): void {
    const member = this.#member(name);
    if (!member.frozen || member.crashed) return;
    member.frozen = false;
    // A thawed process finds its timers late and its socket full, in either order.
    const backlog = member.backlog.splice(0);
    const inputs = lost ? backlog.filter(({ kind }) => kind !== 'beat') : backlog;
    const timersFirst = this.#random() < 0.5;
    const now = localTime(member, this.now);
    this.#look(member);
    if (timersFirst) member.reflex.tick(now);
    for (const input of inputs) member.reflex.handle(input, now);
    if (!timersFirst) member.reflex.tick(now);
    this.#drain(member);
  }

  /** kill -9: the kernel drops the table with the process. */
  crash(name: string): void {
    const member = this.#member(name);
    member.crashed = true;
    member.table.clear();
    member.plane.close();
    this.voices.remove(member);
  }

  restart(name: string, known: readonly string[] = this.names): void {
    this.crash(name);
    this.#members.set(name, this.#newMember(name));
    this.brief(name, known);
  }

  stop(name: string): void {
    const member = this.#member(name);
    member.reflex.handle({ kind: 'stop' }, localTime(member, this.now));
    this.#drain(member);
    this.crash(name);
  }

  isCrashed(name: string): boolean {
    return this.#member(name).crashed;
  }

  /** Takes the only data link away, or gives it back; heartbeats go another way. */
  plug(name: string, up: boolean): void {
    const member = this.#member(name);
    this.#put(member, { kind: 'link', link: { ...member.link, up } });
  }

  /** Takes a node's gateway away, or gives it back. */
  gateway(name: string, reach: Reachability): void {
    this.#put(this.#member(name), { kind: 'gateway', reach });
  }

  /** Announcement frames sent so far. */
  announced(name: string): number {
    return this.#member(name).announced;
  }

  // --- the network --------------------------------------------------------------------------

  /** Beats from and to it are lost until `heal`, and nothing else. */
  mute(name: string): void {
    for (const other of this.#members.keys()) {
      this.segment.deafen(name, other);
      this.segment.deafen(other, name);
    }
  }

  /** Beats and frames from one to the other are lost until `heal`. */
  cutOneWay(from: string, to: string): void {
    this.segment.cut(from, to);
  }

  cut(name: string): void {
    this.segment.isolate(name);
  }

  heal(): void {
    this.segment.heal(this.now);
  }

  /** Heals one direction between two. */
  healOneWay(from: string, to: string): void {
    this.segment.join(from, to, this.now);
  }

  // --- orders -------------------------------------------------------------------------------

  /** Tells a node of the order of one address, as it is now. */
  tell(name: string, ip: string): void {
    this.#put(this.#member(name), { kind: 'orders', delta: this.orders.of(ip) });
  }

  /** A node that is told of these peers only, as one that reads a broken list of nodes. */
  brief(
    name: string,
    known: readonly string[] = this.names,
    isMember = true,
    candidates: readonly string[] = this.names,
  ): void {
    const member = this.#member(name);
    const at = localTime(member, this.now);
    const peers = known.map((peer) => ({ name: peer, address: peer }));
    member.reflex.handle({ kind: 'link', link: member.link }, at);
    // As the brain does it.
    member.reflex.handle({ kind: 'peers', peers, member: isMember }, at);
    member.reflex.handle({ kind: 'orders', delta: this.orders.all(candidates) }, at);
    this.#drain(member);
  }

  #newMember(name: string): Member {
    const link = this.#members.get(name)?.link ?? eth0(this.#members.size + 1);
    return newMember(name, link, { ...this.#options, random: this.#random });
  }

  #member(name: string): Member {
    const member = this.#members.get(name);
    if (member === undefined) throw new Error(`no node ${name}`);
    return member;
  }

  // --- what happens -------------------------------------------------------------------------

  #take(happening: Happening): void {
    switch (happening.kind) {
      case 'beat':
        this.#put(this.#member(happening.to), { kind: 'beat', beat: happening.beat });
        break;
      case 'frame':
        this.#receive(happening.to, happening.frame);
        break;
      case 'wake':
        this.#wake(happening.member, happening.at);
        break;
      case 'call':
        happening.call();
        break;
    }
  }

  /** The process reads it now, or when it runs again. */
  #put(member: Member, input: ReflexInput): void {
    if (member.crashed) return;
    if (member.frozen) {
      if (input.kind !== 'beat' || member.backlog.length < SOCKET_HOLDS) member.backlog.push(input);
      return;
    }
    this.#look(member);
    member.reflex.handle(input, localTime(member, this.now));
    this.#drain(member);
  }

  #wake(member: Member, at: Instant): void {
    if (at !== member.calledAt) return;
    member.calledAt = Infinity;
    if (member.frozen || member.crashed) return;
    if (member.wakeAt > this.now) return this.#schedule(member);
    this.#look(member);
    const deadline = member.reflex.deadline() ?? Infinity;
    const now = localTime(member, this.now);
    // A late timer, not an early one by the last bit, or time stands still.
    if (deadline <= now + 1e-6) member.reflex.tick(Math.max(deadline, now));
    return this.#drain(member);
  }

  #schedule(member: Member): void {
    if (member.wakeAt >= member.calledAt) return;
    member.calledAt = member.wakeAt;
    this.#happenings.push({ at: member.wakeAt, order: 0, kind: 'wake', member });
  }

  /** The kernel's part: it answers also while the process is frozen. */
  #receive(to: string, frame: Uint8Array): void {
    const host = this.#strangers.get(to);
    for (const reply of host?.(frame) ?? []) this.#carry(to, reply);
    const member = this.#members.get(to);
    if (member === undefined || member.crashed) return;
    const { reply } = member.plane.receive(member.link, frame, localTime(member, this.now));
    if (reply !== undefined) this.#carry(to, reply, true);
  }

  /** What the kernel has seen is read when the process wakes. */
  #look(member: Member): void {
    for (const sighting of member.plane.sightings()) {
      member.reflex.handle({ kind: 'sighting', sighting }, localTime(member, this.now));
      this.#carryOut(member);
    }
  }

  #carry(from: string, frame: Uint8Array, isAnswer = false): void {
    this.watcher?.frame(from, frame, isAnswer);
    for (const to of this.segment.forward(from, frame, this.now)) {
      const travel = this.segment.travel(from, to, 'frame');
      if (travel === undefined) continue;
      this.#happenings.push({ at: this.now + travel, order: 0, kind: 'frame', to, frame });
    }
  }

  #send(from: string, to: string, beat: Beat): void {
    const travel = this.segment.travel(from, to, 'beat');
    if (travel === undefined) return;
    this.#happenings.push({ at: this.now + travel, order: 0, kind: 'beat', to, beat });
  }

  #drain(member: Member): void {
    this.#carryOut(member);
    const deadline = member.reflex.deadline();
    if (deadline === undefined) {
      member.wakeAt = Infinity;
      return;
    }
    const { late = 0 } = this.#options;
    const at = (deadline - member.skew) / member.rate + (late > 0 ? late * this.#random() : 0);
    member.wakeAt = Math.max(this.now, at);
    this.#schedule(member);
  }

  #carryOut(member: Member): void {
    for (let out = member.reflex.poll(); out !== undefined; out = member.reflex.poll()) {
      this.#act(member, out);
      this.watcher?.output(member.name, out);
    }
  }

  #act(member: Member, out: ReflexOutput): void {
    switch (out.kind) {
      case 'beat':
        for (const to of out.to) this.#send(member.name, to, out.beat);
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
        this.voices.apply(member, out.delta);
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
    member.reflex.handle({ kind: 'neighbours', entries }, localTime(member, this.now));
  }
}
