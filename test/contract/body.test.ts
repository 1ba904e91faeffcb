/** Bodies of requests: bounded each, all together, and in time. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { ClientRequest, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readBody } from '../../lib/io/body.ts';

const MOST = 8 << 20;
let server: Server;
let limit = 10_000;
/** What came of each. */
let results: (number | undefined)[] = [];
let heard: () => void = () => {};

beforeEach(async () => {
  results = [];
  limit = 10_000;
  server = createServer((asked, response) => {
    const took = async (): Promise<void> => {
      const body = await readBody(asked, MOST, limit);
      results.push(body?.length);
      response.end();
      heard();
    };
    void took();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});

afterEach(() => {
  server.closeAllConnections();
  server.close();
});

function post(headers: Readonly<Record<string, string>> = {}): ClientRequest {
  const { port } = server.address() as AddressInfo;
  const asked = request({ port, host: '127.0.0.1', method: 'POST', headers });
  // Who is broken off hears of it.
  return asked.on('error', () => {});
}

async function outcomes(count: number): Promise<readonly (number | undefined)[]> {
  while (results.length < count) await new Promise<void>((done) => (heard = done));
  return results;
}

describe('a body', () => {
  test('of the most bytes is read', async () => {
    post().end(Buffer.alloc(MOST));
    expect(await outcomes(1)).toEqual([MOST]);
  });

  test('of more is not', async () => {
    post().end(Buffer.alloc(MOST + 1));
    expect(await outcomes(1)).toEqual([undefined]);
  });

  test('that does not come is given up', async () => {
    limit = 100;
    post({ 'content-length': '10' }).write('12345');
    expect(await outcomes(1)).toEqual([undefined]);
  });
});

test('many unfinished ones are not kept all, and leave room when they are given up', async () => {
  const asked = Array.from({ length: 6 }, () => post());
  for (const each of asked) each.write(Buffer.alloc(MOST - 1));
  // Of the sixth that there is no room for; perhaps of others that came halfway.
  expect((await outcomes(1))[0]).toBeUndefined();
  for (const each of asked) each.destroy();
  expect(await outcomes(6)).toEqual(asked.map(() => undefined));
  post().end(Buffer.alloc(MOST));
  expect((await outcomes(7))[6]).toBe(MOST);
});
