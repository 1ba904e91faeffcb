/**
 * HTTP/1.1 to one API server, by Node.js' own client: a few connections for requests, and one for
 * each watch, so that no burst of writes keeps a watch from coming back. Not HTTP/2, whose one
 * connection would take every watch with it when it fails; not fetch, whose streams and timeouts
 * are not ours to set; not undici, which does the same and takes 7 MiB more (one run).
 */
import { Agent, request as plainRequest } from 'node:http';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { Agent as SecureAgent, request as secureRequest } from 'node:https';
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
/** A server closes what is idle for longer, perhaps in the moment in which it is used again. */
const IDLE_LIMIT: Millis = 4000;
/** Of silence, before the kernel asks whether the other side is still there. */
const PROBE_AFTER: Millis = 15_000;

export class Http {
  readonly #origin: URL;
  readonly #requests: Agent;
  readonly #watches: Agent;
  readonly #underWay = new Set<ClientRequest>();
  #destroyed = false;

  /** `origin` is scheme, host and port. */
  constructor(origin: string, { insecure, ...given }: Tls) {
    this.#origin = new URL(origin);
    const kept = { keepAlive: true, timeout: IDLE_LIMIT };
    const tls = { ...given, rejectUnauthorized: !insecure };
    const agent = (maxSockets: number): Agent =>
      this.#isSecure
        ? new SecureAgent({ ...tls, ...kept, maxSockets })
        : new Agent({ ...kept, maxSockets });
    this.#requests = agent(REQUESTS_AT_ONCE);
    this.#watches = agent(Infinity);
  }

  /** The error is a clause that says why there is no answer. */
  async send(request: HttpRequest, watch: boolean): Promise<Result<HttpReply, string>> {
    for (;;) {
      if (this.#destroyed) return err('all connections to it have been given up');
      const asked = this.#ask(request, watch);
      try {
        const answer = await answerTo(asked, request.body);
        // How long a watch may be silent is the Reflector's decision.
        asked.setTimeout(watch ? 0 : ANSWER_LIMIT);
        asked.once('timeout', () => answer.destroy(new Late('its answer stopped half-way')));
        const after = answer.headers['retry-after'] ?? '';
        return ok({
          status: answer.statusCode ?? 0,
          retryAfter: /^\d+$/.test(after) ? Number(after) * 1000 : undefined,
          body: answer.setEncoding('utf8') as AsyncIterable<string>,
        });
      } catch (error) {
        // The server had closed an idle connection, and the question crossed with that news.
        const { code = '' } = error as NodeJS.ErrnoException;
        const isStale = asked.reusedSocket && ['ECONNRESET', 'EPIPE'].includes(code);
        if (!isStale || request.method !== 'GET') return err(why(error));
      }
    }
  }

  /** No more requests come; those under way may end. */
  retire(): void {
    for (const agent of [this.#requests, this.#watches]) {
      agent.maxFreeSockets = 0;
      for (const socket of Object.values(agent.freeSockets).flat()) socket?.destroy();
    }
  }

  /** Breaks off everything. */
  destroy(): Promise<void> {
    this.#destroyed = true;
    for (const asked of this.#underWay) asked.destroy();
    this.#requests.destroy();
    this.#watches.destroy();
    return Promise.resolve();
  }

  get #isSecure(): boolean {
    return this.#origin.protocol === 'https:';
  }

  #ask({ method, path, headers, body, signal }: HttpRequest, watch: boolean): ClientRequest {
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
    const send = this.#isSecure ? secureRequest : plainRequest;
    const asked = send(this.#origin, {
      agent: watch ? this.#watches : this.#requests,
      method,
      path,
      headers: { ...headers, ...length },
      timeout: CONNECT_LIMIT,
      ...(signal === undefined ? {} : { signal }),
    });
    this.#underWay.add(asked);
    asked.once('close', () => this.#underWay.delete(asked));
    asked.once('socket', (socket) => {
      const connected = (): void => {
        socket.setKeepAlive(true, PROBE_AFTER);
        asked.setTimeout(ANSWER_LIMIT);
      };
      // Not `reusedSocket`, which says nothing of one that another request has just left.
      if (!socket.connecting) connected();
      else socket.once(this.#isSecure ? 'secureConnect' : 'connect', connected);
    });
    return asked;
  }
}

/** Sends it. Rejects with what Node.js or the system says. */
function answerTo(asked: ClientRequest, body: string | undefined): Promise<IncomingMessage> {
  return new Promise((done, failed) => {
    const late = (): void => {
      const reached = asked.socket?.connecting === false && asked.writableFinished;
      asked.destroy(new Late(reached ? 'it accepts requests and does not answer' : SILENT));
    };
    asked.once('timeout', late);
    // For good: a connection may break after the answer too, and whoever reads it is told.
    asked.on('error', failed);
    asked.once('response', (answer) => {
      asked.off('timeout', late);
      done(answer);
    });
    asked.end(body);
  });
}

const SILENT = 'it does not answer';

/** Nothing came in time. The message is a clause. */
class Late extends Error {}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'it broke the connection',
  EPIPE: 'it broke the connection',
  ENOTFOUND: 'its name is not known',
  EAI_AGAIN: 'its name cannot be looked up now',
  EHOSTUNREACH: 'no route leads there',
  ENETUNREACH: 'no route leads there',
  ETIMEDOUT: SILENT,
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
