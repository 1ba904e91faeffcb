/** What a program opens for its flags: real ports, and one sentence when it cannot. */
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get as getPlain } from 'node:http';
import { get as getSecure } from 'node:https';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { parseFlags } from '../../config/flags.ts';
import { openServers } from '../../config/io/servers.ts';
import { CONTROLLER_FLAGS } from '../../controller/flags.ts';
import { complete } from '../../controller/io/certificate.ts';
import { Direct } from '../../kube/io/direct.ts';
import { newRegistry } from '../../lib/io/metrics.ts';
import { pageOf } from './page.ts';

let folder: string;
let ports: { readonly metrics: number; readonly probes: number };
let taken: Server | undefined;
let end: () => void;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'arpeggio-servers-'));
  ports = { metrics: await freePort(), probes: await freePort() };
  end = () => {};
});

afterEach(() => {
  end();
  taken?.close();
  rmSync(folder, { recursive: true });
});

async function listen(port: number): Promise<Server> {
  const server = createServer().listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

async function freePort(): Promise<number> {
  const server = await listen(0);
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

/** Nobody answers there; what is asked of it fails. */
const NOWHERE = new Direct({
  server: 'http://127.0.0.1:1',
  namespace: undefined,
  access: () =>
    Promise.resolve({ ok: true, value: { authorization: '', tls: { insecure: true } } }),
  refresh() {},
});

/** `opened`, or the sentence. */
async function open(...argv: string[]): Promise<string> {
  const own = [`--port=${ports.metrics}`, '--kubeconfig=k', ...argv];
  const flags = parseFlags('controller', CONTROLLER_FLAGS, own);
  if (!flags.ok) throw new Error(flags.error);
  const opened = await openServers({
    flags: flags.value,
    probedFrom: 'anywhere',
    registry: newRegistry(),
    health: { notReady: () => 'not yet' },
    routes: { 'POST /report': (_, response) => response.end(), 'GET /own': (_, r) => r.end('own') },
    direct: flags.value.manifests === '' ? NOWHERE : undefined,
  });
  if (!opened.ok) return opened.error;
  end = opened.value;
  return 'opened';
}

/** Status and first line; `refused` when nobody listens. */
async function page(url: string, ca?: string): Promise<string> {
  const secure = { ca, agent: false, servername: 'controller' };
  const asked = url.startsWith('https') ? getSecure(url, secure) : getPlain(url, { agent: false });
  try {
    const { status, text } = await pageOf(asked);
    return `${status} ${text.split('\n')[0]}`;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ECONNREFUSED' ? 'refused' : String(error);
  }
}

const at = (port: number, path: string, scheme = 'http'): string =>
  `${scheme}://127.0.0.1:${port}${path}`;

describe('plain', () => {
  test('metrics, probes and routes are together', async () => {
    expect(await open()).toBe('opened');
    const { metrics } = ports;
    expect(await page(at(metrics, '/metrics'))).toMatch(/^200 # HELP/);
    expect(await page(at(metrics, '/healthz'))).toBe('200 ok');
    expect(await page(at(metrics, '/readyz'))).toBe('503 not yet');
    expect(await page(at(metrics, '/own?x=1'))).toBe('200 own');
    expect(await page(at(metrics, '/constructor'))).toMatch(/^404/);
  });

  test('port 0: nothing', async () => {
    expect(await open('--port=0')).toBe('opened');
    expect(await page(at(ports.metrics, '/healthz'))).toBe('refused');
  });
});

describe('secure', () => {
  const secure = (...argv: string[]): Promise<string> =>
    open('--metrics-secure=true', `--health-probe-port=${ports.probes}`, ...argv);

  test('probes are apart and plain; metrics by the certificate of the folder', async () => {
    const { authority, server } = await complete({}, ['controller'], new Date());
    writeFileSync(join(folder, 'tls.crt'), server.cert);
    writeFileSync(join(folder, 'tls.key'), server.key);
    expect(await secure(`--metrics-cert-dir=${folder}`)).toBe('opened');
    const { metrics, probes } = ports;
    const ca = authority.cert;
    expect(await page(at(metrics, '/metrics', 'https'), ca)).toMatch(/^401 .*bearer token/);
    expect(await page(at(metrics, '/healthz', 'https'), ca)).toMatch(/^404/);
    expect(await page(at(metrics, '/own', 'https'), ca)).toBe('200 own');
    expect(await page(at(probes, '/healthz'))).toBe('200 ok');
    expect(await page(at(probes, '/readyz'))).toBe('503 not yet');
    expect(await page(at(probes, '/metrics'))).toMatch(/^404/);
  });

  test.each([
    ['--metrics-cert-dir=/nowhere', /^--metrics-cert-dir "\/nowhere" has no tls.crt and tls.key/],
    ['--tls-cipher-suites=nonsense', /^--tls-cipher-suites/],
    ['--manifests=m', /^--metrics-secure=true needs an API server/],
  ])('%s: one sentence', async (flag, sentence) => {
    expect(await secure(flag)).toMatch(sentence);
    expect(await page(at(ports.metrics, '/own', 'https'))).toBe('refused');
  });

  test('the port of the probes is in use: the other one is given back', async () => {
    taken = await listen(ports.probes);
    expect(await secure()).toMatch(/in use: .* choose another port with --health-probe-port$/);
    expect(await page(at(ports.metrics, '/own', 'https'))).toBe('refused');
  });
});
