/**
 * The one door to prom-client, and the small HTTP server that every program has: `/metrics`,
 * `/healthz` (the process runs) and `/readyz` (it does its work), and what a program adds.
 */
import { createServer } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import { Counter, Gauge, Registry, collectDefaultMetrics } from 'prom-client';
import { err, ok } from '../result.ts';
import type { Result } from '../result.ts';

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

/** Serves until `close`. Port 0 takes a free one. Errors say which port and what to do. */
export function serve(
  registry: Registry,
  health: Health,
  host: string,
  port: number,
  routes: Routes = {},
): Promise<Result<Server, string>> {
  const server = createServer((request, response) => {
    const path = (request.url ?? '/').split('?')[0];
    const own = `${request.method} ${path}`;
    if (Object.hasOwn(routes, own)) return routes[own]?.(request, response);
    const reply = (status: number, text: string, type = 'text/plain; charset=utf-8'): void => {
      response.writeHead(status, { 'content-type': type }).end(text);
    };
    if (path === '/healthz') return reply(200, 'ok\n');
    if (path === '/readyz') {
      const missing = health.notReady();
      return missing === undefined ? reply(200, 'ready\n') : reply(503, `${missing}\n`);
    }
    if (path !== '/metrics') return reply(404, 'see /metrics, /healthz and /readyz\n');
    registry.metrics().then(
      (text) => reply(200, text, registry.contentType),
      (error: unknown) => reply(500, `${String(error)}\n`),
    );
  });
  return new Promise((done) => {
    server.once('error', (error: NodeJS.ErrnoException) => done(err(explain(error, host, port))));
    server.listen(port, host, () => done(ok(server)));
  });
}

function explain(error: NodeJS.ErrnoException, host: string, port: number): string {
  const at = `${host}:${port}`;
  if (error.code === 'EADDRINUSE') {
    return `port ${at} is in use: stop the other program or choose another port with --port`;
  }
  if (error.code === 'EACCES')
    return `port ${at} needs more rights: choose one above 1023 with --port`;
  return `cannot listen on ${at} (${error.code ?? error.message}): check --host and --port`;
}
