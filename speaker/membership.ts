/**
 * Who is alive, whose word counts, and until when this node may answer.
 *
 * Every node sends beats; every beat acknowledges the newest beat heard from each peer and says
 * how long ago that was. Three questions are answered from that, and nothing else:
 *
 * - *Until when may I answer?* `fence` after the sending time of my newest beat that a majority
 *   of the view (me included) has acknowledged. Sending time, not receiving time: beats that sat
 *   in a queue while this process was frozen cannot lengthen the lease.
 * - *Is a peer dead?* When a majority of the view reports no beat from it for `dead`. Any two
 *   majorities share a node, and a node that heard the peer lately does not report its silence,
 *   so the peer's lease has ended (`fence + slack < dead`) before anyone takes over.
 * - *Who is the view?* This node and every peer it has had a two-way exchange with, less those
 *   that left or were found dead. It shrinks by majority only.
 *
 * Where no majority can be reached the isolation policy decides: `keep` (the default: a lone
 * survivor goes on, and a cut cable may give two voices until it heals) or `stop`.
 *
 * A beat counts only if it names the receiver's present boot id, so recorded beats of an earlier
 * life change nothing. A peer that we hear but that does not hear us is `deaf`: it may be
 * answering, so it blocks a claim until the path works both ways or it is gone.
 */
import { assert } from '../lib/assert.ts';
import { earlier } from '../lib/time.ts';
import type { Instant, Millis } from '../lib/time.ts';
import type { Mac } from '../net/mac.ts';
import { ackOf } from './heartbeat.ts';
import type { Ack, Beat, BootId, NodeId } from './heartbeat.ts';
import { newPeer } from './peer.ts';
import type { Peer } from './peer.ts';
import type { Timing } from './timing.ts';

export type Isolation = 'keep' | 'stop';

/** How a peer stands: in the view and ready or not, never met or left, or found dead. */
export type Standing = 'alive' | 'joining' | 'absent' | 'dead';

/** What became of a beat; the names are metric labels. */
export type Heard = 'counted' | 'handshake' | 'replayed' | 'stranger';

/** Sending times kept; acknowledgements older than that are past every fence. */
const SENT_KEPT = 256;

/**
 * A peer whose first exchange does not finish blocks claims for this long at the most. One that
 * hears nobody is rare; a recording of its earlier lives, played again, must not block for ever.
 */
const KNOCKING_LIMIT: Millis = 30_000;

/** Durations cross the wire as whole milliseconds; slack covers it. */
const ROUNDING: Millis = 1;

export class Membership {
  readonly #self: NodeId;
  readonly #boot: BootId;
  readonly #timing: Timing;
  readonly #isolation: Isolation;
  readonly #peers = new Map<NodeId, Peer>();
  readonly #sentAt = new Float64Array(SENT_KEPT).fill(-Infinity);
  #number = 0;
  /** Grows with every change of a standing, so that nobody has to compare them per beat. */
  version = 0;
  /** Of everybody ever heard: a node that died and answers again is no stranger. */
  readonly #macs = new Map<Mac, NodeId>();
  /** When a ready speaker was last heard that is none of our peers. */
  #strangerAt: Instant = -Infinity;

  constructor(self: NodeId, boot: BootId, timing: Timing, isolation: Isolation) {
    this.#self = self;
    this.#boot = boot;
    this.#timing = timing;
    this.#isolation = isolation;
  }

