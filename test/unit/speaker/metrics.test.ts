/** What a scrape of the speaker shows, above all that it shows the present. */
import { beforeEach, expect, test } from '@jest/globals';
import {
  ENDPOINT_SLICE,
  IP_ADDRESS_POOL,
  L2_ADVERTISEMENT,
  NODE,
  SERVICE,
} from '../../../kube/kube.ts';
import type { KubeObject } from '../../../kube/objects.ts';
import { Brain, WATCHED } from '../../../speaker/brain.ts';
import { speakerMetrics } from '../../../speaker/io/metrics.ts';
import type { SpeakerMetrics } from '../../../speaker/io/metrics.ts';

let brain: Brain;
let counters: Map<string, bigint>;
let asked: number;
let metrics: SpeakerMetrics;

beforeEach(() => {
  asked = 0;
  brain = new Brain('node1', false);
  counters = new Map([
    ['answered', 7n],
    ['answered 192.0.2.240', 7n],
    ['beat unsendable', 2n],
    ['beat counted', 40n],
  ]);
  // Answers later, as the reflex thread does.
  const count = (): Promise<ReadonlyMap<string, bigint>> => {
    asked += 1;
    return new Promise((done) => setImmediate(() => done(new Map(counters))));
  };
  metrics = speakerMetrics('node1', brain, count);
});

/** Lines of our counters, without help and type. */
async function scrape(): Promise<string[]> {
  const text = await metrics.registry.metrics();
  const ours = /^arpeggio_(plane|speaker_beats)\S+ \d+$/;
  return text.split('\n').filter((line) => ours.test(line));
}

test('every counter is of this scrape, and the reflex is asked once', async () => {
  expect(await scrape()).toEqual([
    'arpeggio_plane_frames_total{verdict="answered"} 7',
    'arpeggio_plane_answered_total{ip="192.0.2.240"} 7',
    'arpeggio_speaker_beats_total{outcome="counted"} 40',
    'arpeggio_speaker_beats_dropped_total{reason="unsendable"} 2',
  ]);
  expect(asked).toBe(1);
  counters = new Map([
    ['answered', 9n],
    ['answered 192.0.2.241', 2n],
    ['beat unsendable', 3n],
  ]);
  expect(await scrape()).toEqual([
    'arpeggio_plane_frames_total{verdict="answered"} 9',
    'arpeggio_plane_answered_total{ip="192.0.2.241"} 2',
    'arpeggio_speaker_beats_dropped_total{reason="unsendable"} 3',
  ]);
  expect(asked).toBe(2);
});

/** One Service that this node may announce. */
const OBJECTS: readonly object[] = [
  {
    ...IP_ADDRESS_POOL,
    metadata: { name: 'lan', namespace: 'metallb-system' },
    spec: { addresses: ['192.0.2.240/28'] },
  },
  { ...L2_ADVERTISEMENT, metadata: { name: 'all', namespace: 'metallb-system' } },
  { ...NODE, metadata: { name: 'node1' } },
  {
    ...SERVICE,
    metadata: { name: 'web', namespace: 'default' },
    spec: { type: 'LoadBalancer', ports: [{ port: 80 }] },
    status: { loadBalancer: { ingress: [{ ip: '192.0.2.240' }] } },
  },
  {
    ...ENDPOINT_SLICE,
    metadata: {
      name: 'web-1',
      namespace: 'default',
      labels: { 'kubernetes.io/service-name': 'web' },
    },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['192.0.2.1'] }],
  },
];

test("what is announced has MetalLB's name and labels, and goes with the address", async () => {
  for (const object of OBJECTS as readonly KubeObject[]) {
    brain.handle({ kind: 'watch', resource: object, event: { type: 'put', object } }, 0);
  }
  for (const resource of WATCHED) {
    brain.handle({ kind: 'watch', resource, event: { type: 'synced' } }, 0);
  }
  brain.tick(brain.deadline() ?? 0);
  const announced = async (...held: readonly string[]): Promise<string[]> => {
    const now = { phase: 'serving', cause: 'confirmed', peers: new Map() } as const;
    brain.handle({ kind: 'reflex', state: { ...now, held, conflicts: [], links: [] } }, 1000);
    const text = await metrics.registry.metrics();
    return text.split('\n').filter((line) => line.startsWith('metallb_speaker_announced{'));
  };
  const labels = 'service="default/web",protocol="layer2",node="node1",ip="192.0.2.240"';
  expect(await announced('192.0.2.240')).toEqual([`metallb_speaker_announced{${labels}} 1`]);
  expect(await announced()).toEqual([]);
});

test('strangers are counted, and troubles are there as long as they are', async () => {
  const lines = async (): Promise<string[]> => {
    const text = await metrics.registry.metrics();
    return text.split('\n').filter((line) => /^arpeggio_(address|speaker_trouble)/.test(line));
  };
  expect(await lines()).toEqual(['arpeggio_address_conflicts_total 0']);
  const stranger = { ip: '192.0.2.240', mac: '02:00:5e:00:53:01', link: 'eth0', withheld: true };
  brain.troubles.follow([stranger]);
  brain.troubles.follow([]);
  brain.troubles.follow([stranger]);
  const two = ['eth0', 'eth1'].map((name) => ({ reason: 'StrictARPMissing', sentence: name }));
  brain.troubles.tell('sysctl', two);
  expect(await lines()).toEqual([
    'arpeggio_address_conflicts_total 2',
    'arpeggio_speaker_trouble{reason="StrictARPMissing"} 2',
  ]);
  brain.troubles.tell('sysctl', []);
  expect(await lines()).toEqual(['arpeggio_address_conflicts_total 2']);
});

test('what only grows is a counter', async () => {
  const text = await metrics.registry.metrics();
  expect(text).toContain('# TYPE arpeggio_speaker_beats_dropped_total counter\n');
});
