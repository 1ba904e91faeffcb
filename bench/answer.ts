/**
 * `bench answer`: how fast, how steadily and at what cost the planes answer, beside the kernel's
 * own ARP and NDP. Variants take turns within each round (A B C D A B C D), so that whatever else
 * the machine does falls on all of them; a ratio is the median of the ratios within rounds.
 */
import { Stage } from './stage.ts';
import type { Pinged, Place } from './stage.ts';
import { median } from './median.ts';
import { BLOCKED, FAMILIES, METRICS, VARIANTS } from './variants.ts';
import type { Family, Measurement, Metric, Variant } from './variants.ts';

const RTT_COUNT = 4000;
const PACED_RATE = 200;
const PACED_MS = 1500;
const FLOOD_MS = 400;
const LOAD_RATE = 5000;
const LOAD_MS = 1000;

/** The rounds of one family: per variant, one measurement each. */
export type Rounds = ReadonlyMap<Variant, readonly Measurement[]>;

export interface Answers {
  readonly rounds: Readonly<Record<Family, Rounds>>;
  /** Questions of the paced loop that were never answered. */
  readonly lost: number;
  /** Processor time that the plane's process takes in a second, asked or not, in microseconds. */
  readonly beat: number;
}

export async function answer(count: number, progress: (text: string) => void): Promise<Answers> {
  const stage = new Stage();
  try {
    progress('making namespaces and responders');
    await stage.open();
    const rounds = { arp: emptyRounds(), ndp: emptyRounds() };
    const beats: number[] = [];
    let lost = 0;
    for (let round = 1; round <= count; round++) {
      for (const family of FAMILIES) {
        progress(`round ${round} of ${count}: ${family} nobody`);
        const idle = await measureIdle(stage, family);
        beats.push(((idle.responders.get('bpf') ?? 0) * 1000) / LOAD_MS);
        for (const variant of VARIANTS) {
          progress(`round ${round} of ${count}: ${family} ${variant}`);
          stage.block(variant, BLOCKED.includes(variant));
          const measured = await measure(stage, variant, family, idle);
          stage.block(variant, false);
          lost += measured.lost;
          rounds[family].get(variant)?.push(measured.measurement);
        }
      }
    }
    return { rounds, lost, beat: median(beats) };
  } finally {
    stage.close();
  }
}

function emptyRounds(): Map<Variant, Measurement[]> {
  return new Map(VARIANTS.map((variant) => [variant, []]));
}

/** Processor time, in microseconds, of one load loop in which no question is answered. */
interface Idle {
  /** Of the asker. */
  readonly asker: number;
  /** Of each answering process meanwhile: its lease costs the same, asked or not. */
  readonly responders: ReadonlyMap<Variant, number>;
}

async function measureIdle(stage: Stage, family: Family): Promise<Idle> {
  const before = new Map<Variant, number>();
  for (const variant of VARIANTS) before.set(variant, await stage.cpu(variant));
  const { cpu_us: asker } = await load(stage, 'nobody', family);
  const responders = new Map<Variant, number>();
  for (const variant of VARIANTS) {
    responders.set(variant, (await stage.cpu(variant)) - (before.get(variant) ?? 0));
  }
  return { asker, responders };
}

function load(stage: Stage, place: Place, family: Family): Promise<Pinged> {
  return stage.ping(place, family, 'load', String(LOAD_RATE), String(LOAD_MS));
}

async function measure(
  stage: Stage,
  variant: Variant,
  family: Family,
  idle: Idle,
): Promise<{ measurement: Measurement; lost: number }> {
  const rtt = await stage.ping(variant, family, 'rtt', String(RTT_COUNT));
  const paced = await stage.ping(variant, family, 'paced', String(PACED_RATE), String(PACED_MS));
  const flood = await stage.ping(variant, family, 'flood', String(FLOOD_MS));
  // The node's softirq runs in the context of the asker.
  const before = await stage.cpu(variant);
  const loaded = await load(stage, variant, family);
  const responder = (await stage.cpu(variant)) - before - (idle.responders.get(variant) ?? 0);
  const measurement = {
    rtt_p50_us: rtt.p50,
    rtt_p99_us: rtt.p99,
    paced_p99_us: paced.p99,
    replies_per_s: flood.per_s,
    cpu_us_per_reply: (loaded.cpu_us - idle.asker + responder) / loaded.got,
  };
  return { measurement, lost: paced.lost };
}

export function medians(rounds: Rounds, variant: Variant): Measurement {
  const of = (metric: Metric): number =>
    median((rounds.get(variant) ?? []).map((one) => one[metric]));
  return Object.fromEntries(
    METRICS.map((metric) => [metric, of(metric)]),
  ) as unknown as Measurement;
}

/** The median over rounds of variant / kernel. */
export function ratio(rounds: Rounds, variant: Variant, metric: Metric): number {
  const kernel = rounds.get('kernel') ?? [];
  const others = rounds.get(variant) ?? [];
  return median(others.map((one, round) => one[metric] / (kernel[round]?.[metric] ?? Number.NaN)));
}
