/**
 * The controller as a Machine: what the source shows goes in, writes come out. It decides from the
 * whole snapshot each time, after every kind is known and a configuration has been valid once;
 * bursts of changes are decided on together. In a steady state nothing comes out.
 *
 * One write per Service is under way at a time. Until the source shows its result, the addresses
 * it promises count as held, so that no other Service gets them meanwhile. The result itself is
 * only an acknowledgement: the objects come from the watch alone, in their order. What the watch
 * shows as promised is no news, so a thousand writes are not a thousand decisions.
 */
import { heldAddresses } from '../config/claim.ts';
import { NOTHING_HELD, hold } from '../config/held.ts';
import type { Held } from '../config/held.ts';
import { parse } from '../config/parse.ts';
import type { Problem } from '../config/problem.ts';
import { IP_ADDRESS_POOL, SERVICE } from '../kube/kube.ts';
import type {
  KubeEvent,
  KubeFailure,
  Resource,
  SourceProblem,
  StatusUpdate,
  WatchEvent,
} from '../kube/kube.ts';
import { keyOf } from '../kube/objects.ts';
import type { KubeObject, Service } from '../kube/objects.ts';
import { sameWish } from '../kube/samewish.ts';
import type { Machine } from '../lib/machine.ts';
import type { Result } from '../lib/result.ts';
import { earlier } from '../lib/time.ts';
import type { Instant, Millis } from '../lib/time.ts';
import { formatIp } from '../net/ip.ts';
import type { Ip } from '../net/ip.ts';
import type { SpeakerReport } from '../owners/report.ts';
import { allocate } from './allocate.ts';
import type { Decision } from './allocate.ts';
import type { Note } from './note.ts';
import { isOvertaken, plan } from './plan.ts';
import type { Plan, Subject } from './plan.ts';
import type { Reports } from './reports.ts';
import { Troubles } from './troubles.ts';
import { usageOf } from './usage.ts';
import type { Usage } from './usage.ts';
import { isEcho, viewOf } from './view.ts';

/** What the controller reads; nothing is written before all of it is known. */
export const WATCHED: readonly Resource[] = [SERVICE, IP_ADDRESS_POOL];

export type ControllerInput =
  | { readonly type: 'watched'; readonly resource: Resource; readonly event: WatchEvent }
  | {
      readonly type: 'written';
      /** The update that this is the result of. */
      readonly update: StatusUpdate;
      readonly result: Result<unknown, KubeFailure>;
    }
  /** A speaker's, admitted by `Reports`. */
  | { readonly type: 'reported'; readonly report: SpeakerReport };

export type ControllerOutput =
  | { readonly type: 'write'; readonly update: StatusUpdate }
  | { readonly type: 'record'; readonly event: KubeEvent }
  | { readonly type: 'note'; readonly note: Note }
  /** `report` may say something else from now on; `held` is the configuration by now. */
  | { readonly type: 'changed'; readonly held: Held };

/** What metrics and readiness show. */
export interface Report {
  readonly synced: boolean;
  readonly configured: boolean;
  readonly stale: boolean;
  readonly problems: number;
  readonly usage: readonly Usage[];
  /** By reason; `Allocated` among them. */
  readonly services: ReadonlyMap<string, number>;
  readonly writes: { readonly done: number; readonly failed: number };
}

const RETRY_FIRST: Millis = 500;
const RETRY_MOST: Millis = 30_000;
const REPORTS_SETTLE: Millis = 5;

/** Writes under way at once: enough to keep a source busy, few enough to be heard in between. */
const MOST_WRITES = 64;

interface Entry {
  service: Service;
  /** The write that was asked for last, as long as the source does not show a newer object. */
  last: Write | undefined;
  failures: number;
  /** Something was to be written while a write was under way. */
  isBehind: boolean;
}

interface Write {
  readonly plan: Plan;
  readonly promised: readonly Ip[];
  state: 'under way' | 'done' | 'failed';
}

export class Controller implements Machine<ControllerInput, ControllerOutput> {
  readonly #wall: (now: Instant) => string;
  readonly #lbClass: string | undefined;
  readonly #reports: Reports | undefined;
  readonly #services = new Map<string, Entry>();
  readonly #pools = new Map<string, KubeObject>();
  /** Addresses of Services that cannot be read. */
  readonly #reserved = new Map<string, readonly Ip[]>();
  /** When to try again, by key of the Service. */
  readonly #retries = new Map<string, Instant>();
  readonly #synced = new Set<string>();
  readonly #troubles = new Troubles();
  #held: Held = NOTHING_HELD;
  #poolsChanged = true;
  #due: Instant | undefined;
  #queue: ControllerOutput[] = [];
  #decisions: ReadonlyMap<string, Decision> = new Map();
  /** Counted when somebody asks, once for each decision. */
  #usage: readonly Usage[] | undefined;
  #underWay = 0;
  #isBlocked = false;
  /** Somebody waits for an address to be given back: then an echo is news, too. */
  #isWaitedFor = false;
  #writes = { done: 0, failed: 0 };

