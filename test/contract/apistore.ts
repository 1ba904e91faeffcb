/** What etcd is to an API server: objects with revisions, and a log of changes, compacted. */
import { keyOf } from '../../kube/objects.ts';
import type { KubeObject } from '../../kube/objects.ts';

export interface Change {
  readonly revision: number;
  readonly collection: string;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: KubeObject;
}

type Whole = KubeObject & { readonly status?: unknown };

export class Store {
  readonly #objects = new Map<string, Map<string, Whole>>();
  #log: Change[] = [];
  #uids = 0;
  revision = 100;
  /** Watches and continued lists from before cannot go on. */
  compacted = 100;

  list(collection: string): readonly Whole[] {
    return [...this.#kind(collection).values()];
  }

  get(collection: string, key: string): Whole | undefined {
    return this.#kind(collection).get(key);
  }

  /** Creates, or replaces as `kubectl apply` does: status and foreign annotations stay. */
  put(collection: string, object: KubeObject): Whole {
    const before = this.get(collection, keyOf(object));
    if (before === undefined) {
      this.#uids += 1;
      const creationTimestamp = '2026-01-02T03:04:05Z';
      const managedFields = [{ manager: 'kubectl', fieldsV1: { 'f:spec': {} } }];
      const own = { uid: `uid-${this.#uids}`, creationTimestamp, managedFields, generation: 1 };
      const empty = object.kind === 'Service' ? { status: { loadBalancer: {} } } : {};
      const metadata = { ...object.metadata, ...own };
      return this.write(collection, { ...object, ...empty, metadata });
    }
    const annotations = { ...before.metadata.annotations, ...object.metadata.annotations };
    const metadata = { ...before.metadata, ...object.metadata, annotations };
    const status = before.status === undefined ? {} : { status: before.status };
    return this.write(collection, { ...object, ...status, metadata });
  }

  write(collection: string, object: Whole): Whole {
    this.revision += 1;
    const kind = this.#kind(collection);
    const type = kind.has(keyOf(object)) ? 'MODIFIED' : 'ADDED';
    const metadata = { ...object.metadata, resourceVersion: String(this.revision) };
    const written = { ...object, metadata };
    kind.set(keyOf(object), written);
    this.#log.push({ revision: this.revision, collection, type, object: written });
    return written;
  }

  delete(collection: string, key: string): void {
    const kind = this.#kind(collection);
    const object = kind.get(key);
    if (object === undefined) return;
    kind.delete(key);
    this.revision += 1;
    this.#log.push({ revision: this.revision, collection, type: 'DELETED', object });
  }

  since(collection: string, revision: number): readonly Change[] {
    const news = this.#log.slice(this.#log.findLastIndex((each) => each.revision <= revision) + 1);
    return news.filter((each) => each.collection === collection);
  }

  compact(): void {
    this.compacted = this.revision;
    this.#log = [];
  }

  #kind(collection: string): Map<string, Whole> {
    const kind = this.#objects.get(collection) ?? new Map<string, Whole>();
    this.#objects.set(collection, kind);
    return kind;
  }
}
