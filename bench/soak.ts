/**
 * Whether a speaker grows in a long run: 1,000 addresses on three nodes, and for as long as asked
 * for, Services that come and go, endpoints that turn ready and not, watches that end, cables
 * pulled, interfaces that appear and vanish, a node killed and started, a node frozen. Two of the
 * speakers live through all of it and are looked at every few seconds: descriptors, BPF objects,
 * memory. `nodejs_external_memory_bytes` is asked of the speaker itself.
 *
 * Growth is that of the second half (growth.ts). Over a limit the run fails.
 */
import { join } from 'node:path';
import { executeSync } from '../lab/execute.ts';
import { LabFailure } from '../lab/failure.ts';
import type { Program } from '../lab/process.ts';
import type { Host } from '../lab/segment.ts';
import { monotonic } from '../lib/io/clock.ts';
import type { Millis } from '../lib/time.ts';
import { Crowd, announced } from './crowd.ts';
import { footing } from './footing.ts';
import type { Footing } from './footing.ts';
import { floors, growth, secondHalf } from './growth.ts';
import type { Growth, Sample } from './growth.ts';

const ADDRESSES = 1000;
const CHURN: Millis = 1000;
const FAULT_EVERY: Millis = 20_000;
const SAMPLE_EVERY: Millis = 10_000;
const ASK_RATE = 2000;
const MINUTE: Millis = 60_000;

export const PLANES = ['bpf', 'packet'] as const;
export type Plane = (typeof PLANES)[number];

type Measure = 'descriptors' | 'bpf' | 'anon_mib' | 'rss_mib' | 'external_mib';

/** Of growth in an hour; what a slope cannot tell from noise is below. */
const LIMITS: Readonly<Record<Measure, number>> = {
  descriptors: 2,
  bpf: 1,
  anon_mib: 4,
  rss_mib: 4,
  external_mib: 2,
};
const MEASURES = Object.keys(LIMITS) as readonly Measure[];

interface Figure {
  readonly first: number;
  readonly last: number;
  readonly most: number;
  readonly per_hour: number;
  readonly error: number;
  readonly limit: number;
}

export interface Soak {
  readonly plane: Plane;
  readonly minutes: number;
  readonly addresses: number;
  readonly faults: number;
  readonly churn: string;
  readonly answers: string;
  readonly speakers: Readonly<Record<string, Readonly<Record<Measure, Figure>>>>;
  /** Sentences; empty when nothing is over its limit. */
  readonly over: readonly string[];
}

export async function soak(
  plane: Plane,
  minutes: number,
  say: (text: string) => void,
): Promise<Soak> {
  const run = new Run(plane, say);
  try {
    await run.open();
    await run.soak(minutes * MINUTE);
    return run.result(minutes);
  } finally {
    run.close();
  }
}

class Run {
  readonly #plane: Plane;
  readonly #say: (text: string) => void;
  readonly #crowd: Crowd;
  readonly #lasting = new Map<Host, Program>();
  readonly #partner: Host;
  #restarted: Program | undefined;
  readonly #series = new Map<string, Record<Measure, Sample[]>>();
  #kinds: Footing['kinds'] = {};
  #faults = 0;
  #answers = '';

  constructor(plane: Plane, say: (text: string) => void) {
    this.#plane = plane;
    this.#say = say;
    const addresses = Array.from({ length: ADDRESSES }, (_, n) => `198.18.${n >> 8}.${n & 255}`);
    const flags = [`--data-plane=${plane}`, '--gratuitous-arp-interval=30'];
    const of = { nodes: 3, addresses, churn: CHURN, flags };
    this.#crowd = new Crowd({ purpose: `soak${plane}`, ...of });
    const partner = this.#crowd.segment.nodes.at(-1);
    if (partner === undefined) throw new Error('a segment has nodes');
    this.#partner = partner;
  }

