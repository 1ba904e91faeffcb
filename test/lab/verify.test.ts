/**
 * Who answers for an address, asked of a real wire: from a host without a speaker, where kernels
 * answer; and of speakers, on the node that owns and on one that does not.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { Cluster, SPEAKER_PORT } from '../../demo/cluster.ts';
import { Lab } from '../../lab/namespace.ts';
import { whoHas } from '../../lab/probe.ts';
import { Segment } from '../../lab/segment.ts';
import type { Host } from '../../lab/segment.ts';
import type { Finding } from '../../speaker/finding.ts';

jest.setTimeout(60_000);

const VIPS = ['192.168.100.240', 'fd00:100::240'] as const;

type Asked = { ok: true; value: Finding[] } | { ok: false; error: string };

/** Asks from a host without a speaker. */
async function ask(from: Host, ip: string, name?: string): Promise<Asked> {
  const script = join(import.meta.dirname, 'asker.ts');
  const argv = [process.execPath, script, ip, ...(name === undefined ? [] : [name])];
  const done = await from.namespace.exec(argv, { timeoutMs: 15_000 });
  if (done.code !== 0) throw new Error(done.stderr);
  return JSON.parse(done.stdout) as Asked;
}

describe('without a speaker', () => {
  let lab: Lab;
  let segment: Segment;

  beforeAll(() => {
    lab = new Lab('verify');
    segment = new Segment(lab);
  });
  afterAll(() => lab.close());

  function hold(host: Host, vip: string): void {
    const family = vip.includes(':') ? ' nodad' : '';
    host.namespace.ip(`addr add ${vip}/${family === '' ? 32 : 128} dev eth0${family}`);
  }

  test.each(VIPS)('%s: nobody, a node, a node and a stranger', async (vip) => {
    const { client, nodes } = segment;
    const outcome = async (): Promise<[string | undefined, number | undefined]> => {
      const asked = await ask(client, vip);
      return asked.ok
        ? [asked.value[0]?.outcome, asked.value[0]?.answers.length]
        : [asked.error, 0];
    };
    expect(await outcome()).toEqual(['none', 0]);
    hold(nodes[0] as Host, vip);
    expect(await ask(client, vip, 'eth0')).toMatchObject({
      value: [{ outcome: 'one', answers: [{ mac: nodes[0]?.mac, node: 'node1', proxy: false }] }],
    });
    hold(nodes[1] as Host, vip);
    expect(await outcome()).toEqual(['several', 2]);
    const again = await ask(client, vip);
    const sentence = again.ok ? again.value[0]?.sentence : again.error;
    expect(sentence).toContain(`a stranger (${nodes[1]?.mac})`);
  });

  test('a router with proxy ARP is told from a holder', async () => {
    const router = segment.node('node3').namespace;
    router.ip(
      'link add wan0 type veth peer name far0',
      'addr add 198.51.100.1/24 dev wan0',
      'link set wan0 up',
      'link set far0 up',
      'route add default dev wan0',
      'route add 192.168.100.241/32 dev wan0',
    );
    router.sysctl({ 'ipv4/conf/eth0/proxy_arp': 1, 'ipv4/ip_forward': 1 });
    router.sysctl({ 'ipv4/neigh/eth0/proxy_delay': 0 });
    // In a kernel's own words: the router answers for the address.
    expect(await whoHas(segment.client, '192.168.100.241', 3000)).toBe(segment.node('node3').mac);
    expect(await ask(segment.client, '192.168.100.241')).toMatchObject({
      value: [{ outcome: 'proxy', answers: [{ mac: segment.node('node3').mac, proxy: true }] }],
    });
  });

  test('an interface that is not there, or carries nothing', async () => {
    const none = await ask(segment.client, VIPS[0], 'eth9');
    expect(none).toMatchObject({ ok: false, error: 'there is no interface "eth9" on this host' });
    const loopback = await ask(segment.client, VIPS[0], 'lo');
    expect(loopback).toMatchObject({ ok: false, error: expect.stringContaining('it is loopback') });
  });
});

describe('of speakers', () => {
  const directory = mkdtempSync(join(tmpdir(), 'arpeggio-verify-'));
  let lab: Lab;
  let cluster: Cluster;
  let owner: Host;
  let other: Host;

  beforeAll(async () => {
    lab = new Lab('verify');
    cluster = new Cluster(lab, { directory, keep: false });
    await cluster.startController();
    await cluster.startSpeakers();
    const { client, nodes } = cluster.segment;
    owner = await cluster.until(
      async () => {
        const mac = await whoHas(client, VIPS[0], 200);
        return nodes.find((node) => node.mac === mac);
      },
      15_000,
      `somebody answers for ${VIPS[0]}`,
    );
    other = nodes.find((node) => node !== owner) as Host;
  });
  afterAll(() => {
    lab.close();
    rmSync(directory, { recursive: true, force: true });
  });

  async function get(from: Host, query: string, ...more: string[]): Promise<[number, string]> {
    const url = `http://127.0.0.1:${SPEAKER_PORT}/verify?${query}`;
    const argv = ['curl', '-sg', '--max-time', '10', '--write-out', '\n%{http_code}', ...more, url];
    const done = await from.namespace.exec(argv, { timeoutMs: 15_000 });
    const split = done.stdout.lastIndexOf('\n');
    return [Number(done.stdout.slice(split + 1)), done.stdout.slice(0, split)];
  }

  test('a node that does not own hears the owner, by name', async () => {
    const [status, body] = await get(other, `ip=${VIPS[0]}&interface=eth0&timeout=300`);
    expect([status, JSON.parse(body)]).toMatchObject([
      200,
      {
        node: other.name,
        findings: [
          {
            outcome: 'one',
            here: false,
            answers: [{ mac: owner.mac, node: owner.name, proxy: false }],
          },
        ],
      },
    ]);
  });

  test('the owner does not hear itself, and says so', async () => {
    const [, body] = await get(owner, `ip=${VIPS[0]}&timeout=300`);
    expect(JSON.parse(body)).toMatchObject({
      findings: [
        {
          outcome: 'none',
          here: true,
          sentence: `this node answers for ${VIPS[0]}, and nobody else on eth0 does`,
        },
      ],
    });
  });

  test('what is not a question is refused', async () => {
    expect((await get(owner, 'ip=nonsense'))[0]).toBe(400);
    expect((await get(owner, `ip=${VIPS[0]}&timeout=1`))[0]).toBe(400);
  });
});