  /**
   * `wall` gives the time of day (RFC 3339) of an Instant, for conditions. Without `reports`
   * nothing is said about who announces.
   */
  constructor(wall: (now: Instant) => string, lbClass?: string, reports?: Reports) {
    this.#wall = wall;
    this.#lbClass = lbClass;
    this.#reports = reports;
  }

  handle(input: ControllerInput, now: Instant): void {
    if (input.type === 'written') this.#written(input.update, input.result, now);
    else if (input.type === 'reported') this.#reported(input.report, now);
    else this.#watched(input.resource, input.event, now);
  }

  tick(now: Instant): void {
    const due = this.deadline();
    if (due === undefined || due > now) return;
    this.#due = undefined;
    this.#decide(now);
  }

  poll(): ControllerOutput | undefined {
    return this.#queue.shift();
  }

  deadline(): Instant | undefined {
    if (!this.#isSynced()) return undefined;
    let first = this.#due;
    for (const at of this.#retries.values()) first = earlier(first, at);
    return earlier(first, this.#reports?.deadline());
  }

  report(): Report {
    const services = new Map<string, number>();
    for (const decision of this.#decisions.values()) {
      const reason = decision.kind === 'denied' ? decision.reason : REASONS[decision.kind];
      services.set(reason, (services.get(reason) ?? 0) + 1);
    }
    const { config, problems } = this.#held;
    this.#usage ??= usageOf(config?.pools ?? new Map(), this.#decisions.values());
    return {
      synced: this.#isSynced(),
      configured: config !== undefined,
      stale: problems.length > 0,
      problems: problems.length + this.#troubles.size,
      usage: this.#usage,
      services,
      writes: { ...this.#writes },
    };
  }

  /** Those of one event come close together; they are decided on together. */
  #reported(report: SpeakerReport, now: Instant): void {
    if (this.#reports?.take(report, now) === true) this.#due ??= now + REPORTS_SETTLE;
  }

  #isSynced(): boolean {
    return WATCHED.every(({ kind }) => this.#synced.has(kind));
  }

  #watched({ kind }: Resource, event: WatchEvent, now: Instant): void {
    switch (event.type) {
      case 'put':
        if (kind === SERVICE.kind) {
          if (!this.#putService(event.object as Service)) return;
        } else if (!this.#putPool(event.object)) return;
        break;
      case 'delete':
        if (kind === SERVICE.kind) this.#drop(event.key);
        else this.#pools.delete(event.key);
        break;
      case 'remnant':
        if (kind !== SERVICE.kind) return;
        if (event.status === undefined) this.#reserved.delete(event.key);
        else this.#reserved.set(event.key, heldAddresses({ status: event.status as object }));
        break;
      case 'synced':
        this.#synced.add(kind);
        break;
      case 'problem':
        this.#trouble(kind, event.problem);
        break;
      case 'solved':
        this.#solved(kind, event.place);
        break;
    }
    if (kind !== SERVICE.kind) this.#poolsChanged = true;
    this.#due ??= now;
  }

  /** Whether it says anything that was not known. */
  #putService(service: Service): boolean {
    const key = keyOf(service);
    const entry = this.#services.get(key);
    if (entry === undefined) {
      this.#services.set(key, { service, last: undefined, failures: 0, isBehind: false });
      return true;
    }
    const { service: before, last } = entry;
    if (versionOf(before) === versionOf(service)) return false;
    entry.service = service;
    // Newer than what the write was based on: either its result, or it will be a conflict.
    if (last?.state !== 'under way') entry.last = undefined;
    this.#retries.delete(key);
    return last === undefined || this.#isWaitedFor || !isEcho(before, service, last.promised);
  }

  /** A status is ours, and says nothing that was not known. */
  #putPool(pool: KubeObject): boolean {
    const before = this.#pools.get(keyOf(pool));
    this.#pools.set(keyOf(pool), pool);
    return before === undefined || !sameWish(before, pool);
  }

  #drop(key: string): void {
    if (this.#services.get(key)?.last?.state === 'under way') this.#underWay -= 1;
    this.#services.delete(key);
    this.#retries.delete(key);
    this.#reports?.drop(key);
  }

  #trouble(kind: string, { place, path, message }: SourceProblem): void {
    if (!this.#troubles.begin(kind, place)) return;
    const at = path === '' ? place : `${place}: ${path}`;
    this.#note({ level: 'error', event: 'ManifestProblem', message: `${at}: ${message}`, place });
  }

  #solved(kind: string, place: string): void {
    if (!this.#troubles.end(kind, place)) return;
    this.#note({ level: 'info', event: 'ManifestSolved', message: `${place}: mended`, place });
  }

  #note(note: Note): void {
    this.#queue.push({ type: 'note', note });
  }

  #decide(now: Instant): void {
    if (!this.#isSynced()) return;
    this.#reports?.forget(now);
    for (const [key, at] of this.#retries) if (at <= now) this.#retries.delete(key);
    if (this.#poolsChanged) this.#configure();
    this.#queue.push({ type: 'changed', held: this.#held });
    const { config } = this.#held;
    if (config === undefined) return;
    const views = [...this.#services.values()].map(({ service, last }) =>
      viewOf(service, last?.promised, this.#lbClass),
    );
    const decisions = allocate({
      entrants: views.flatMap(({ entrant }) => entrant ?? []),
      pools: config.pools,
      reserved: this.#reserved,
      occupied: new Map(views.map(({ key, occupied }) => [key, occupied])),
      incomplete: this.#troubles.concern(IP_ADDRESS_POOL.kind),
    });
    this.#decisions = decisions;
    this.#isWaitedFor = [...decisions.values()].some(isWaiting);
    this.#isBlocked = false;
    this.#usage = undefined;
    const wall = this.#wall(now);
    for (const view of views) {
      const decision = decisions.get(view.key);
      const announcement = this.#announcement(view.key, decision, now);
      const entry = this.#services.get(view.key);
      if (entry !== undefined) this.#write(entry, { ...view, decision, announcement }, wall);
    }
  }

  #configure(): void {
    this.#poolsChanged = false;
    const before = new Set(this.#held.problems.map(textOf));
    // Advertisements say where addresses are answered, never which; theirs is the speakers' matter.
    this.#held = hold(this.#held, parse({ pools: [...this.#pools.values()], advertisements: [] }));
    const { problems } = this.#held;
    for (const problem of problems) {
      if (before.has(textOf(problem))) continue;
      const message = `${problem.path}: ${problem.message}`;
      this.#note({ level: 'error', event: 'ConfigProblem', message, problem });
    }
    if (problems.length === 0 && before.size > 0) {
      this.#note({ level: 'info', event: 'ConfigSolved', message: 'the configuration is valid' });
    }
  }

  #announcement(
    key: string,
    decision: Decision | undefined,
    now: Instant,
  ): Subject['announcement'] {
    if (decision?.kind !== 'allocated') {
      this.#reports?.drop(key);
      return undefined;
    }
    const ips = decision.addresses.map(formatIp);
    return this.#reports && (this.#reports.announcement(key, ips, now) ?? 'unchanged');
  }

  #write(entry: Entry, subject: Subject, wall: string): void {
    const { decision, service } = subject;
    const key = keyOf(service);
    if (entry.last?.state === 'under way') {
      entry.isBehind = isOvertaken(entry.last.plan, plan(subject, wall), service);
      return;
    }
    if (this.#retries.has(key)) return;
    // Before planning: while many wait, few of their plans would be carried out.
    if (this.#underWay >= MOST_WRITES) {
      this.#isBlocked = true;
      return;
    }
    const made = plan(subject, wall);
    // Asked for and acknowledged, and not yet shown; or the source does not take all of it.
    if (made === undefined) return;
    if (entry.last?.state === 'done' && entry.last.plan.digest === made.digest) return;
    this.#underWay += 1;
    entry.isBehind = false;
    const promised = decision?.kind === 'allocated' ? decision.addresses : [];
    entry.last = { plan: made, promised, state: 'under way' };
    this.#queue.push({ type: 'write', update: made.update });
  }

  #written(update: StatusUpdate, result: Result<unknown, KubeFailure>, now: Instant): void {
    const entry = this.#services.get(update.key);
    const write = entry?.last;
    // The Service went away, and perhaps another one came under its name.
    if (entry === undefined || write?.plan.update !== update) return;
    this.#underWay -= 1;
    const room = this.#isBlocked && this.#underWay <= MOST_WRITES / 2;
    if (room || entry.isBehind || !result.ok) this.#due ??= now;
    const isShown = versionOf(entry.service) !== update.resourceVersion;
    if (result.ok) {
      this.#writes.done += 1;
      entry.failures = 0;
      write.state = 'done';
      if (isShown) entry.last = undefined;
      for (const event of write.plan.events) this.#tell(event);
      return;
    }
    this.#writes.failed += 1;
    write.state = 'failed';
    const { kind, message } = result.error;
    // A promise that came to nothing: somebody else was faster, or the Service is another by now.
    if (kind === 'conflict' || isShown) entry.last = undefined;
    if (kind === 'conflict' && isShown) return;
    if (kind !== 'conflict' && entry.failures === 0) {
      this.#note({ level: 'warn', event: 'WriteFailed', message, service: update.key });
    }
    this.#retries.set(update.key, now + Math.min(RETRY_MOST, RETRY_FIRST * 2 ** entry.failures));
    entry.failures += 1;
  }

  #tell(event: KubeEvent): void {
    const { key, reason, message } = event;
    const level = event.type === 'Warning' ? 'warn' : 'info';
    this.#queue.push({ type: 'record', event });
    this.#note({ level, event: reason, message, service: key });
  }
}

const REASONS = { allocated: 'Allocated', untouched: 'Untouched' } as const;

function isWaiting(decision: Decision): boolean {
  return decision.kind === 'denied' && decision.reason === 'AddressBeingReleased';
}

function versionOf(service: Service): string {
  return service.metadata.resourceVersion ?? '';
}

function textOf({ key, path, message }: Problem): string {
  return `${key} ${path} ${message}`;
}
