/**
 * Keeps objects of one kind as they are wanted: makes them and removes them where they are ours,
 * and corrects their status. Level-triggered: what is wanted against what the source shows, so what
 * an earlier life left behind, and what somebody deletes or edits, is made good.
 *
 * One thing at a time is under way for each object; failures are tried again, less and less often,
 * and said once. A right that is missing is asked for again once a minute. In a steady state
 * nothing comes out.
 *
 * What is wanted is a Duty's matter: who announces, what is wrong with the configuration, how full
 * a pool is.
 */
import type { Machine } from '../lib/machine.ts';
import type { Note } from '../lib/note.ts';
import type { Result } from '../lib/result.ts';
import { earlier } from '../lib/time.ts';
import type { Instant, Millis } from '../lib/time.ts';
import type { KubeFailure, Resource, StatusUpdate, WatchEvent } from './kube.ts';
import { keyOf } from './objects.ts';
import type { KubeObject } from './objects.ts';

export interface Duty {
  readonly resource: Resource;
  /** Name of the note about failures. */
  readonly failing: string;
  /** Changes come in bursts: they are looked at together, that long after the first. */
  readonly settle: Millis;
  /**
   * By key, as long as nothing changes. `shown` is what there is. undefined: it is not known (yet),
   * nothing is touched.
   */
  wanted(shown: ReadonlyMap<string, KubeObject>): ReadonlyMap<string, Wanted> | undefined;
  /** Whether an object that is not wanted is to be removed. */
  isStale(object: KubeObject): boolean;
}

export interface Wanted {
  /** As it is to be made, without its status; undefined: it is somebody else's to make. */
  readonly make: (() => KubeObject) | undefined;
  /** What to write over the status that is shown; undefined: it is as it should be. */
  readonly status: (shown: unknown) => unknown;
}

export type KeeperInput =
  /** The duty may want something else from now on. */
  | { readonly kind: 'changed' }
  | { readonly kind: 'watch'; readonly event: WatchEvent }
  | { readonly kind: 'done'; readonly key: string; readonly result: Written };

/** undefined: it was deleted. */
export type Written = Result<KubeObject | undefined, KubeFailure>;

export type KeeperOutput =
  | { readonly kind: 'create'; readonly key: string; readonly object: KubeObject }
  | { readonly kind: 'update'; readonly key: string; readonly update: StatusUpdate }
  | { readonly kind: 'delete'; readonly key: string; readonly version: string }
  | { readonly kind: 'note'; readonly note: Note };

export const RETRY_FIRST: Millis = 500;
const RETRY_MOST: Millis = 60_000;
/** Requests under way at once. */
const MOST = 16;

/** Not to be touched before then: it failed, or its result is not shown yet. */
interface Pause {
  readonly failures: number;
  readonly until: Instant;
}

export class Keeper implements Machine<KeeperInput, KeeperOutput> {
  readonly #duty: Duty;
  #wanted: ReadonlyMap<string, Wanted> | undefined;
  readonly #objects = new Map<string, KubeObject>();
  /** What may not be as it should: among ten thousand the few that something happened to. */
  readonly #doubtful = new Set<string>();
  readonly #underWay = new Set<string>();
  readonly #pauses = new Map<string, Pause>();
  #due: Instant | undefined;
  #isSynced = false;
  #isChanged = true;
  /** A right is missing: nothing is tried before then. undefined: none is. */
  #barredUntil: Instant | undefined;
  #lastSaid = '';
  readonly #out: KeeperOutput[] = [];

  constructor(duty: Duty) {
    this.#duty = duty;
  }

  handle(input: KeeperInput, now: Instant): void {
    switch (input.kind) {
      case 'changed':
        this.#isChanged = true;
        break;
      case 'watch':
        this.#watch(input.event);
        break;
      case 'done':
        this.#done(input.key, input.result, now);
        break;
    }
    this.#due ??= now + this.#duty.settle;
  }

  tick(now: Instant): void {
    const due = this.deadline();
    if (due === undefined || due > now) return;
    this.#due = undefined;
    this.#settle(now);
  }

  poll(): KeeperOutput | undefined {
    return this.#out.shift();
  }

