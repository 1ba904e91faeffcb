/**
 * An API server in virtual time: objects with versions, create-once names, conflicts, and the log
 * of changes that watches follow. It does at once what it is asked; how late it is asked, and when
 * its answers and its news arrive, is the simulation's matter.
 */
import { ADDRESS_CLAIM, SERVICE } from '../../kube/kube.ts';
import type { KubeFailure, Resource, StatusUpdate, WatchEvent } from '../../kube/kube.ts';
import { keyOf } from '../../kube/objects.ts';
import type { KubeObject } from '../../kube/objects.ts';
import { err, ok } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';

type Whole = KubeObject & { readonly spec?: unknown; readonly status?: unknown };
type Answer = Result<KubeObject, KubeFailure>;

export interface Change {
  readonly kind: string;
  readonly event: Extract<WatchEvent, { type: 'put' | 'delete' }>;
}

export class ApiSource {
  readonly #kinds = new Map<string, Map<string, Whole>>();
  readonly log: Change[] = [];
  #revision = 0;
  #uids = 0;
  readonly #wall: () => string;

  /** `wall` gives the present time of day. */
  constructor(wall: () => string) {
    this.#wall = wall;
  }

  all(kind: string): ReadonlyMap<string, Whole> {
    return this.#kind(kind);
  }

  #kind(kind: string): Map<string, Whole> {
    const known = this.#kinds.get(kind);
    if (known !== undefined) return known;
    const made = new Map<string, Whole>();
    this.#kinds.set(kind, made);
    return made;
  }

  #store(object: Whole): Whole {
    this.#revision += 1;
    const metadata = { ...object.metadata, resourceVersion: String(this.#revision) };
    const stored = { ...object, metadata };
    this.#kind(object.kind).set(keyOf(object), stored);
    this.log.push({ kind: object.kind, event: { type: 'put', object: stored } });
    return stored;
  }

  /** What people apply: everything but the status, and annotations of others stay. */
  apply(object: KubeObject): void {
    const before = this.#kind(object.kind).get(keyOf(object));
    if (before === undefined) {
      this.create(object);
      return;
    }
    const annotations = { ...before.metadata.annotations, ...object.metadata.annotations };
    const metadata = { ...before.metadata, ...object.metadata, annotations };
    const { status } = before;
    this.#store({ ...object, metadata, ...(status === undefined ? {} : { status }) });
  }

  remove(kind: string, key: string): void {
    if (this.#kind(kind).delete(key)) this.log.push({ kind, event: { type: 'delete', key } });
    this.#revision += 1;
  }

  read({ kind }: Resource, key: string): Answer {
    const object = this.#kind(kind).get(key);
    return object === undefined ? fail('not-found') : ok(object);
  }

  create(object: KubeObject): Answer {
    if (this.#kind(object.kind).has(keyOf(object))) return fail('exists');
    this.#uids += 1;
    const own = { uid: `uid${this.#uids}`, creationTimestamp: this.#wall() };
    return ok(this.#store({ ...object, metadata: { ...object.metadata, ...own } }));
  }

  replace(object: KubeObject): Answer {
    return this.#change(object.kind, keyOf(object), object.metadata.resourceVersion, (before) => ({
      ...object,
      metadata: { ...object.metadata, uid: before.metadata.uid ?? '' },
    }));
  }

  updateStatus({ resource, key, resourceVersion, status, annotations = {} }: StatusUpdate): Answer {
    return this.#change(resource.kind, key, resourceVersion, (before) => {
      const kept: Record<string, string> = { ...before.metadata.annotations };
      for (const [name, value] of Object.entries(annotations)) {
        if (value === undefined) delete kept[name];
        else kept[name] = value;
      }
      return { ...before, metadata: { ...before.metadata, annotations: kept }, status };
    });
  }

  #change(
    kind: string,
    key: string,
    version: string | undefined,
    change: (before: Whole) => Whole,
  ): Answer {
    const before = this.#kind(kind).get(key);
    if (before === undefined) return fail('not-found');
    if (before.metadata.resourceVersion !== version) return fail('conflict');
    const after = change(before);
    // As etcd: what changes nothing has no new version.
    if (JSON.stringify(after) === JSON.stringify(before)) return ok(before);
    return ok(this.#store(after));
  }

  delete({ kind }: Resource, key: string, version: string): Result<void, KubeFailure> {
    const before = this.#kind(kind).get(key);
    if (before === undefined) return fail('not-found');
    if (before.metadata.resourceVersion !== version) return fail('conflict');
    this.remove(kind, key);
    return ok(undefined);
  }
}

function fail(kind: KubeFailure['kind']): Result<never, KubeFailure> {
  return err({ kind, message: `simulated: ${kind}` });
}

/** Addresses that a Service shows. */
export function shownBy(service: KubeObject): readonly string[] {
  const { status } = service as Whole & {
    readonly status?: { loadBalancer?: { ingress?: readonly { ip?: string }[] } };
  };
  return (status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip ?? '');
}

export const KINDS = { service: SERVICE.kind, claim: ADDRESS_CLAIM.kind } as const;
