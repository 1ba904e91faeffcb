/**
 * The configuration that decides on addresses, as the source shows it: pools and namespaces go in,
 * the one in force comes out, and what is wrong with the newest one.
 */
import { NOTHING_HELD, hold } from '../config/held.ts';
import type { Held } from '../config/held.ts';
import { parse } from '../config/parse.ts';
import type { Problem } from '../config/problem.ts';
import { quotasOf } from '../config/quota.ts';
import type { Quotas } from '../config/quota.ts';
import { IP_ADDRESS_POOL, NAMESPACE } from '../kube/kube.ts';
import type { Resource, WatchEvent } from '../kube/kube.ts';
import { keyOf } from '../kube/objects.ts';
import type { KubeObject } from '../kube/objects.ts';
import { sameWish } from '../kube/samewish.ts';
import { err } from '../lib/result.ts';
import type { Note } from './note.ts';

export class Settings {
  readonly #pools = new Map<string, KubeObject>();
  readonly #namespaces = new Map<string, KubeObject>();
  /** Namespaces can be read. */
  #hasNamespaces = false;
  #isStale = true;
  #held: Held = NOTHING_HELD;
  #quotas: Quotas = quotasOf([]);
  /** undefined: they are still to come. */
  #objections: readonly Problem[] | undefined;

  /** `awaitsObjections`: nothing is taken before somebody had a look at it. */
  constructor(awaitsObjections: boolean) {
    this.#objections = awaitsObjections ? undefined : [];
  }

  get isJudged(): boolean {
    return this.#objections !== undefined;
  }

  /** What the configuration is refused for, besides what it says itself. */
  objected(problems: readonly Problem[]): void {
    this.#objections = problems;
    this.#isStale = true;
  }

  get held(): Held {
    return this.#held;
  }

  /** How many addresses a namespace may have; not named: any number. */
  get quotas(): ReadonlyMap<string, number> {
    return this.#quotas.quotas;
  }

  /** undefined: they cannot be read. */
  get namespaces(): ReadonlyMap<string, KubeObject> | undefined {
    return this.#hasNamespaces ? this.#namespaces : undefined;
  }

  /** Whether it may change the configuration. */
  watched({ kind }: Resource, event: WatchEvent): boolean {
    if (kind === IP_ADDRESS_POOL.kind) return this.#watchedPool(event);
    if (kind === NAMESPACE.kind) return this.#watchedNamespace(event);
    return false;
  }

  #watchedPool(event: WatchEvent): boolean {
    if (event.type === 'delete') this.#pools.delete(event.key);
    if (event.type === 'put') {
      const { object } = event;
      const before = this.#pools.get(keyOf(object));
      this.#pools.set(keyOf(object), object);
      // A status is ours, and says nothing that was not known.
      if (before !== undefined && sameWish(before, object)) return false;
    }
    this.#isStale = true;
    return true;
  }

  #watchedNamespace(event: WatchEvent): boolean {
    if (event.type === 'delete') this.#namespaces.delete(event.key);
    else if (event.type === 'put') {
      const { object } = event;
      const before = this.#namespaces.get(keyOf(object));
      this.#namespaces.set(keyOf(object), object);
      if (before !== undefined && gist(before) === gist(object)) return false;
    } else if (event.type === 'synced') {
      if (this.#hasNamespaces) return false;
      this.#hasNamespaces = true;
    } else return false;
    this.#isStale = true;
    return this.#hasNamespaces;
  }

  /** Reads what changed; says what is wrong with it, once. */
  configure(note: (note: Note) => void): void {
    if (!this.#isStale) return;
    this.#isStale = false;
    const before = new Set(this.#held.problems.map(textOf));
    // Advertisements say where addresses are answered, never which; theirs is the speakers' matter.
    const parsed = parse({
      pools: [...this.#pools.values()],
      advertisements: [],
      namespaces: this.#hasNamespaces ? [...this.#namespaces.values()] : undefined,
    });
    const objections = this.#objections ?? [];
    const isRefused = parsed.ok && objections.length > 0;
    this.#held = hold(this.#held, isRefused ? err(objections) : parsed);
    const { problems } = this.#held;
    for (const problem of problems) {
      if (before.has(textOf(problem))) continue;
      const message = `${problem.path}: ${problem.message}`;
      note({ level: 'error', event: 'ConfigProblem', message, problem });
    }
    if (problems.length === 0 && before.size > 0) {
      note({ level: 'info', event: 'ConfigSolved', message: 'the configuration is valid' });
    }
    this.#readQuotas(note);
  }

  /** What is wrong with one concerns its namespace alone. */
  #readQuotas(note: (note: Note) => void): void {
    const before = new Set(this.#quotas.problems.map(textOf));
    this.#quotas = quotasOf(this.#namespaces.values());
    for (const problem of this.#quotas.problems) {
      if (before.has(textOf(problem))) continue;
      const message = `${problem.path}: ${problem.message}`;
      note({ level: 'warn', event: 'QuotaProblem', message, problem });
    }
  }
}

/** What pools and quotas look at. */
function gist({ metadata }: KubeObject): string {
  return JSON.stringify([metadata.labels, metadata.annotations]);
}

function textOf({ key, path, message }: Problem): string {
  return `${key} ${path} ${message}`;
}
