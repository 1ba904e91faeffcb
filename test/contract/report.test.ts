/** Both ends of a report over real connections: the speaker's rim and the controller's. */
import { request } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Server } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { takeReports } from '../../controller/io/reports.ts';
import { Reports } from '../../controller/reports.ts';
import { monotonic } from '../../lib/io/clock.ts';
import { complete } from '../../controller/io/certificate.ts';
import { newRegistry, serve } from '../../lib/io/metrics.ts';
import type { Refusal } from '../../lib/io/metrics.ts';
import { HeldCertificate } from '../../lib/io/tls.ts';
import { tagOf } from '../../lib/io/secret.ts';
import { MOST_BYTES, TAG_CONTEXT, TAG_HEADER, emitReport } from '../../owners/report.ts';
import type { SpeakerReport, SpeakerStatus } from '../../owners/report.ts';
import { Reporting, controllerUrls } from '../../speaker/io/report.ts';
import { until } from '../../lab/until.ts';
import { pageOf } from './page.ts';
import type { Page } from './page.ts';

const SECRET = Buffer.from('0123456789abcdef0123456789abcdef');
const STATUS: SpeakerStatus = {
  phase: 'serving',
  plane: 'bpf',
  addresses: [{ ip: '192.0.2.1', services: ['default/web'], interfaces: [] }],
  silent: [{ service: 'default/api', reason: 'NoAddress', sentence: 'sagt „nein“' }],
  conflicts: [
    {
      ip: '192.0.2.2',
      mac: '02:00:5e:00:53:01',
      interface: 'eth0',
      services: ['default/api'],
      withheld: true,
    },
  ],
  troubles: [{ reason: 'StrictARPMissing', sentence: 'set arp_ignore' }],
  peers: { alive: [], joining: [], absent: [], dead: [] },
};
const REPORT: SpeakerReport = {
  version: 1,
  node: 'node1',
  boot: '0123456789abcdef',
  number: 1,
  challenge: '',
  ...STATUS,
  silent: [],
};
const BODY = emitReport(REPORT);

/** A free port. */
const HERE = { host: '127.0.0.1', port: 0, flag: '--port' };

let server: Server;
let url: string;
let secret: Uint8Array | undefined;
let reports: Reports;
let taken: SpeakerReport[];
let log: string[];
let speakers: Reporting[] = [];

