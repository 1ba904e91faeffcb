/**
 * The gateway check on a real wire: three nodes with a default gateway. One that does not reach it
 * hands its addresses over, and has them back after ten seconds of answers; a gateway that is gone
 * for everybody moves nothing.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { Cluster, SPEAKER_PORT } from '../../demo/cluster.ts';
import { Lab } from '../../lab/namespace.ts';
import { httpGet, whoHas } from '../../lab/probe.ts';
import { Program } from '../../lab/process.ts';
import type { Host } from '../../lab/segment.ts';
import type { SpeakerReport } from '../../owners/report.ts';
import { ALONE } from '../../speaker/impairment.ts';

jest.setTimeout(90_000);

const ROOT = join(import.meta.dirname, '../..');
const VIP = '192.168.100.240';
const directory = mkdtempSync(join(tmpdir(), 'arpeggio-gateway-'));
const programs = new Map<string, Program>();
let lab: Lab;
let cluster: Cluster;
let gateway: Host;
let owner: Host;

beforeAll(async () => {
  lab = new Lab('gateway');
  cluster = new Cluster(lab, { directory, keep: false, reports: true });
  gateway = cluster.segment.client;
  await cluster.startController();
  const { manifests, secretFile } = cluster;
  for (const { name, namespace } of cluster.segment.nodes) {
    namespace.ip(`route add default via ${gateway.ip4}`);
    const flags = ['--manifests', manifests, '--node', name, '--secret-file', secretFile];
    const where = ['--port', String(SPEAKER_PORT), '--host', '127.0.0.1', '--gateway-check', 'on'];
    const argv = [process.execPath, join(ROOT, 'speaker/main.ts'), ...flags, ...where];
    programs.set(name, Program.start(lab, { name: `gw-${name}`, argv, directory, namespace }));
  }
  for (const { name, namespace } of cluster.segment.nodes) {
    const url = `http://127.0.0.1:${SPEAKER_PORT}/readyz`;
    const isReady = async (): Promise<boolean> => (await httpGet(namespace, url))?.status === 200;
    await cluster.until(isReady, 30_000, `${name} is ready`);
  }
  owner = await ownerOf(() => true);
});
afterAll(() => {
  lab.close();
  rmSync(directory, { recursive: true, force: true });
});

/** Who answers for the address on the wire, once that is one that fits. */
function ownerOf(fits: (host: Host) => boolean, withinMs = 20_000): Promise<Host> {
  const look = async (): Promise<Host | undefined> => {
    const mac = await whoHas(cluster.segment.client, VIP, 200);
    return cluster.segment.nodes.find((node) => node.mac === mac && fits(node));
  };
  return cluster.until(look, withinMs, `the right one answers for ${VIP}`);
}

/** Whom the gateway answers to: it drops echoes of these. */
function deafTo(...hosts: readonly Host[]): void {
  const rules = hosts.map(({ ip4 }) => `ip saddr ${ip4} icmp type echo-request drop`);
  const chain = 'type filter hook input priority 0';
  const table = `table ip deaf { chain input { ${[chain, ...rules].join('; ')}; }; }`;
  const script = `nft delete table ip deaf 2>/dev/null; nft '${table}'`;
  const done = gateway.namespace.execSync(['sh', '-c', script]);
  if (done.code !== 0) throw new Error(done.stderr);
}

/** What its speaker says is wrong with it. */
async function troublesOf(host: Host): Promise<string> {
  const url = `http://127.0.0.1:${SPEAKER_PORT}/report`;
  const report = JSON.parse((await httpGet(host.namespace, url))?.body ?? '{}') as SpeakerReport;
  return report.troubles.map(({ reason, sentence }) => `${reason}: ${sentence}`).join();
}

test('a node that does not reach the gateway hands over; back after ten good seconds', async () => {
  deafTo(owner);
  const other = await ownerOf((host) => host !== owner);
  expect(other).not.toBe(owner);
  const missing = 'GatewayUnreachable: no answer to ICMP echo from the default gateway';
  expect(await troublesOf(owner)).toContain(`${missing} ${gateway.ip4}`);
  deafTo();
  const mended = Date.now();
  await ownerOf((host) => host === owner, 30_000);
  expect(Date.now() - mended).toBeGreaterThan(8000);
});

test('a gateway that is gone for everybody moves nothing', async () => {
  deafTo(...cluster.segment.nodes);
  const others = new Set<string>();
  const isKnown = async (): Promise<boolean> => {
    const mac = await whoHas(gateway, VIP, 500);
    if (mac !== owner.mac) others.add(String(mac));
    const troubles = await Promise.all(cluster.segment.nodes.map(troublesOf));
    return troubles.every((each) => each.includes('GatewayUnreachable'));
  };
  await cluster.until(isKnown, 20_000, 'every node misses the gateway');
  const end = Date.now() + ALONE + 2000;
  await cluster.until(async () => (await isKnown()) && Date.now() > end, 10_000, 'a while passes');
  expect([...others]).toEqual([]);
});
