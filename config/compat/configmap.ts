/**
 * The ConfigMap of MetalLB up to 0.12 as a source of objects: whoever watches pools, advertisements
 * or a BGP kind gets what stands in its text; everything else passes through to the source that
 * has the ConfigMap. Nothing to the right of here knows the difference.
 *
 * A text that is malformed, or a ConfigMap that is gone, changes nothing: the last good one stays
 * in force, and the problem is told with field and line. Before there was a good one nothing counts
 * as read, or every Service would lose its address to a slip in an edit. A text that is empty is
 * a configuration without pools, as it was in MetalLB.
 */
import {
  BFD_PROFILE,
  BGP_ADVERTISEMENT,
  BGP_PEER,
  COMMUNITY,
  CONFIG_MAP,
} from '../../kube/kube.ts';
import { IP_ADDRESS_POOL, L2_ADVERTISEMENT } from '../../kube/kube.ts';
import type { Kube, KubeEvent, KubeFailure, Need, Resource } from '../../kube/kube.ts';
import type { SourceProblem, StatusUpdate, WatchEvent } from '../../kube/kube.ts';
import { keyOf } from '../../kube/objects.ts';
import type { KubeObject } from '../../kube/objects.ts';
import { diff } from '../../lib/diff.ts';
import { err, ok } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';
import type { AbortSignalLike } from '../../lib/signal.ts';
import { readLegacy } from './legacy.ts';
import type { Legacy, Made } from './legacy.ts';

/** `key`: of the ConfigMap's data. */
export function withConfigMap(kube: Kube, namespace: string, name: string, key = 'config'): Kube {
  return new ConfigMapKube(kube, { namespace, name, key });
}

interface Place {
  readonly namespace: string;
  readonly name: string;
  readonly key: string;
}

const MADE = new Set(
  [IP_ADDRESS_POOL, L2_ADVERTISEMENT, BGP_ADVERTISEMENT, BGP_PEER, BFD_PROFILE, COMMUNITY].map(
    ({ kind }) => kind,
  ),
);

interface Status {
  readonly status: unknown;
  /** How often it was written. */
  readonly version: number;
}

class ConfigMapKube implements Kube {
  readonly #kube: Kube;
  readonly #where: Place;
  /** One for each signal: all its watches end together. */
  readonly #feeds = new Map<AbortSignalLike, Feed>();
  /** They live as long as the process does: nothing else has room for them. */
  readonly #statuses = new Map<string, Status>();

  constructor(kube: Kube, where: Place) {
    this.#kube = kube;
    this.#where = where;
  }

