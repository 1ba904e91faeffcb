/**
 * The owner of an address loses the carrier of the only interface that can answer, while it goes on
 * hearing the other node through another network. It falls silent and lets go at once, which the
 * other one need not find out by waiting; and when the carrier is back it earns its address again.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
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

const VIP = '192.168.100.240';
const AT_ONCE = 200;

const directory = mkdtempSync(join(tmpdir(), 'arpeggio-owner-'));
let lab: Lab;
let segment: Segment;
let sniffer: Sniffer;
const speakers = new Map<Host, Program>();

beforeAll(async () => {
  lab = new Lab('owner');
  segment = new Segment(lab, { nodes: 2 });
  const [one, two] = segment.nodes;
  if (one === undefined || two === undefined) throw new Error('there are two nodes');
  const peer = `peer name mgmt0 netns ${two.namespace.name}`;
  one.namespace.ip(`link add mgmt0 type veth ${peer}`);
  sniffer = await Sniffer.start(lab, segment.client, directory);
  const manifests = new Manifests(directory).pool('all', [`${VIP}/32`]).service('web', [VIP]);
  for (const [n, { name, namespace }] of segment.nodes.entries()) {
    namespace.ip(`addr add 198.51.100.${n + 1}/24 dev mgmt0`, 'link set mgmt0 up');
    manifests.node(name, `198.51.100.${n + 1}`);
  }
  manifests.write();
  const excluded = join(directory, 'excludel2.yaml');
  writeFileSync(excluded, 'announcedInterfacesToExclude: ["^mgmt"]\n');
  const flags = ['--exclude-interfaces', excluded];
  for (const node of segment.nodes) {
    const options = { manifests, node: node.name, namespace: node.namespace, flags };
    speakers.set(node, startSpeaker(lab, options));
  }
  for (const node of segment.nodes) {
    await speakerOf(node).until(() => serves(node), 60_000, 'it serves');
  }
});
afterAll(() => {
  lab.close();
  rmSync(directory, { recursive: true, force: true });
});

function speakerOf(node: Host): Program {
  const speaker = speakers.get(node);
  if (speaker === undefined) throw new Error(`no speaker on ${node.name}`);
  return speaker;
}

/** What its phases were, the newest last. */
function phases(node: Host): { phase: string; cause: string }[] {
  const lines = speakerOf(node).log().split('\n').slice(0, -1);
  const events = lines.map(
    (line) => JSON.parse(line) as { event: string; phase: string; cause: string },
  );
  return events.filter(({ event }) => event === 'PhaseChanged');
}

function serves(node: Host): boolean {
  return phases(node).at(-1)?.phase === 'serving';
}

async function owner(): Promise<Host> {
  const look = async (): Promise<Host | undefined> => {
    const mac = await whoHas(segment.client, VIP, 200);
    return segment.nodes.find((node) => node.mac === mac);
  };
  const [any] = speakers.values();
  if (any === undefined) throw new Error('no speakers');
  return any.until(look, 10_000, 'somebody answers');
}

/** When this node first claimed the address after `since`. */
function announced(node: Host, since: number): Promise<number> {
  const look = (): number | undefined =>
    sniffer.claims(node.mac, VIP).find(({ at }) => at >= since)?.at;
  return speakerOf(node).until(look, 10_000, `${VIP} is announced by ${node.name}`);
}

test('an owner without carrier is succeeded at once, and earns its address again', async () => {
  const first = await owner();
  const second = segment.nodes.find((node) => node !== first) ?? first;
  let best = Infinity;
  for (let n = 0; n < 3 && best > AT_ONCE; n++) {
    const before = Date.now();
    segment.unplug(first);
    const gone = Date.now();
    best = Math.min(best, (await announced(second, before)) - gone);
    expect(await owner()).toBe(second);
    const count = phases(first).length;
    expect(phases(first).at(-1)).toMatchObject({ phase: 'listening', cause: 'no-link' });
    const again = Date.now();
    segment.plug(first);
    await announced(first, again);
    await speakerOf(first).until(() => serves(first), 10_000, 'it serves again');
    const since = phases(first).slice(count);
    expect(since.map(({ phase }) => phase)).toEqual(['claiming', 'serving']);
    expect(await owner()).toBe(first);
  }
  expect(best).toBeLessThanOrEqual(AT_ONCE);
});
