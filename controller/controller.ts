/**
 * The controller as a Machine: what the source shows goes in, writes come out. It decides from the
 * whole snapshot each time, after every kind is known and a configuration has been valid once;
 * bursts of changes are decided on together. In a steady state nothing comes out.
 *
 *     Settings (pools …) ─▶ ┐
 *     Writer (Services) ──▶ ├─ views ─▶ decide ──▶ plan ─▶ Writer: claims, then the status
 *     Claims ─────────────▶ ┘
 *
 * What the watch shows as promised by a write is no news, so a thousand writes are not a thousand
 * decisions. One that does not lead follows everything, and decides and writes nothing.
 */
import { heldAddresses } from '../config/claim.ts';
import type { Held } from '../config/held.ts';
import type { Problem } from '../config/problem.ts';
import { ADDRESS_CLAIM, IP_ADDRESS_POOL, NAMESPACE, SERVICE } from '../kube/kube.ts';
import type {
  KubeEvent,
  KubeFailure,
  Resource,
  SourceProblem,
  StatusUpdate,
  WatchEvent,
} from '../kube/kube.ts';
import type { Service } from '../kube/objects.ts';
import type { Machine } from '../lib/machine.ts';
import type { Result } from '../lib/result.ts';
import { earlier } from '../lib/time.ts';
import type { Instant, Millis } from '../lib/time.ts';
import { formatIp, sameIp } from '../net/ip.ts';
import type { Ip } from '../net/ip.ts';
import type { SpeakerReport } from '../owners/report.ts';
import { holderOf, idOf } from './addressclaim.ts';
import type { Decision } from './allocate.ts';
import { Claims } from './claims.ts';
import type { ClaimAct } from './claimtable.ts';
import { Decider } from './decider.ts';
import { promisedBy } from './errand.ts';
import type { Note } from './note.ts';
import type { Subject } from './plan.ts';
import { quarantineOf } from './quarantine.ts';
import type { Reports } from './reports.ts';
import { Settings } from './settings.ts';
import { Troubles } from './troubles.ts';
import { usageOf } from './usage.ts';
import type { Usage } from './usage.ts';
import { viewOf } from './view.ts';
import type { View } from './view.ts';
import { Writer } from './writer.ts';
import type { Circumstances, DecisionMoment } from './writer.ts';

/** What the controller reads; nothing is written before all of it is known. */
export const WATCHED: readonly Resource[] = [SERVICE, IP_ADDRESS_POOL];

/** The same, where it may be read and is there: that it is not is known, too. */
export const WATCHED_IF_THERE: readonly Resource[] = [ADDRESS_CLAIM, NAMESPACE];

export type ControllerInput =
  | { readonly type: 'watched'; readonly resource: Resource; readonly event: WatchEvent }
  | {
      readonly type: 'written';
      /** The update that this is the result of. */
      readonly update: StatusUpdate;
      readonly result: Result<unknown, KubeFailure>;
    }
  /** The same of a claim. */
  | {
      readonly type: 'claimed';
      readonly act: ClaimAct;
      readonly result: Result<unknown, KubeFailure>;
    }
  /** What the configuration is refused for, besides what it says itself. */
  | { readonly type: 'objected'; readonly problems: readonly Problem[] }
  /** Whether this controller is the one that decides. */
  | { readonly type: 'leads'; readonly is: boolean }
  /** A speaker's, admitted by `Reports`. */
  | { readonly type: 'reported'; readonly report: SpeakerReport };

export type ControllerOutput =
  | { readonly type: 'write'; readonly update: StatusUpdate }
  | { readonly type: 'claim'; readonly act: ClaimAct }
  | { readonly type: 'record'; readonly event: KubeEvent }
  | { readonly type: 'note'; readonly note: Note }
  /** `report` may say something else from now on; `held` is the configuration by now. */
  | { readonly type: 'changed'; readonly held: Held };

