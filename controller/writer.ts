/**
 * The Services and what is being written about each. One thing per Service is under way at a time:
 * the claims of its addresses, if they are taken by claims here, and then its status. Until the
 * source shows the result, the addresses that a write promises count as held, so that no other
 * Service gets them meanwhile. The result itself is only an acknowledgement: the objects come from
 * the watch alone, in their order.
 */
import { heldAddresses } from '../config/claim.ts';
import type { KubeFailure, StatusUpdate } from '../kube/kube.ts';
import { keyOf } from '../kube/objects.ts';
import type { Service } from '../kube/objects.ts';
import type { Result } from '../lib/result.ts';
import { earlier } from '../lib/time.ts';
import type { Instant, Millis } from '../lib/time.ts';
import { sameIp } from '../net/ip.ts';
import type { Ip } from '../net/ip.ts';
import type { Claims } from './claims.ts';
import type { ClaimAct } from './claimtable.ts';
import type { ControllerOutput } from './controller.ts';
import { claimantOf, fenced, isChange, isOdd, isUnderWay, versionOf } from './errand.ts';
import type { Entry, Write } from './errand.ts';
import { isOvertaken, plan } from './plan.ts';
import type { Plan, Subject } from './plan.ts';
import { isEcho } from './view.ts';

const RETRY_FIRST: Millis = 500;
const RETRY_MOST: Millis = 30_000;

/** Under way at once: enough to keep a source busy, few enough to be heard in between. */
const MOST_WRITES = 64;

export interface Moment {
  readonly now: Instant;
  readonly turn: number;
  /** RFC 3339. */
  readonly wall: string;
}

/** The moment of a decision. */
export interface DecisionMoment extends Moment {
  /** Whether the Service of that id has that address by this decision. */
  readonly isGranted: (id: string, ip: Ip) => boolean;
}

export interface Circumstances extends Moment {
  readonly leads: boolean;
  readonly isWaitedFor: boolean;
}

/** What was decided and could not be begun yet. */
interface Waiting {
  readonly entry: Entry;
  readonly subject: Subject;
  readonly isGranted: DecisionMoment['isGranted'];
}

export class Writer {
  readonly #emit: (output: ControllerOutput) => void;
  readonly #claims: Claims;
  readonly #entries = new Map<string, Entry>();
  /** When to try again, by key of the Service. */
  readonly #retries = new Map<string, Instant>();
  /** Whose write waits for that claim. */
  readonly #claiming = new Map<ClaimAct, string>();
  #underWay = 0;
  #waiting: Waiting[] = [];
  #isBlocked = false;
  /** Somebody waits for what is being done about a claim. */
  #isKeptWaiting = false;
  #counts = { done: 0, failed: 0 };

  constructor(emit: (output: ControllerOutput) => void, claims: Claims) {
    this.#emit = emit;
    this.#claims = claims;
  }

