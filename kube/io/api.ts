/**
 * The port `Kube` on an API server. Watches are Reflectors, each with a connection of its own.
 *
 * A status is written by reading the whole object and putting it back with the status and
 * annotations changed, on `/status`, which MetalLB's RBAC allows (no patch, no update of the object
 * itself). The version that the decision was based on is checked against what was read, and by the
 * server against what it has, so nothing that somebody else wrote is lost.
 */
import { err, ok } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';
import type { AbortSignalLike } from '../../lib/signal.ts';
import type { Millis } from '../../lib/time.ts';
import { CONFIG_MAP } from '../kube.ts';
import type {
  Kube,
  KubeEvent,
  KubeFailure,
  Need,
  Resource,
  StatusUpdate,
  WatchEvent,
} from '../kube.ts';
import { collectionPath, groupOf, objectPath } from '../location.ts';
import { keyOf } from '../objects.ts';
import type { KubeObject } from '../objects.ts';
import { project } from '../project.ts';
import { Client } from './client.ts';
import type { Request } from './client.ts';
import type { Credentials } from './credentials.ts';
import { Events } from './events.ts';
import type { Reporter } from './events.ts';
import { failureOf } from './failure.ts';
import { Watch } from './watch.ts';

export interface ApiOptions {
  /** Where the objects of MetalLB's and our own kinds are: their RBAC is of one namespace. */
  readonly namespace: string;
  /** Who records events. */
  readonly reporter: Reporter;
}

/** Groups whose objects are in one namespace; of ConfigMaps, too, only ours may be read. */
const OURS = new Set(['metallb.io', 'arpeggio.dev']);

/** Who leads must not depend on how much there is to write. */
const LEASES = '/apis/coordination.k8s.io/';
const LEASE_LIMIT: Millis = 2000;

export class Api implements Kube {
  readonly #client: Client;
  readonly #namespace: string;
  readonly #events: Events;
  readonly #watches = new Map<Watch, Resource & { readonly need: Need }>();

  constructor(credentials: Credentials, { namespace, reporter }: ApiOptions) {
    this.#client = new Client(credentials);
    this.#namespace = namespace;
    this.#events = new Events(this.#client, reporter, (event) => this.#uidOf(event));
  }

  get server(): string {
    return this.#client.server;
  }

  watch(
    resource: Resource,
    sink: (event: WatchEvent) => void,
    signal: AbortSignalLike,
    need: Need = 'needed',
  ): void {
    const isOurs = OURS.has(groupOf(resource)) || resource.kind === CONFIG_MAP.kind;
    const path = collectionPath(resource, isOurs ? this.#namespace : undefined);
    const watch = new Watch({ client: this.#client, resource, path }, sink, signal);
    this.#watches.set(watch, { ...resource, need });
    signal.addEventListener('abort', () => this.#watches.delete(watch));
  }

  /** Objects of a namespace as they are now, by label; whole, not projected. */
  async list(
    resource: Resource,
    namespace: string,
    labelSelector: string,
  ): Promise<Result<readonly KubeObject[], KubeFailure>> {
    const path = collectionPath(resource, namespace);
    const answer = await this.#client.json({ method: 'GET', path, query: { labelSelector } });
    if (!answer.ok) return err(failureOf(answer.error));
    return ok((answer.value as { items?: readonly KubeObject[] }).items ?? []);
  }

  async updateStatus(update: StatusUpdate): Promise<Result<KubeObject, KubeFailure>> {
    const { resource, key, resourceVersion, status, annotations = {} } = update;
    const read = await this.#object({ method: 'GET', path: objectPath(resource, key) });
    if (!read.ok) return read;
    const object = read.value;
    if (object.metadata.resourceVersion !== resourceVersion) {
      const message = `${resource.kind} ${key} was changed since it was read`;
      return err({ kind: 'conflict', message });
    }
    const kept: Record<string, string> = { ...object.metadata.annotations };
    for (const [name, value] of Object.entries(annotations)) {
      if (value === undefined) delete kept[name];
      else kept[name] = value;
    }
    const body = { ...object, metadata: { ...object.metadata, annotations: kept }, status };
    const path = objectPath(resource, key, 'status');
    return this.#projected(resource, { method: 'PUT', path, body });
  }

  create(object: KubeObject): Promise<Result<KubeObject, KubeFailure>> {
    const { apiVersion, kind, metadata } = object;
    const resource = { apiVersion, kind };
    const path = collectionPath(resource, metadata.namespace);
    const { resourceVersion: _, ...meta } = metadata;
    const body = { ...object, metadata: meta };
    return this.#projected(resource, { method: 'POST', path, body });
  }

  read(resource: Resource, key: string): Promise<Result<KubeObject, KubeFailure>> {
    return this.#projected(resource, { method: 'GET', path: objectPath(resource, key) });
  }

  replace(object: KubeObject): Promise<Result<KubeObject, KubeFailure>> {
    const { apiVersion, kind } = object;
    const resource = { apiVersion, kind };
    const path = objectPath(resource, keyOf(object));
    return this.#projected(resource, { method: 'PUT', path, body: object });
  }

  async delete(
    resource: Resource,
    key: string,
    version?: string,
  ): Promise<Result<void, KubeFailure>> {
    const path = objectPath(resource, key);
    const options = { apiVersion: 'v1', kind: 'DeleteOptions' };
    const preconditions = { resourceVersion: version };
    const body = version === undefined ? options : { ...options, preconditions };
    const deleted = await this.#client.json({ method: 'DELETE', path, body });
    return deleted.ok ? ok(undefined) : err(failureOf(deleted.error));
  }

  record(event: KubeEvent): Promise<Result<void, KubeFailure>> {
    return this.#events.record(event);
  }

  notReady(): string | undefined {
    for (const [watch, { need }] of this.#watches) {
      if (need === 'needed' && watch.problem !== undefined) return watch.problem;
    }
    return undefined;
  }

  place(resource: Resource, key: string, _path: string): string {
    return `${resource.kind} ${key}`;
  }

  /** Ends every watch, and breaks off every request. */
  close(): Promise<void> {
    for (const watch of this.#watches.keys()) watch.stop();
    this.#watches.clear();
    return this.#client.close();
  }

  /** `kubectl describe` finds the events of an object by its uid. */
  async #uidOf({ resource, key }: KubeEvent): Promise<string | undefined> {
    for (const [watch, { kind }] of this.#watches) {
      const uid = kind === resource.kind ? watch.uidOf(key) : undefined;
      if (uid !== undefined) return uid;
    }
    const read = await this.#object({ method: 'GET', path: objectPath(resource, key) });
    return read.ok ? read.value.metadata.uid : undefined;
  }

  async #projected(resource: Resource, request: Request): Promise<Result<KubeObject, KubeFailure>> {
    const answer = await this.#object(request);
    return answer.ok ? ok(project(resource, answer.value)) : answer;
  }

  async #object(request: Request): Promise<Result<KubeObject, KubeFailure>> {
    const isLease = request.path.startsWith(LEASES);
    const soon = isLease ? { urgent: true, signal: AbortSignal.timeout(LEASE_LIMIT) } : {};
    const answer = await this.#client.json({ ...request, ...soon });
    return answer.ok ? ok(answer.value as KubeObject) : err(failureOf(answer.error));
  }
}
