/**
 * A node with two interfaces on one segment, and `--one-link-per-subnet`: the first answers, and
 * neighbours learn one MAC; when it loses its carrier the other one answers, and says so at once.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { Lab } from '../../lab/namespace.ts';
import { whoHas } from '../../lab/probe.ts';
import type { Program } from '../../lab/process.ts';
import { Segment } from '../../lab/segment.ts';
import type { Host } from '../../lab/segment.ts';
import { Manifests, startSpeaker } from './manifests.ts';
import { Sniffer } from './sniffer.ts';

jest.setTimeout(90_000);

const VIP4 = '192.168.100.240';
const VIP6 = 'fd00:100::240';
/** Advertised on eth1 by its name. */
const SIDE4 = '192.168.100.250';
const SECOND_MAC = '02:64:00:00:01:64';
const AT_ONCE = 200;

const directory = mkdtempSync(join(tmpdir(), 'arpeggio-twins-'));
let lab: Lab;
let segment: Segment;
let node: Host;
let speaker: Program;
let sniffer: Sniffer;

beforeAll(async () => {
  lab = new Lab('twins');
  segment = new Segment(lab, { nodes: 1 });
  node = segment.node('node1');
  const { namespace } = node;
  segment.addCable(node, SECOND_MAC);
  namespace.ip(
    'addr add 192.168.100.200/24 dev eth1',
    'addr add fd00:100::200/64 dev eth1 nodad',
    'link set eth1 up',
  );
  sniffer = await Sniffer.start(lab, segment.client, directory);
  const manifests = new Manifests(directory).node('node1', node.ip4);
  manifests.pool('all', [`${VIP4}/32`, `${VIP6}/128`]).pool('side', [`${SIDE4}/32`], ['eth1']);
  manifests.service('web', [VIP4, VIP6]).service('side', [SIDE4]).write();
  const flags = ['--one-link-per-subnet'];
  speaker = startSpeaker(lab, { manifests, node: 'node1', namespace, flags });
  await announced(node.mac, VIP4, 0);
  await announced(SECOND_MAC, SIDE4, 0);
});
afterAll(() => {
  lab.close();
  rmSync(directory, { recursive: true, force: true });
});

/** When this MAC first claimed the address after `since`. */
function announced(mac: string, ip: string, since: number): Promise<number> {
  const look = (): number | undefined => sniffer.claims(mac, ip).find(({ at }) => at >= since)?.at;
  return speaker.until(look, 60_000, `${ip} is announced by ${mac}`);
}

test('the first answers and announces, the second does neither', async () => {
  for (const vip of [VIP4, VIP6]) {
    expect(await whoHas(segment.client, vip)).toBe(node.mac);
    expect(sniffer.claims(SECOND_MAC, vip)).toEqual([]);
  }
});

test('an advertisement that names the second is answered there', async () => {
  expect(await whoHas(segment.client, SIDE4)).toBe(SECOND_MAC);
  expect(sniffer.claims(node.mac, SIDE4)).toEqual([]);
});

test('without the first the second takes over within 200 ms, and gives back', async () => {
  let best = Infinity;
  for (let n = 0; n < 3 && best > AT_ONCE; n++) {
    const before = Date.now();
    segment.unplug(node);
    const gone = Date.now();
    const at = await announced(SECOND_MAC, VIP4, before);
    best = Math.min(best, at - gone);
    expect(await whoHas(segment.client, VIP6)).toBe(SECOND_MAC);
    const again = Date.now();
    segment.plug(node);
    await announced(node.mac, VIP4, again);
    expect(await whoHas(segment.client, VIP4)).toBe(node.mac);
  }
  expect(best).toBeLessThanOrEqual(AT_ONCE);
});