beforeEach(async () => {
  [secret, taken, log] = [SECRET, [], []];
  reports = new Reports('seed');
  const sink = (report: SpeakerReport): void => {
    reports.take(report, monotonic());
    taken.push(report);
  };
  const routes = { 'POST /report': takeReports({ reports, secret: () => secret, sink }) };
  const health = { notReady: (): undefined => undefined };
  const started = await serve(newRegistry(), health, HERE, routes);
  if (!started.ok) throw new Error(started.error);
  server = started.value;
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(() => {
  for (const each of speakers.splice(0)) each.to([]);
  server.closeAllConnections();
  server.close();
});

function speaker(key: Uint8Array = SECRET): Reporting {
  const { boot } = REPORT;
  const say = (level: string, event: string, msg: string): void => {
    log.push(`${level} ${event} ${msg.replace(url, 'URL')}`);
  };
  const options = { node: 'node1', boot, secret: key, status: () => STATUS, log: say };
  const reporting = new Reporting(options);
  reporting.to([url]);
  speakers.push(reporting);
  return reporting;
}

const seen = (what: string, look: () => boolean): Promise<boolean> =>
  until(look, { withinMs: 5000, what });

async function send(body: string, headers: Record<string, string> = {}): Promise<Page> {
  const asked = request(`${url}/report`, { method: 'POST', agent: false, headers });
  asked.on('error', () => {});
  asked.end(body);
  const { status, text } = await pageOf(asked);
  return { status, text: text.trimEnd() };
}

const tagged = (body: string, context = TAG_CONTEXT): Record<string, string> => ({
  [TAG_HEADER]: tagOf(SECRET, context, body),
});

describe('a speaker', () => {
  test('is challenged, answers, and its report arrives as it was', async () => {
    speaker();
    await seen('a report', () => taken.length > 0);
    expect(taken[0]).toMatchObject({ ...STATUS, node: 'node1', number: 2 });
    await seen('it is said', () => log.length > 0);
    expect(log).toEqual(['info Reporting the controller at URL takes reports']);
  });

  test.each([
    ['another secret', 'the tag does not fit: speakers and controller must share the secret'],
    ['no secret', 'reports are refused: start the controller with --secret-file'],
    ['nothing there', 'nothing listens there'],
  ])('%s: it is said once, in words', async (what, words) => {
    if (what === 'no secret') secret = undefined;
    if (what === 'nothing there') server.close();
    speaker(what === 'another secret' ? Buffer.alloc(32) : SECRET);
    await seen('it is said', () => log.length > 0);
    expect(log).toEqual([
      expect.stringContaining(`warn ReportFailed cannot report to URL: ${words}`),
    ]);
    expect(taken).toEqual([]);
  });

  test('by HTTPS, whoever made the certificate', async () => {
    const names = ['controller'];
    const certificates = new HeldCertificate({});
    certificates.set((await complete({}, names, new Date())).server);
    const guard = (): Promise<Refusal> => Promise.resolve({ status: 401, message: 'not here' });
    const sink = (report: SpeakerReport): void => {
      taken.push(report);
    };
    const routes = { 'POST /report': takeReports({ reports, secret: () => secret, sink }) };
    const health = { notReady: (): undefined => undefined };
    const shield = { certificates, guard };
    const secure = await serve(newRegistry(), health, HERE, routes, shield);
    if (!secure.ok) throw new Error(secure.error);
    const { port } = secure.value.address() as AddressInfo;
    speaker().to([`https://127.0.0.1:${port}`]);
    await seen('a report', () => taken.length > 0);
    expect(taken[0]).toMatchObject({ node: 'node1' });
    secure.value.closeAllConnections();
    secure.value.close();
  });

  test('shows the same to whoever asks', async () => {
    const reporting = speaker();
    const health = { notReady: (): undefined => undefined };
    const routes = { 'GET /report': reporting.serve };
    const own = await serve(newRegistry(), health, HERE, routes);
    if (!own.ok) throw new Error(own.error);
    const { port } = own.value.address() as AddressInfo;
    const answer = await fetch(`http://127.0.0.1:${port}/report`);
    expect(await answer.json()).toMatchObject({ ...STATUS, node: 'node1' });
    expect((await fetch(`http://127.0.0.1:${port}/report`, { method: 'POST' })).status).toBe(404);
    own.value.closeAllConnections();
    own.value.close();
  });
});

describe('a controller refuses', () => {
  test('what has no tag, or one of something else', async () => {
    expect((await send(BODY)).status).toBe(401);
    expect((await send(`${BODY} `, tagged(BODY))).status).toBe(401);
    expect((await send(BODY, tagged(BODY, ''))).status).toBe(401);
    expect((await send(BODY, { [TAG_HEADER]: 'short' })).status).toBe(401);
  });

  test('what is tagged and no report', async () => {
    const [text, half] = ['{}', BODY.slice(0, 40)];
    expect(await send(text, tagged(text))).toMatchObject({ status: 400, text: /not a report/ });
    expect(await send(half, tagged(half))).toMatchObject({ status: 400 });
  });

  test('the same twice', async () => {
    const { text: challenge } = await send(BODY, tagged(BODY));
    const answered = emitReport({ ...REPORT, challenge });
    expect((await send(answered, tagged(answered))).status).toBe(204);
    expect(await send(answered, tagged(answered))).toEqual({
      status: 409,
      text: 'a report of this number was taken before',
    });
    expect(taken).toHaveLength(1);
  });

  test('what is too large, without reading it', async () => {
    const length = { 'content-length': String(MOST_BYTES + 1) };
    expect((await send('', length)).status).toBe(413);
    const chunked = { 'transfer-encoding': 'chunked' };
    expect((await send(' '.repeat(MOST_BYTES + 1), chunked)).status).toBe(413);
  });

  test('all, when it knows no secret', async () => {
    secret = undefined;
    expect(await send(BODY, tagged(BODY))).toMatchObject({ status: 403 });
  });
});

test('addresses of controllers are checked where they are given', () => {
  expect(controllerUrls(['http://192.0.2.10:7472/', 'http://[2001:db8::1]:7472'])).toEqual({
    ok: true,
    value: ['http://192.0.2.10:7472', 'http://[2001:db8::1]:7472'],
  });
  for (const bad of ['192.0.2.10:7472', 'ftp://192.0.2.10', 'http://a/report', '']) {
    expect(controllerUrls([bad])).toEqual({ ok: false, error: expect.stringContaining('--contr') });
  }
});
