/**
 * What is to be said of the configuration as a whole, by the one program of which there is one: a
 * Warning event on every object that is at fault, once for each change of what is wrong with it,
 * and one when it is mended. The controller allocates from pools alone; advertisements are judged
 * here only to tell their owner, because a hundred speakers would tell him a hundred times. BGP
 * objects are judged too, and reported once, as long as nobody announces them.
 *
 * What was told survives a restart in the conditions of the controller's ConfigurationState.
 */
import type { Judgement } from '../config/configstate.ts';
import { foreignInPools } from '../config/foreign.ts';
import { NOTHING_HELD } from '../config/held.ts';
import type { Held } from '../config/held.ts';
import { listOfKind } from '../config/parse/sources.ts';
import type { Sources } from '../config/parse/sources.ts';
import { parse } from '../config/parse.ts';
import { problemLine } from '../config/problem.ts';
import type { Problem } from '../config/problem.ts';
import { Unreadable } from '../config/unreadable.ts';
import {
  BFD_PROFILE,
  BGP_ADVERTISEMENT,
  BGP_PEER,
  COMMUNITY,
  IP_ADDRESS_POOL,
  L2_ADVERTISEMENT,
} from '../kube/kube.ts';
import type { KubeEvent, Resource, WatchEvent } from '../kube/kube.ts';
import { keyOf } from '../kube/objects.ts';
import type { KubeObject } from '../kube/objects.ts';
import { sameWish } from '../kube/samewish.ts';
import type { Machine } from '../lib/machine.ts';
import type { Note } from '../lib/note.ts';
import type { Instant, Millis } from '../lib/time.ts';
import { SURROUNDINGS, Surroundings } from './surroundings.ts';

const BGP_KINDS: readonly Resource[] = [BGP_PEER, BGP_ADVERTISEMENT, BFD_PROFILE, COMMUNITY];

/** Without any of them the controller still does its work. */
export const ADVISORY: readonly Resource[] = [L2_ADVERTISEMENT, ...BGP_KINDS];

export type FindingsInput =
  | { readonly kind: 'watch'; readonly resource: Resource; readonly event: WatchEvent }
  /** What the controller holds; `telling`: it is this one's turn to write and tell. */
  | { readonly kind: 'held'; readonly held: Held; readonly telling: boolean }
  /** What the ConfigurationState says, whoever wrote it; empty when there is none. */
  | { readonly kind: 'shown'; readonly lines: ReadonlySet<string> };

export type FindingsOutput =
  | { readonly kind: 'record'; readonly event: KubeEvent }
  | { readonly kind: 'note'; readonly note: Note }
  /** `judgement` says something else from now on. */
  | { readonly kind: 'changed' }
  /** What the configuration is to be refused for, besides what it says itself. */
  | { readonly kind: 'objected'; readonly problems: readonly Problem[] };

/** What becomes of pools that contain addresses of the cluster itself. */
export type Overlaps = 'warn' | 'refuse' | 'ignore';

/** An object of which there is something to say. */
interface Finding {
  readonly resource: Resource;
  readonly key: string;
  readonly reason: 'ConfigurationError' | 'NotAnnounced' | 'PoolOverlaps';
  readonly lines: readonly string[];
}

const SETTLE: Millis = 10;

const NOT_ANNOUNCED = 'is kept and not announced yet: only layer 2 is';

export class Findings implements Machine<FindingsInput, FindingsOutput> {
  readonly #objects = new Map<string, Map<string, KubeObject>>();
  /** Kinds of which it is not known yet whether they can be known. */
  readonly #awaited = new Set([IP_ADDRESS_POOL, ...ADVISORY].map(({ kind }) => kind));
  /** Kinds that cannot be read, or not any more. */
  readonly #unknown = new Set<string>();
  readonly #unreadable = new Unreadable();
  #held: Held = NOTHING_HELD;
  #telling = false;
  #shown: ReadonlySet<string> | undefined;
  /** What was shown when it became this one's turn; taken once. */
  #remembered: ReadonlySet<string> | undefined;
  #told: ReadonlyMap<string, Finding> = new Map();
  #judgement: Judgement | undefined;
  #due: Instant | undefined;
  readonly #out: FindingsOutput[] = [];
  readonly #overlaps: Overlaps;
  readonly #surroundings = new Surroundings();
  #objections: string | undefined;

  constructor(overlaps: Overlaps) {
    this.#overlaps = overlaps;
  }

  /** undefined: there is nothing to say yet, or it is another controller's turn. */
  get judgement(): Judgement | undefined {
    return this.#telling ? this.#judgement : undefined;
  }

