/**
 * One watch of one kind at an API server, as a Machine: what the server says goes in, requests and
 * watch events come out. It lists in pages, watches from the list's version, and never gives up:
 *
 *     wait ─▶ list ─▶ watch ─▶ (orderly end after 1 s or more) watch again, at once
 *      ▲        │       │ ├───▶ (410: too old) list, at once
 *      └────────┴───────┘ └───▶ (no line for 150 s) list, at once
 *         any failure: back off
 *
 * "At once" is given sparingly, so that no server can make a busy loop: 410 and 401 are followed at
 * once twice a minute at most, and the wait grows until a watch has lived for STEADY.
 *
 * It stores versions only; the objects are whoever's listens, already projected. Not client-node's
 * informer: that one stops for good on a reset, 401, 429 or 5xx.
 */
import type { Machine } from '../lib/machine.ts';
import type { Random } from '../lib/random.ts';
import { earlier } from '../lib/time.ts';
import type { Instant, Millis } from '../lib/time.ts';
import { backoff } from './backoff.ts';
import type { SourceProblem, WatchEvent } from './kube.ts';
import { keyOf } from './objects.ts';
import type { KubeObject } from './objects.ts';
import { isOlder } from './version.ts';

/** What happened to the request with that number; of an abandoned one it does not matter. */
export type ReflectorInput = { readonly attempt: number } & (
  | {
      readonly type: 'page';
      readonly objects: readonly KubeObject[];
      readonly version: string;
      /** Token of the page after this one. */
      readonly next: string | undefined;
    }
  /** The server accepted the watch. */
  | { readonly type: 'opened' }
  | { readonly type: 'put'; readonly object: KubeObject }
  | { readonly type: 'delete'; readonly key: string; readonly version: string }
  | { readonly type: 'bookmark'; readonly version: string }
  /** The watch ended in good order. */
  | { readonly type: 'ended' }
  | ReflectorFailure
);

export interface ReflectorFailure {
  readonly type: 'failed';
  /** HTTP status, also of an error inside the stream; undefined: no answer. */
  readonly status: number | undefined;
  readonly retryAfter: Millis | undefined;
  /** One sentence: what is wrong and what to do. */
  readonly message: string;
}

export type ReflectorOutput =
  | { readonly type: 'list'; readonly attempt: number; readonly next: string | undefined }
  | {
      readonly type: 'watch';
      readonly attempt: number;
      readonly version: string;
      readonly timeoutSeconds: number;
    }
  /** Abandon the request with that number. */
  | { readonly type: 'cancel'; readonly attempt: number }
  /** Get credentials anew before the next request. */
  | { readonly type: 'refresh' }
  | { readonly type: 'event'; readonly event: WatchEvent };

/** Bookmarks come every minute, the first after two: nothing for longer is a dead connection. */
export const SILENCE: Millis = 150_000;

/** A watch that ends sooner is a failure, however orderly. */
const BRIEF: Millis = 1000;

/** A watch that lives as long has proved that the server works. */
const STEADY: Millis = 10_000;

/** How often 410 or 401 may be followed at once. */
const GRACE: Millis = 30_000;

/** What the server may take longer than it said to end a watch. */
const OVERTIME: Millis = 15_000;

/** A list older than what was seen comes from a server behind the others, or from a restored
 * etcd: after as many of them it is the latter, and believed. */
const OLD_LISTS = 3;

/** Empty pages that promise another one. */
const EMPTY_PAGES = 10;

interface List {
  readonly version: string;
  readonly seen: Set<string>;
  next: string | undefined;
  empty: number;
}

interface Known {
  readonly version: string;
  readonly uid: string | undefined;
}

type Request =
  | { readonly kind: 'list' }
  | { readonly kind: 'watch'; readonly endBy: Instant; openedAt: Instant | undefined };

export class Reflector implements Machine<ReflectorInput, ReflectorOutput> {
  readonly #place: string;
  readonly #random: Random;
  readonly #known = new Map<string, Known>();
  #queue: ReflectorOutput[] = [];
  #attempt = 0;
  /** undefined: waiting for `#retryAt`. */
  #request: Request | undefined;
  #heardAt: Instant = 0;
  #retryAt: Instant | undefined = 0;
  /** Where to watch from; undefined: list first. */
  #position: string | undefined;
  #newest = '';
  #list: List | undefined;
  #oldLists = 0;
  #failures = 0;
  #graceAt: Instant = -Infinity;
  #synced = false;
  #problem: string | undefined;

