/** Connections to an API server: few, used again, and nothing of a request stays with them. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener, Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { Http } from '../../kube/io/http.ts';
import type { HttpRequest } from '../../kube/io/http.ts';

let server: Server | undefined;
let http: Http | undefined;

afterEach(async () => {
  await http?.destroy();
  server?.closeAllConnections();
  server?.close();
});

async function serving(listener: RequestListener): Promise<Http> {
  const listening = createServer(listener);
  server = listening;
  await new Promise<void>((done) => listening.listen(0, '127.0.0.1', done));
  const { port } = listening.address() as AddressInfo;
  http = new Http(`http://127.0.0.1:${port}`, { insecure: false });
  return http;
}

/** What came of it: the body, or why there is none. */
async function answer(from: Http, request: Partial<HttpRequest> = {}): Promise<string> {
  const sent = await from.send({ method: 'GET', path: '/', headers: {}, ...request }, false);
  if (!sent.ok) return sent.error;
  let text = '';
  for await (const part of sent.value.body) text += part;
  return text;
}

test('hundreds of requests at once take four connections and leave no listeners', async () => {
  const client = await serving((_, response) => response.end('{}'));
  const sockets = new Set<Socket>();
  const seen = (message: unknown): void => {
    sockets.add((message as { socket: Socket }).socket);
  };
  subscribe('net.client.socket', seen);
  const answers = await Promise.all(Array.from({ length: 200 }, () => answer(client)));
  unsubscribe('net.client.socket', seen);
  expect(new Set(answers)).toEqual(new Set(['{}']));
  expect(sockets.size).toBe(4);
  for (const socket of sockets) {
    for (const event of socket.eventNames()) {
      expect([event, socket.listenerCount(event) < 5]).toEqual([event, true]);
    }
  }
});

test('a body has a length, that of a DELETE too', async () => {
  const echo = async (request: IncomingMessage): Promise<string> => {
    let body = '';
    for await (const part of request.setEncoding('utf8')) body += String(part);
    return `${request.headers['content-length']} ${body}`;
  };
  const client = await serving((request, response) => {
    void echo(request).then((text) => response.end(text));
  });
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'] as const) {
    expect([method, await answer(client, { method, body: '{"a":"ü"}' })]).toEqual([
      method,
      '10 {"a":"ü"}',
    ]);
  }
});

/** Ends each connection when it is used for the second time, as one that it had given up. */
function fickle(): RequestListener {
  const used = new WeakSet<Socket>();
  return ({ socket }, response) => {
    if (used.has(socket)) socket.destroy();
    else response.end('yes');
    used.add(socket);
  };
}

test('a question on a connection that was given up is asked again', async () => {
  const client = await serving(fickle());
  expect([await answer(client), await answer(client), await answer(client)]).toEqual([
    'yes',
    'yes',
    'yes',
  ]);
});

test('a change on one is not: nobody knows whether it was made', async () => {
  const client = await serving(fickle());
  const change = { method: 'PUT', body: '{}' } as const;
  expect([await answer(client), await answer(client, change)]).toEqual([
    'yes',
    'it broke the connection',
  ]);
});

test('what is broken off says so', async () => {
  const client = await serving((request) => void request.resume());
  const abort = new AbortController();
  const asked = answer(client, { signal: abort.signal });
  abort.abort();
  expect(await asked).toBe('The operation was aborted');
  const other = answer(client);
  await client.destroy();
  expect(await other).not.toBe('yes');
  expect(await answer(client)).toBe('all connections to it have been given up');
});