/** What metrics and readiness show. */
export interface Report {
  readonly synced: boolean;
  readonly leads: boolean;
  readonly configured: boolean;
  readonly stale: boolean;
  readonly problems: number;
  readonly usage: readonly Usage[];
  /** By reason; `Allocated` among them. */
  readonly services: ReadonlyMap<string, number>;
  readonly writes: { readonly done: number; readonly failed: number };
  /** undefined: addresses are not taken by claims here. */
  readonly claims: number | undefined;
  /** Addresses that strangers claim now; and those that nobody gets because of it. */
  readonly conflicts: { readonly present: number; readonly quarantined: number };
}

export interface ControllerOptions {
  readonly lbClass?: string | undefined;
  /** undefined: nothing is said about who announces. */
  readonly reports?: Reports | undefined;
  /** Where claims are made; undefined: they are only read. */
  readonly namespace?: string | undefined;
  /** Until it is told to lead. */
  readonly standsBy?: boolean;
  /** Nothing is decided before somebody has said whether the configuration is to be refused. */
  readonly awaitsObjections?: boolean;
}

const REPORTS_SETTLE: Millis = 5;

/** A decision looks at every Service: of as many of them it waits a millisecond after the last. */
const SERVICES_PER_MS = 40;

export class Controller implements Machine<ControllerInput, ControllerOutput> {
  readonly #wall: (now: Instant) => string;
  readonly #lbClass: string | undefined;
  readonly #reports: Reports | undefined;
  readonly #settings: Settings;
  readonly #claims: Claims;
  readonly #decider = new Decider();
  readonly #writer: Writer;
  /** Addresses of Services that cannot be read. */
  readonly #reserved = new Map<string, readonly Ip[]>();
  /** Kinds of which it is known what there is. */
  readonly #known = new Set<string>();
  readonly #troubles = new Troubles();
  #leads: boolean;
  /** Counts inputs. */
  #turn = 0;
  #due: Instant | undefined;
  #decidedAt: Instant = -Infinity;
  #queue: ControllerOutput[] = [];
  #decisions: ReadonlyMap<string, Decision> = new Map();
  /** Counted when somebody asks, once for each decision. */
  #usage: readonly Usage[] | undefined;
  /** Somebody waits for an address to be given back: then an echo is news, too. */
  #isWaitedFor = false;

  /** `wall` gives the time of day (RFC 3339) of an Instant, for conditions. */
  constructor(wall: (now: Instant) => string, options: ControllerOptions = {}) {
    this.#wall = wall;
    this.#lbClass = options.lbClass;
    this.#reports = options.reports;
    this.#leads = options.standsBy !== true;
    this.#settings = new Settings(options.awaitsObjections === true);
    this.#claims = new Claims(options.namespace);
    this.#writer = new Writer((output) => this.#queue.push(output), this.#claims);
  }

