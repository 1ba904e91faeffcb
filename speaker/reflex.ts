/**
 * The reflex: what must never wait for a parser, an API server or a garbage collection. It
 * exchanges beats, knows who is alive, owns the table of answered addresses, renews the lease
 * and sends announcements. The brain gives it, per address, the ordered list of possible owners.
 *
 * Phases: `listening` (start, or after a lapse: answers nothing, learns who is there) →
 * `claiming` (its beats say ready; every peer that may hold an address must acknowledge one such
 * beat, which makes it release what ranks lower) → `serving` (answers for every address whose
 * order it heads). A lease that ran out, for whatever reason, leads back to `listening`: the
 * ownership is earned again, never resumed.
 */
import type { Machine } from '../lib/machine.ts';
import { earlier } from '../lib/time.ts';
import type { Instant } from '../lib/time.ts';
import { Arrivals } from './arrivals.ts';
import { ATTACH_RETRY, Attachment } from './attachment.ts';
import type { Change } from './attachment.ts';
import { nodeId } from './heartbeat.ts';
import type { Beat, NodeId } from './heartbeat.ts';
import { Holdings } from './holdings.ts';
import { Impairment } from './impairment.ts';
import { Listening } from './listening.ts';
import { Membership } from './membership.ts';
import type { Heard } from './membership.ts';
import type {
  Cause,
  Peer,
  Phase,
  ReflexInput,
  ReflexOptions,
  ReflexOutput,
  ReflexState,
} from './reflexport.ts';
import { urgentSpacing } from './timing.ts';
import type { Timing } from './timing.ts';

export class Reflex implements Machine<ReflexInput, ReflexOutput> {
  readonly #self: string;
  readonly #timing: Timing;
  readonly #membership: Membership;
  readonly #holdings: Holdings;
  readonly #out: ReflexOutput[] = [];
  /** Beats by what became of them: sent, or the words of `Heard`. For metrics. */
  readonly beats = new Map<'sent' | Heard, number>();
  #ids = new Map<string, NodeId>();
  #peers: readonly Peer[] = [];
  #member = false;
  /** The brain has spoken: until then nobody knows whom to listen for. */
  #briefed = false;
  readonly #attachment: Attachment;
  #retryAt: Instant | undefined;
  #phase: Phase = 'listening';
  #cause: Cause = 'start';
  #claimedWith = 0;
  #claimedAt: Instant = -Infinity;
  #until: Instant = -Infinity;
  #beatAt: Instant = Infinity;
  #lastBeat: Instant = -Infinity;
  /** Something changed that ownership depends on. */
  #dirty = true;
  #hasHeard = false;
  #standing = '';
  /** What the brain has been told, and whether phase or links have changed since. */
  #toldHeld: readonly string[] = [];
  #news = true;
  #now: Instant = -Infinity;
  readonly #listening: Listening;
  readonly #arrivals = new Arrivals();
  readonly #impairment = new Impairment();
  #reportedVersion = -1;
  #reportedAt: Instant = -Infinity;

  constructor(options: ReflexOptions) {
    const { node, boot, timing, isolation } = options;
    [this.#self, this.#timing] = [node, timing];
    this.#membership = new Membership(nodeId(node), boot, timing, isolation);
    this.#holdings = new Holdings({
      ...options,
      probe: options.probe ?? 'optimistic',
      again: timing.beat,
      asked: options.asked ?? (() => 0),
      nodeWith: (mac) => {
        const id = this.#membership.withMac(mac);
        return [...this.#ids].find(([, each]) => each === id)?.[0] ?? id;
      },
    });
    this.#attachment = new Attachment(options);
    this.#listening = new Listening(timing);
  }

  get wire(): ReadonlyMap<string, number> {
    return this.#holdings.counts;
  }