  deadline(): Instant | undefined {
    // Many requests are under way: the end of one is an input.
    if (!this.#isSynced || this.#underWay.size >= MOST) return undefined;
    let at = this.#due;
    // As long as it is not known what is wanted, nothing is tried again.
    const pauses = this.#wanted === undefined ? [] : this.#pauses;
    for (const [key, { until }] of pauses) {
      if (!this.#underWay.has(key)) at = earlier(at, until);
    }
    return at === undefined ? undefined : Math.max(at, this.#barredUntil ?? at);
  }

  #watch(event: WatchEvent): void {
    if (event.type === 'put') {
      const key = keyOf(event.object);
      // What a duty wants may follow from what there is; not what was made because it was wanted.
      if (!this.#objects.has(key) && this.#wanted?.has(key) !== true) this.#isChanged = true;
      this.#objects.set(key, event.object);
      this.#doubtful.add(key);
      this.#shown(key);
    }
    if (event.type === 'delete') {
      this.#objects.delete(event.key);
      this.#doubtful.add(event.key);
      this.#shown(event.key);
    }
    if (event.type === 'synced') this.#isSynced = true;
    // Of a directory every watcher hears of every file; this is about the kind alone.
    if (event.type === 'problem' && event.problem.place === this.#duty.resource.kind) {
      this.#say(event.problem.message);
    }
  }

  #shown(key: string): void {
    if (this.#pauses.get(key)?.failures === 0) this.#pauses.delete(key);
  }

  #done(key: string, result: Written, now: Instant): void {
    this.#underWay.delete(key);
    this.#doubtful.add(key);
    if (result.ok) {
      this.#barredUntil = undefined;
      // What was written may be shown already; nothing is written of what was deleted.
      const written = result.value?.metadata.resourceVersion;
      if (written === this.#objects.get(key)?.metadata.resourceVersion) this.#pauses.delete(key);
      else this.#pauses.set(key, { failures: 0, until: now + RETRY_FIRST });
      return;
    }
    const { kind, message } = result.error;
    const failures = this.#pauses.get(key)?.failures ?? 0;
    const until = now + Math.min(RETRY_MOST, RETRY_FIRST * 2 ** failures);
    this.#pauses.set(key, { failures: failures + 1, until });
    if (kind === 'forbidden') {
      // Of every object it would be said in other words.
      if (this.#barredUntil === undefined) this.#say(message);
      this.#barredUntil = now + RETRY_MOST;
      return;
    }
    // The watch is behind: what it will show is what was wanted, or it is decided on again.
    const isRace = kind === 'conflict' || kind === 'exists' || kind === 'not-found';
    if (!isRace || failures > 2) this.#say(message);
  }

  #say(why: string): void {
    if (this.#lastSaid === why) return;
    this.#lastSaid = why;
    const { resource, failing } = this.#duty;
    const msg = `cannot keep ${resource.kind} up to date: ${why}`;
    this.#out.push({ kind: 'note', note: { level: 'warn', event: failing, msg, fields: {} } });
  }

  /** Nothing before the source is known, and before it is known what is wanted. */
  #settle(now: Instant): void {
    if (!this.#isSynced) return;
    if (this.#isChanged) {
      this.#isChanged = false;
      this.#wanted = this.#duty.wanted(this.#objects);
      for (const key of this.#wanted?.keys() ?? []) this.#doubtful.add(key);
      for (const key of this.#objects.keys()) this.#doubtful.add(key);
    }
    if (this.#wanted === undefined) return;
    for (const [key, { until }] of this.#pauses) {
      const isKnown = this.#wanted.has(key) || this.#objects.has(key);
      if (until <= now && !isKnown) this.#pauses.delete(key);
    }
    for (const key of this.#doubtful) {
      if (this.#underWay.size >= MOST) return;
      if (this.#underWay.has(key) || (this.#pauses.get(key)?.until ?? now) > now) continue;
      const step = this.#stepFor(key, this.#wanted.get(key));
      this.#doubtful.delete(key);
      if (step === undefined) {
        this.#pauses.delete(key);
        continue;
      }
      this.#underWay.add(key);
      this.#out.push(step);
    }
  }

  #stepFor(key: string, wanted: Wanted | undefined): KeeperOutput | undefined {
    const object = this.#objects.get(key);
    if (wanted === undefined) {
      if (object === undefined || !this.#duty.isStale(object)) return undefined;
      return { kind: 'delete', key, version: object.metadata.resourceVersion ?? '' };
    }
    if (object === undefined) {
      return wanted.make && { kind: 'create', key, object: wanted.make() };
    }
    const status = wanted.status((object as { status?: unknown }).status);
    if (status === undefined) return undefined;
    const resourceVersion = object.metadata.resourceVersion ?? '';
    const { resource } = this.#duty;
    return { kind: 'update', key, update: { resource, key, resourceVersion, status } };
  }
}
