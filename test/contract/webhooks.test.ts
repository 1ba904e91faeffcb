/**
 * The keeper of the webhooks against an API server: which certificate is kept, made or renewed,
 * where its authority is put and how often, and when nothing is served at all.
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { parseFlags } from '../../config/flags.ts';
import { CONTROLLER_FLAGS } from '../../controller/flags.ts';
import { complete, secretData, usable } from '../../controller/io/certificate.ts';
import type { Certificates, SecretData } from '../../controller/io/certificate.ts';
import { serveWebhooks } from '../../controller/io/webhooks.ts';
import type { Request } from '../../kube/io/client.ts';
import type { Direct } from '../../kube/io/direct.ts';
import { IP_ADDRESS_POOL } from '../../kube/kube.ts';
import type { Resource, WatchEvent } from '../../kube/kube.ts';
import { objectPath } from '../../kube/location.ts';
import type { KubeObject } from '../../kube/objects.ts';
import { until } from '../../lab/until.ts';
import { monotonic } from '../../lib/io/clock.ts';
import { directOf } from './apiclient.ts';
import { ApiServer } from './apiserver.ts';
import { pageOf } from './page.ts';
import type { Page } from './page.ts';

const SYSTEM = 'metallb-system';
const NAME = 'metallb-webhook-configuration';
const NAMES = [`webhook-service.${SYSTEM}.svc`];
const SECRET: Resource = { apiVersion: 'v1', kind: 'Secret' };
const CONFIGURATION: Resource = {
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'ValidatingWebhookConfiguration',
};
const DAY_MS = 86_400_000;

let api: ApiServer;
let port: number;
let ending: AbortController;
let direct: Direct;
let log: string[];

beforeEach(async () => {
  api = await new ApiServer().start();
  [log, ending, port] = [[], new AbortController(), await freePort()];
  direct = directOf(api);
});

afterEach(async () => {
  ending.abort();
  await direct.close();
  await api.kill();
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port: free } = server.address() as AddressInfo;
  server.close();
  return free;
}

let notReady: () => string | undefined;

function begin(...argv: string[]): void {
  const flags = parseFlags('controller', CONTROLLER_FLAGS, [`--webhook-port=${port}`, ...argv]);
  if (!flags.ok) throw new Error(flags.error);
  const say = (level: string, event: string, message: string): void => {
    log.push(`${level} ${event} ${message}`);
  };
  const { signal } = ending;
  const cluster = { direct, namespace: SYSTEM, log: say, signal };
  const serving = serveWebhooks({ ...cluster, flags: flags.value });
  if (!serving.ok) throw new Error(serving.error);
  notReady = () => serving.value.notReady();
}

function configuration(caBundle: string): KubeObject {
  const service = { name: 'webhook-service', namespace: SYSTEM, path: '/x' };
  const other = {
    clientConfig: { service: { ...service, namespace: 'other' }, caBundle: 'b3RoZXI=' },
  };
  const webhooks = [{ name: 'pools', clientConfig: { service, caBundle } }, other];
  const { apiVersion, kind } = CONFIGURATION;
  return { apiVersion, kind, metadata: { name: NAME }, webhooks } as KubeObject;
}

function secret(name: string, data: SecretData): KubeObject {
  return { ...SECRET, metadata: { name, namespace: SYSTEM }, data } as KubeObject;
}

function kept(name: string): SecretData | undefined {
  const found = api.get(SECRET, `${SYSTEM}/${name}`) as { readonly data?: SecretData } | undefined;
  return found?.data;
}

function bundles(): readonly (string | undefined)[] {
  return bundlesOf(api.get(CONFIGURATION, NAME));
}

function bundlesOf(object: KubeObject | undefined): readonly (string | undefined)[] {
  const { webhooks = [] } = (object ?? {}) as {
    readonly webhooks?: readonly { readonly clientConfig: { readonly caBundle?: string } }[];
  };
  return webhooks.map(({ clientConfig }) => clientConfig.caBundle);
}

const soon = <T>(what: string, look: () => T | undefined | false): Promise<T> =>
  until(look, { withinMs: 5000, what: `${what}: ${log.join(', ')}` });

/** The answer to the second PUT of the configuration comes in one turn with the news of another. */
function applyWhilePut(): void {
  const send = direct.ask;
  const watch = direct.watch.bind(direct);
  let heard: (() => void) | undefined;
  Object.assign(direct, {
    async ask(wish: Request) {
      const isPut = wish.method === 'PUT' && wish.path === objectPath(CONFIGURATION, NAME);
      if (!isPut || puts() !== 1) return send(wish);
      const isHeard = new Promise<void>((done) => (heard = done));
      const answer = await send(wish);
      api.put(configuration(''));
      await isHeard;
      return answer;
    },
    watch(...[resource, key, sink, signal]: Parameters<Direct['watch']>) {
      const late: WatchEvent[] = [];
      const tapped = (event: WatchEvent): void => {
        late.push(event);
        if (heard !== undefined && key === NAME && bundleIn(event) !== '') return;
        for (const each of late.splice(0)) sink(each);
        if (key === NAME) heard?.();
        if (key === NAME) heard = undefined;
      };
      watch(resource, key, tapped, signal);
    },
  });
}

