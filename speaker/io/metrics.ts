/**
 * The speaker's metrics. Names and labels that MetalLB has are kept; the data plane's counters
 * are read from shared memory at each scrape, through the reflex thread.
 */
import { Gauge, newRegistry } from '../../lib/io/metrics.ts';
import type { Registry } from '../../lib/io/metrics.ts';
import type { Brain } from '../brain.ts';
import type { Phase, ReflexState } from '../reflexport.ts';

const PHASES: readonly Phase[] = ['listening', 'claiming', 'serving', 'stopped'];

export interface SpeakerMetrics {
  readonly registry: Registry;
  follow(state: ReflexState): void;
}

/** `count` asks the reflex thread for its counters. */
export function speakerMetrics(
  node: string,
  brain: Brain,
  count: () => Promise<ReadonlyMap<string, bigint>>,
): SpeakerMetrics {
  const registry = newRegistry();
  const registers = [registry];
  let state: ReflexState | undefined;

  new Gauge({
    name: 'metallb_speaker_announced',
    help: 'Services that this node announces; always 1',
    labelNames: ['service', 'protocol', 'node', 'ip'],
    registers,
    collect() {
      this.reset();
      for (const { service, ip } of brain.announced) {
        this.set({ service, protocol: 'layer2', node, ip }, 1);
      }
    },
  });
  new Gauge({
    name: 'arpeggio_speaker_phase',
    help: 'Phase of the reflex: 1 for the present one',
    labelNames: ['phase'],
    registers,
    collect() {
      for (const phase of PHASES) this.set({ phase }, state?.phase === phase ? 1 : 0);
    },
  });
  new Gauge({
    name: 'arpeggio_speaker_peers',
    help: 'Other nodes by how they stand: alive, joining, absent, dead',
    labelNames: ['standing'],
    registers,
    collect() {
      this.reset();
      for (const standing of ['alive', 'joining', 'absent', 'dead'] as const) {
        const peers = [...(state?.peers.values() ?? [])];
        this.set({ standing }, peers.filter((each) => each === standing).length);
      }
    },
  });
  counterGauges(registry, count);
  return { registry, follow: (next) => (state = next) };
}

/** Counters kept elsewhere, shown as they are; a restart of the speaker starts them anew. */
function counterGauges(
  registry: Registry,
  count: () => Promise<ReadonlyMap<string, bigint>>,
): void {
  const answered = new Gauge({
    name: 'arpeggio_plane_answered_total',
    help: 'ARP requests and Neighbor Solicitations answered, by address',
    labelNames: ['ip'],
    registers: [registry],
  });
  const faults = new Gauge({
    name: 'arpeggio_speaker_beats_dropped_total',
    help: 'Heartbeats not taken or not sent, by reason',
    labelNames: ['reason'],
    registers: [registry],
  });
  new Gauge({
    name: 'arpeggio_plane_frames_total',
    help: 'ARP and Neighbor Discovery frames seen, by verdict',
    labelNames: ['verdict'],
    registers: [registry],
    async collect() {
      answered.reset();
      for (const [key, value] of await count()) {
        const [word = '', rest = ''] = key.split(' ');
        if (rest === '') this.set({ verdict: word }, Number(value));
        else if (word === 'answered') answered.set({ ip: rest }, Number(value));
        else faults.set({ reason: rest }, Number(value));
      }
    },
  });
}