  handle(input: FindingsInput, now: Instant): void {
    switch (input.kind) {
      case 'watch':
        if (SURROUNDINGS.includes(input.resource)) {
          if (!this.#surroundings.watch(input.resource, input.event)) return;
        } else if (!this.#watch(input.resource.kind, input.event)) return;
        break;
      case 'held':
        // It comes with every decision on Services, too.
        if (input.held === this.#held && input.telling === this.#telling) return;
        this.#held = input.held;
        if (this.#telling && !input.telling) this.#forget();
        this.#telling = input.telling;
        break;
      case 'shown':
        this.#shown = input.lines;
        break;
    }
    this.#due ??= now + SETTLE;
  }

  tick(now: Instant): void {
    if (this.#due === undefined || now < this.#due) return;
    this.#due = undefined;
    this.#judge();
  }

  poll(): FindingsOutput | undefined {
    return this.#out.shift();
  }

  deadline(): Instant | undefined {
    return this.#due;
  }

  /** Another one tells from now on, and will have told when it is this one's turn again. */
  #forget(): void {
    this.#judgement = undefined;
    this.#told = new Map();
    this.#remembered = undefined;
  }

  /** Whether it is news. */
  #watch(kind: string, event: WatchEvent): boolean {
    this.#unreadable.take(kind, event);
    const objects = this.#objects.get(kind) ?? new Map<string, KubeObject>();
    this.#objects.set(kind, objects);
    switch (event.type) {
      case 'put': {
        const before = objects.get(keyOf(event.object));
        objects.set(keyOf(event.object), event.object);
        return before === undefined || !sameWish(before, event.object);
      }
      case 'delete':
        objects.delete(event.key);
        break;
      case 'remnant':
        break;
      case 'synced':
        this.#awaited.delete(kind);
        break;
      case 'problem':
        if (event.problem.place !== kind) break;
        this.#awaited.delete(kind);
        this.#unknown.add(kind);
        break;
      case 'solved':
        this.#unknown.delete(event.place);
        break;
    }
    return true;
  }

  /** Pools with addresses of the cluster itself; undefined: not known yet. */
  #foreign(): readonly Problem[] | undefined {
    if (this.#overlaps === 'ignore') return [];
    const { foreign } = this.#surroundings;
    if (foreign === undefined || this.#awaited.has(IP_ADDRESS_POOL.kind)) return undefined;
    return foreignInPools(this.#objects.get(IP_ADDRESS_POOL.kind)?.values() ?? [], foreign);
  }

  /** Also while another controller tells: whoever decides must know. */
  #object(problems: readonly Problem[]): void {
    if (this.#overlaps !== 'refuse' || this.#objections === JSON.stringify(problems)) return;
    this.#objections = JSON.stringify(problems);
    this.#out.push({ kind: 'objected', problems });
  }

  #judge(): void {
    const foreign = this.#foreign();
    if (foreign === undefined) return;
    this.#object(foreign);
    const held = this.#held;
    const isKnown = held.config !== undefined || held.problems.length > 0;
    if (!isKnown || !this.#telling || this.#awaited.size > 0) return;
    const others = this.#others(held);
    const overlapping = this.#overlaps === 'warn' ? foreign : [];
    const judgement = this.#judgementOf(held, others, overlapping);
    if (JSON.stringify(judgement) !== JSON.stringify(this.#judgement)) {
      this.#judgement = judgement;
      this.#out.push({ kind: 'changed' });
    }
    this.#remembered ??= this.#shown;
    if (this.#remembered === undefined) return;
    this.#tell(findingsOf([...held.problems, ...others], this.#bgp(), overlapping));
  }

  /** What is wrong with objects that the controller does not look at. */
  #others(held: Held): readonly Problem[] {
    const parsed = parse({ pools: [], advertisements: [], ...this.#sources() });
    const all = parsed.ok ? (parsed.value.bgp?.problems ?? []) : parsed.error;
    const known = new Set(held.problems.map(problemLine));
    return all.filter(
      (problem) =>
        problem.resource.kind !== IP_ADDRESS_POOL.kind && !known.has(problemLine(problem)),
    );
  }

  #judgementOf(held: Held, others: readonly Problem[], overlapping: readonly Problem[]): Judgement {
    const isBgp = ({ resource }: Problem): boolean =>
      BGP_KINDS.some(({ kind }) => kind === resource.kind);
    const ours = this.#unreadable.lines([IP_ADDRESS_POOL.kind]);
    const theirs = this.#unreadable.lines(ADVISORY.map(({ kind }) => kind));
    return {
      problems: [...held.problems.map(problemLine), ...ours],
      asides: [
        {
          type: 'arpeggio.dev/AdvertisementsValid',
          reason: 'AdvertisementError',
          lines: [
            ...others.filter((problem) => !isBgp(problem)).map(problemLine),
            ...theirs.filter((line) => !ours.includes(line)),
          ],
        },
        {
          type: 'arpeggio.dev/PoolsApart',
          reason: 'PoolOverlaps',
          lines: overlapping.map(problemLine),
        },
        {
          type: 'arpeggio.dev/BGPValid',
          reason: 'BGPError',
          lines: others.filter(isBgp).map(problemLine),
        },
        {
          type: 'arpeggio.dev/BGPAnnounced',
          reason: 'NotAnnounced',
          lines: this.#bgp().map(keptOf),
        },
      ],
    };
  }

  /** What is not known is not judged: a reference into it would be a fault. */
  #sources(): Partial<Record<keyof Sources, readonly KubeObject[]>> {
    const sources: Partial<Record<keyof Sources, readonly KubeObject[]>> = {};
    for (const resource of [IP_ADDRESS_POOL, ...ADVISORY]) {
      const list = listOfKind(resource);
      if (list === undefined || this.#unknown.has(resource.kind)) continue;
      sources[list] = [...(this.#objects.get(resource.kind)?.values() ?? [])];
    }
    return sources;
  }

  #bgp(): readonly KubeObject[] {
    const all: KubeObject[] = [];
    for (const { kind } of BGP_KINDS) {
      if (!this.#unknown.has(kind)) all.push(...(this.#objects.get(kind)?.values() ?? []));
    }
    return all;
  }

  #tell(found: ReadonlyMap<string, Finding>): void {
    const remembered = this.#remembered ?? new Set();
    const news: Finding[] = [];
    for (const [id, finding] of found) {
      const before = this.#told.get(id);
      if (before !== undefined && gist(before) === gist(finding)) continue;
      const isOld = before === undefined && finding.lines.every((line) => remembered.has(line));
      if (!isOld) news.push(finding);
    }
    // What comes back later is news again.
    this.#remembered = new Set();
    for (const finding of news) this.#record(finding);
    this.#note(news);
    for (const [id, finding] of this.#told) {
      const isThere = this.#objects.get(finding.resource.kind)?.has(finding.key) === true;
      if (found.has(id) || !isThere || finding.reason === 'NotAnnounced') continue;
      this.#mended(finding);
    }
    this.#told = found;
  }

  #record({ resource, key, reason, lines }: Finding): void {
    const message = shortly(resource, key, lines);
    this.#out.push({
      kind: 'record',
      event: { resource, key, type: 'Warning', reason, message },
    });
  }

  #mended({ resource, key, lines }: Finding): void {
    const message = `mended: ${shortly(resource, key, lines)}`;
    const event: KubeEvent = { resource, key, type: 'Normal', reason: 'Reconciled', message };
    this.#out.push({ kind: 'record', event });
    if (resource.kind !== IP_ADDRESS_POOL.kind) {
      this.#say('info', 'ConfigSolved', `${resource.kind} ${key}: mended`);
    }
  }

  /** What is wrong with pools the controller itself says. */
  #note(news: readonly Finding[]): void {
    const kept = news.filter(({ reason }) => reason === 'NotAnnounced');
    for (const { resource, reason, lines } of news) {
      const isPool = resource.kind === IP_ADDRESS_POOL.kind;
      if (reason === 'NotAnnounced' || (isPool && reason === 'ConfigurationError')) continue;
      const event = reason === 'PoolOverlaps' ? reason : 'ConfigProblem';
      for (const line of lines) this.#say('warn', event, line);
    }
    if (kept.length === 0) return;
    const names = kept.map(({ resource, key }) => `${resource.kind} ${key}`).join(', ');
    this.#say('warn', 'NotAnnounced', `${names}: ${NOT_ANNOUNCED}`);
  }

  #say(level: Note['level'], event: string, msg: string): void {
    this.#out.push({ kind: 'note', note: { level, event, msg, fields: {} } });
  }
}

/** By object: at fault, or of no effect. A fault comes first: it will have to be mended anyway. */
function findingsOf(
  problems: readonly Problem[],
  bgp: readonly KubeObject[],
  overlapping: readonly Problem[],
): ReadonlyMap<string, Finding> {
  const found = new Map<string, Finding>();
  const add = (id: string, reason: Finding['reason'], problem: Problem): void => {
    const { resource, key } = problem;
    const lines = [...(found.get(id)?.lines ?? []), problemLine(problem)];
    found.set(id, { resource, key, reason, lines });
  };
  for (const { apiVersion, kind, ...object } of bgp) {
    const key = keyOf(object);
    const lines = [keptOf({ apiVersion, kind, ...object })];
    const resource = { apiVersion, kind };
    found.set(`kept ${kind} ${key}`, { resource, key, reason: 'NotAnnounced', lines });
  }
  for (const problem of problems) {
    add(`${problem.resource.kind} ${problem.key}`, 'ConfigurationError', problem);
  }
  for (const problem of overlapping) add(`overlaps ${problem.key}`, 'PoolOverlaps', problem);
  return found;
}

function keptOf(object: KubeObject): string {
  return `${object.kind} ${keyOf(object)} ${NOT_ANNOUNCED}`;
}

/** An event is read beside its object. */
function shortly({ kind }: Resource, key: string, lines: readonly string[]): string {
  const own = `${kind} ${key}`;
  return lines.map((line) => line.replace(own, '').replace(/^:? /, '')).join('; ');
}

function gist({ lines }: Finding): string {
  return lines.join('\n');
}
