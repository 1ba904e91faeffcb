/**
 * A node whose kernel holds an announced address, as kube-proxy's IPVS makes it: a bridge named
 * kube-ipvs0 has it, because there need be no IPVS module. The speaker says when the settings let
 * the kernel answer for it, and says when they do no more; with strict settings it says nothing.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { Lab } from '../../lab/namespace.ts';
import type { Namespace } from '../../lab/namespace.ts';
import type { Program } from '../../lab/process.ts';
import { Manifests, startSpeaker } from './manifests.ts';

jest.setTimeout(90_000);

const VIP = '192.168.100.240';
const MISSING = `${VIP} is on kube-ipvs0, and the kernel answers ARP for it on eth0, whoever owns`;

const directory = mkdtempSync(join(tmpdir(), 'arpeggio-strictarp-'));
let lab: Lab;
let node: Namespace;
let speaker: Program;

beforeAll(async () => {
  lab = new Lab('strictarp');
  node = lab.namespace('node1');
  node.ip(
    'link add eth0 type veth peer name veth0',
    'link set veth0 up',
    'link set eth0 up',
    'addr add 192.168.100.100/24 dev eth0',
    'link add kube-ipvs0 type bridge',
    `addr add ${VIP}/32 dev kube-ipvs0`,
  );
  set({ ignore: 1, announce: 2 });
  const manifests = new Manifests(directory);
  manifests.node('node1', '192.168.100.100').pool('lan', ['192.168.100.240/32']);
  manifests.service('web', [VIP]).write();
  speaker = startSpeaker(lab, { manifests, node: 'node1', namespace: node });
  await speaker.line(
    (line) => line.includes('"ServiceAnnounced"'),
    60_000,
    `it answers for ${VIP}`,
  );
});
afterAll(() => {
  lab.close();
  rmSync(directory, { recursive: true, force: true });
});

function set({ ignore, announce }: { ignore: number; announce: number }): void {
  for (const each of ['all', 'default', 'eth0']) {
    node.sysctl({ [`ipv4/conf/${each}/arp_ignore`]: each === 'all' ? ignore : 0 });
    node.sysctl({ [`ipv4/conf/${each}/arp_announce`]: each === 'all' ? announce : 0 });
  }
}

/** Sentences with which troubles began and ended, oldest first. */
function said(): string[] {
  const lines = speaker.log().split('\n').slice(0, -1);
  const events = lines.map((line) => JSON.parse(line) as { event: string; msg: string });
  return events
    .filter(({ event }) => event === 'StrictARPMissing' || event === 'TroubleOver')
    .map(({ msg }) => msg);
}

test('with strict settings it says nothing', async () => {
  // What it looks at, it looks at again when the address goes and comes.
  node.ip(`addr del ${VIP}/32 dev kube-ipvs0`, `addr add ${VIP}/32 dev kube-ipvs0`);
  set({ ignore: 0, announce: 2 });
  node.ip('link set kube-ipvs0 address 02:64:00:00:00:99');
  const first = await speaker.until(() => said()[0], 2000, 'the first that is said');
  expect(first).toContain(MISSING);
});

test('once the settings are strict it says so, and no sentence twice', async () => {
  set({ ignore: 1, announce: 2 });
  await speaker.until(() => said().length > 1, 15_000, 'it is over');
  expect(said()).toEqual([
    expect.stringContaining(MISSING),
    expect.stringMatching(new RegExp(`^over: ${VIP} is on kube-ipvs0`)),
  ]);
});

test('one setting is not enough; an address that is not held needs none', async () => {
  const before = said().length;
  set({ ignore: 1, announce: 1 });
  node.ip('link set kube-ipvs0 address 02:64:00:00:00:98');
  await speaker.until(() => said().length > before, 2000, 'it is said');
  expect(said().at(-1)).toContain('names it as sender of requests on eth0');
  node.ip(`addr del ${VIP}/32 dev kube-ipvs0`);
  await speaker.until(() => said().length > before + 1, 2000, 'it is over');
  expect(said().at(-1)).toContain('over: ');
});