function bundleIn(event: WatchEvent): string | undefined {
  return event.type === 'put' ? bundlesOf(event.object)[0] : undefined;
}

const puts = (): number =>
  api.requests.filter(
    ({ method, path }) => method === 'PUT' && path === objectPath(CONFIGURATION, NAME),
  ).length;

const served = (): Promise<boolean> =>
  soon('webhooks', () => log.some((line) => line.includes('WebhooksServed')));

async function ask(ca: string, question: object): Promise<unknown> {
  return JSON.parse((await post(ca, JSON.stringify(question))).text);
}

function post(ca: string, question: string, headers = {}): Promise<Page> {
  const path = '/validate-metallb-io-v1beta1-ipaddresspool';
  const [servername] = NAMES;
  const how = { host: '127.0.0.1', port, path, method: 'POST', headers, ca };
  return pageOf(request({ ...how, servername, agent: false } as object).end(question));
}

function creation(addresses: readonly string[]): object {
  const metadata = { name: 'new', namespace: SYSTEM };
  const object = { ...IP_ADDRESS_POOL, metadata, spec: { addresses } };
  return { apiVersion: 'admission.k8s.io/v1', request: { uid: 'u', operation: 'CREATE', object } };
}

describe('with the manifests of MetalLB', () => {
  test('an empty Secret is filled, the bundle put, and changes are judged', async () => {
    api.put(configuration(''));
    api.put(secret('webhook-server-cert', {}));
    const spec = { addresses: ['192.0.2.0/28'] };
    const metadata = { name: 'old', namespace: SYSTEM };
    api.put({ ...IP_ADDRESS_POOL, metadata, spec } as KubeObject);
    begin();
    expect(notReady()).toBe('webhooks are not served yet');
    await served();
    expect(notReady()).toBeUndefined();
    const data = kept('webhook-server-cert') ?? {};
    await soon('the bundle', () => bundles()[0] === data['ca.crt']);
    expect(bundles()[1]).toBe('b3RoZXI=');
    const ca = Buffer.from(data['ca.crt'] ?? '', 'base64').toString();
    expect(await ask(ca, creation(['192.0.2.16/28']))).toMatchObject({
      response: { allowed: true },
    });
    expect(await ask(ca, creation(['192.0.2.8/29']))).toMatchObject({
      response: { allowed: false, status: { message: expect.stringContaining('overlaps') } },
    });
    expect(await ask(ca, {})).toEqual({ message: expect.stringContaining('AdmissionReview') });
  });

  test('a review nested without end does not end the program', async () => {
    api.put(configuration(''));
    begin();
    await served();
    const ca = Buffer.from(kept('webhook-server-cert')?.['ca.crt'] ?? '', 'base64').toString();
    const deep = '['.repeat(200_000) + ']'.repeat(200_000);
    const text = JSON.stringify(creation([])).replace('[]', deep);
    expect(await post(ca, text)).toMatchObject({
      status: 400,
      text: expect.stringMatching('deep'),
    });
    const length = { 'content-length': String(9 * 2 ** 20) };
    expect(await post(ca, '', length)).toMatchObject({ status: 413 });
    const brackets = ['{"a":"[', '192.0.2.16/28'].map((part) => part.padEnd(2000, '['));
    expect(await ask(ca, creation(brackets))).toMatchObject({ response: { allowed: false } });
    expect(await ask(ca, creation(['192.0.2.16/28']))).toMatchObject({
      response: { allowed: true },
    });
  });

  test('without a Secret one is made, by the name that goes with the Service', async () => {
    api.put(configuration(''));
    begin();
    await served();
    expect(kept('metallb-webhook-cert')).toBe(undefined);
    expect(Object.keys(kept('webhook-server-cert') ?? {})).toHaveLength(4);
  });

  test('what is good is kept; what ends soon is renewed by the same authority', async () => {
    const old = await complete({}, NAMES, new Date(Date.now() - 300 * DAY_MS));
    api.put(configuration(secretData(old)['ca.crt'] ?? ''));
    api.put(secret('metallb-webhook-cert', secretData(old)));
    begin();
    await served();
    const now = usable(kept('metallb-webhook-cert') ?? {}, NAMES, new Date());
    expect(now.authority).toEqual(old.authority);
    expect(now.server?.cert).not.toBe(old.server.cert);
    expect(puts()).toBe(0);
  });

  test('a Secret that goes is made again, and its new authority put', async () => {
    api.put(configuration(''));
    begin('--webhook-secret=mine');
    await served();
    const before = await soon('a bundle', () => bundles()[0] !== '' && bundles()[0]);
    api.remove(SECRET, `${SYSTEM}/mine`);
    await soon('another bundle', () => bundles()[0] !== before);
    expect(bundles()[0]).toBe(kept('mine')?.['ca.crt']);
  });

  test('another bundle is replaced at once, the next one not before a second', async () => {
    api.put(configuration(''));
    begin();
    await soon('the bundle', () => puts() === 1);
    api.put(configuration('b25l'));
    const first = monotonic();
    await soon('it is put back', () => bundles()[0] !== 'b25l');
    expect(monotonic() - first).toBeLessThan(900);
    api.put(configuration('dHdv'));
    await soon('it is put back', () => bundles()[0] !== 'dHdv');
    expect(monotonic() - first).toBeGreaterThan(1000);
  });

  test('manifests applied again while the bundle is put: it is put once more', async () => {
    api.put(configuration(''));
    applyWhilePut();
    begin();
    await soon('the bundle', () => puts() === 1);
    // What comes of it wakes it once more, and would hide what is looked for here.
    await soon('watches', () => api.watches >= 3);
    api.put(configuration('b25l'));
    await soon('the third bundle', () => puts() === 3);
    expect(bundles()[0]).toBe(kept('webhook-server-cert')?.['ca.crt']);
  });

  test('the configuration comes later', async () => {
    begin();
    await soon('watches', () => api.watches >= 2);
    expect(log).toEqual([]);
    api.put(configuration(''));
    expect(await served()).toBe(true);
  });

  test('the API server fails for a while: it is said once, and again the next time', async () => {
    api.put(configuration(''));
    const isSecret = ({ path }: { readonly path: string }): boolean => path.includes('/secrets');
    api.fail({ status: 500 }, isSecret);
    api.fail({ status: 500 }, isSecret);
    begin();
    await served();
    const warned = (): number => log.filter((line) => line.startsWith('warn')).length;
    expect(warned()).toBe(1);
    const before = await soon('a bundle', () => bundles()[0] !== '' && bundles()[0]);
    api.fail({ status: 500 }, ({ path }) => path.includes('/secrets/'));
    api.remove(SECRET, `${SYSTEM}/webhook-server-cert`);
    await soon('another bundle', () => bundles()[0] !== before);
    expect(warned()).toBe(2);
  });
});

