/**
 * A model of an API server for one kind: objects with revisions, a log that is compacted, lists in
 * pages, watches that lag; and every fault a server can show. Time is virtual, choices come from a
 * seed, so a failing run can be repeated.
 */
import type { ReflectorInput, ReflectorOutput } from '../../../kube/reflector.ts';
import { Reflector } from '../../../kube/reflector.ts';
import type { KubeObject } from '../../../kube/objects.ts';
import { keyOf } from '../../../kube/objects.ts';
import type { Random } from '../../../lib/random.ts';
import type { Instant } from '../../../lib/time.ts';

interface Change {
  readonly revision: number;
  readonly object: KubeObject;
  readonly gone: boolean;
}

type Input = ReflectorInput extends infer I
  ? I extends unknown
    ? Omit<I, 'attempt'>
    : never
  : never;

export class ModelServer {
  readonly #random: Random;
  readonly #log: Change[] = [];
  #revision = 90;
  #compacted = 90;
  #uid = 0;
  /** In a row; a client may believe the fourth. */
  #oldLists = 0;
  /** Chance of a fault for each request and each message of a watch. */
  faults = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  get revision(): number {
    return this.#revision;
  }

  /** Creates, changes or deletes one of ten objects. */
  mutate(): void {
    const name = `s${Math.floor(this.#random() * 10)}`;
    const present = this.state().get(name);
    const gone = present !== undefined && this.#random() < 0.4;
    this.#revision += 1 + Math.floor(this.#random() * 3);
    if (present === undefined) this.#uid += 1;
    const uid = present?.metadata.uid ?? `u${this.#uid}`;
    const metadata = { name, uid, resourceVersion: String(this.#revision) };
    const object = { apiVersion: 'v1', kind: 'Service', metadata };
    this.#log.push({ revision: this.#revision, object, gone });
  }

  compact(): void {
    this.#compacted = this.#revision;
  }

  state(revision = this.#revision): ReadonlyMap<string, KubeObject> {
    const state = new Map<string, KubeObject>();
    for (const change of this.#log) {
      if (change.revision > revision) break;
      if (change.gone) state.delete(keyOf(change.object));
      else state.set(keyOf(change.object), change.object);
    }
    return state;
  }

  /** What happens to a request for a page; undefined: nothing, for ever. */
  page(next: string | undefined): Input | undefined {
    if (this.#random() < this.faults) return this.#fault();
    const [at, from] = next === undefined ? [this.#listRevision(), 0] : next.split('/').map(Number);
    const revision = at ?? 0;
    if (next !== undefined && revision < this.#compacted) return failed(410);
    const all = [...this.state(revision).values()];
    const to = (from ?? 0) + 4;
    return {
      type: 'page',
      objects: all.slice(from, to),
      version: String(revision),
      next: to < all.length ? `${revision}/${to}` : undefined,
    };
  }

  /** A server that is behind the others, now and then. */
  #listRevision(): number {
    const isBehind = this.faults > 0 && this.#random() < 0.2 && this.#oldLists < 3;
    this.#oldLists = isBehind ? this.#oldLists + 1 : 0;
    return isBehind ? Math.max(90, this.#revision - 5) : this.#revision;
  }

  /** Where a watch from that version begins; older ones repeat what was seen. */
  begin(version: string): Input | number | undefined {
    if (this.#random() < this.faults) return this.#fault();
    if (Number(version) < this.#compacted) return failed(410);
    return Number(version) - (this.#random() < this.faults ? 10 : 0);
  }

  /** The next message of a watch that has come as far as `revision`. */
  message(revision: number): { input: Input | undefined; revision: number; ends: boolean } {
    if (this.#random() < this.faults / 4) {
      const fault = this.#random() < 0.5 ? ({ type: 'ended' } as const) : this.#fault();
      return { input: fault, revision, ends: true };
    }
    const change = this.#log.find((each) => each.revision > revision);
    if (change === undefined) {
      const bookmark = { type: 'bookmark', version: String(this.#revision) } as const;
      return { input: bookmark, revision: this.#revision, ends: false };
    }
    const { object, gone } = change;
    const version = String(change.revision);
    const input: Input = gone
      ? { type: 'delete', key: keyOf(object), version }
      : { type: 'put', object };
    return { input, revision: change.revision, ends: false };
  }

  #fault(): Input | undefined {
    const status = [undefined, 401, 403, 404, 410, 429, 500, 503][Math.floor(this.#random() * 9)];
    if (status === undefined && this.#random() < 0.5) return undefined;
    return failed(status, status === 429 && this.#random() < 0.5 ? 5000 : undefined);
  }
}

function failed(status: number | undefined, retryAfter?: number): Input {
  return { type: 'failed', status, retryAfter, message: `status ${status}` };
}

/** A Reflector and what it was told, in virtual time. */
export class ModelClient {
  readonly seen = new Map<string, KubeObject>();
  readonly requests: Instant[] = [];
  readonly complaints: string[] = [];
  readonly reflector: Reflector;
  readonly #server: ModelServer;
  readonly #random: Random;
  /** The highest version told of each object. */
  readonly #told = new Map<string, number>();
  #due: { readonly at: Instant; readonly act: (now: Instant) => void }[] = [];
  /** The request that counts. */
  #attempt = 0;

  constructor(server: ModelServer, random: Random) {
    this.#server = server;
    this.#random = random;
    this.reflector = new Reflector('Service', random);
  }

  /** Lets everything happen that is due before `until`. */
  run(from: Instant, until: Instant): void {
    let now = from;
    for (;;) {
      this.#due.sort((a, b) => a.at - b.at);
      const timer = this.reflector.deadline() ?? Infinity;
      const action = this.#due[0]?.at ?? Infinity;
      const at = Math.max(now, Math.min(timer, action));
      if (at >= until) return;
      now = at;
      if (action <= timer) this.#due.shift()?.act(now);
      else this.reflector.tick(now);
      this.#drain(now);
    }
  }

  #later(now: Instant, most: number, act: (now: Instant) => void): void {
    this.#due.push({ at: now + 1 + this.#random() * most, act });
  }

  #drain(now: Instant): void {
    const { reflector } = this;
    for (let out = reflector.poll(); out !== undefined; out = reflector.poll()) this.#act(out, now);
  }

  #act(output: ReflectorOutput, now: Instant): void {
    if (output.type === 'list') {
      this.#request(output.attempt, now);
      this.#later(now, 50, (at) => this.#put(output.attempt, this.#server.page(output.next), at));
    } else if (output.type === 'watch') {
      this.#request(output.attempt, now);
      this.#later(now, 50, (at) => this.#open(output, at));
    } else if (output.type === 'event') this.#hear(output.event);
  }

  #request(attempt: number, now: Instant): void {
    this.#attempt = attempt;
    this.requests.push(now);
  }

  #put(attempt: number, input: Input | undefined, now: Instant): void {
    if (input === undefined) return;
    this.reflector.handle({ ...input, attempt }, now);
  }

  #open({ attempt, version }: Extract<ReflectorOutput, { type: 'watch' }>, now: Instant): void {
    const begun = this.#server.begin(version);
    if (typeof begun !== 'number') return this.#put(attempt, begun, now);
    this.#put(attempt, { type: 'opened' }, now);
    return this.#stream(attempt, begun, now);
  }

  #stream(attempt: number, from: number, now: Instant): void {
    const isQuiet = from === this.#server.revision;
    this.#later(now, isQuiet ? 60_000 : 20, (at) => {
      if (attempt !== this.#attempt) return;
      const { input, revision, ends } = this.#server.message(from);
      this.#put(attempt, input, at);
      if (!ends) this.#stream(attempt, revision, at);
    });
  }

  #hear(event: Extract<ReflectorOutput, { type: 'event' }>['event']): void {
    if (event.type === 'delete') {
      if (!this.seen.delete(event.key)) this.complaints.push(`${event.key} deleted, never seen`);
    } else if (event.type === 'put') {
      const key = keyOf(event.object);
      const version = Number(event.object.metadata.resourceVersion);
      if (version <= (this.#told.get(key) ?? 0)) this.complaints.push(`${key} older or twice`);
      this.#told.set(key, version);
      this.seen.set(key, event.object);
    }
  }
}