  /** The peers that may exist; those no longer named are forgotten. */
  setPeers(ids: readonly NodeId[]): void {
    const wanted = new Set(ids);
    wanted.delete(this.#self);
    this.version += 1;
    for (const id of this.#peers.keys()) if (!wanted.has(id)) this.#peers.delete(id);
    for (const id of wanted) if (!this.#peers.has(id)) this.#peers.set(id, newPeer());
  }

  /** The number of the newest beat sent. */
  get sent(): number {
    return this.#number;
  }

  /** Makes the next beat and notes its sending time. */
  nextBeat(
    now: Instant,
    says: Pick<Beat, 'ready' | 'leaving' | 'asks' | 'impaired' | 'reaches' | 'macs'>,
  ): Beat {
    this.#number += 1;
    this.#sentAt[this.#number % SENT_KEPT] = now;
    const acks: Ack[] = [];
    for (const [id, peer] of this.#peers) {
      const { boot, candidate } = peer;
      if (boot !== undefined) acks.push({ id, boot, number: peer.number, ago: now - peer.heardAt });
      if (candidate !== undefined) {
        acks.push({ id, boot: candidate.boot, number: candidate.number, ago: Infinity });
      }
    }
    return { sender: this.#self, boot: this.#boot, number: this.#number, ...says, acks };
  }

  hear(beat: Beat, now: Instant): Heard {
    const peer = this.#peers.get(beat.sender);
    if (peer === undefined) {
      if (beat.ready) this.#strangerAt = now;
      return 'stranger';
    }
    if (peer.retired.has(beat.boot)) return 'replayed';
    const echo = ackOf(beat, this.#self, this.#boot);
    if (echo === undefined) return this.#handshake(peer, beat, now);
    if (peer.boot !== beat.boot) this.#newLife(peer, beat.boot, now);
    else if (beat.number <= peer.number) return 'replayed';
    peer.number = beat.number;
    peer.heardAt = now;
    peer.candidate = undefined;
    peer.knockingSince = -Infinity;
    if (echo.number <= this.#number) peer.acked = Math.max(peer.acked, echo.number);
    peer.reports = reportsOf(beat);
    const isSame = peer.ready === beat.ready && peer.impaired === beat.impaired;
    if (!isSame || !peer.inView || beat.leaving) this.version += 1;
    // The same life says that it does not hold (any more), so its lease is over.
    if (peer.ready && !beat.ready) peer.holdsUntil = -Infinity;
    peer.ready = beat.ready;
    peer.impaired = beat.impaired;
    peer.reaches = beat.reaches;
    peer.inView = !beat.leaving;
    peer.dead = false;
    if (beat.leaving) {
      peer.leftAt = now;
      this.#retire(peer);
    }
    for (const mac of beat.macs) this.#macs.set(mac, beat.sender);
    return 'counted';
  }

  /** Peers in the view and this node. */
  viewSize(): number {
    let size = 1;
    for (const peer of this.#peers.values()) if (peer.inView) size += 1;
    return size;
  }

  /** When the lease ends that the beats sent so far have earned; -Infinity: none. */
  confirmedUntil(now: Instant): Instant {
    const others = this.#majority() - 1;
    const newest = this.#sendingTime(this.#number);
    if (others === 0) return newest + this.#timing.fence;
    if (this.#isolation === 'keep' && this.#present(now, this.#timing.quiet) < others) {
      return newest + this.#timing.fence;
    }
    const times = [...this.#peers.values()]
      .filter((peer) => peer.inView)
      .map((peer) => this.#sendingTime(peer.acked))
      .toSorted((a, b) => b - a);
    return (times[others - 1] ?? -Infinity) + this.#timing.fence;
  }

  /**
   * Finds the peers that are dead now and takes them out of the view; returns them. Only a node
   * that has itself listened for `dead` may ask.
   */
  buryDead(now: Instant): NodeId[] {
    const found = [...this.#peers].filter(([id, peer]) => peer.inView && this.#isDead(id, now));
    for (const [, peer] of found) {
      peer.inView = false;
      peer.dead = true;
      this.version += 1;
    }
    return found.map(([id]) => id);
  }

  /** Peers of the view that this node itself has not heard for `dead`. */
  silent(now: Instant): NodeId[] {
    const late = [...this.#peers].filter(([, p]) => p.inView && this.#lateFor(p, now) <= 0);
    return late.map(([id]) => id);
  }

  /** May that peer be answering, or be about to? Then nobody after it in an order owns. */
  mayHold(id: NodeId, now: Instant): boolean {
    const peer = this.#peers.get(id);
    if (peer === undefined) return false;
    return (peer.inView && peer.ready) || now < peer.holdsUntil || this.#isDeaf(peer, now);
  }

  /** Reads differently whenever a peer is a holder, silent or impaired that was not, or no more. */
  standing(now: Instant): string {
    const holders = [...this.#peers.keys()].filter((id) => this.mayHold(id, now));
    const impaired = holders.filter((id) => this.isImpaired(id));
    return `${holders.join()} silent ${this.silent(now).join()} impaired ${impaired.join()}`;
  }

  /** Does any peer that may own reach its gateway, by its own word? */
  get someReaches(): boolean {
    return [...this.#peers.values()].some((peer) => peer.inView && peer.ready && peer.reaches);
  }

  /** Does it do worse than others, by its own word? Of whom nothing is known does not. */
  isImpaired(id: NodeId): boolean {
    return this.#peers.get(id)?.impaired === true;
  }

  /**
   * Is it known what that peer does? It is in the view, or has just said goodbye; a goodbye is good
   * for as long as its next life must listen before it claims. Of any other nobody knows whether
   * it is gone or only out of reach.
   */
  isAccounted(id: NodeId, now: Instant): boolean {
    const peer = this.#peers.get(id);
    return peer !== undefined && (peer.inView || now - peer.leftAt < this.#timing.dead);
  }

  /** The speaker with our secret that named that MAC. */
  withMac(mac: Mac): NodeId | undefined {
    return this.#macs.get(mac);
  }

  /**
   * Has everybody who is, or may be, there acknowledged our beat of that number or a later one?
   * Nodes that claim at the same time thereby know of each other before either serves.
   */
  allHeard(number: number, now: Instant): boolean {
    for (const [id, peer] of this.#peers) {
      if ((peer.inView || this.mayHold(id, now)) && peer.acked < number) return false;
    }
    return true;
  }

  /**
   * May this node claim? Not while its view is incomplete: a peer whose first exchange is not
   * finished, one that others hear and we do not, or a speaker with our secret that we were not
   * told of, could own or be claiming. And under `stop` not without a majority of all the nodes
   * there are: who starts inside a partition has a view of those it meets, and no others.
   */
  mayClaim(now: Instant): boolean {
    if (now - this.#strangerAt < this.#timing.dead) return false;
    const isMajority = 2 * this.viewSize() > this.#peers.size + 1;
    if (this.#isolation === 'stop' && !isMajority) return false;
    for (const [id, peer] of this.#peers) {
      if (this.#knocks(peer, now)) return false;
      if (!peer.inView && this.#othersHear(id, now)) return false;
    }
    return true;
  }

  /**
   * Has every peer of the view been heard of late, and heard us? A claim makes others release
   * what they answer for, so it must not be made on a path that works half, or not yet.
   */
  isTwoWay(now: Instant): boolean {
    for (const peer of this.#peers.values()) {
      if (!peer.inView) continue;
      const isAcked = now - this.#sendingTime(peer.acked) < this.#timing.dead;
      if (!isAcked || this.#lateFor(peer, now) <= 0) return false;
    }
    return true;
  }

  /** Has this node heard a majority of its view, itself included, within that time? */
  hasCompany(now: Instant, within: Millis = this.#timing.dead): boolean {
    return this.#present(now, within) + 1 >= this.#majority();
  }

  /** For status: each peer's state in words. */
  standings(): ReadonlyMap<NodeId, Standing> {
    const word = (peer: Peer): Standing => {
      if (!peer.inView) return peer.dead ? 'dead' : 'absent';
      return peer.ready ? 'alive' : 'joining';
    };
    return new Map([...this.#peers].map(([id, peer]) => [id, word(peer)]));
  }

  /** When silence alone may next change an answer of this object. */
  deadline(now: Instant): Instant | undefined {
    let next: Instant | undefined;
    for (const peer of this.#peers.values()) {
      if (peer.inView) next = earlier(next, after(now, peer.heardAt + this.#timing.dead));
      next = earlier(next, after(now, peer.holdsUntil));
      if (peer.candidate) next = earlier(next, after(now, peer.candidate.at + this.#timing.dead));
    }
    return next;
  }

  #handshake(peer: Peer, beat: Beat, now: Instant): Heard {
    const { candidate } = peer;
    const same = candidate?.boot === beat.boot;
    if (beat.boot === peer.boot || (same && beat.number <= candidate.number)) return 'replayed';
    // One life at a time: the newest one of a peer is soon the only one that sends.
    if (!same && this.#knocks(peer, now)) return 'replayed';
    const forgotten = candidate === undefined || now - candidate.at > KNOCKING_LIMIT;
    if (forgotten) peer.knockingSince = now;
    peer.candidate = { boot: beat.boot, number: beat.number, at: now, ready: beat.ready };
    return 'handshake';
  }

  /** A first exchange is under way with it; recorded beats can pretend that, but not for long. */
  #knocks({ candidate, knockingSince }: Peer, now: Instant): boolean {
    if (candidate === undefined || now - candidate.at >= this.#timing.dead) return false;
    return now - knockingSince < KNOCKING_LIMIT;
  }

  #newLife(peer: Peer, boot: BootId, now: Instant): void {
    // The life before may have a kernel entry that outlived its process by one lease.
    if (peer.inView && peer.ready) peer.holdsUntil = peer.heardAt + this.#timing.dead;
    this.#retire(peer);
    this.version += 1;
    peer.boot = boot;
    peer.since = now;
  }

  #retire(peer: Peer): void {
    if (peer.boot !== undefined) peer.retired.add(peer.boot);
    peer.boot = undefined;
    peer.ready = false;
    peer.impaired = false;
    peer.reaches = false;
    peer.acked = 0;
  }

  #othersHear(id: NodeId, now: Instant): boolean {
    for (const reporter of this.#peers.values()) {
      if (!reporter.inView || this.#lateFor(reporter, now) <= 0) continue;
      if ((reporter.reports.get(id) ?? Infinity) < this.#timing.dead) return true;
    }
    return false;
  }

  #majority(): number {
    return Math.floor(this.viewSize() / 2) + 1;
  }

  #present(now: Instant, within: Millis): number {
    let count = 0;
    for (const peer of this.#peers.values()) {
      if (peer.inView && now - peer.heardAt < within) count += 1;
    }
    return count;
  }

  #lateFor(peer: Peer, now: Instant): Millis {
    return peer.heardAt + this.#timing.dead - now;
  }

  #isDeaf(peer: Peer, now: Instant): boolean {
    return peer.candidate?.ready === true && this.#knocks(peer, now);
  }

  #isDead(id: NodeId, now: Instant): boolean {
    const peer = this.#peers.get(id);
    assert(peer !== undefined, 'only known peers are judged');
    if (this.#lateFor(peer, now) > 0) return false;
    const majority = this.#majority();
    if (!this.hasCompany(now)) return this.#isolation === 'keep';
    let votes = 1;
    for (const [other, reporter] of this.#peers) {
      if (other === id || !reporter.inView || this.#lateFor(reporter, now) <= 0) continue;
      if (now - reporter.since < this.#timing.dead) continue;
      if ((reporter.reports.get(id) ?? Infinity) >= this.#timing.dead - ROUNDING) votes += 1;
    }
    return votes >= majority;
  }

  #sendingTime(number: number): Instant {
    if (number <= this.#number - SENT_KEPT || number < 1) return -Infinity;
    return this.#sentAt[number % SENT_KEPT] ?? -Infinity;
  }
}

/**
 * How long ago it heard the others. A peer may be named twice, once for each of its lives: the one
 * heard last speaks. Read when somebody is silent, which is nearly never, and beats are many.
 */
function reportsOf(beat: Beat): Peer['reports'] {
  let reports: Map<NodeId, Millis> | undefined;
  const read = (): Map<NodeId, Millis> => {
    const all = new Map<NodeId, Millis>();
    for (const { id, ago } of beat.acks) all.set(id, Math.min(ago, all.get(id) ?? Infinity));
    return all;
  };
  return { get: (id) => (reports ??= read()).get(id) };
}

function after(now: Instant, at: Instant): Instant | undefined {
  return at > now && at < Infinity ? at : undefined;
}