test('while the port is in use it is not ready, and says why; then it serves', async () => {
  const other = createServer().listen(port, '::');
  await once(other, 'listening');
  api.put(configuration(''));
  begin();
  const why = await soon('it is said', () => log.length > 1 && notReady());
  expect(why).toContain(`port ${port} is in use`);
  other.close();
  await served();
  expect(notReady()).toBeUndefined();
});

test('where configurations may not be read nothing is served, and nothing asked', async () => {
  api.fail({ status: 403 });
  begin();
  await soon('it is noted', () => log.length > 0);
  expect(log).toEqual([expect.stringMatching(/^debug NoWebhooks /)]);
  expect(notReady()).toBeUndefined();
  expect(api.requests).toHaveLength(1);
  expect(api.watches).toBe(0);
});

test('--disable-cert-rotation: the certificate is in a folder, and is never touched', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'arpeggio-certs-'));
  try {
    const { authority, server }: Certificates = await complete({}, NAMES, new Date());
    writeFileSync(join(folder, 'tls.crt'), server.cert);
    writeFileSync(join(folder, 'tls.key'), server.key);
    api.put(configuration('b3RoZXI='));
    begin('--disable-cert-rotation', `--cert-dir=${folder}`);
    await served();
    expect(await ask(authority.cert, creation(['192.0.2.0/28']))).toMatchObject({
      response: { allowed: true },
    });
    expect([bundles()[0], kept('webhook-server-cert')]).toEqual(['b3RoZXI=', undefined]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('--webhook-mode=disabled: nothing', async () => {
  begin('--webhook-mode=disabled');
  await once(createServer().listen(0, '127.0.0.1').unref(), 'listening');
  expect([api.requests, log]).toEqual([[], []]);
});
