/**
 * Who we are to an API server, over TLS: the files of a pod's service account, and a kubeconfig,
 * both of which change while a program runs.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Client } from '../../kube/io/client.ts';
import { inCluster, podCredentials } from '../../kube/io/credentials.ts';
import type { Credentials } from '../../kube/io/credentials.ts';
import { kubeconfigCredentials } from '../../kube/io/kubeconfig.ts';
import { Authority } from '../../lab/kube/certificate.ts';
import { ApiServer } from './apiserver.ts';

const SERVICES = { method: 'GET', path: '/api/v1/services' } as const;

let directory: string;
let authority: Authority;
let server: ApiServer;
let clients: Client[];

function credentialOf(issuer: Authority): { cert: string; key: string } {
  const names = ['127.0.0.1'];
  const { certificate, key } = issuer.issue({ commonName: 'stub', usages: ['server'], names });
  return { cert: certificate, key };
}

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'arpeggio-credentials-'));
  authority = new Authority('tests');
  server = await new ApiServer(credentialOf(authority)).start();
  server.token = 'first';
  clients = [];
});

afterEach(async () => {
  for (const each of clients) await each.close();
  await server.kill();
  rmSync(directory, { recursive: true });
});

function clientWith(credentials: Credentials): Client {
  const client = new Client(credentials);
  clients.push(client);
  return client;
}

async function statusOf(client: Client): Promise<string> {
  const answer = await client.json(SERVICES);
  return answer.ok ? 'ok' : answer.error.message;
}

describe('a pod', () => {
  const folder = (): string => join(directory, 'serviceaccount');
  let environment: Record<string, string>;

  beforeEach(() => {
    mkdirSync(folder());
    writeFileSync(join(folder(), 'ca.crt'), authority.certificate);
    writeFileSync(join(folder(), 'token'), 'first');
    writeFileSync(join(folder(), 'namespace'), 'metallb-system');
    environment = {
      KUBERNETES_SERVICE_HOST: '127.0.0.1',
      KUBERNETES_SERVICE_PORT: String(server.port),
    };
  });

  test('has an account, a namespace and a server', async () => {
    expect(inCluster(environment, folder())).toBe(true);
    const credentials = podCredentials(environment, folder());
    expect(credentials).toMatchObject({ server: server.url, namespace: 'metallb-system' });
    expect(await statusOf(clientWith(credentials))).toBe('ok');
  });

  test('is none without the files, and none without the server', () => {
    expect(inCluster(environment, directory)).toBe(false);
    expect(inCluster({}, folder())).toBe(false);
  });

  test('has an IPv6 server too', () => {
    const six = { KUBERNETES_SERVICE_HOST: '2001:db8::1', KUBERNETES_SERVICE_PORT: '443' };
    expect(podCredentials(six, folder()).server).toBe('https://[2001:db8::1]:443');
  });

  test('is given a new token now and then', async () => {
    const client = clientWith(podCredentials(environment, folder()));
    expect(await statusOf(client)).toBe('ok');
    server.token = 'second';
    expect(await statusOf(client)).toMatch(/401.*check the credentials/);
    writeFileSync(join(folder(), 'token'), 'second\n');
    expect(await statusOf(client)).toBe('ok');
  });

  test('whose token cannot be read says where', async () => {
    rmSync(join(folder(), 'token'));
    const client = clientWith(podCredentials(environment, folder()));
    expect(await statusOf(client)).toMatch(/the service account in .* cannot be read \(ENOENT\)/);
  });
});

describe('a kubeconfig', () => {
  const file = (): string => join(directory, 'config');

  function write(user: object, ca = authority.certificate, more = {}): void {
    const cluster = {
      server: server.url,
      'certificate-authority-data': Buffer.from(ca).toString('base64'),
      ...more,
    };
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'c', cluster }],
      users: [{ name: 'u', user }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u', namespace: 'n' } }],
      'current-context': 'x',
    };
    writeFileSync(file(), JSON.stringify(config));
  }

  function opened(): Credentials {
    const credentials = kubeconfigCredentials(file());
    if (!credentials.ok) throw new Error(credentials.error);
    return credentials.value;
  }

  test('with a token, which is replaced in the file', async () => {
    write({ token: 'first' });
    const client = clientWith(opened());
    expect(await statusOf(client)).toBe('ok');
    server.token = 'second';
    write({ token: 'second' });
    expect(await statusOf(client)).toBe('ok');
  });

  test('with a file for the token', async () => {
    writeFileSync(join(directory, 'token'), 'first\n');
    write({ tokenFile: join(directory, 'token') });
    expect(await statusOf(clientWith(opened()))).toBe('ok');
  });

  test('with a program that gives the token', async () => {
    const credential = {
      apiVersion: 'client.authentication.k8s.io/v1',
      kind: 'ExecCredential',
      status: { token: 'first' },
    };
    writeFileSync(join(directory, 'credential'), JSON.stringify(credential));
    const apiVersion = 'client.authentication.k8s.io/v1';
    write({ exec: { apiVersion, command: 'cat', args: [join(directory, 'credential')] } });
    const client = clientWith(opened());
    expect(await statusOf(client)).toBe('ok');
    server.token = 'second';
    const status = { token: 'second' };
    writeFileSync(join(directory, 'credential'), JSON.stringify({ ...credential, status }));
    expect(await statusOf(client)).toBe('ok');
  });

  test('whose authority is another one', async () => {
    write({ token: 'first' }, new Authority('others').certificate);
    const reason = /cannot be reached: its certificate is not from the authority we were given/;
    expect(await statusOf(clientWith(opened()))).toMatch(reason);
  });

  test('that wants no certificate to be checked', async () => {
    write({ token: 'first' }, '', {
      'certificate-authority-data': undefined,
      'insecure-skip-tls-verify': true,
    });
    expect(await statusOf(clientWith(opened()))).toBe('ok');
  });

  test.each<[string, string, RegExp]>([
    ['is missing', '', /cannot read --kubeconfig ".*" \(ENOENT\): give a file that exists$/],
    ['is no YAML', '{', /is not a kubeconfig: .+$/],
    ['names no cluster', '{}', /names no current cluster: set its current-context$/],
  ])('that %s', (_, text, sentence) => {
    if (text !== '') writeFileSync(file(), text);
    const credentials = kubeconfigCredentials(file());
    expect(credentials.ok ? '' : credentials.error).toMatch(sentence);
  });

  test('that names a proxy', () => {
    write({ token: 'first' }, authority.certificate, { 'proxy-url': 'http://192.0.2.1' });
    const credentials = kubeconfigCredentials(file());
    expect(credentials.ok ? '' : credentials.error).toMatch(/a proxy, which is not supported/);
  });
});