  async open(): Promise<void> {
    const sweeper = join(import.meta.dirname, 'native/sweeper.c');
    const argv = ['cc', '-O2', '-o', join(this.#crowd.directory, 'sweeper'), sweeper];
    const built = executeSync(argv);
    if (built.code !== 0) throw new LabFailure(`cannot build the sweeper:\n${built.stderr}`);
    await this.#crowd.open();
    for (const node of this.#crowd.segment.nodes) {
      const speaker = this.#crowd.start(node);
      if (node === this.#partner) this.#restarted = speaker;
      else this.#lasting.set(node, speaker);
    }
    for (const [node, speaker] of this.#lasting) await this.#crowd.ready(node, speaker);
  }

  async soak(length: Millis): Promise<void> {
    const began = monotonic();
    let [sampleAt, faultAt, tellAt] = [began, began + FAULT_EVERY, began];
    while (monotonic() < began + length) {
      const now = monotonic();
      if (now >= sampleAt) {
        sampleAt = now + SAMPLE_EVERY;
        await this.#sample();
      }
      if (now >= faultAt) {
        await this.#fault();
        faultAt = monotonic() + FAULT_EVERY;
      }
      if (now >= tellAt) {
        tellAt = now + MINUTE;
        this.#tell();
      }
      await rest(Math.max(0, Math.min(sampleAt, faultAt) - monotonic()));
    }
    await this.#sample();
    this.#tell();
  }

  result(minutes: number): Soak {
    const over: string[] = [];
    const speakers = [...this.#series].map(([name, series]) => {
      const figures = MEASURES.map((measure) => {
        const one = figure(series[measure], LIMITS[measure]);
        if (one.per_hour > one.limit) {
          over.push(`${name}: ${measure} grows by ${one.per_hour} an hour (limit ${one.limit})`);
        }
        return [measure, one] as const;
      });
      return [name, Object.fromEntries(figures) as Record<Measure, Figure>] as const;
    });
    return {
      plane: this.#plane,
      minutes,
      addresses: ADDRESSES,
      faults: this.#faults,
      churn: this.#crowd.told(),
      answers: this.#answers,
      speakers: Object.fromEntries(speakers),
      over,
    };
  }

  close(): void {
    this.#crowd.close();
  }

  async #sample(): Promise<void> {
    this.#crowd.check();
    for (const [node, { pid, exit, name }] of this.#lasting) {
      if (exit !== undefined) throw new LabFailure(`${name} ended in the run`);
      const metrics = await this.#crowd.metrics(node);
      const external = /^nodejs_external_memory_bytes (\S+)$/m.exec(metrics ?? '')?.[1];
      const { kinds, ...found } = footing(pid);
      if (metrics !== undefined && external !== undefined) {
        this.#put(node.name, { ...found, external_mib: Number(external) / 2 ** 20 });
      }
      this.#kinds = kinds;
    }
  }

  #put(name: string, values: Readonly<Record<Measure, number>>): void {
    const known = this.#series.get(name);
    const series =
      known ??
      (Object.fromEntries(MEASURES.map((each) => [each, []])) as unknown as NonNullable<
        typeof known
      >);
    this.#series.set(name, series);
    const at = monotonic();
    for (const measure of MEASURES) series[measure].push({ at, value: values[measure] });
  }

  #tell(): void {
    const all = [...this.#series].map(([name, series]) => {
      const last = MEASURES.map((each) => `${each} ${series[each].at(-1)?.value.toFixed(1)}`);
      return `${name}: ${last.join(', ')}`;
    });
    this.#say(`${all.join('; ')}; ${this.#faults} faults; ${this.#answers}`);
    this.#say(`  ${JSON.stringify(this.#kinds)}; ${this.#crowd.told()}`);
  }

  /** One fault after the other, each mended before the next. */
  async #fault(): Promise<void> {
    const faults = [
      () => this.#cable(),
      () => this.#interface(),
      () => this.#power(),
      () => this.#freeze(),
      () => this.#ask(),
    ];
    await faults[this.#faults % faults.length]?.();
    this.#faults += 1;
  }

  async #cable(): Promise<void> {
    const nodes = [...this.#lasting.keys()];
    const node = nodes[this.#faults % nodes.length];
    if (node === undefined) return;
    this.#crowd.segment.unplug(node);
    await rest(1500);
    this.#crowd.segment.plug(node);
  }

  /** An interface of its own comes, gets an address, another name and another MAC, and goes. */
  async #interface(): Promise<void> {
    for (const { namespace } of this.#lasting.keys()) {
      namespace.ip('link add extra0 type veth peer name extra1', 'link set extra1 up');
      namespace.ip('addr add 203.0.113.1/24 dev extra0', 'link set extra0 up');
    }
    await rest(1000);
    for (const { namespace } of this.#lasting.keys()) {
      namespace.ip('link set extra0 down', 'link set extra0 name extra2');
      namespace.ip('link set extra2 address 02:00:00:00:00:01', 'link set extra2 up');
    }
    await rest(1000);
    for (const { namespace } of this.#lasting.keys()) namespace.ip('link del extra2');
  }

  async #power(): Promise<void> {
    this.#restarted?.signal('SIGKILL');
    await rest(1500);
    this.#restarted = this.#crowd.start(this.#partner);
  }

  async #freeze(): Promise<void> {
    const lasting = [...this.#lasting.values()];
    const frozen = lasting[this.#faults % lasting.length];
    frozen?.signal('SIGSTOP');
    await rest(1000);
    frozen?.signal('SIGCONT');
  }

  /** Everybody is asked for all addresses; those that are gone give no answer. */
  async #ask(): Promise<void> {
    const { directory, segment } = this.#crowd;
    const [sweeper, list] = [join(directory, 'sweeper'), join(directory, 'addresses')];
    const argv = [sweeper, 'eth0', 'ask', list, String(ASK_RATE), '1'];
    const done = await segment.client.namespace.exec(argv, { timeoutMs: 30_000 });
    if (done.code !== 0) throw new LabFailure(`the sweeper failed: ${done.stderr}`);
    const { answered, two } = JSON.parse(done.stdout) as { answered: number; two: number };
    const metrics = await Promise.all(
      segment.nodes.map(async (node) => announced((await this.#crowd.metrics(node)) ?? '')),
    );
    const held = metrics.reduce((sum, each) => sum + each, 0);
    this.#answers = `${answered} answered of ${held} announced, ${two} by two`;
  }
}

function figure(samples: readonly Sample[], limit: number): Figure {
  const slope: Growth = growth(secondHalf(floors(samples)));
  const round = (value: number): number => Math.round(value * 100) / 100;
  const [first, last] = [samples.at(0)?.value ?? 0, samples.at(-1)?.value ?? 0];
  const most = Math.max(...samples.map(({ value }) => value));
  const shown = { first, last, most, per_hour: slope.perHour, error: slope.error };
  const entries = Object.entries(shown).map(([key, value]) => [key, round(value)] as const);
  return { ...(Object.fromEntries(entries) as unknown as typeof shown), limit };
}

export function soakTable(found: Soak): string {
  const lines = Object.entries(found.speakers).flatMap(([name, figures]) =>
    MEASURES.map((measure) => {
      const { first, last, most, per_hour: slope, error, limit } = figures[measure];
      const cells = [first, last, most, `${slope} ± ${error}`, limit].join(' | ');
      return `| ${name} | ${measure} | ${cells} |`;
    }),
  );
  const head =
    '| speaker | what | first | last | most | an hour | limit |\n|---|---|---|---|---|---|---|';
  const { plane, minutes, addresses, faults, churn, answers } = found;
  const foot = `${plane}, ${minutes} minutes, ${addresses} addresses, ${faults} faults; ${churn}`;
  return `${head}\n${lines.join('\n')}\n\n${foot}; ${answers}\n${found.over.join('\n')}\n`;
}

function rest(ms: Millis): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}
