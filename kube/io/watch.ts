/**
 * One watch at an API server: carries out what a Reflector decides, and tells it what came of it.
 * Objects are projected here, line by line and page by page, so that nothing holds them whole.
 */
import { drive } from '../../lib/drive.ts';
import type { Driver } from '../../lib/drive.ts';
import { Alarm, monotonic } from '../../lib/io/clock.ts';
import type { AbortSignalLike } from '../../lib/signal.ts';
import type { Resource, WatchEvent } from '../kube.ts';
import { keyOf } from '../objects.ts';
import type { KubeObject } from '../objects.ts';
import { project } from '../project.ts';
import { Reflector } from '../reflector.ts';
import type { ReflectorInput, ReflectorOutput } from '../reflector.ts';
import type { Client, Refusal, Request } from './client.ts';
import { why } from './http.ts';

const PAGE = '500';

interface Place {
  readonly client: Client;
  readonly resource: Resource;
  readonly path: string;
  /** Of one object, only that one. */
  readonly name?: string;
}

interface Line {
  readonly type?: string;
  readonly object?: KubeObject & { readonly code?: number; readonly message?: string };
}

type Heard = ReflectorInput extends infer I
  ? I extends unknown
    ? Omit<I, 'attempt'>
    : never
  : never;

export class Watch {
  readonly #place: Place;
  readonly #sink: (event: WatchEvent) => void;
  readonly #alarm: Alarm;
  readonly #reflector: Reflector;
  readonly #driver: Driver<ReflectorInput>;
  /** Of the request that counts. */
  #abort = new AbortController();
  #stopped = false;

  constructor(place: Place, sink: (event: WatchEvent) => void, signal: AbortSignalLike) {
    this.#place = place;
    this.#sink = sink;
    this.#reflector = new Reflector(place.resource.kind, Math.random);
    this.#alarm = new Alarm(() => this.#driver.wake());
    this.#driver = drive(this.#reflector, {
      now: monotonic,
      wakeAt: (at) => this.#alarm.set(this.#stopped ? undefined : at),
      act: (output) => this.#act(output),
    });
    signal.addEventListener('abort', () => this.stop());
    if (signal.aborted) this.stop();
    // Not from within the caller's own turn.
    else this.#alarm.set(0);
  }

  /** Nothing is delivered any more, and no connection is left. */
  stop(): void {
    this.#stopped = true;
    this.#alarm.set(undefined);
    this.#abort.abort();
  }

  get problem(): string | undefined {
    return this.#reflector.problem;
  }

  uidOf(key: string): string | undefined {
    return this.#reflector.uidOf(key);
  }

  #act(output: ReflectorOutput): void {
    switch (output.type) {
      case 'list':
        this.#abort = new AbortController();
        void this.#list(output.attempt, output.next, this.#abort.signal);
        break;
      case 'watch':
        this.#abort = new AbortController();
        void this.#watch(output, this.#abort);
        break;
      case 'cancel':
        this.#abort.abort();
        break;
      case 'refresh':
        this.#place.client.refresh();
        break;
      case 'event':
        if (!this.#stopped) this.#sink(output.event);
        break;
    }
  }

  #hear(attempt: number, input: Heard): void {
    if (!this.#stopped) this.#driver.put({ ...input, attempt });
  }

  #request(query: Record<string, string | undefined>, signal: AbortSignal): Request {
    const { path, name } = this.#place;
    const only = name === undefined ? {} : { fieldSelector: `metadata.name=${name}` };
    return { method: 'GET', path, query: { ...query, ...only }, signal };
  }

  async #list(attempt: number, next: string | undefined, signal: AbortSignal): Promise<void> {
    const { client, resource } = this.#place;
    const answer = await client.once(this.#request({ limit: PAGE, continue: next }, signal));
    if (!answer.ok) return this.#hear(attempt, this.#failure(answer.error));
    const { metadata, items } = answer.value as {
      metadata?: { resourceVersion?: string; continue?: string };
      items?: readonly KubeObject[];
    };
    const version = metadata?.resourceVersion;
    if (version === undefined || !Array.isArray(items)) {
      return this.#hear(attempt, this.#unreadable('a list'));
    }
    const more = metadata?.continue;
    let page: Heard;
    try {
      const objects = (items as readonly KubeObject[]).map((item) => project(resource, item));
      page = { type: 'page', objects, version, next: more === '' ? undefined : more };
    } catch {
      page = this.#unreadable('a list');
    }
    return this.#hear(attempt, page);
  }

  async #watch(
    { attempt, version, timeoutSeconds }: Extract<ReflectorOutput, { type: 'watch' }>,
    abort: AbortController,
  ): Promise<void> {
    const { client } = this.#place;
    const query = {
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion: version,
      timeoutSeconds: String(timeoutSeconds),
    };
    const opened = await client.open(this.#request(query, abort.signal), true);
    if (!opened.ok) return this.#hear(attempt, this.#failure(opened.error));
    this.#hear(attempt, { type: 'opened' });
    const lines = opened.value[Symbol.asyncIterator]();
    for (let rest = ''; ;) {
      // Only the reading may fail here; what listeners throw is not the connection's fault.
      const chunk = await lines.next().catch((error: unknown) => why(error));
      if (typeof chunk === 'string') return this.#hear(attempt, this.#broken(chunk));
      if (chunk.done === true) return this.#hear(attempt, { type: 'ended' });
      const texts = (rest + chunk.value).split('\n');
      rest = texts.pop() ?? '';
      for (const text of texts) {
        if (text === '') continue;
        const heard = this.#line(text);
        this.#hear(attempt, heard);
        // The Reflector is done with this request; the server may not be.
        if (heard.type === 'failed') return abort.abort();
      }
    }
  }

  #line(text: string): Heard {
    try {
      return this.#read(JSON.parse(text) as Line);
    } catch {
      return this.#unreadable('a line of a watch');
    }
  }

  /** Throws when an object is not what it should be. */
  #read({ type, object }: Line): Heard {
    if (object === undefined) return this.#unreadable('a line of a watch');
    const version = object.metadata?.resourceVersion ?? '';
    switch (type) {
      case 'ADDED':
      case 'MODIFIED':
        return { type: 'put', object: project(this.#place.resource, object) };
      case 'DELETED':
        return { type: 'delete', key: keyOf(object), version };
      case 'BOOKMARK':
        return { type: 'bookmark', version };
      case 'ERROR': {
        const message = `${this.#server()} ends the watch: ${object.message ?? 'no reason given'}`;
        return { type: 'failed', status: object.code, retryAfter: undefined, message };
      }
      case undefined:
      default:
        return this.#unreadable('a line of a watch');
    }
  }

  #server(): string {
    return `the API server at ${this.#place.client.server}`;
  }

  #failure({ status, retryAfter, message }: Refusal): Heard {
    const { kind, apiVersion } = this.#place.resource;
    const text =
      status === 404
        ? `${this.#server()} does not know ${kind} of ${apiVersion}: install its definition`
        : message;
    return { type: 'failed', status, retryAfter, message: text };
  }

  #broken(reason: string): Heard {
    const message = `${this.#server()} cannot be reached: ${reason}`;
    return { type: 'failed', status: undefined, retryAfter: undefined, message };
  }

  #unreadable(what: string): Heard {
    const message = `${this.#server()} sends ${what} that cannot be read`;
    return { type: 'failed', status: undefined, retryAfter: undefined, message };
  }
}