  get counts(): { readonly done: number; readonly failed: number } {
    return { ...this.#counts };
  }

  get size(): number {
    return this.#entries.size;
  }

  entries(): Iterable<Entry> {
    return this.#entries.values();
  }

  get(key: string): Entry | undefined {
    return this.#entries.get(key);
  }

  /** Whether it says anything that was not known. `isWaitedFor`: an echo is news, too. */
  put(service: Service, turn: number, isWaitedFor: boolean): boolean {
    const key = keyOf(service);
    const entry = this.#entries.get(key);
    if (entry === undefined) {
      const none = { last: undefined, failures: 0, isBehind: false, hasChores: false };
      this.#entries.set(key, { service, seen: turn, fencedAt: -1, ...none });
      this.#claims.met(service);
      return true;
    }
    const { service: before, last, hasChores } = entry;
    if (versionOf(before) === versionOf(service)) return false;
    entry.service = service;
    entry.seen = turn;
    // Newer than what the write was based on: either its result, or it will be a conflict.
    if (!isUnderWay(last)) entry.last = undefined;
    this.#retries.delete(key);
    // What was not taken is still to be written.
    if (last === undefined || last.state === 'failed' || isWaitedFor || hasChores) return true;
    return !isEcho(before, service, last.promised);
  }

  drop(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    if (isUnderWay(entry.last)) this.#underWay -= 1;
    this.#claims.gone(entry.service);
    this.#entries.delete(key);
    this.#retries.delete(key);
  }

  /** A decision begins. */
  begin(now: Instant): void {
    for (const [key, at] of this.#retries) if (at <= now) this.#retries.delete(key);
    this.#claims.wake(now);
    this.#isBlocked = false;
    this.#isKeptWaiting = false;
    this.#waiting = [];
  }

  deadline(): Instant | undefined {
    let first: Instant | undefined;
    for (const at of this.#retries.values()) first = earlier(first, at);
    return earlier(first, this.#claims.deadline());
  }

  write(entry: Entry, subject: Subject, moment: DecisionMoment): void {
    const { decision, service } = subject;
    const { last } = entry;
    if (isUnderWay(last)) {
      const wanted = plan(subject, moment.wall);
      // What is shown by now is somebody else's, and not what is wanted.
      const isOther = wanted !== undefined && last?.base !== versionOf(service);
      entry.isBehind = isOther || isOvertaken(last?.plan, wanted, service);
      // A claim that somebody else made for it meanwhile.
      entry.hasChores ||= this.#hasSurplus(entry, last?.promised ?? []);
      return;
    }
    if (this.#retries.has(keyOf(service))) return;
    // Before planning: while many wait, few of their plans would be carried out.
    if (this.#isFull()) {
      this.#waiting.push({ entry, subject, isGranted: moment.isGranted });
      return;
    }
    const made = plan(subject, moment.wall);
    // Asked for and acknowledged, and not yet shown; or the source does not take all of it.
    if (last?.state === 'done' && last.plan?.digest === made?.digest) return;
    const promised = decision?.kind === 'allocated' ? decision.addresses : [];
    const takesClaims = this.#claims.isOn && decision?.kind !== 'untouched';
    const acts = takesClaims ? this.#take(entry, promised, moment) : [];
    if (acts === undefined) return;
    if (made === undefined && acts.length === 0) {
      // What was acknowledged and is not shown yet may be an address.
      if (takesClaims && last?.state !== 'done') this.#tidy(entry, promised, moment);
      return;
    }
    this.#start(entry, { plan: made, promised, acts }, moment.turn);
  }

  #isFull(): boolean {
    return this.#underWay + this.#claims.underWay >= MOST_WRITES;
  }

  /** Begins with what waits; a Service that has changed meanwhile is decided on anew anyway. */
  #goOn(moment: Moment): void {
    if (this.#waiting.length === 0 || !this.#hasRoom()) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    let begun = 0;
    while (begun < waiting.length && !this.#isFull()) {
      const next = waiting[begun];
      begun += 1;
      if (next === undefined || next.entry.service !== next.subject.service) continue;
      if (this.#entries.get(keyOf(next.subject.service)) !== next.entry) continue;
      this.write(next.entry, next.subject, { ...moment, isGranted: next.isGranted });
    }
    this.#waiting = waiting.slice(begun);
  }

  /** undefined: not now. */
  #take(
    entry: Entry,
    promised: readonly Ip[],
    { isGranted }: DecisionMoment,
  ): readonly ClaimAct[] | undefined {
    const claimant = claimantOf(entry);
    const acts: ClaimAct[] = [];
    for (const ip of promised) {
      const act = this.#claims.take(claimant, ip, (id) => isGranted(id, ip));
      if (act === 'busy') {
        this.#isKeptWaiting = true;
        return undefined;
      }
      if (act !== 'ready') acts.push(act);
    }
    return acts;
  }

  #tidy(entry: Entry, promised: readonly Ip[], { turn }: Moment): void {
    const claimant = claimantOf(entry);
    const { acts, fence } = this.#claims.tidy(claimant, promised, entry.fencedAt);
    for (const act of acts) this.#send(act, turn);
    entry.hasChores = fence !== undefined;
    if (fence === undefined) return;
    this.#start(entry, { plan: fenced(entry.service, fence), promised, acts: [] }, turn);
  }

  #start(
    entry: Entry,
    {
      plan: made,
      promised,
      acts,
    }: Pick<Write, 'plan' | 'promised'> & { acts: readonly ClaimAct[] },
    turn: number,
  ): void {
    this.#underWay += 1;
    entry.isBehind = false;
    entry.hasChores = this.#hasSurplus(entry, promised);
    // From now on it may come to show an address again, whatever the answer will be.
    const shown = heldAddresses(entry.service);
    if (!promised.every((ip) => shown.some((each) => sameIp(each, ip)))) entry.fencedAt = -1;
    const base = versionOf(entry.service);
    const common = { base, plan: made, promised, sentAt: turn, isRefused: false };
    if (acts.length === 0) {
      entry.last = { ...common, state: 'under way', claims: new Set() };
      if (made !== undefined) this.#emit({ type: 'write', update: made.update });
      return;
    }
    entry.last = { ...common, state: 'claiming', claims: new Set(acts) };
    for (const act of acts) {
      this.#claiming.set(act, keyOf(entry.service));
      this.#send(act, turn);
    }
  }

  /** Claims besides those of what it is to have. */
  #hasSurplus({ service }: Entry, promised: readonly Ip[]): boolean {
    const kept = this.#claims.isOn ? this.#claims.of(service) : [];
    return !kept.every((ip) => promised.some((each) => sameIp(each, ip)));
  }

  #send(act: ClaimAct, turn: number): void {
    this.#claims.sent(act, turn);
    this.#emit({ type: 'claim', act });
  }

