/**
 * The HTTPS server that MetalLB's manifests from 0.13 on expect on port 9443: they register it for
 * every change of a configuration with failurePolicy Fail, so without it nothing could be changed.
 * Installations of our own have no use for it.
 */
import { createServer } from 'node:https';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import type { Direct } from '../../kube/io/direct.ts';
import { groupOf } from '../../kube/location.ts';
import { readBody } from '../../lib/io/body.ts';
import { monotonic } from '../../lib/io/clock.ts';
import { listen } from '../../lib/io/metrics.ts';
import type { HeldCertificate } from '../../lib/io/tls.ts';
import type { Result } from '../../lib/result.ts';
import type { Millis } from '../../lib/time.ts';
import { COMPARED, Present } from '../present.ts';
import { CONVERT_PATH, convert, isAdmissionPath, reviewAdmission } from '../review.ts';

/** A review holds an object twice, and an object has at most 1.5 MiB in etcd. */
const MOST_BYTES = 8 * 2 ** 20;
/** What is judged is walked with recursion, and anybody who reaches the port may ask. */
const MOST_LEVELS = 100;
/** The API server waits 10 s unless told. */
const PATIENCE: Millis = 5000;
const LOOK_EVERY: Millis = 20;

export interface WebhookOptions {
  readonly direct: Direct;
  readonly namespace: string;
  readonly certificates: HeldCertificate;
  readonly port: number;
  /** Ends all of it. */
  readonly signal: AbortSignal;
}

interface Reply {
  readonly status: number;
  readonly body: object;
}

export class Webhook {
  readonly #options: WebhookOptions;
  readonly #present = new Present();

  constructor(options: WebhookOptions) {
    this.#options = options;
  }

  /** With the certificate that is held now, and those that come. */
  async open(): Promise<Result<Server, string>> {
    const { direct, namespace, certificates, port, signal } = this.#options;
    for (const resource of COMPARED) {
      const place = groupOf(resource) === '' ? undefined : namespace;
      const sink = (event: Parameters<Present['show']>[1]): void =>
        this.#present.show(resource, event);
      direct.watchKind(resource, place, sink, signal);
    }
    const server = createServer(certificates.options(), (request, response) => {
      void this.#answer(request).then((reply) => send(response, reply));
    });
    certificates.follow((options) => server.setSecureContext(options));
    signal.addEventListener('abort', () => {
      server.close();
      server.closeAllConnections();
    });
    return listen(server, { host: undefined, port, flag: '--webhook-port' });
  }

  async #answer(request: IncomingMessage): Promise<Reply> {
    const path = (request.url ?? '/').split('?')[0] ?? '/';
    const isAdmission = isAdmissionPath(path);
    if (request.method !== 'POST' || !(isAdmission || path === CONVERT_PATH)) {
      return refuse(404, 'there is no such webhook');
    }
    const body = await readBody(request, MOST_BYTES);
    if (body === undefined) return refuse(413, `a review has at most ${MOST_BYTES} bytes`);
    const text = body.toString('utf8');
    if (isDeep(text)) return refuse(400, `this is nested more than ${MOST_LEVELS} deep`);
    const question = parsed(text);
    const answer = isAdmission ? await this.#review(question) : convert(question);
    if (answer === undefined) return refuse(503, 'not everything has been read yet; try again');
    return answer.ok ? { status: 200, body: answer.value } : refuse(400, answer.error);
  }

  async #review(question: unknown): Promise<Result<object, string> | undefined> {
    const until = monotonic() + PATIENCE;
    for (;;) {
      const present = this.#present.sources();
      if (present !== undefined) return reviewAdmission(question, this.#options.namespace, present);
      if (monotonic() >= until) return undefined;
      await pause(LOOK_EVERY);
    }
  }
}

function refuse(status: number, message: string): Reply {
  return { status, body: { message } };
}

function send(response: ServerResponse, { status, body }: Reply): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

/** Brackets inside of strings are none. By hand: a pattern would go back and forth over 8 MiB. */
function isDeep(text: string): boolean {
  let level = 0;
  let isText = false;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    if (char === '"') isText = !isText;
    else if (isText) at += char === '\\' ? 1 : 0;
    else if (char === '[' || char === '{') level += 1;
    else if (char === ']' || char === '}') level -= 1;
    if (level > MOST_LEVELS) return true;
  }
  return false;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