  handle(input: ControllerInput, now: Instant): void {
    this.#turn += 1;
    switch (input.type) {
      case 'written':
        if (this.#writer.written(input.update, input.result, this.#circumstances(now))) {
          this.#wish(now);
        }
        break;
      case 'claimed':
        if (this.#writer.claimed(input.act, input.result, this.#circumstances(now))) {
          this.#wish(now);
        }
        break;
      case 'reported':
        this.#reported(input.report, now);
        break;
      case 'objected':
        this.#settings.objected(input.problems);
        this.#wish(now);
        break;
      case 'leads':
        this.#leads = input.is;
        this.#wish(now);
        break;
      case 'watched':
        if (this.#watched(input.resource, input.event)) this.#wish(now);
        break;
    }
  }

  tick(now: Instant): void {
    const due = this.deadline();
    if (due === undefined || due > now) return;
    this.#due = undefined;
    this.#decidedAt = now;
    this.#reports?.forget(now);
    this.#writer.begin(now);
    this.#settings.configure((note) => this.#note(note));
    this.#queue.push({ type: 'changed', held: this.#settings.held });
    if (this.#leads) this.#decide(now);
  }

  poll(): ControllerOutput | undefined {
    return this.#queue.shift();
  }

  deadline(): Instant | undefined {
    if (!this.#isSynced()) return undefined;
    const first = earlier(this.#due, this.#writer.deadline());
    return earlier(first, this.#reports?.deadline());
  }

  report(): Report {
    const services = new Map<string, number>();
    for (const decision of this.#decisions.values()) {
      const reason = decision.kind === 'denied' ? decision.reason : REASONS[decision.kind];
      services.set(reason, (services.get(reason) ?? 0) + 1);
    }
    const { config, problems } = this.#settings.held;
    const all = this.#reports?.conflicts.quarantined ?? NONE;
    this.#usage ??= usageOf(config?.pools ?? new Map(), this.#decisions.values());
    return {
      synced: this.#isSynced(),
      leads: this.#leads,
      configured: config !== undefined,
      stale: problems.length > 0,
      problems: problems.length + this.#troubles.size,
      usage: this.#usage,
      services,
      writes: this.#writer.counts,
      claims: this.#claims.isOn ? this.#claims.size : undefined,
      conflicts: {
        present: this.#reports?.conflicts.size ?? 0,
        quarantined: quarantineOf(all, config?.pools ?? new Map()).size,
      },
    };
  }

  /** Those of one event come close together; they are decided on together. */
  #reported(report: SpeakerReport, now: Instant): void {
    if (this.#reports?.take(report, now) === true) this.#due ??= now + REPORTS_SETTLE;
  }

  #circumstances(now: Instant): Circumstances {
    const [turn, leads, isWaitedFor] = [this.#turn, this.#leads, this.#isWaitedFor];
    return { now, turn, wall: this.#wall(now), leads, isWaitedFor };
  }

  /** At once after a silence; else soon, together with what comes until then. */
  #wish(now: Instant): void {
    const pause = Math.floor(this.#writer.size / SERVICES_PER_MS);
    this.#due ??= Math.max(now, this.#decidedAt + pause);
  }

  #isSynced(): boolean {
    const isKnown = ({ kind }: Resource): boolean => this.#known.has(kind);
    return [...WATCHED, ...WATCHED_IF_THERE].every(isKnown) && this.#settings.isJudged;
  }

  /** Whether there is something to decide. */
  #watched(resource: Resource, event: WatchEvent): boolean {
    const { kind } = resource;
    const isFirst = event.type === 'synced' && !this.#known.has(kind);
    if (event.type === 'synced') this.#known.add(kind);
    if (event.type === 'problem') return this.#trouble(resource, event.problem);
    if (event.type === 'solved') return this.#solved(kind, event.place);
    if (kind === SERVICE.kind) return this.#watchedService(event) || isFirst;
    if (kind === ADDRESS_CLAIM.kind) {
      if (event.type === 'synced') this.#claims.begin();
      return this.#claims.watched(event, this.#turn) || isFirst;
    }
    return this.#settings.watched(resource, event) || isFirst;
  }

  #watchedService(event: WatchEvent): boolean {
    switch (event.type) {
      case 'put':
        return this.#writer.put(event.object as Service, this.#turn, this.#isWaitedFor);
      case 'delete':
        this.#writer.drop(event.key);
        this.#reports?.drop(event.key);
        return true;
      case 'remnant':
        if (event.status === undefined) this.#reserved.delete(event.key);
        else this.#reserved.set(event.key, heldAddresses({ status: event.status as object }));
        return true;
      case 'synced':
      case 'problem':
      case 'solved':
      default:
        return false;
    }
  }

  #trouble({ kind }: Resource, { place, path, message, refusal }: SourceProblem): boolean {
    const isOptional = WATCHED_IF_THERE.some((each) => each.kind === kind);
    const at = path === '' ? place : `${place}: ${path}`;
    if (isOptional && refusal !== undefined) {
      if (kind === ADDRESS_CLAIM.kind) this.#claims.refuse();
      // Where addresses are taken by claims, none is given while there cannot be any.
      const isMissed = kind === ADDRESS_CLAIM.kind && this.#claims.isOn;
      if (this.#known.has(kind) && !isMissed) return false;
      if (!isMissed) {
        this.#known.add(kind);
        this.#note({ level: 'info', event: 'NotRead', message: `${at}: ${message}`, place });
        return true;
      }
    }
    if (this.#troubles.begin(kind, place)) {
      this.#note({ level: 'error', event: 'ManifestProblem', message: `${at}: ${message}`, place });
    }
    return true;
  }

  #solved(kind: string, place: string): boolean {
    if (this.#troubles.end(kind, place)) {
      this.#note({ level: 'info', event: 'ManifestSolved', message: `${place}: mended`, place });
    }
    return true;
  }

  #note(note: Note): void {
    this.#queue.push({ type: 'note', note });
  }

  #decide(now: Instant): void {
    const { config } = this.#settings.held;
    if (config === undefined) return;
    const views = [...this.#writer.entries()].map((entry) => {
      const { service } = entry;
      return viewOf(service, promisedBy(entry), this.#claims.of(service), this.#lbClass);
    });
    const ids = new Map(views.map(({ service, key }) => [idOf(holderOf(service.metadata)), key]));
    const isKnown = (id: string): boolean => ids.has(id);
    const decisions = this.#decider.decide({
      services: views,
      pools: config.pools,
      quotas: this.#settings.quotas,
      reserved: this.#reserved,
      leaving: this.#claims.leaving(),
      taken: this.#claims.taken(isKnown),
      quarantined: quarantineOf(this.#reports?.conflicts.quarantined ?? NONE, config.pools),
      incomplete: this.#troubles.concern(IP_ADDRESS_POOL.kind),
    });
    this.#decisions = decisions;
    this.#isWaitedFor = [...decisions.values()].some(isWaiting);
    this.#usage = undefined;
    const isGranted = (id: string, ip: Ip): boolean => has(decisions.get(ids.get(id) ?? ''), ip);
    const moment = { now, turn: this.#turn, wall: this.#wall(now), isGranted };
    for (const view of views) this.#write(view, decisions, moment);
    if (this.#claims.isOn) this.#writer.tidyOrphans(isKnown, this.#turn);
  }

  #write(view: View, decisions: ReadonlyMap<string, Decision>, moment: DecisionMoment): void {
    const { key } = view;
    const entry = this.#writer.get(key);
    if (entry === undefined) return;
    const decision = decisions.get(key);
    const ips = decision?.kind === 'allocated' ? decision.addresses.map(formatIp) : undefined;
    const announcement = this.#announcement(key, ips, moment.now);
    const contest = this.#reports?.contest(ips ?? [], moment.now);
    const asks = view.entrant?.claim.requested.map(formatIp) ?? [];
    const rival = (ip: string): string | undefined =>
      asks.length === 0 || asks.includes(ip) ? rivalOf(decisions, key, ip) : undefined;
    this.#writer.write(entry, { ...view, decision, announcement, contest, rival }, moment);
  }

  #announcement(
    key: string,
    ips: readonly string[] | undefined,
    now: Instant,
  ): Subject['announcement'] {
    if (ips === undefined) {
      this.#reports?.drop(key);
      return undefined;
    }
    return this.#reports && (this.#reports.announcement(key, ips, now) ?? 'unchanged');
  }
}

const NONE = new Map<string, never>();
const REASONS = { allocated: 'Allocated', untouched: 'Untouched' } as const;

function isWaiting(decision: Decision): boolean {
  return decision.kind === 'denied' && decision.reason === 'AddressBeingReleased';
}

function has(decision: Decision | undefined, ip: Ip): boolean {
  return decision?.kind === 'allocated' && decision.addresses.some((each) => sameIp(each, ip));
}

function rivalOf(
  decisions: ReadonlyMap<string, Decision>,
  key: string,
  ip: string,
): string | undefined {
  for (const [other, decision] of decisions) {
    if (other === key || decision.kind !== 'allocated') continue;
    if (decision.addresses.some((each) => formatIp(each) === ip)) return other;
  }
  return undefined;
}