  /** Of Services that are gone. */
  tidyOrphans(isKnown: (id: string) => boolean, turn: number): void {
    for (const act of this.#claims.orphans(isKnown)) {
      if (this.#isFull()) {
        this.#isBlocked = true;
        return;
      }
      this.#send(act, turn);
    }
  }

  /** Whether there is something to decide; `isWaitedFor`: as soon as an address is free. */
  claimed(
    act: ClaimAct,
    result: Result<unknown, KubeFailure>,
    circumstances: Circumstances,
  ): boolean {
    const isNews = this.#claimed(act, result, circumstances);
    if (circumstances.leads) this.#goOn(circumstances);
    return isNews;
  }

  #claimed(
    act: ClaimAct,
    result: Result<unknown, KubeFailure>,
    { turn, now, leads, isWaitedFor }: Circumstances,
  ): boolean {
    const wasSound = this.#claims.isSound(act);
    const outcome = this.#claims.answered(act, result, turn, now);
    if (wasSound && !result.ok && isOdd(result.error)) {
      const { message } = result.error;
      this.#emit({ type: 'note', note: { level: 'warn', event: 'ClaimFailed', message } });
    }
    const key = this.#claiming.get(act);
    this.#claiming.delete(act);
    const entry = key === undefined ? undefined : this.#entries.get(key);
    const write = entry?.last;
    if (entry === undefined || write?.claims.delete(act) !== true) {
      const isEasy = act.kind === 'delete' && outcome === 'done';
      return !isEasy || isWaitedFor || this.#isKeptWaiting || (this.#isBlocked && this.#hasRoom());
    }
    if (outcome !== 'done') write.isRefused = true;
    if (write.claims.size > 0) return this.#isKeptWaiting;
    const update = write.plan?.update;
    // Of another version by now: also a claim that nothing else is written for may be too much.
    const isOther = write.base !== versionOf(entry.service);
    if (write.isRefused || entry.isBehind || !leads || isOther) {
      this.#underWay -= 1;
      entry.last = undefined;
      return true;
    }
    if (update !== undefined) {
      write.state = 'under way';
      write.sentAt = turn;
      this.#emit({ type: 'write', update });
      return this.#isKeptWaiting;
    }
    this.#underWay -= 1;
    entry.last = undefined;
    return this.#isKeptWaiting;
  }

  #hasRoom(): boolean {
    return this.#underWay + this.#claims.underWay <= MOST_WRITES / 2;
  }

  /** Whether there is something to decide. */
  written(
    update: StatusUpdate,
    result: Result<unknown, KubeFailure>,
    circumstances: Circumstances,
  ): boolean {
    const isNews = this.#written(update, result, circumstances.now);
    if (circumstances.leads) this.#goOn(circumstances);
    return isNews;
  }

  #written(update: StatusUpdate, result: Result<unknown, KubeFailure>, now: Instant): boolean {
    const entry = this.#entries.get(update.key);
    const write = entry?.last;
    // The Service went away, and perhaps another one came under its name.
    if (entry === undefined || write?.plan?.update !== update) return false;
    this.#underWay -= 1;
    const isShown = versionOf(entry.service) !== update.resourceVersion;
    if (result.ok) {
      this.#counts.done += 1;
      entry.failures = 0;
      write.state = 'done';
      if (isChange(update, result.value)) entry.fencedAt = write.sentAt;
      if (isShown) entry.last = undefined;
      for (const event of write.plan.events) this.#tell(event);
      return entry.isBehind || (isShown && entry.hasChores) || (this.#isBlocked && this.#hasRoom());
    }
    this.#failed(entry, write, result.error, now);
    return true;
  }

  #failed(entry: Entry, write: Write, { kind, message }: KubeFailure, now: Instant): void {
    const { update } = write.plan ?? {};
    const key = keyOf(entry.service);
    const isShown = versionOf(entry.service) !== update?.resourceVersion;
    this.#counts.failed += 1;
    write.state = 'failed';
    // A promise that came to nothing: somebody else was faster, or the Service is another by now.
    if (kind === 'conflict' || isShown) entry.last = undefined;
    if (kind === 'conflict' && isShown) return;
    if (kind !== 'conflict' && entry.failures === 0) {
      const note = { level: 'warn', event: 'WriteFailed', message, service: key } as const;
      this.#emit({ type: 'note', note });
    }
    this.#retries.set(key, now + Math.min(RETRY_MOST, RETRY_FIRST * 2 ** entry.failures));
    entry.failures += 1;
  }

  #tell(event: Plan['events'][number]): void {
    const { key, reason, message } = event;
    const level = event.type === 'Warning' ? 'warn' : 'info';
    this.#emit({ type: 'record', event });
    this.#emit({ type: 'note', note: { level, event: reason, message, service: key } });
  }
}
