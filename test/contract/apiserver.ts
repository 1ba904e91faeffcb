/**
 * A Kubernetes API server as far as a client can tell: lists in pages, watches, resource versions,
 * compaction, the status subresource, conflicts; with every fault on demand. What it does follows
 * the real one, against which the same contract is held in test/e2e.
 */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { keyOf } from '../../kube/objects.ts';
import type { KubeObject } from '../../kube/objects.ts';
import { collectionPath, objectPath } from '../../kube/location.ts';
import type { Resource } from '../../kube/kube.ts';
import { Store } from './apistore.ts';
import type { Change } from './apistore.ts';

export type Fault =
  | { readonly status: number; readonly retryAfter?: number }
  /** TCP reset; the server never answers; it answers 410 inside a watch. */
  | 'reset'
  | 'silence'
  | 'expired';

interface Stream {
  readonly response: ServerResponse;
  readonly collection: string;
  /** It was told everything up to this revision that concerns it. */
  told: number;
}

export interface Seen {
  readonly method: string;
  /** Without query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly port: number;
}

interface Asked extends Seen {
  readonly body: string;
  readonly authorization: string | undefined;
}

export class ApiServer {
  readonly store = new Store();
  readonly requests: Seen[] = [];
  /** The only bearer token that is taken; undefined: anybody. */
  token: string | undefined;
  readonly #tls: { readonly cert: string; readonly key: string } | undefined;
  #server: Server | undefined;
  #port = 0;
  #streams: Stream[] = [];
  #faults: { readonly fits: (seen: Seen) => boolean; readonly fault: Fault }[] = [];
  #behind = false;
  #waiting: { readonly fits: (seen: Seen) => boolean; readonly done: (seen: Seen) => void }[] = [];
  #closing: (() => void)[] = [];
  #pages = new Map<string, readonly KubeObject[]>();

  /** PEM; undefined: without TLS. */
  constructor(tls?: { readonly cert: string; readonly key: string }) {
    this.#tls = tls;
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `${this.#tls === undefined ? 'http' : 'https'}://127.0.0.1:${this.#port}`;
  }

