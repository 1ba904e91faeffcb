/**
 * ServiceL2Status, MetalLB's object that says which node announces a Service: one for each Service
 * that this node announces, made, corrected and removed by its speaker alone. Level-triggered: what
 * is wanted against what the source shows, so what an earlier life left behind goes away, too.
 *
 * Names are made from node and Service instead of by the server (`generateName`): the same object
 * cannot be made twice, and nobody has to remember which one it was.
 *
 * Who takes over from a node that is gone removes that node's objects of the Service: the dead
 * cannot. One thing at a time is under way for each object; failures are tried again.
 */
import { SERVICE_L2_STATUS } from '../kube/kube.ts';
import type { KubeFailure, StatusUpdate, WatchEvent } from '../kube/kube.ts';
import { keyOf } from '../kube/objects.ts';
import type { KubeObject } from '../kube/objects.ts';
import type { Machine } from '../lib/machine.ts';
import type { Note } from '../lib/note.ts';
import type { Result } from '../lib/result.ts';
import { sha256Hex } from '../lib/sha256.ts';
import { earlier } from '../lib/time.ts';
import type { Instant, Millis } from '../lib/time.ts';
import type { SpeakerStatus } from '../owners/report.ts';

export type L2StatusInput =
  /** `status` may say something else from now on. */
  | { readonly kind: 'changed' }
  | { readonly kind: 'watch'; readonly event: WatchEvent }
  | { readonly kind: 'done'; readonly key: string; readonly result: Written };

/** undefined: it was deleted. */
export type Written = Result<KubeObject | undefined, KubeFailure>;

export type L2StatusOutput =
  | { readonly kind: 'create'; readonly key: string; readonly object: KubeObject }
  | { readonly kind: 'update'; readonly key: string; readonly update: StatusUpdate }
  | { readonly kind: 'delete'; readonly key: string; readonly version: string }
  | { readonly kind: 'note'; readonly note: Note };

const NODE = 'metallb.io/node';
const NAME = 'metallb.io/service-name';
const NAMESPACE = 'metallb.io/service-namespace';

export const RETRY_FIRST: Millis = 500;
const RETRY_MOST: Millis = 60_000;
/** Ten thousand objects change in ten thousand events: they are looked at together. */
export const SETTLE: Millis = 10;
/** Requests under way at once. */
const MOST = 16;

interface L2Status {
  readonly node: string;
  readonly serviceName: string;
  readonly serviceNamespace: string;
  readonly interfaces: readonly { readonly name: string }[];
}

/** Not to be touched before then: it failed, or its result is not shown yet. */
interface Pause {
  readonly failures: number;
  readonly until: Instant;
}

export interface L2StatusOptions {
  readonly node: string;
  /** Where the objects are: MetalLB's. */
  readonly namespace: string;
  /** Asked for when it is needed. */
  readonly status: () => SpeakerStatus;
}

export class L2Statuses implements Machine<L2StatusInput, L2StatusOutput> {
  readonly #node: string;
  readonly #namespace: string;
  readonly #status: () => SpeakerStatus;
  /** By key of the Service: interfaces. */
  #wanted: ReadonlyMap<string, readonly string[]> = new Map();
  #gone: ReadonlySet<string> = new Set();
  readonly #objects = new Map<string, KubeObject>();
  readonly #underWay = new Set<string>();
  readonly #pauses = new Map<string, Pause>();
  readonly #keys = new Map<string, string>();
  #due: Instant | undefined;
  #isSynced = false;
  /** This node has announced, or could have: until then what is there may still be right. */
  #hasServed = false;
  #isChanged = true;
  #lastSaid = '';
  readonly #out: L2StatusOutput[] = [];

  constructor({ node, namespace, status }: L2StatusOptions) {
    this.#node = node;
    this.#namespace = namespace;
    this.#status = status;
  }

  handle(input: L2StatusInput, now: Instant): void {
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
    this.#due ??= now + SETTLE;
  }

  tick(now: Instant): void {
    const due = this.deadline();
    if (due === undefined || due > now) return;
    this.#due = undefined;
    this.#settle(now);
  }

  poll(): L2StatusOutput | undefined {
    return this.#out.shift();
  }

