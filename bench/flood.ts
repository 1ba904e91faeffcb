/**
 * `bench flood`: what a flood of questions for addresses that are nobody's costs, and whether
 * answers get lost in it. 100,000 ARP requests a second for the other addresses of the subnet in
 * turn, as a scan asks, enter the node, and beside them 200 questions a second for an address that
 * is answered. Variants take turns within each round.
 *
 * Charged to a variant: the processor time of the asker (the node's softirq runs in its context)
 * beyond what the same flood costs in the same round where nobody of ours listens, and that of the
 * answering process beyond what it takes at rest. `kernel` is the measure's own error.
 */
import { Stage } from './stage.ts';
import { median } from './median.ts';
import type { Variant } from './variants.ts';

const RATE = 100_000;
const FLOOD_MS = 3000;
const PACED_RATE = 200;
/** Shorter than the flood by what a start takes. */
const PACED_MS = 2500;

/** In cores, by variant; `bpf-10k` has as many addresses. */
const LIMITS = { bpf: 0.05, 'bpf-10k': 0.05, packet: 0.2 } as const;
const FLOODED = ['kernel', 'bpf', 'bpf-10k', 'packet'] as const satisfies readonly Variant[];
type Flooded = (typeof FLOODED)[number];

interface One {
  readonly cores: number;
  /** Of the flood. */
  readonly rate: number;
  readonly lost: number;
  readonly p99: number;
}

export interface Flood {
  /** Of processor time that the flood itself takes, where nobody of ours listens. */
  readonly baseline_cores: number;
  readonly variants: Readonly<Record<Flooded, FloodFigures>>;
  readonly missed: readonly string[];
}

interface FloodFigures {
  readonly cores: number;
  readonly cores_most: number;
  readonly flood_per_s: number;
  readonly asked: number;
  readonly lost: number;
  readonly paced_p99_us: number;
}

export async function flood(rounds: number, say: (text: string) => void): Promise<Flood> {
  const stage = new Stage();
  try {
    say('making namespaces and responders');
    await stage.open();
    const found = new Map<Flooded, One[]>(FLOODED.map((variant) => [variant, []]));
    const baselines: number[] = [];
    for (let round = 1; round <= rounds; round += 1) {
      say(`round ${round} of ${rounds}`);
      const idle = await atRest(stage);
      baselines.push(idle.asker / (FLOOD_MS * 1000));
      for (const variant of FLOODED) {
        found.get(variant)?.push(await flooded(stage, variant, idle));
      }
    }
    return report(found, baselines);
  } finally {
    stage.close();
  }
}

interface Rest {
  readonly asker: number;
  readonly responders: ReadonlyMap<Flooded, number>;
}

/** The same flood where nobody of ours listens, and what our processes take meanwhile. */
async function atRest(stage: Stage): Promise<Rest> {
  const before = new Map<Flooded, number>();
  for (const variant of FLOODED) before.set(variant, await stage.cpu(variant));
  const [{ cpu_us: asker }] = await Promise.all([
    stage.ping('nobody', 'arp', 'sweep', String(RATE), String(FLOOD_MS)),
    stage.ping('nobody', 'arp', 'paced', String(PACED_RATE), String(PACED_MS)),
  ]);
  const responders = new Map<Flooded, number>();
  for (const variant of FLOODED) {
    responders.set(variant, (await stage.cpu(variant)) - (before.get(variant) ?? 0));
  }
  return { asker, responders };
}

async function flooded(stage: Stage, variant: Flooded, idle: Rest): Promise<One> {
  const before = await stage.cpu(variant);
  const [swept, paced] = await Promise.all([
    stage.ping(variant, 'arp', 'sweep', String(RATE), String(FLOOD_MS)),
    stage.ping(variant, 'arp', 'paced', String(PACED_RATE), String(PACED_MS)),
  ]);
  const responder = (await stage.cpu(variant)) - before - (idle.responders.get(variant) ?? 0);
  return {
    cores: (swept.cpu_us - idle.asker + responder) / (FLOOD_MS * 1000),
    rate: swept.per_s,
    lost: paced.lost,
    p99: paced.p99,
  };
}

function report(found: ReadonlyMap<Flooded, readonly One[]>, baselines: readonly number[]): Flood {
  const round = (value: number): number => Math.round(value * 10_000) / 10_000;
  const missed: string[] = [];
  const figures = FLOODED.map((variant) => {
    const all = found.get(variant) ?? [];
    const of = (key: keyof One): number[] => all.map((each) => each[key]);
    const [cores, lost] = [median(of('cores')), of('lost').reduce((sum, each) => sum + each, 0)];
    if (variant !== 'kernel' && cores > LIMITS[variant]) {
      missed.push(`${variant} takes ${round(cores)} of a core (limit ${LIMITS[variant]})`);
    }
    if (variant !== 'kernel' && lost > 0) missed.push(`${variant} lost ${lost} questions`);
    const one: FloodFigures = {
      cores: round(cores),
      cores_most: round(Math.max(...of('cores'))),
      flood_per_s: Math.round(median(of('rate'))),
      asked: (all.length * PACED_RATE * PACED_MS) / 1000,
      lost,
      paced_p99_us: round(median(of('p99'))),
    };
    return [variant, one] as const;
  });
  const variants = Object.fromEntries(figures) as Record<Flooded, FloodFigures>;
  return { baseline_cores: round(median(baselines)), variants, missed };
}

export function floodTable({ baseline_cores: base, variants, missed }: Flood): string {
  const lines = FLOODED.map((variant) => {
    const {
      cores,
      cores_most: most,
      flood_per_s: rate,
      asked,
      lost,
      paced_p99_us: p99,
    } = variants[variant];
    const cells = [cores.toFixed(3), most.toFixed(3), rate, `${lost} of ${asked}`, p99.toFixed(0)];
    return `| ${[variant, ...cells].join(' | ')} |`;
  });
  const head = '| 100,000 ARP/s | cores, median | most | flood/s | lost | paced p99 µs |';
  const rule = '|---|---|---|---|---|---|';
  const foot = `The flood itself takes ${base.toFixed(3)} cores where nobody of ours listens.`;
  return `${[head, rule, ...lines, '', foot, ...missed].join('\n')}\n`;
}
