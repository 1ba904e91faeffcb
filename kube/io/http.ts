/**
 * The one door to undici: HTTP/1.1 to one API server. Two pools, so that no burst of writes keeps
 * a watch from coming back: a few connections for requests, and one for each watch. Not HTTP/2,
 * whose one connection would take every watch with it when it fails; not fetch, whose streams and
 * timeouts are not ours to set.
 */
import { Pool } from 'undici';
import { err, ok } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';
import type { Millis } from '../../lib/time.ts';

/** PEM texts. */
export interface Tls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly passphrase?: string;
  readonly servername?: string;
  /** The user wants the server's certificate not to be checked. */
  readonly insecure: boolean;
}

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** With query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Ends the request and its answer. */
  readonly signal?: AbortSignal;
}

export interface HttpReply {
  readonly status: number;
  /** The header Retry-After, when it is a number of seconds. */
  readonly retryAfter: Millis | undefined;
  /** UTF-8; to be read to its end, or left by aborting. Throws when the connection breaks. */
  readonly body: AsyncIterable<string>;
}

const REQUESTS_AT_ONCE = 4;
const CONNECT_LIMIT: Millis = 10_000;
const ANSWER_LIMIT: Millis = 30_000;

export class Http {
  readonly #requests: Pool;
  readonly #watches: Pool;

  /** `origin` is scheme, host and port. */
  constructor(origin: string, tls: Tls) {
    const { insecure, ...given } = tls;
    const options = {
      pipelining: 1,
      allowH2: false,
      headersTimeout: ANSWER_LIMIT,
      connect: {
        ...given,
        rejectUnauthorized: !insecure,
        timeout: CONNECT_LIMIT,
        keepAlive: true,
        keepAliveInitialDelay: 15_000,
      },
    };
    const connections = REQUESTS_AT_ONCE;
    this.#requests = new Pool(origin, { ...options, connections, bodyTimeout: ANSWER_LIMIT });
    // How long a watch may be silent is the Reflector's decision.
    this.#watches = new Pool(origin, { ...options, connections: null, bodyTimeout: 0 });
  }

  /** The error is a clause that says why there is no answer. */
  async send(request: HttpRequest, watch: boolean): Promise<Result<HttpReply, string>> {
    const { method, path, headers, body, signal } = request;
    try {
      const pool = watch ? this.#watches : this.#requests;
      const reply = await pool.request({
        method,
        path,
        headers,
        body: body ?? null,
        signal: signal ?? null,
      });
      const { [RETRY_AFTER]: asked } = reply.headers;
      reply.body.setEncoding('utf8');
      return ok({
        status: reply.statusCode,
        retryAfter: /^\d+$/.test(String(asked)) ? Number(asked) * 1000 : undefined,
        body: reply.body as AsyncIterable<string>,
      });
    } catch (error) {
      return err(why(error));
    }
  }

  /** No more requests come; those under way may end. */
  retire(): void {
    void this.#requests.close();
    void this.#watches.close();
  }

  /** Breaks off everything. */
  async destroy(): Promise<void> {
    await Promise.all([this.#requests.destroy(), this.#watches.destroy()]);
  }
}

const RETRY_AFTER = 'retry-after';

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'it broke the connection',
  EPIPE: 'it broke the connection',
  UND_ERR_SOCKET: 'it broke the connection',
  ENOTFOUND: 'its name is not known',
  EAI_AGAIN: 'its name cannot be looked up now',
  EHOSTUNREACH: 'no route leads there',
  ENETUNREACH: 'no route leads there',
  ETIMEDOUT: 'it does not answer',
  UND_ERR_CONNECT_TIMEOUT: 'it does not answer',
  UND_ERR_HEADERS_TIMEOUT: 'it accepts requests and does not answer',
  UND_ERR_BODY_TIMEOUT: 'its answer stopped half-way',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is not from the authority we were given',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is not from the authority we were given',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is not from the authority we were given',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate is not from the authority we were given',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for other names',
};

/** A clause, such as "nothing listens there". */
export function why(error: unknown): string {
  const { code, message, errors } = error as NodeJS.ErrnoException & { errors?: unknown[] };
  // Several addresses were tried: the first one's reason is as good as any.
  if (code !== undefined && REASONS[code] !== undefined) return REASONS[code];
  if (errors?.[0] !== undefined) return why(errors[0]);
  return message === '' ? (code ?? 'unknown error') : message;
}