  /** `place` names the source in problems. */
  constructor(place: string, random: Random) {
    this.#place = place;
    this.#random = random;
  }

  /** What keeps the present state from being known, in one sentence; undefined: nothing. */
  get problem(): string | undefined {
    return this.#problem;
  }

  uidOf(key: string): string | undefined {
    return this.#known.get(key)?.uid;
  }

  handle(input: ReflectorInput, now: Instant): void {
    if (this.#request === undefined || input.attempt !== this.#attempt) return;
    this.#heardAt = now;
    switch (input.type) {
      case 'page':
        return this.#page(input, now);
      case 'opened':
        if (this.#request.kind === 'watch') this.#request.openedAt = now;
        return undefined;
      case 'put': {
        const { metadata } = input.object;
        if (this.#advance(metadata.resourceVersion ?? '')) this.#put(input.object);
        return undefined;
      }
      case 'delete':
        if (this.#advance(input.version)) this.#remove(input.key);
        return undefined;
      case 'bookmark':
        this.#advance(input.version);
        return undefined;
      case 'ended':
        return this.#ended(now);
      case 'failed':
        return this.#failed(input, now);
    }
  }

  tick(now: Instant): void {
    if (this.#retryAt !== undefined && now >= this.#retryAt) return this.#begin(now);
    const request = this.#request;
    if (request === undefined) return undefined;
    if (now >= this.#heardAt + SILENCE) {
      // Also the version watched from may be what the server chokes on.
      this.#position = undefined;
      this.#list = undefined;
      return this.#again(now);
    }
    if (request.kind !== 'watch') return undefined;
    if (now >= request.endBy) return this.#again(now);
    if (this.#problem !== undefined && this.#lived(now) >= BRIEF) this.#solve();
    return undefined;
  }

  poll(): ReflectorOutput | undefined {
    return this.#queue.shift();
  }

  deadline(): Instant | undefined {
    const request = this.#request;
    if (request === undefined) return this.#retryAt;
    const silent = this.#heardAt + SILENCE;
    if (request.kind !== 'watch') return silent;
    const isProving = this.#problem !== undefined && request.openedAt !== undefined;
    const proved = isProving ? (request.openedAt ?? 0) + BRIEF : undefined;
    return earlier(earlier(silent, request.endBy), proved);
  }

  // --- requests -----------------------------------------------------------------------------

  #begin(now: Instant): void {
    this.#retryAt = undefined;
    this.#heardAt = now;
    this.#attempt += 1;
    const attempt = this.#attempt;
    if (this.#position === undefined) {
      this.#request = { kind: 'list' };
      this.#queue.push({ type: 'list', attempt, next: this.#list?.next });
      return;
    }
    // Five to ten minutes, so that watches that began together do not end together.
    const timeoutSeconds = 300 + Math.floor(this.#random() * 301);
    const endBy = now + timeoutSeconds * 1000 + OVERTIME;
    this.#request = { kind: 'watch', endBy, openedAt: undefined };
    this.#queue.push({ type: 'watch', attempt, version: this.#position, timeoutSeconds });
  }

  /** Gives up what is under way and begins anew, now. */
  #again(now: Instant): void {
    this.#queue.push({ type: 'cancel', attempt: this.#attempt });
    this.#begin(now);
  }

  #lived(now: Instant): Millis {
    const openedAt = this.#request?.kind === 'watch' ? this.#request.openedAt : undefined;
    return openedAt === undefined ? 0 : now - openedAt;
  }

  #ended(now: Instant): void {
    const lived = this.#lived(now);
    if (lived >= STEADY) this.#failures = 0;
    if (lived >= BRIEF) return this.#begin(now);
    const message = 'the API server ends every watch at once; look at its log';
    return this.#wait(undefined, message, now);
  }

  #failed({ status, retryAfter, message }: ReflectorFailure, now: Instant): void {
    if (this.#lived(now) >= STEADY) this.#failures = 0;
    if (status === 410) {
      this.#position = undefined;
      this.#list = undefined;
    }
    if (status === 401) this.#queue.push({ type: 'refresh' });
    if ((status === 410 || status === 401) && now >= this.#graceAt + GRACE) {
      this.#graceAt = now;
      return this.#begin(now);
    }
    return this.#wait(retryAfter, message, now, refusalOf(status));
  }

  #wait(
    retryAfter: Millis | undefined,
    message: string,
    now: Instant,
    refusal?: SourceProblem['refusal'],
  ): void {
    this.#request = undefined;
    this.#failures += 1;
    this.#retryAt = now + backoff(this.#failures, retryAfter, this.#random);
    // One failure is an everyday matter, unless nothing is known yet.
    if (this.#synced && this.#failures < 2) return;
    if (this.#problem === message) return;
    this.#problem = message;
    const problem = { place: this.#place, path: '', message };
    const why = refusal === undefined ? {} : { refusal };
    this.#emit({ type: 'problem', problem: { ...problem, ...why } });
  }

  #solve(): void {
    if (this.#problem === undefined) return;
    this.#problem = undefined;
    this.#emit({ type: 'solved', place: this.#place });
  }

  // --- contents -----------------------------------------------------------------------------

  #page(input: Extract<ReflectorInput, { type: 'page' }>, now: Instant): void {
    const { objects, version, next } = input;
    const list = this.#list ?? this.#newList(version);
    if (list === undefined) {
      return this.#wait(undefined, 'the API server answers with an old state; it catches up', now);
    }
    this.#list = list;
    list.next = next;
    list.empty = objects.length === 0 ? list.empty + 1 : 0;
    for (const object of objects) {
      list.seen.add(keyOf(object));
      this.#put(object);
    }
    if (next === undefined) return this.#listed(list, now);
    if (list.empty < EMPTY_PAGES) return this.#begin(now);
    this.#list = undefined;
    return this.#wait(undefined, 'the API server sends empty pages without an end', now);
  }

  /** undefined: it would bring back what was already known to have changed. */
  #newList(version: string): List | undefined {
    if (isOlder(version, this.#newest) && this.#oldLists < OLD_LISTS) {
      this.#oldLists += 1;
      return undefined;
    }
    this.#oldLists = 0;
    this.#newest = version;
    return { version, seen: new Set(), next: undefined, empty: 0 };
  }

  /** A list is complete: what it did not show is gone. */
  #listed(list: List, now: Instant): void {
    for (const key of this.#known.keys()) {
      if (!list.seen.has(key)) this.#remove(key);
    }
    this.#list = undefined;
    this.#position = list.version;
    this.#synced = true;
    this.#solve();
    this.#emit({ type: 'synced' });
    this.#begin(now);
  }

  /** Moves the position of the watch; false: not news, such as from a server that is behind. */
  #advance(version: string): boolean {
    if (this.#request?.kind !== 'watch') return false;
    this.#request.openedAt ??= this.#heardAt;
    const position = this.#position ?? '';
    if (version === '') return true;
    if (version === position || isOlder(version, position)) return false;
    this.#position = version;
    this.#newest = version;
    return true;
  }

  #put(object: KubeObject): void {
    const { resourceVersion: version = '', uid } = object.metadata;
    const key = keyOf(object);
    const before = this.#known.get(key);
    if (before?.version === version && before.uid === uid) return;
    // Another object under the same name: whoever listens must not take it for the old one.
    if (before !== undefined && before.uid !== uid) this.#emit({ type: 'delete', key });
    this.#known.set(key, { version, uid });
    this.#emit({ type: 'put', object });
  }

  #remove(key: string): void {
    if (this.#known.delete(key)) this.#emit({ type: 'delete', key });
  }

  #emit(event: WatchEvent): void {
    this.#queue.push({ type: 'event', event });
  }
}

/** Of the kind as a whole: the server is there, and does not give it. */
function refusalOf(status: number | undefined): SourceProblem['refusal'] {
  if (status === 403) return 'forbidden';
  return status === 404 ? 'absent' : undefined;
}
