/**
 * Three speakers with NET_RAW and nothing else, as in pods made for MetalLB: they answer for IPv4
 * and IPv6; when the owner dies or freezes another one does, until it is back.
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
import { onlyWith } from './cable.ts';

jest.setTimeout(60_000);

const ROOT = join(import.meta.dirname, '../..');
const VIPS = ['192.168.100.240', 'fd00:100::240'];
const directory = mkdtempSync(join(tmpdir(), 'arpeggio-raw-'));
const speakers = new Map<string, Program>();
let lab: Lab;
let cluster: Cluster;

beforeAll(async () => {
  lab = new Lab('raw');
  cluster = new Cluster(lab, { directory, keep: false });
  await cluster.startController();
  for (const { name, namespace } of cluster.segment.nodes) {
    const [manifests, secret] = [cluster.manifests, cluster.secretFile];
    const own = ['--manifests', manifests, '--node', name, '--secret-file', secret];
    const where = ['--port', String(SPEAKER_PORT), '--host', '127.0.0.1'];
    const argv = [process.execPath, join(ROOT, 'speaker/main.ts'), ...own, ...where];
    const program = Program.start(lab, {
      name: `raw-${name}`,
      argv: [...onlyWith('net_raw'), ...argv],
      directory,
      namespace,
    });
    speakers.set(name, program);
  }
  const url = `http://127.0.0.1:${SPEAKER_PORT}/readyz`;
  for (const { name, namespace } of cluster.segment.nodes) {
    const isReady = async (): Promise<boolean> => (await httpGet(namespace, url))?.status === 200;
    await cluster.until(isReady, 30_000, `${name} is ready`);
  }
});
afterAll(() => {
  lab.close();
  rmSync(directory, { recursive: true, force: true });
});

/** Who answers for the address, asked on the wire; none of `gone`. */
function ownerOf(vip: string, ...gone: readonly Host[]): Promise<Host> {
  const look = async (): Promise<Host | undefined> => {
    const mac = await whoHas(cluster.segment.client, vip, 200);
    return cluster.segment.nodes.find((node) => node.mac === mac && !gone.includes(node));
  };
  return cluster.until(look, 15_000, `somebody answers for ${vip}`);
}

test.each(VIPS)('%s is answered by one, and by another when that one is frozen', async (vip) => {
  const first = await ownerOf(vip);
  speakers.get(first.name)?.signal('SIGSTOP');
  const second = await ownerOf(vip, first);
  speakers.get(first.name)?.signal('SIGCONT');
  expect(await ownerOf(vip, second)).toBe(first);
});

test.each(VIPS)('%s is answered by another when its owner was killed', async (vip) => {
  const first = await ownerOf(vip);
  speakers.get(first.name)?.signal('SIGKILL');
  await speakers.get(first.name)?.exited;
  expect(await ownerOf(vip, first)).not.toBe(first);
});
