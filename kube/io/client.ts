/**
 * JSON requests to one API server. Every answer is a value: what the server said, or why it did
 * not. `once` asks once, for callers that decide themselves when to ask again; `json` is patient:
 * it gets new credentials once, and waits when the server asks it to.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { monotonic } from '../../lib/io/clock.ts';
import { err, ok } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';
import type { Instant, Millis } from '../../lib/time.ts';
import type { Access, Credentials } from './credentials.ts';
import { Http, why } from './http.ts';
import type { HttpReply, HttpRequest } from './http.ts';

export interface Request {
  readonly method: HttpRequest['method'];
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: unknown;
  readonly signal?: AbortSignal;
  /** Does not wait behind other requests: it has a connection of its own, as a watch has. */
  readonly urgent?: boolean;
}

/** Why there is no answer, or not the one asked for. */
export interface Refusal {
  /** undefined: no answer came. */
  readonly status: number | undefined;
  /** Kubernetes' own word, such as `AlreadyExists`. */
  readonly reason: string;
  readonly retryAfter: Millis | undefined;
  /** One sentence, with the server in it. */
  readonly message: string;
}

/** Tokens and certificates may change in their files at any time. */
const REMEMBER: Millis = 10_000;

const PATIENCE = 3;
const LONGEST_WAIT: Millis = 30_000;

export class Client {
  readonly #credentials: Credentials;
  readonly #prefix: string;
  readonly #origin: string;
  #access: { readonly at: Instant; readonly value: Promise<Result<Access, string>> } | undefined;
  #http: { readonly key: string; readonly http: Http } | undefined;

  constructor(credentials: Credentials) {
    this.#credentials = credentials;
    const url = new URL(credentials.server);
    this.#origin = url.origin;
    this.#prefix = url.pathname.replace(/\/+$/, '');
  }

  get server(): string {
    return this.#credentials.server;
  }

  /** What was remembered of the credentials is not good any more. */
  refresh(): void {
    this.#access = undefined;
    this.#credentials.refresh();
  }

  /** The answer to one request, as it comes in. */
  async open(request: Request, watch: boolean): Promise<Result<AsyncIterable<string>, Refusal>> {
    const sent = await this.#send(request, watch);
    if (!sent.ok) return err(this.#silent(sent.error));
    const { status, body, retryAfter } = sent.value;
    if (status >= 200 && status < 300) return ok(body);
    return err(this.#refused(status, retryAfter, await textOf(body)));
  }

  async once(request: Request): Promise<Result<unknown, Refusal>> {
    const opened = await this.open(request, request.urgent === true);
    if (!opened.ok) return opened;
    const text = await textOf(opened.value);
    if (!text.ok) return err(this.#silent(text.error));
    try {
      return ok(JSON.parse(text.value) as unknown);
    } catch {
      return err(this.#silent('its answer is not JSON; does another program listen there?'));
    }
  }

  async json(request: Request): Promise<Result<unknown, Refusal>> {
    let refreshed = false;
    for (let tries = 1; ; tries += 1) {
      const answer = await this.once(request);
      if (answer.ok) return answer;
      const { status, retryAfter } = answer.error;
      if (status === 401 && !refreshed) {
        refreshed = true;
        this.refresh();
        continue;
      }
      // Refused before anything was done, so that even a write may be sent again.
      const isAskedToWait = (status === 429 || status === 503) && retryAfter !== undefined;
      if (!isAskedToWait || retryAfter > LONGEST_WAIT || tries >= PATIENCE) return answer;
      await delay(retryAfter * (1 + Math.random() / 4), undefined, { ref: false });
    }
  }

  async close(): Promise<void> {
    await this.#http?.http.destroy();
  }

  async #send(request: Request, watch: boolean): Promise<Result<HttpReply, string>> {
    const access = await this.#currentAccess();
    if (!access.ok) return access;
    const { method, path, query = {}, body, signal } = request;
    const { authorization, tls } = access.value;
    const given = Object.entries(query).filter(([, value]) => value !== undefined);
    const search = new URLSearchParams(given as [string, string][]).toString();
    return this.#connection(tls).send(
      {
        method,
        path: `${this.#prefix}${path}${search === '' ? '' : `?${search}`}`,
        headers: {
          accept: 'application/json',
          'user-agent': 'arpeggio',
          ...(authorization === undefined ? {} : { authorization }),
          ...(body === undefined ? {} : { 'content-type': contentType(method) }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        ...(signal === undefined ? {} : { signal }),
      },
      watch,
    );
  }

  #currentAccess(): Promise<Result<Access, string>> {
    const now = monotonic();
    if (this.#access === undefined || now >= this.#access.at + REMEMBER) {
      this.#access = { at: now, value: this.#credentials.access() };
    }
    return this.#access.value;
  }

  /** A new certificate of either side means new connections; watches end when they end. */
  #connection(tls: Access['tls']): Http {
    const key = JSON.stringify(tls);
    if (this.#http?.key !== key) {
      this.#http?.http.retire();
      this.#http = { key, http: new Http(this.#origin, tls) };
    }
    return this.#http.http;
  }

  #silent(reason: string): Refusal {
    const message = `the API server at ${this.server} cannot be reached: ${reason}`;
    return { status: undefined, reason: '', retryAfter: undefined, message };
  }

  #refused(status: number, retryAfter: Millis | undefined, text: Result<string, string>): Refusal {
    const { reason = '', message } = statusOf(text.ok ? text.value : '');
    const said = message === undefined ? '' : `: ${message}`;
    return {
      status,
      reason,
      retryAfter,
      message: `the API server at ${this.server} answers ${status}${said}${adviceFor(status)}`,
    };
  }
}

function contentType(method: Request['method']): string {
  return method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
}

function adviceFor(status: number): string {
  if (status === 401) return '; check the credentials';
  return status === 403 ? '; grant it with RBAC' : '';
}

function statusOf(text: string): { reason?: string; message?: string } {
  try {
    const { reason, message } = JSON.parse(text) as { reason?: string; message?: string };
    return { ...(reason === undefined ? {} : { reason }), ...(message ? { message } : {}) };
  } catch {
    return {};
  }
}

async function textOf(body: AsyncIterable<string>): Promise<Result<string, string>> {
  const chunks: string[] = [];
  try {
    for await (const chunk of body) chunks.push(chunk);
  } catch (error) {
    return err(why(error));
  }
  return ok(chunks.join(''));
}