  deadline(): Instant | undefined {
    // Many requests are under way: the end of one is an input.
    if (!this.#isSynced || this.#underWay.size >= MOST) return undefined;
    let at = this.#due;
    for (const [key, { until }] of this.#pauses) {
      if (!this.#underWay.has(key)) at = earlier(at, until);
    }
    return at;
  }

  #watch(event: WatchEvent): void {
    if (event.type === 'put') {
      const key = keyOf(event.object);
      this.#objects.set(key, event.object);
      this.#shown(key);
    }
    if (event.type === 'delete') {
      this.#objects.delete(event.key);
      this.#shown(event.key);
    }
    if (event.type === 'synced') this.#isSynced = true;
    // Of a directory every watcher hears of every file; this is about the kind alone.
    if (event.type === 'problem' && event.problem.place === SERVICE_L2_STATUS.kind) {
      this.#say(event.problem.message);
    }
  }

  #shown(key: string): void {
    if (this.#pauses.get(key)?.failures === 0) this.#pauses.delete(key);
  }

  #done(key: string, result: Written, now: Instant): void {
    this.#underWay.delete(key);
    if (result.ok) {
      // What was written may be shown already; nothing is written of what was deleted.
      const written = result.value?.metadata.resourceVersion;
      if (written === this.#objects.get(key)?.metadata.resourceVersion) this.#pauses.delete(key);
      else this.#pauses.set(key, { failures: 0, until: now + RETRY_FIRST });
      return;
    }
    const failures = this.#pauses.get(key)?.failures ?? 0;
    const until = now + Math.min(RETRY_MOST, RETRY_FIRST * 2 ** failures);
    this.#pauses.set(key, { failures: failures + 1, until });
    const { kind, message } = result.error;
    // The watch is behind: what it will show is what was wanted, or it is decided on again.
    const isRace = kind === 'conflict' || kind === 'exists' || kind === 'not-found';
    if (!isRace || failures > 2) this.#say(message);
  }

  #say(why: string): void {
    if (this.#lastSaid === why) return;
    this.#lastSaid = why;
    const msg = `cannot keep ServiceL2Status up to date: ${why}`;
    this.#out.push({
      kind: 'note',
      note: { level: 'warn', event: 'L2StatusFailed', msg, fields: {} },
    });
  }

  #look(): void {
    const status = this.#status();
    this.#isChanged = false;
    this.#hasServed ||= status.phase === 'serving';
    this.#wanted = wantedOf(status);
    this.#gone = new Set([...status.peers.dead, ...status.peers.absent]);
  }

  /** Nothing before the source is known, and before this node could announce anything. */
  #settle(now: Instant): void {
    if (!this.#isSynced) return;
    if (this.#isChanged) this.#look();
    if (!this.#hasServed) return;
    const names = new Map<string, string>();
    for (const service of this.#wanted.keys()) names.set(this.#keyOf(service), service);
    for (const [key, { until }] of this.#pauses) {
      if (until <= now && !names.has(key) && !this.#objects.has(key)) this.#pauses.delete(key);
    }
    for (const key of new Set([...names.keys(), ...this.#objects.keys()])) {
      if (this.#underWay.size >= MOST) return;
      if (this.#underWay.has(key) || (this.#pauses.get(key)?.until ?? now) > now) continue;
      const step = this.#stepFor(key, names.get(key));
      if (step === undefined) {
        this.#pauses.delete(key);
        continue;
      }
      this.#underWay.add(key);
      this.#out.push(step);
    }
  }

  /** `service`: of the object of ours that has this key. */
  #stepFor(key: string, service: string | undefined): L2StatusOutput | undefined {
    const object = this.#objects.get(key);
    if (service === undefined) {
      if (object === undefined || !this.#isStale(object)) return undefined;
      return { kind: 'delete', key, version: object.metadata.resourceVersion ?? '' };
    }
    const status = this.#statusOf(service);
    if (object === undefined) return { kind: 'create', key, object: this.#objectOf(service) };
    const { status: shown } = object as { status?: unknown };
    if (sameStatus(shown, status)) return undefined;
    const resourceVersion = object.metadata.resourceVersion ?? '';
    return {
      kind: 'update',
      key,
      update: { resource: SERVICE_L2_STATUS, key, resourceVersion, status },
    };
  }

  /** Ours, and not wanted; or of a node that is gone, and this node announces in its place. */
  #isStale({ metadata }: KubeObject): boolean {
    const { [NODE]: node, [NAME]: name, [NAMESPACE]: namespace } = metadata.labels ?? {};
    if (node === this.#node) return true;
    const isOurs = this.#wanted.has(`${namespace ?? ''}/${name ?? ''}`);
    return node !== undefined && isOurs && this.#gone.has(node);
  }

  #keyOf(service: string): string {
    let key = this.#keys.get(service);
    if (key === undefined) {
      key = `${this.#namespace}/l2-${sha256Hex(`${this.#node} ${service}`).slice(0, 12)}`;
      this.#keys.set(service, key);
    }
    return key;
  }

  #objectOf(service: string): KubeObject {
    const key = this.#keyOf(service);
    const { serviceName, serviceNamespace } = this.#statusOf(service);
    const labels = { [NODE]: this.#node, [NAME]: serviceName, [NAMESPACE]: serviceNamespace };
    const name = key.slice(this.#namespace.length + 1);
    return { ...SERVICE_L2_STATUS, metadata: { name, namespace: this.#namespace, labels } };
  }

  #statusOf(service: string): L2Status {
    const slash = service.indexOf('/');
    const interfaces = (this.#wanted.get(service) ?? []).map((name) => ({ name }));
    return {
      node: this.#node,
      serviceName: service.slice(slash + 1),
      serviceNamespace: service.slice(0, slash),
      interfaces,
    };
  }
}

function wantedOf({ addresses }: SpeakerStatus): ReadonlyMap<string, readonly string[]> {
  const wanted = new Map<string, readonly string[]>();
  for (const { services, interfaces } of addresses) {
    for (const service of services) {
      const names = interfaces.map(({ name }) => name);
      const all = new Set([...(wanted.get(service) ?? []), ...names]);
      wanted.set(service, [...all].toSorted());
    }
  }
  return wanted;
}

/** Whatever the order of its fields. */
function sameStatus(shown: unknown, wanted: L2Status): boolean {
  const { node, serviceName, serviceNamespace, interfaces } = (shown ?? {}) as Partial<L2Status>;
  const names = (list: L2Status['interfaces'] = []): string => list.map(({ name }) => name).join();
  return (
    node === wanted.node &&
    serviceName === wanted.serviceName &&
    serviceNamespace === wanted.serviceNamespace &&
    names(interfaces) === names(wanted.interfaces)
  );
}
