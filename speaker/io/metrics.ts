/**
 * The speaker's metrics. Names and labels that MetalLB has are kept; the data plane's counters
 * are read from shared memory at each scrape, through the reflex thread.
 */
import { Counter, Gauge, newRegistry } from '../../lib/io/metrics.ts';
import type { Registry } from '../../lib/io/metrics.ts';
import type { Brain } from '../brain.ts';
import type { Phase, ReflexState } from '../reflexport.ts';

const PHASES: readonly Phase[] = ['listening', 'claiming', 'serving', 'stopped'];

export interface SpeakerMetrics {
  readonly registry: Registry;
  follow(state: ReflexState): void;
  answersThrough(plane: string): void;
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
  const plane = new Gauge({
    name: 'arpeggio_data_plane',
    help: 'What answers ARP and Neighbor Discovery, bpf or packet: 1 for the one in use',
    labelNames: ['plane'],
    registers,
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
  addTroubles(registry, brain);
  showCounters(registry, count);
  return {
    registry,
    follow: (next) => (state = next),
    answersThrough: (name) => plane.set({ plane: name }, 1),
  };
}

function addTroubles(registry: Registry, { troubles }: Brain): void {
  new Counter({
    name: 'arpeggio_address_conflicts_total',
    help: 'Times that a stranger was found to claim an address that this node may answer for',
    registers: [registry],
    collect() {
      this.reset();
      this.inc(troubles.conflictsFound);
    },
  });
  new Gauge({
    name: 'arpeggio_speaker_trouble',
    help: 'What keeps this node from answering as it should, by reason; the log has the sentence',
    labelNames: ['reason'],
    registers: [registry],
    collect() {
      this.reset();
      for (const { reason } of troubles.all) this.inc({ reason });
    },
  });
}

/** Beats that went the way they should; every other outcome is a drop. */
const TAKEN: ReadonlySet<string> = new Set(['sent', 'counted', 'handshake']);

interface Counters {
  readonly name: string;
  readonly help: string;
  readonly label: string;
  /** What the key of a counter says for this label; undefined: it belongs elsewhere. */
  readonly read: (word: string, rest: string) => string | undefined;
}

/** Keys are a verdict alone, `answered ADDRESS`, `beat OUTCOME`, or `wire EVENT`. */
const COUNTERS: readonly Counters[] = [
  {
    name: 'arpeggio_plane_frames_total',
    help: 'ARP and Neighbor Discovery frames seen, by verdict',
    label: 'verdict',
    read: (word, rest) => (rest === '' ? word : undefined),
  },
  {
    name: 'arpeggio_plane_answered_total',
    help: 'ARP requests and Neighbor Solicitations answered, by address',
    label: 'ip',
    read: (word, rest) => (rest !== '' && word === 'answered' ? rest : undefined),
  },
  {
    name: 'arpeggio_speaker_beats_total',
    help: 'Heartbeats sent, counted, and answered because they come from a new peer (handshake)',
    label: 'outcome',
    read: (word, rest) => (word === 'beat' && TAKEN.has(rest) ? rest : undefined),
  },
  {
    name: 'arpeggio_speaker_wire_total',
    help: 'Questions to the segment, owners that answered them, doubles, conflicts, defences',
    label: 'event',
    read: (word, rest) => (word === 'wire' ? rest : undefined),
  },
  {
    name: 'arpeggio_speaker_beats_dropped_total',
    help: 'Heartbeats not taken or not sent, by reason',
    label: 'reason',
    read: (word, rest) => (word === 'beat' && !TAKEN.has(rest) ? rest : undefined),
  },
];

/**
 * Counters kept elsewhere, shown as they are; a restart of the speaker starts them anew. Each one
 * collects for itself: a registry renders one metric without waiting for the others.
 */
function showCounters(registry: Registry, count: () => Promise<ReadonlyMap<string, bigint>>): void {
  let counting: Promise<ReadonlyMap<string, bigint>> | undefined;
  const counted = (): Promise<ReadonlyMap<string, bigint>> => {
    counting ??= count().finally(() => (counting = undefined));
    return counting;
  };
  for (const { name, help, label, read } of COUNTERS) {
    new Counter({
      name,
      help,
      labelNames: [label],
      registers: [registry],
      async collect() {
        const all = await counted();
        this.reset();
        for (const [key, value] of all) {
          const [word = '', rest = ''] = key.split(' ');
          const of = read(word, rest);
          if (of !== undefined) this.inc({ [label]: of }, Number(value));
        }
      },
    });
  }
}