  /** On the same port each time. */
  async start(): Promise<this> {
    const serve = (request: IncomingMessage, response: ServerResponse): void =>
      void this.#serve(request, response);
    const tls = this.#tls;
    const server = tls === undefined ? createServer(serve) : createTlsServer(tls, serve);
    this.#server = server;
    // A real one is there for months; a client's idle connections are its own affair.
    server.keepAliveTimeout = 60_000;
    await new Promise<void>((done) => server.listen(this.#port, '127.0.0.1', done));
    this.#port = (server.address() as AddressInfo).port;
    return this;
  }

  /** As by kill -9: every connection breaks, what etcd has stays. */
  async kill(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    this.#streams = [];
    this.#faults = [];
    if (server === undefined) return;
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  }

  /** What users do. */
  put(object: KubeObject): void {
    this.store.put(collectionOf(object), object);
    this.#tell();
  }

  remove(resource: Resource, key: string): void {
    this.store.delete(collectionPath(resource, undefined), key);
    this.#tell();
  }

  get(resource: Resource, key: string): KubeObject | undefined {
    return this.store.get(collectionPath(resource, undefined), key);
  }

  /** The next request that fits gets that fault. */
  fail(fault: Fault, fits: (seen: Seen) => boolean = () => true): void {
    this.#faults.push({ fault, fits });
  }

  /** Resolves with the next request that fits. */
  next(fits: (seen: Seen) => boolean): Promise<Seen> {
    return new Promise((done) => this.#waiting.push({ fits, done }));
  }

  /** Resolves when the connection of a watch closes. */
  nextClosed(): Promise<void> {
    return new Promise((done) => this.#closing.push(done));
  }

  get watches(): number {
    return this.#streams.length;
  }

  endWatches(): void {
    for (const { response } of this.#streams.splice(0)) response.end();
  }

  resetWatches(): void {
    for (const { response } of this.#streams.splice(0)) response.socket?.resetAndDestroy();
  }

  expireWatches(): void {
    for (const { response } of this.#streams.splice(0)) expire(response);
  }

  bookmark(): void {
    for (const { response } of this.#streams) {
      const metadata = { resourceVersion: String(this.store.revision) };
      line(response, 'BOOKMARK', { kind: 'Service', apiVersion: 'v1', metadata } as never);
    }
  }

  /** Whether watches are told nothing new, while lists show everything. */
  set behind(is: boolean) {
    this.#behind = is;
    this.#tell();
  }

  #tell(): void {
    if (this.#behind) return;
    for (const stream of this.#streams) {
      for (const change of this.store.since(stream.collection, stream.told)) {
        write(stream.response, change);
      }
      // Also past what is not for it: the next look at the log must not begin there again.
      stream.told = Math.max(stream.told, this.store.revision);
    }
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://stub');
    let body = '';
    for await (const chunk of request.setEncoding('utf8')) body += String(chunk);
    const asked: Asked = {
      method: request.method ?? 'GET',
      path: url.pathname,
      query: url.searchParams,
      port: request.socket.remotePort ?? 0,
      body,
      authorization: request.headers.authorization,
    };
    this.requests.push(asked);
    const at = this.#faults.findIndex(({ fits }) => fits(asked));
    const [chosen] = at < 0 ? [] : this.#faults.splice(at, 1);
    if (chosen === undefined) this.#answer(asked, response);
    else this.#misbehave(chosen.fault, response);
    for (const waiting of this.#waiting.filter(({ fits }) => fits(asked))) {
      this.#waiting = this.#waiting.filter((other) => other !== waiting);
      waiting.done(asked);
    }
  }

  #misbehave(fault: Fault, response: ServerResponse): void {
    if (fault === 'silence') return;
    if (fault === 'reset') response.socket?.resetAndDestroy();
    else if (fault === 'expired') expire(response);
    else {
      const { status, retryAfter } = fault;
      if (retryAfter !== undefined) response.setHeader('retry-after', String(retryAfter));
      refuse(response, status, 'Fault', 'as asked for');
    }
  }

  #answer(asked: Asked, response: ServerResponse): void {
    if (this.token !== undefined && asked.authorization !== `Bearer ${this.token}`) {
      return refuse(response, 401, 'Unauthorized', 'Unauthorized');
    }
    const place = placeOf(asked.path);
    if (place === undefined) return refuse(response, 404, 'NotFound', 'no such path');
    if (place.name === undefined) {
      if (asked.method === 'POST') return this.#create(place, asked, response);
      if (asked.query.get('watch') === 'true') return this.#watch(place, asked, response);
      return this.#list(place, asked, response);
    }
    return this.#one(place, asked, response);
  }

  #list({ collection, namespace }: Place, { query }: Asked, response: ServerResponse): void {
    const token = query.get('continue') ?? '';
    const all = this.#pages.get(token) ?? this.store.list(collection);
    const items = all.filter(({ metadata }) => isWithin(namespace, metadata.namespace));
    const revision = token === '' ? String(this.store.revision) : (token.split('/')[0] ?? '');
    if (token !== '' && Number(revision) < this.store.compacted) {
      return refuse(response, 410, 'Expired', 'the provided continue parameter is too old');
    }
    const limit = Number(query.get('limit') ?? items.length);
    const rest = items.slice(limit);
    const next = rest.length === 0 ? '' : `${revision}/${rest.length}${collection}`;
    if (next !== '') this.#pages.set(next, rest);
    return reply(response, 200, {
      kind: 'List',
      metadata: { resourceVersion: revision, ...(next === '' ? {} : { continue: next }) },
      // As the real one: items do not say what they are.
      items: items.slice(0, limit).map(anonymous),
    });
  }

  #watch({ collection }: Place, { query }: Asked, response: ServerResponse): void {
    const from = Number(query.get('resourceVersion'));
    if (from < this.store.compacted) {
      return refuse(response, 410, 'Expired', 'too old resource version');
    }
    response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
    const stream = { response, collection, told: from };
    this.#streams.push(stream);
    response.on('close', () => {
      this.#streams = this.#streams.filter((other) => other !== stream);
      for (const done of this.#closing.splice(0)) done();
    });
    return this.#tell();
  }

  #create({ collection, namespace }: Place, { body }: Asked, response: ServerResponse): void {
    const { status: _, ...object } = JSON.parse(body) as KubeObject & { status?: unknown };
    if (namespace !== undefined && object.metadata.namespace !== namespace) {
      return refuse(response, 400, 'BadRequest', 'the namespace does not match');
    }
    const key = keyOf(object);
    if (this.store.get(collection, key) !== undefined) {
      return refuse(response, 409, 'AlreadyExists', `${key} already exists`);
    }
    const created = this.store.put(collection, object);
    this.#tell();
    return reply(response, 201, created);
  }

  #one(place: Place, { method, body }: Asked, response: ServerResponse): void {
    const { collection, key = '', part } = place;
    const present = this.store.get(collection, key);
    if (present === undefined) return refuse(response, 404, 'NotFound', `${key} not found`);
    if (method === 'GET') return reply(response, 200, present);
    const given = (body === '' ? {} : JSON.parse(body)) as Given;
    const version = given.preconditions?.resourceVersion ?? given.metadata?.resourceVersion;
    if (version !== undefined && version !== present.metadata.resourceVersion) {
      return refuse(response, 409, 'Conflict', 'the object has been modified');
    }
    if (method === 'DELETE') {
      this.store.delete(collection, key);
      this.#tell();
      return reply(response, 200, { kind: 'Status', status: 'Success' });
    }
    // Nobody may update a Service itself, by the RBAC that must do.
    const isStatus = part === 'status';
    if (method === 'PUT' && !isStatus && present.kind === 'Service') {
      return refuse(response, 403, 'Forbidden', `cannot ${method} this`);
    }
    // What is put, and metadata with everything that was left out of it gone.
    const { name, namespace, uid } = present.metadata;
    const metadata = { ...given.metadata, name, namespace, uid };
    const kept = present.status === undefined ? {} : { status: present.status };
    const changed =
      method === 'PATCH'
        ? { ...present, ...given, metadata: present.metadata }
        : isStatus
          ? { ...present, status: given.status, metadata }
          : { ...given, ...kept, metadata };
    const written = this.store.write(collection, changed as KubeObject);
    this.#tell();
    return reply(response, 200, written);
  }
}

type Given = Partial<KubeObject> & {
  readonly status?: unknown;
  readonly preconditions?: { readonly resourceVersion?: string };
};

function anonymous(object: KubeObject): object {
  const { apiVersion: _, kind: __, ...item } = object;
  return item;
}

interface Place {
  /** Path of all objects of the kind. */
  readonly collection: string;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly key: string | undefined;
  readonly part: string | undefined;
}

const ROOT = '(/api/v1|/apis/[^/]+/[^/]+)';
const NAMESPACE = '(?:/namespaces/([^/]+))?';
const OBJECT = '/([a-z0-9]+)(?:/([^/]+)(?:/([a-z]+))?)?';

function placeOf(path: string): Place | undefined {
  const match = new RegExp(`^${ROOT}${NAMESPACE}${OBJECT}$`).exec(path);
  if (match === null) return undefined;
  const [, root, namespace, plural, name, part] = match;
  const key = namespace === undefined ? name : `${namespace}/${name}`;
  return { collection: `${root}/${plural}`, namespace, name, key, part };
}

function isWithin(wanted: string | undefined, namespace: string | undefined): boolean {
  return wanted === undefined || namespace === wanted;
}

export function collectionOf({ apiVersion, kind }: KubeObject): string {
  return collectionPath({ apiVersion, kind }, undefined);
}

/** Requests for lists of that kind. */
export function isList(resource: Resource): (seen: Seen) => boolean {
  return ({ method, path, query }) =>
    method === 'GET' && path.endsWith(tail(resource)) && query.get('watch') === null;
}

export function isWatch(resource: Resource): (seen: Seen) => boolean {
  return ({ path, query }) => path.endsWith(tail(resource)) && query.get('watch') === 'true';
}

export function isPut(resource: Resource, key: string): (seen: Seen) => boolean {
  return ({ method, path }) => method === 'PUT' && path === objectPath(resource, key, 'status');
}

function tail(resource: Resource): string {
  return collectionPath(resource, undefined).replace(/^.*\//, '/');
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function refuse(response: ServerResponse, code: number, reason: string, message: string): void {
  reply(response, code, {
    kind: 'Status',
    apiVersion: 'v1',
    status: 'Failure',
    code,
    reason,
    message,
  });
}

function write(response: ServerResponse, { type, object, revision }: Change): void {
  const metadata = { ...object.metadata, resourceVersion: String(revision) };
  line(response, type, { ...object, metadata });
}

function line(response: ServerResponse, type: string, object: KubeObject): void {
  response.write(`${JSON.stringify({ type, object })}\n`);
}

function expire(response: ServerResponse): void {
  const object = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' };
  line(response, 'ERROR', object as never);
}
