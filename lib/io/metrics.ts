/**
 * The one door to prom-client, and the small server that every program has: `/metrics`, `/healthz`
 * (the process runs) and `/readyz` (it does its work), and what a program adds. Plain HTTP, or
 * HTTPS with a guard before the metrics, as MetalLB from 0.16 on has it; then the probes, which
 * know no bearer token, have a server of their own.
 */
import { createServer } from 'node:http';
import type { RequestListener, Server, ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { Counter, Gauge, Registry, collectDefaultMetrics } from 'prom-client';
import { err, ok } from '../result.ts';
import type { Result } from '../result.ts';
import type { CertificateSource } from './tls.ts';

export { Counter, Gauge, Registry };

export interface Health {
  /** undefined when ready, else one sentence that says what is missing. */
  notReady(): string | undefined;
}

export function newRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}

/** By method and path, such as `GET /report`. */
export type Routes = Readonly<Record<string, RequestListener>>;

export interface Refusal {
  readonly status: 401 | 403 | 500;
  readonly message: string;
}

/** Whether the bearer of that header `Authorization` may read the metrics; undefined: yes. */
export type Guard = (authorization: string | undefined) => Promise<Refusal | undefined>;

export interface Shield {
  readonly certificates: CertificateSource;
  readonly guard: Guard;
}

/** Where to listen, and the flag by which a user would change it. */
export interface Listening {
  /** undefined: at every address of the machine. */
  readonly host: string | undefined;
  /** 0 takes a free one. */
  readonly port: number;
  readonly flag: string;
}

/** Serves metrics, and in plain HTTP the probes, until `close`. */
export function serve(
  registry: Registry,
  health: Health,
  at: Listening,
  routes: Routes = {},
  shield?: Shield,
): Promise<Result<Server, string>> {
  const answer: RequestListener = (request, response) => {
    const path = pathOf(request.url);
    const own = routes[`${request.method} ${path}`];
    if (own !== undefined && Object.hasOwn(routes, `${request.method} ${path}`)) {
      return own(request, response);
    }
    if (shield === undefined && probe(path, health, response)) return undefined;
    if (path !== '/metrics') return reply(response, 404, `see /metrics${shield ? '' : PROBES}\n`);
    void metrics(registry, shield, request.headers.authorization, response);
    return undefined;
  };
  if (shield === undefined) return listen(createServer(answer), at);
  const server = createSecureServer(shield.certificates.options(), answer);
  shield.certificates.follow((options) => server.setSecureContext(options));
  return listen(server, at);
}

const PROBES = ', /healthz and /readyz';

/** The probes alone, in plain HTTP. */
export function serveProbes(health: Health, at: Listening): Promise<Result<Server, string>> {
  const server = createServer(({ url }, response) => {
    if (!probe(pathOf(url), health, response)) reply(response, 404, 'see /healthz and /readyz\n');
  });
  return listen(server, at);
}

/** Errors say which port and what to do. */
export function listen<S extends Server>(server: S, at: Listening): Promise<Result<S, string>> {
  const { host, port } = at;
  return new Promise((done) => {
    server.once('error', (error: NodeJS.ErrnoException) => done(err(explain(error, at))));
    server.listen({ port, ...(host === undefined ? {} : { host }) }, () => done(ok(server)));
  });
}

async function metrics(
  registry: Registry,
  shield: Shield | undefined,
  authorization: string | undefined,
  response: ServerResponse,
): Promise<void> {
  const refusal = await shield?.guard(authorization);
  if (refusal !== undefined) return reply(response, refusal.status, `${refusal.message}\n`);
  try {
    return reply(response, 200, await registry.metrics(), registry.contentType);
  } catch (error) {
    return reply(response, 500, `${String(error)}\n`);
  }
}

/** Whether it was one. */
function probe(path: string, health: Health, response: ServerResponse): boolean {
  if (path === '/healthz') reply(response, 200, 'ok\n');
  else if (path === '/readyz') {
    const missing = health.notReady();
    if (missing === undefined) reply(response, 200, 'ready\n');
    else reply(response, 503, `${missing}\n`);
  } else return false;
  return true;
}

function reply(
  response: ServerResponse,
  status: number,
  text: string,
  type = 'text/plain; charset=utf-8',
): void {
  response.writeHead(status, { 'content-type': type }).end(text);
}

function pathOf(url: string | undefined): string {
  return (url ?? '/').split('?')[0] ?? '/';
}

function explain(error: NodeJS.ErrnoException, { host, port, flag }: Listening): string {
  const at = host === undefined ? String(port) : `${host}:${port}`;
  if (error.code === 'EADDRINUSE') {
    return `port ${at} is in use: stop the other program or choose another port with ${flag}`;
  }
  if (error.code === 'EACCES') {
    return `port ${at} needs more rights: choose one above 1023 with ${flag}`;
  }
  return `cannot listen on ${at} (${error.code ?? error.message}): check --host and ${flag}`;
}
