/**
 * What breaks in a cluster, broken on purpose: the controller, the API server, a speaker that is
 * killed or frozen, a node without its cable. The address goes on answering from one node.
 */
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { OutageMeter } from '../../lab/outage.ts';
import { urlOf } from '../../lab/probe.ts';
import type { Host } from '../../lab/segment.ts';
import { Client } from './client.ts';
import { Installation } from './installation.ts';
import { MYWEB, POOLS, VIP4, VIP6, service } from './objects.ts';
import { Pods } from './pods.ts';

jest.setTimeout(120_000);

/** Above what is promised (0.6 s), for a machine of two processors that is three nodes. */
const OUTAGE_LIMIT_MS = 1500;
/** Who asks a server that is away asks ever less often. */
const PATIENCE_MS = 45_000;
const PROXIES = ['node1', 'node2', 'node3'].map((node) => `kube-proxy-${node}`);
const VIPS = [VIP4, VIP6];

let cluster: Installation;
let pods: Pods;
let client: Client;

beforeAll(async () => {
  cluster = await Installation.up('failures');
  pods = new Pods(cluster.kube);
  client = new Client(cluster);
  const ports = { http: 8080 };
  await cluster.apply(...POOLS, MYWEB, service('myweb6', 'myweb', { ipFamilies: ['IPv6'] }));
  await Promise.all([
    cluster.startController().then(() => cluster.startSpeakers()),
    ...[1, 2, 3].map((node) => pods.start({ app: 'myweb', node, ports })),
  ]);
  for (const vip of VIPS) await client.pages(urlOf(vip), 3);
});

afterAll(() => cluster.close());

/** Measures the page of the first address, as the client sees it. */
function meter(intervalMs = 20): Promise<OutageMeter> {
  const { lab, logs: directory, segment } = cluster.kube;
  const { namespace } = segment.client;
  return OutageMeter.start(lab, { namespace, url: urlOf(VIP4), directory, intervalMs });
}

/** Waits until the Service says so. */
function announcedBy(node: string): Promise<boolean> {
  return cluster.until(`${node} to be named as the announcer`, async () => {
    const { annotations } = (await cluster.service('myweb-svc-lb')).metadata;
    return annotations?.['arpeggio.dev/announced-by'] === node;
  });
}

function speakerOn(node: string): ReturnType<Installation['program']> {
  return cluster.program(`speaker-${node}`);
}

function host(name: string): Host {
  return cluster.kube.segment.node(name);
}

describe('the controller', () => {
  test('is killed: addresses go on; it comes back: they are the same', async () => {
    await cluster.forget('controller').kill();
    expect(await client.page(urlOf(VIP4))).toMatch(/^Hello World!/);
    await cluster.apply(service('meanwhile', 'myweb'));
    await cluster.startController();
    expect(await cluster.addressed('meanwhile')).toEqual(['192.168.100.241']);
    expect(await cluster.addresses('myweb-svc-lb')).toEqual([VIP4]);
    expect(await cluster.addresses('myweb6')).toEqual([VIP6]);
  });
});

describe('a speaker', () => {
  test('is killed: another node answers', async () => {
    const measured = await meter();
    const owner = await client.owned(VIP4);
    const since = OutageMeter.now();
    await cluster.forget(`speaker-${owner}`).kill();
    const next = await client.owned(VIP4, owner);
    await measured.goodAnswersSince(since, 50, 15_000);
    expect(measured.outage(since)?.ms).toBeLessThan(OUTAGE_LIMIT_MS);
    await measured.stop();
    await expect(announcedBy(next)).resolves.toBe(true);
    await cluster.startSpeakers([host(owner)]);
  });

  test('is frozen: another node answers, and it never does, also not when it thaws', async () => {
    const frozen = await client.owned(VIP4);
    speakerOn(frozen).signal('SIGSTOP');
    const owner = await client.owned(VIP4, frozen);
    // Each of these is asked of everybody; the frozen one's responder is still in its kernel.
    expect(await client.voices(VIP4, 3)).toEqual([owner, owner, owner]);
    speakerOn(frozen).signal('SIGCONT');
    // It may get the address back, by agreement; there are never two answers to one question.
    const voices = await client.voices(VIP4, 5);
    expect(voices).toHaveLength(5);
    expect(new Set(voices).size).toBeLessThanOrEqual(2);
  });
});

describe('a node', () => {
  test('loses its cable: another node answers; back, there is one voice', async () => {
    const cut = await client.owned(VIP4);
    const pod = `myweb-${cut.replace('node', '')}`;
    cluster.kube.segment.unplug(host(cut));
    // What the node lifecycle controller does for a node whose kubelet is not heard.
    await pods.setReady(pod, false);
    const owner = await client.owned(VIP4, cut);
    expect(await client.voices(VIP4, 2)).toEqual([owner, owner]);
    expect(await client.pages(urlOf(VIP4), 2)).toHaveLength(2);
    cluster.kube.segment.plug(host(cut));
    await pods.setReady(pod, true);
    expect(await client.voices(VIP4, 5)).toHaveLength(5);
    expect(await client.pages(urlOf(VIP4), 3)).toHaveLength(3);
  });
});

describe('the API server', () => {
  test('is killed for a minute: addresses answer, and fail over', async () => {
    const measured = await meter(50);
    const killed = OutageMeter.now();
    await cluster.kube.kill('kube-apiserver');
    await measured.goodAnswersSince(killed, 600, 60_000);
    expect(measured.outage(killed)?.ms).toBeLessThan(1000);

    const owner = await client.owned(VIP4);
    const since = OutageMeter.now();
    await cluster.forget(`speaker-${owner}`).kill();
    await client.owned(VIP4, owner);
    await measured.goodAnswersSince(since, 500, 60_000);
    expect(measured.outage(since)?.ms).toBeLessThan(OUTAGE_LIMIT_MS);
    await measured.stop();

    await cluster.kube.start('kube-apiserver');
    // Those of Kubernetes itself would wait for up to a minute before they look again.
    const again = ['kube-controller-manager', ...PROXIES];
    await Promise.all(again.map((name) => cluster.kube.kill(name)));
    await Promise.all(again.map((name) => cluster.kube.start(name)));
    await cluster.startSpeakers([host(owner)]);
  });

  test('is back: what was wanted meanwhile happens', async () => {
    await cluster.apply(service('afterwards', 'myweb'));
    const [ip = ''] = await cluster.addressed('afterwards', 1, PATIENCE_MS);
    expect(ip).toMatch(/^192\.168\.100\.24[12]$/);
    expect(await client.pages(urlOf(ip), 3, PATIENCE_MS)).toHaveLength(3);
    for (const vip of VIPS) expect(await client.pages(urlOf(vip), 3)).toHaveLength(3);
  });
});
