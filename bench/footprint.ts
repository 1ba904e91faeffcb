/**
 * What the programs take of a node beside the user's own: memory of both with 100 and with 1,000
 * Services and EndpointSlices at an API server, the speaker holding every address; processor time
 * of an idle speaker with the beats of 3 and of 100 nodes. Bundled, in the environment of the
 * image, with a service account. RSS is what the kernel counts (`VmRSS`); anon the part of it that
 * is the program's own and not Node.js' code, which all share (`RssAnon`); peak the highest RSS.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Program } from '../lab/process.ts';
import { until } from '../lab/until.ts';
import { FIRST, Pod, bundled, takenBy } from './pod.ts';
import type { Name } from './pod.ts';

export interface Figure {
  readonly what: string;
  readonly unit: 'MiB' | '% of a core' | 'a second';
  readonly value: number;
  /** undefined: for information. */
  readonly most?: number;
}

export interface Footprint {
  readonly figures: readonly Figure[];
  readonly missed: readonly string[];
}

type Say = (text: string) => void;

const MOST: Readonly<Record<string, readonly [anon: number, rss: number]>> = {
  'speaker 100': [50, 95],
  'speaker 1000': [65, 110],
  'controller 100': [50, 100],
};
const IDLE: Readonly<Record<number, number>> = { 3: 1.5, 100: 4 };
const SETTLE_MS = 5000;
const REST_MS = 15_000;
const MEASURE_MS = 20_000;
const WITHIN_MS = 120_000;

export async function footprint(say: Say): Promise<Footprint> {
  const scratch = mkdtempSync(join(tmpdir(), 'arpeggio-footprint-'));
  try {
    say('bundling');
    const dist = bundled(scratch);
    const figures: Figure[] = [];
    for (const services of [100, 1000]) figures.push(...(await memory(dist, services, say)));
    for (const nodes of [3, 100]) figures.push(...(await idle(dist, nodes, say)));
    return { figures, missed: figures.flatMap(missedBy) };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function memory(dist: string, services: number, say: Say): Promise<readonly Figure[]> {
  say(`memory: ${services} Services and EndpointSlices`);
  const pod = new Pod(dist, { purpose: 'footprint', services, nodes: 1 });
  try {
    await pod.open();
    const controller = pod.start('controller');
    await pod.allocated();
    const speaker = pod.start('speaker');
    await pod.holds(speaker, services);
    const programs: Record<Name, Program> = { speaker, controller };
    await quiet(Object.values(programs));
    // Somebody has looked at each, as a Prometheus does.
    for (const name of ['speaker', 'controller'] as const) await pod.ask(name, '/metrics');
    await quiet(Object.values(programs));
    return Object.entries(programs).flatMap(([name, { pid }]) => {
      const { anon_mib, rss_mib, peak_mib } = takenBy(pid);
      const [anon, rss] = MOST[`${name} ${services}`] ?? [];
      const row = (which: string, value: number, most?: number): Figure => {
        const what = `${name}, ${services} Services: ${which}`;
        return { what, unit: 'MiB', value, ...(most === undefined ? {} : { most }) };
      };
      return [row('anon', anon_mib, anon), row('RSS', rss_mib, rss), row('peak', peak_mib)];
    });
  } finally {
    pod.close();
  }
}

async function idle(dist: string, nodes: number, say: Say): Promise<readonly Figure[]> {
  say(`idle: ${nodes} nodes`);
  const pod = new Pod(dist, { purpose: 'footprint', services: 100, nodes });
  try {
    await pod.open();
    pod.start('controller');
    await pod.allocated();
    const speaker = pod.start('speaker', (argv) => [...FIRST, ...argv]);
    await pod.ready('speaker', speaker);
    // What it takes to begin, and the collections after it.
    await delay(REST_MS);
    const before = takenBy(speaker.pid);
    await delay(MEASURE_MS);
    const after = takenBy(speaker.pid);
    const percent = ((after.cpu_s - before.cpu_s) / MEASURE_MS) * 1e5;
    const waits = ((after.waits - before.waits) / MEASURE_MS) * 1000;
    const what = `speaker, idle, ${nodes} nodes`;
    const most = IDLE[nodes];
    const limit = most === undefined ? {} : { most };
    return [
      { what, unit: '% of a core', value: Math.round(percent * 100) / 100, ...limit },
      { what: `${what}: waits`, unit: 'a second', value: Math.round(waits) },
    ];
  } finally {
    pod.close();
  }
}

/** They have taken next to nothing for a while. */
async function quiet(programs: readonly Program[]): Promise<void> {
  let before = -Infinity;
  const look = (): boolean => {
    const now = programs.reduce((all, { pid }) => all + takenBy(pid).cpu_s, 0);
    const isQuiet = now - before < 0.2;
    before = now;
    return isQuiet;
  };
  await until(look, { withinMs: WITHIN_MS, everyMs: SETTLE_MS, what: 'the programs to be quiet' });
}

function missedBy({ what, unit, value, most }: Figure): readonly string[] {
  if (most === undefined || value <= most) return [];
  return [`${what} is ${value} ${unit}, more than ${most}`];
}

export function footprintTable({ figures }: Footprint): string {
  const rows = figures.map(({ what, unit, value, most }) =>
    [what.padEnd(36), String(value).padStart(8), String(most ?? '').padStart(8), ` ${unit}`].join(
      '',
    ),
  );
  return [`${''.padEnd(36)}${'now'.padStart(8)}${'at most'.padStart(8)}`, ...rows, ''].join('\n');
}