  handle(input: ReflexInput, now: Instant): void {
    if (this.#phase === 'stopped') return;
    this.#wake(now);
    switch (input.kind) {
      case 'peers':
        this.#member = input.member;
        this.#setPeers(input.peers, now);
        break;
      case 'orders':
        this.#holdings.order(input.delta);
        this.#dirty = true;
        break;
      case 'sighting':
        this.#holdings.hear(input.sighting, now);
        this.#hasHeard = true; // they come in swarms: one tick decides for all of them
        return;
      case 'neighbours':
        this.#holdings.learn(input.entries, this.#peers, now);
        break;
      case 'beat':
        this.#hear(input.beat, now);
        break;
      case 'gateway':
        this.#impairment.take(input.reach);
        break;
      case 'link':
        this.#follow(this.#attachment.put(input.link), now);
        break;
      case 'unlink':
        this.#follow(this.#attachment.remove(input.index), now);
        break;
      case 'attach-failed':
        this.#attachment.failed(input.index);
        this.#retryAt = now + ATTACH_RETRY;
        this.#dirty = true;
        break;
      case 'stop':
        this.#stop(now);
        return;
    }
    this.#settle(now);
  }

  tick(now: Instant): void {
    if (this.#phase === 'stopped') return;
    this.#wake(now);
    if (this.#retryAt !== undefined && now >= this.#retryAt) {
      this.#retryAt = undefined;
      this.#follow(this.#attachment.sync(), now);
    }
    this.#settle(now);
  }

  poll(): ReflexOutput | undefined {
    return this.#out.shift();
  }

  deadline(): Instant | undefined {
    if (this.#phase === 'stopped' || !this.#briefed) return undefined;
    if (this.#hasHeard) return this.#now;
    let at = earlier(this.#beatAt, this.#membership.deadline(this.#now));
    at = earlier(at, earlier(this.#holdings.deadline(), this.#retryAt));
    at = earlier(at, this.#impairment.deadline());
    if (this.#phase === 'listening') at = earlier(at, this.#listening.mayClaimAt());
    return at;
  }

  // --- inputs -------------------------------------------------------------------------------

  #setPeers(peers: readonly Peer[], now: Instant): void {
    this.#peers = peers.filter((peer) => peer.name !== this.#self);
    this.#ids = new Map(this.#peers.map((peer) => [peer.name, nodeId(peer.name)]));
    this.#membership.setPeers([...this.#ids.values()]);
    if (!this.#briefed) {
      this.#briefed = true;
      this.#listening.begin(now);
    }
    this.#beatAt = now;
    this.#dirty = true;
  }

  #hear(beat: Beat, now: Instant): void {
    const heard = this.#membership.hear(beat, now);
    this.#count(heard);
    // A newcomer cannot count us before we name its boot id; a claim waits for everybody's word.
    if (heard === 'handshake' || (heard === 'counted' && beat.asks)) this.#urgent(now);
  }

  #follow(change: Change, now: Instant): void {
    if (change === undefined) return;
    const { attach, detach, altered, isFirst } = change;
    for (const index of detach) this.#out.push({ kind: 'detach', index });
    for (const link of attach) this.#out.push({ kind: 'attach', link });
    for (const link of altered) this.#holdings.again(link, now);
    if (isFirst) this.#listening.linked(now);
    this.#dirty = true;
    this.#news = true;
  }

  #stop(now: Instant): void {
    // Silent first, then the news: whoever takes over must find nobody answering.
    if (this.#phase === 'serving') this.#out.push({ kind: 'renew', until: 0 });
    this.#enter('stopped', 'stop');
    this.#publish(now);
    for (let copies = 0; copies < 2; copies++) this.#beat(now, true);
    this.#report();
    this.#out.push({ kind: 'stopped' });
  }

  // --- decisions ----------------------------------------------------------------------------

  #wake(now: Instant): void {
    this.#listening.wake(now);
    this.#now = now;
    this.#lapseIfLate(now);
  }

  /**
   * A lease that ran out is never resumed: the time was slept through, or nobody confirmed. After
   * a short lapse the view is still good, and a new claim settles in one exchange whether others
   * have taken over; after a long one it takes listening to know who is there.
   */
  #lapseIfLate(now: Instant): void {
    if (this.#phase !== 'serving' || now < this.#until) return;
    const brief = now - this.#until < this.#timing.dead;
    this.#out.push({ kind: 'renew', until: 0 });
    if (brief && this.#membership.mayClaim(now)) this.#claim(now, 'lapse');
    else this.#listenAgain(now, 'lapse');
  }

  #listenAgain(now: Instant, cause: Cause): void {
    this.#enter('listening', cause);
    this.#listening.begin(now);
    this.#urgent(now);
  }

  #settle(now: Instant): void {
    this.#hasHeard = false;
    if (!this.#briefed) return;
    if (this.#mayBury(now) && this.#membership.buryDead(now).length > 0) this.#dirty = true;
    this.#watchStanding(now);
    this.#weigh(now);
    if (this.#attachment.links.size === 0) this.#giveUp(now, 'no-link');
    if (!this.#member) this.#giveUp(now, 'no-member');
    this.#advance(now);
    // Silent before the beat that acknowledges somebody's claim.
    if (this.#dirty) this.#publish(now);
    // The beat goes out before the lease is computed, as the lease counts from its sending.
    if (now >= this.#beatAt) this.#beat(now, false);
    this.#advance(now);
    if (this.#dirty) this.#publish(now);
    this.#holdings.tick(now);
    this.#drain();
    this.#renew(now);
    this.#holdings.send(now);
    this.#drain();
    this.#report();
  }

  #mayBury(now: Instant): boolean {
    if (this.#attachment.links.size === 0) return false;
    const within = Math.min(this.#timing.dead, this.#listening.linkedFor(now));
    if (this.#membership.hasCompany(now, within)) this.#listening.proven();
    return this.#listening.mayBury(now);
  }

  /** Without a link nothing can be answered, and others are to own: let them, at once. */
  #giveUp(now: Instant, cause: Cause): void {
    if (this.#phase === 'listening') return;
    if (this.#phase === 'serving') this.#out.push({ kind: 'renew', until: 0 });
    this.#listenAgain(now, cause);
  }

  /** Silent first, then the news, as with a stop. */
  #weigh(now: Instant): void {
    if (!this.#impairment.weigh(this.#membership, this.#phase === 'serving', now)) return;
    this.#publish(now);
    this.#urgent(now);
  }

  /** Anybody's new standing, or new silence, is news that peers are waiting for. */
  #watchStanding(now: Instant): void {
    const isNew = this.#arrivals.look(this.#membership);
    if (isNew && this.#phase === 'serving') this.#holdings.again('all', now);
    const standing = this.#membership.standing(now);
    if (standing === this.#standing) return;
    this.#standing = standing;
    this.#dirty = true;
    this.#urgent(now);
  }

  #advance(now: Instant): void {
    if (this.#impairment.advance(this.#membership, now)) this.#dirty = true;
    if (this.#phase === 'listening' && now >= this.#listening.mayClaimAt()) {
      const able =
        this.#member && this.#attachment.links.size > 0 && this.#membership.isTwoWay(now);
      if (able && this.#membership.mayClaim(now)) this.#claim(now, 'listened');
      else this.#listening.defer(now);
    }
    if (this.#phase !== 'claiming') return;
    const gaveUp = now - this.#claimedAt > 2 * this.#timing.dead;
    if (gaveUp || !this.#membership.mayClaim(now)) this.#listenAgain(now, 'claim-unheard');
    else if (this.#membership.sent >= this.#claimedWith) this.#serveIfHeard(now);
  }

  #claim(now: Instant, cause: Cause): void {
    this.#enter('claiming', cause);
    this.#until = -Infinity;
    this.#claimedWith = this.#membership.sent + 1;
    this.#claimedAt = now;
    this.#urgent(now);
  }

  #serveIfHeard(now: Instant): void {
    if (this.#holdings.isStale || !this.#membership.allHeard(this.#claimedWith, now)) return;
    if (this.#membership.confirmedUntil(now) <= now) return;
    this.#enter('serving', 'confirmed');
    this.#urgent(now);
  }

  #enter(phase: Phase, cause: Cause): void {
    this.#phase = phase;
    this.#cause = cause;
    this.#dirty = true;
    this.#news = true;
  }

  #renew(now: Instant): void {
    if (this.#phase !== 'serving') return;
    const until = this.#membership.confirmedUntil(now);
    if (until <= this.#until) return;
    this.#until = until;
    this.#out.push({ kind: 'renew', until });
  }

  // --- outputs ------------------------------------------------------------------------------

  #urgent(now: Instant): void {
    this.#beatAt = Math.max(now, this.#lastBeat + urgentSpacing(this.#timing));
  }

  #beat(now: Instant, leaving: boolean): void {
    const asks = this.#phase === 'claiming';
    const ready = asks || this.#phase === 'serving';
    const { isTold: impaired, reaches } = this.#impairment;
    const macs = [...this.#attachment.links.values()].map(({ mac }) => mac);
    const beat = this.#membership.nextBeat(now, { ready, leaving, asks, impaired, reaches, macs });
    this.#lastBeat = now;
    this.#beatAt = now + this.#timing.beat;
    if (this.#peers.length === 0) return;
    this.#count('sent');
    this.#out.push({ kind: 'beat', beat, to: this.#peers.map((peer) => peer.address) });
  }

  #count(outcome: 'sent' | Heard): void {
    this.beats.set(outcome, (this.beats.get(outcome) ?? 0) + 1);
  }

  /** Turns orders and membership into what this node answers for. */
  #publish(now: Instant): void {
    this.#dirty = false;
    const idOf = (node: string): NodeId => this.#ids.get(node) ?? '';
    const isLost = ([, id]: [string, NodeId]): boolean => !this.#membership.isAccounted(id, now);
    const situation = {
      serving: this.#phase === 'serving',
      links: this.#attachment.links,
      mayHold: (node: string) => node === this.#self || this.#membership.mayHold(idOf(node), now),
      isImpaired: (node: string) =>
        node === this.#self ? this.#impairment.isCounted : this.#membership.isImpaired(idOf(node)),
      unaccounted: new Set([...this.#ids].filter(isLost).map(([name]) => name)),
      peers: this.#ids,
    };
    this.#holdings.follow(situation, now);
    this.#drain();
  }

  #drain(): void {
    for (let out = this.#holdings.poll(); out !== undefined; out = this.#holdings.poll()) {
      this.#out.push(out);
    }
  }

  /** Tells the brain what it does not know yet. */
  #report(): void {
    // Ten thousand addresses come in portions; the brain is told of them once a beat.
    const isSoon = this.#now < this.#reportedAt + this.#timing.beat;
    if (!this.#news && (this.#holdings.isBusy || isSoon)) return;
    const { held, conflictsVersion } = this.#holdings;
    const version = this.#membership.version + conflictsVersion;
    if (this.#reportedVersion === version && held === this.#toldHeld && !this.#news) return;
    this.#reportedVersion = version;
    this.#reportedAt = this.#now;
    this.#toldHeld = held;
    this.#news = false;
    const standings = this.#membership.standings();
    const state: ReflexState = {
      phase: this.#phase,
      cause: this.#cause,
      peers: new Map([...this.#ids].map(([name, id]) => [name, standings.get(id) ?? 'absent'])),
      held,
      links: [...this.#attachment.links.values()],
      conflicts: this.#holdings.conflicts(),
    };
    this.#out.push({ kind: 'state', state });
  }
}
