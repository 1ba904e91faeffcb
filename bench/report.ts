/**
 * The results of `bench answer` for people (a table with targets) and for programs (one object).
 */
import { medians, ratio } from './answer.ts';
import type { Answers, Rounds } from './answer.ts';
import { FAMILIES, METRICS, TARGETS, VARIANTS } from './variants.ts';
import type { Family, Measurement, Metric, Variant } from './variants.ts';

type Variants<T> = Readonly<Record<Variant, T>>;

interface FamilyReport {
  /** Medians over rounds. */
  readonly variants: Variants<Measurement>;
  /** To `kernel`; medians of the ratios within rounds. */
  readonly ratios: Variants<Measurement>;
}

/** ARP at the top, as most readers want it. */
export type AnswerReport = FamilyReport & { readonly ndp: FamilyReport };

function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}

function each<T>(value: (variant: Variant) => T): Variants<T> {
  return Object.fromEntries(VARIANTS.map((variant) => [variant, value(variant)])) as Variants<T>;
}

function rounded(value: (metric: Metric) => number): Measurement {
  const entries = METRICS.map((metric) => [metric, round(value(metric))] as const);
  return Object.fromEntries(entries) as Readonly<Record<Metric, number>>;
}

function familyReport(rounds: Rounds): FamilyReport {
  return {
    variants: each((variant) => rounded((metric) => medians(rounds, variant)[metric])),
    ratios: each((variant) => rounded((metric) => ratio(rounds, variant, metric))),
  };
}

export function asJson({ rounds }: Answers): AnswerReport {
  return { ...familyReport(rounds.arp), ndp: familyReport(rounds.ndp) };
}

const HEADINGS: Readonly<Record<Metric, string>> = {
  rtt_p50_us: 'rtt p50 us',
  rtt_p99_us: 'rtt p99 us',
  paced_p99_us: 'paced p99 us',
  replies_per_s: 'replies/s',
  cpu_us_per_reply: 'cpu us/reply',
};
const WIDTH = 20;

/** 3.41 (0.95): the value and its ratio to the kernel's; a missed target is marked. */
function cell(report: FamilyReport, variant: Variant, metric: Metric): string {
  const value = report.variants[variant][metric];
  const shown = metric === 'replies_per_s' ? value.toFixed(0) : value.toFixed(2);
  if (variant === 'kernel') return shown;
  const missed = TARGETS.some((target) => {
    if (target.metric !== metric || target.variant !== variant) return false;
    const found = report.ratios[variant][metric];
    if (value > (target.mostValue ?? Infinity)) return true;
    return found > (target.most ?? Infinity) || found < (target.least ?? 0);
  });
  return `${shown} (${report.ratios[variant][metric].toFixed(2)})${missed ? '!' : ' '}`;
}

function table(family: Family, report: FamilyReport): string {
  const columns = METRICS.map((metric) => HEADINGS[metric].padStart(WIDTH)).join('');
  const lines = VARIANTS.map((variant) => {
    const cells = METRICS.map((metric) => cell(report, variant, metric).padStart(WIDTH));
    return variant.padEnd(16) + cells.join('');
  });
  return [family.padEnd(16) + columns, ...lines].join('\n');
}

function targets(): string {
  const lines = METRICS.map((metric) => {
    const of = TARGETS.filter((target) => target.metric === metric);
    const wanted = of.map(({ variant, most, least, mostValue }) => {
      if (mostValue !== undefined) return `${variant} itself <= ${mostValue}`;
      return most === undefined ? `${variant} >= ${least}` : `${variant} <= ${most}`;
    });
    return wanted.length === 0 ? '' : `  ${HEADINGS[metric]}: ${wanted.join(', ')}\n`;
  });
  return `Targets, as ratios to the kernel's answer (in brackets; ! missed):\n${lines.join('')}`;
}

export function asTable(answers: Answers): string {
  const report = asJson(answers);
  const tables = FAMILIES.map((family) => table(family, family === 'arp' ? report : report.ndp));
  const count = answers.rounds.arp.get('kernel')?.length ?? 0;
  const foot = [
    `Medians of ${count} rounds; ${answers.lost} paced questions were not answered.`,
    `Keeping the lease takes ${(answers.beat / 1000).toFixed(1)} ms of processor time a second,`,
    'asked or not; it stands in both terms of the difference, so no reply is charged for it.',
  ];
  return `${tables.join('\n\n')}\n\n${targets()}${foot.join('\n')}\n`;
}
