/** Certificates that we make, judged by Node.js, and a server that changes its own. */
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { complete, secretData, usable } from '../../controller/io/certificate.ts';
import type { Certificates, SecretData } from '../../controller/io/certificate.ts';
import { newRegistry, serve } from '../../lib/io/metrics.ts';
import type { Refusal } from '../../lib/io/metrics.ts';
import { HeldCertificate, readPair, tlsOptions } from '../../lib/io/tls.ts';
import { pageOf } from './page.ts';
import type { Page } from './page.ts';

const NAMES = ['webhook-service.metallb-system.svc'];
const NOW = new Date('2026-11-22T12:00:00Z');
const DAY_MS = 86_400_000;

const after = (days: number): Date => new Date(NOW.getTime() + days * DAY_MS);
const made = complete({}, NAMES, NOW);

describe('a certificate that was made', () => {
  test('is by its authority, for its names, for a year', async () => {
    const { authority, server } = await made;
    const [ca, own] = [new X509Certificate(authority.cert), new X509Certificate(server.cert)];
    expect(own.checkIssued(ca) && own.verify(ca.publicKey)).toBe(true);
    expect([ca.ca, own.ca, own.checkHost(NAMES[0] ?? '')]).toEqual([true, false, NAMES[0]]);
    expect([ca.validToDate, own.validToDate]).toEqual([after(3650), after(365)]);
    expect(ca.subject).toBe('CN=cert');
  });

  test('is good while ninety days are left, then its authority makes another', async () => {
    const data = secretData(await made);
    expect(usable(data, NAMES, after(274))).toEqual(await made);
    const late = usable(data, NAMES, after(276));
    expect(late).toEqual({ authority: (await made).authority });
    const renewed = await complete(late, NAMES, after(276));
    expect(renewed.authority).toEqual((await made).authority);
    expect(usable(secretData(renewed), NAMES, after(276))).toEqual(renewed);
    expect(usable(data, NAMES, after(3600))).toEqual({});
  });

  test.each<[string, (data: SecretData, other: Certificates) => SecretData, object]>([
    ['nothing', () => ({}), { authority: false }],
    ['empty values', () => ({ 'ca.crt': '', 'tls.crt': '' }), { authority: false }],
    ['nonsense', (data) => ({ ...data, 'ca.crt': 'bm9uc2Vuc2U=' }), { authority: false }],
    ['no key', (data) => ({ ...data, 'ca.key': '' }), { authority: false }],
    [
      'the key of another',
      (data, other) => ({ ...data, 'tls.key': secretData(other)['tls.key'] ?? '' }),
      { authority: true },
    ],
    [
      'the authority of another',
      (data, other) => {
        const { 'ca.crt': crt = '', 'ca.key': key = '' } = secretData(other);
        return { ...data, 'ca.crt': crt, 'ca.key': key };
      },
      { authority: true },
    ],
  ])('%s: is made anew', async (_, change, { authority }: { authority?: boolean }) => {
    const data = change(secretData(await made), await complete({}, NAMES, NOW));
    const found = usable(data, NAMES, NOW);
    expect([found.authority !== undefined, found.server]).toEqual([authority, undefined]);
  });

  test('another name: the server certificate is made anew', async () => {
    const names = [...NAMES, 'metallb-webhook-service.metallb-system.svc'];
    expect(usable(secretData(await made), names, NOW).server).toBe(undefined);
  });
});

test('options of TLS in the words of Go', () => {
  const none = { 'tls-cipher-suites': [], 'tls-curve-preferences': [] };
  const version = { 'tls-min-version': 'VersionTLS12' };
  expect(tlsOptions({ ...none, ...version })).toEqual({
    ok: true,
    value: { minVersion: 'TLSv1.2' },
  });
  const suite = 'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305';
  const given = { 'tls-cipher-suites': [suite], 'tls-curve-preferences': ['CurveP256', 'X25519'] };
  expect(tlsOptions({ ...given, ...version })).toEqual({
    ok: true,
    value: { minVersion: 'TLSv1.2', ciphers: `${suite}_SHA256`, ecdhCurve: 'P-256:X25519' },
  });
  for (const name of ['tls-cipher-suites', 'tls-curve-preferences'] as const) {
    const wrong = tlsOptions({ ...none, ...version, [name]: ['nonsense'] });
    expect(wrong).toEqual({ ok: false, error: expect.stringContaining(`--${name}`) });
  }
});

test('a folder holds a pair, or it is said', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'arpeggio-pair-'));
  try {
    expect(readPair(folder)).toEqual({ ok: false, error: expect.stringContaining(folder) });
    const { server } = await made;
    writeFileSync(join(folder, 'tls.crt'), server.cert);
    writeFileSync(join(folder, 'tls.key'), (await complete({}, NAMES, NOW)).server.key);
    expect(readPair(folder).ok).toBe(false);
    writeFileSync(join(folder, 'tls.key'), server.key);
    expect(readPair(folder)).toEqual({ ok: true, value: server });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

async function fetchBy(ca: string, port: number, authorization = ''): Promise<Page> {
  const headers = authorization === '' ? {} : { authorization };
  const servername = NAMES[0] ?? '';
  const asked = get({
    host: '127.0.0.1',
    port,
    path: '/metrics',
    ca,
    servername,
    headers,
    agent: false,
  });
  return pageOf(asked);
}

test('HTTPS: metrics behind a guard, no probes, and the certificate may change', async () => {
  const first = await complete({}, NAMES, new Date());
  const second = await complete({}, NAMES, new Date());
  const certificates = new HeldCertificate({ minVersion: 'TLSv1.3' });
  certificates.set(first.server);
  const refusal: Refusal = { status: 403, message: 'not you' };
  const guard = (authorization?: string): Promise<Refusal | undefined> =>
    Promise.resolve(authorization === 'Bearer good' ? undefined : refusal);
  const health = { notReady: (): undefined => undefined };
  const here = { host: '127.0.0.1', port: 0, flag: '--port' };
  const opened = await serve(newRegistry(), health, here, {}, { certificates, guard });
  if (!opened.ok) throw new Error(opened.error);
  const { port } = opened.value.address() as AddressInfo;
  try {
    expect(await fetchBy(first.authority.cert, port)).toEqual({ status: 403, text: 'not you\n' });
    const page = await fetchBy(first.authority.cert, port, 'Bearer good');
    expect(page).toEqual({ status: 200, text: expect.stringContaining('process_cpu') });
    certificates.set(second.server);
    expect(await fetchBy(second.authority.cert, port)).toMatchObject({ status: 403 });
    await expect(fetchBy(first.authority.cert, port)).rejects.toThrow(/certificate/);
  } finally {
    opened.value.closeAllConnections();
    opened.value.close();
  }
});