  watch(
    resource: Resource,
    sink: (event: WatchEvent) => void,
    signal: AbortSignalLike,
    need?: Need,
  ): void {
    if (!MADE.has(resource.kind)) {
      this.#kube.watch(resource, sink, signal, need);
      return;
    }
    let feed = this.#feeds.get(signal);
    if (feed === undefined) {
      feed = new Feed(this.#where, this.#statuses);
      this.#feeds.set(signal, feed);
      const { handle } = feed;
      this.#kube.watch(CONFIG_MAP, handle, signal);
      signal.addEventListener('abort', () => this.#feeds.delete(signal));
    }
    void this.#join(feed, { kind: resource.kind, sink }, signal);
  }

  /** Not from within the caller's own turn. */
  async #join(feed: Feed, watcher: Joining, signal: AbortSignalLike): Promise<void> {
    await Promise.resolve();
    if (!signal.aborted) feed.join(watcher);
  }

  async updateStatus(update: StatusUpdate): Promise<Result<KubeObject, KubeFailure>> {
    const { resource, key, status } = update;
    if (!MADE.has(resource.kind)) return this.#kube.updateStatus(update);
    await Promise.resolve();
    const made = this.#made(resource, key);
    if (made === undefined) return err(this.#absent(resource, key));
    const id = idOf(resource.kind, key);
    const written = { status, version: (this.#statuses.get(id)?.version ?? 0) + 1 };
    this.#statuses.set(id, written);
    for (const feed of this.#feeds.values()) feed.show();
    return ok(withStatus(made.object, written));
  }

  create(object: KubeObject): Promise<Result<KubeObject, KubeFailure>> {
    return this.#kube.create(object);
  }

  read(resource: Resource, key: string): Promise<Result<KubeObject, KubeFailure>> {
    if (!MADE.has(resource.kind)) return this.#kube.read(resource, key);
    const made = this.#made(resource, key);
    return Promise.resolve(made ? ok(made.object) : err(this.#absent(resource, key)));
  }

  replace(object: KubeObject): Promise<Result<KubeObject, KubeFailure>> {
    return this.#kube.replace(object);
  }

  delete(resource: Resource, key: string, version?: string): Promise<Result<void, KubeFailure>> {
    return this.#kube.delete(resource, key, version);
  }

  /** What happens to a pool is told where its text is. */
  record(event: KubeEvent): Promise<Result<void, KubeFailure>> {
    if (!MADE.has(event.resource.kind)) return this.#kube.record(event);
    const { namespace, name } = this.#where;
    const message = `${event.resource.kind} ${event.key}: ${event.message}`;
    return this.#kube.record({
      ...event,
      resource: CONFIG_MAP,
      key: `${namespace}/${name}`,
      message,
    });
  }

  notReady(): string | undefined {
    const trouble = [...this.#feeds.values()].map((feed) => feed.notReady());
    return this.#kube.notReady() ?? trouble.find((each) => each !== undefined);
  }

  place(resource: Resource, key: string, path: string): string {
    if (!MADE.has(resource.kind)) return this.#kube.place(resource, key, path);
    const field = this.#made(resource, key)?.field(path);
    const feed = [...this.#feeds.values()][0];
    if (field === undefined || feed === undefined) return placeOf(this.#where);
    return `${placeOf(this.#where, feed.lineOf(field))}: ${field}`;
  }

  #made(resource: Resource, key: string): Made | undefined {
    for (const feed of this.#feeds.values()) {
      const made = feed.made(resource.kind, key);
      if (made !== undefined) return made;
    }
    return undefined;
  }

  #absent({ kind }: Resource, key: string): KubeFailure {
    return { kind: 'not-found', message: `${kind} ${key} is not in ${placeOf(this.#where)}` };
  }
}

interface Joining {
  readonly kind: string;
  readonly sink: (event: WatchEvent) => void;
}

interface Watcher extends Joining {
  /** By id; what it was shown last. */
  readonly shown: Map<string, KubeObject>;
  readonly told: Map<string, SourceProblem>;
  isSynced: boolean;
}

/** One watch of the ConfigMap, and those who watch what stands in it. */
class Feed {
  readonly #where: Place;
  readonly #statuses: ReadonlyMap<string, Status>;
  readonly #watchers: Watcher[] = [];
  #isThere = false;
  #text: string | undefined;
  #good: Legacy | undefined;
  #problems: ReadonlyMap<string, SourceProblem> = new Map();
  /** Of the source, not of the text. */
  readonly #troubles = new Map<string, SourceProblem>();

  constructor(where: Place, statuses: ReadonlyMap<string, Status>) {
    this.#where = where;
    this.#statuses = statuses;
  }

  readonly handle = (event: WatchEvent): void => {
    switch (event.type) {
      case 'put':
        if (this.#isOurs(keyOf(event.object))) this.#read(event.object);
        break;
      case 'delete':
        if (this.#isOurs(event.key)) this.#lose('was deleted');
        break;
      case 'synced':
        if (!this.#isThere && this.#problems.size === 0) this.#lose('does not exist');
        break;
      case 'problem':
        this.#troubles.set(event.problem.place, event.problem);
        break;
      case 'solved':
        this.#troubles.delete(event.place);
        break;
      case 'remnant':
        return;
    }
    this.show();
  };

  join({ kind, sink }: Joining): void {
    const watcher = { kind, sink, shown: new Map(), told: new Map(), isSynced: false };
    this.#watchers.push(watcher);
    this.#show(watcher);
  }

  show(): void {
    for (const watcher of this.#watchers) this.#show(watcher);
  }

  made(kind: string, key: string): Made | undefined {
    const id = idOf(kind, key);
    return this.#good?.made.find(({ object }) => idOf(object.kind, keyOf(object)) === id);
  }

  lineOf(field: string): number {
    return this.#good?.lineOf(field) ?? 1;
  }

  notReady(): string | undefined {
    if (this.#good !== undefined) return undefined;
    const [problem] = this.#problems.values();
    if (problem === undefined) return `${placeOf(this.#where)} has not been read yet`;
    const at = problem.path === '' ? problem.place : `${problem.place}: ${problem.path}`;
    return `${at}: ${problem.message}`;
  }

  #isOurs(key: string): boolean {
    return key === `${this.#where.namespace}/${this.#where.name}`;
  }

  #lose(what: string): void {
    this.#isThere = false;
    this.#text = undefined;
    const stays = this.#good === undefined ? '' : '; what it said last stays in force';
    const advice = `create it, with the pools under the key ${this.#where.key}`;
    const message = `it ${what}${stays}: ${advice}`;
    this.#complain([{ place: placeOf(this.#where), path: '', message }]);
  }

  #read(object: KubeObject): void {
    this.#isThere = true;
    const { key, namespace } = this.#where;
    const data = (object as { data?: Readonly<Record<string, unknown>> }).data ?? {};
    const text = Object.hasOwn(data, key) ? data[key] : undefined;
    if (typeof text !== 'string') {
      this.#text = undefined;
      const message = `it has no key ${key}: put the pools there`;
      this.#complain([{ place: placeOf(this.#where), path: 'data', message }]);
      return;
    }
    if (text === this.#text) return;
    this.#text = text;
    const version = object.metadata.resourceVersion;
    const versioned = version === undefined ? {} : { resourceVersion: version };
    const legacy = readLegacy(text, { namespace, ...versioned });
    if (legacy.faults.length === 0) this.#good = legacy;
    this.#complain(
      legacy.faults.map(({ path, line, message }) => ({
        place: placeOf(this.#where, line),
        path,
        message,
      })),
    );
  }

  /** One for each place: with the first of them mended the next is told. */
  #complain(problems: readonly SourceProblem[]): void {
    const first = new Map<string, SourceProblem>();
    for (const problem of problems) {
      if (!first.has(problem.place)) first.set(problem.place, problem);
    }
    this.#problems = first;
  }

  #show(watcher: Watcher): void {
    if (this.#good !== undefined) this.#showObjects(watcher, this.#good);
    const present = new Map(this.#problems);
    // Watchers know the kind that cannot be reached by its own name.
    for (const problem of this.#troubles.values()) {
      present.set(watcher.kind, { ...problem, place: watcher.kind });
    }
    const { put, remove } = diff(watcher.told, present, isSame);
    for (const place of remove) {
      watcher.told.delete(place);
      watcher.sink({ type: 'solved', place });
    }
    for (const [place, problem] of put) {
      watcher.told.set(place, problem);
      watcher.sink({ type: 'problem', problem });
    }
  }

  #showObjects(watcher: Watcher, { made }: Legacy): void {
    const present = new Map<string, KubeObject>();
    for (const { object } of made) {
      if (object.kind !== watcher.kind) continue;
      const status = this.#statuses.get(idOf(object.kind, keyOf(object)));
      present.set(keyOf(object), withStatus(object, status));
    }
    const { put, remove } = diff(watcher.shown, present, isSame);
    for (const key of remove) {
      watcher.shown.delete(key);
      watcher.sink({ type: 'delete', key });
    }
    for (const [key, object] of put) {
      watcher.shown.set(key, object);
      watcher.sink({ type: 'put', object });
    }
    if (watcher.isSynced) return;
    watcher.isSynced = true;
    watcher.sink({ type: 'synced' });
  }
}

/** Each status makes another version of the object, as at any source. */
function withStatus(object: KubeObject, written: Status | undefined): KubeObject {
  if (written === undefined) return object;
  const resourceVersion = `${object.metadata.resourceVersion ?? ''}.${written.version}`;
  const metadata = { ...object.metadata, resourceVersion };
  return { ...object, metadata, status: written.status } as KubeObject;
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function idOf(kind: string, key: string): string {
  return `${kind} ${key}`;
}

function placeOf({ namespace, name, key }: Place, line?: number): string {
  const map = `${CONFIG_MAP.kind} ${namespace}/${name}`;
  return line === undefined ? map : `${map}, line ${line} of ${key}`;
}
