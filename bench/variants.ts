/**
 * Who answers in the bench, and what must come out of it.
 */

export const VIP4 = '192.0.2.240';
export const VIP6 = '2001:db8::240';

export const VARIANTS = [
  'kernel',
  'bpf',
  'bpf-10k',
  'bpf-blocked',
  'packet',
  'packet-blocked',
] as const;
export type Variant = (typeof VARIANTS)[number];

/** The process behind a variant; `kernel` has none. */
export const PROCESSES: Partial<Record<Variant, { plane: 'bpf' | 'packet'; addresses: number }>> = {
  bpf: { plane: 'bpf', addresses: 2 },
  'bpf-10k': { plane: 'bpf', addresses: 10_000 },
  'bpf-blocked': { plane: 'bpf', addresses: 2 },
  packet: { plane: 'packet', addresses: 2 },
  'packet-blocked': { plane: 'packet', addresses: 2 },
};
/** Those whose main thread is busy half of the time while they are asked. */
export const BLOCKED: readonly Variant[] = ['bpf-blocked', 'packet-blocked'];

export const FAMILIES = ['arp', 'ndp'] as const;
export type Family = (typeof FAMILIES)[number];

/** The numbers of one variant and family; the keys are those of `--json`. */
export interface Measurement {
  /** Closed loop: one question at a time. */
  readonly rtt_p50_us: number;
  readonly rtt_p99_us: number;
  /** 200 questions a second on schedule, arrivals stamped by the client's kernel. */
  readonly paced_p99_us: number;
  /** With 256 questions under way. */
  readonly replies_per_s: number;
  /** At 5,000 questions a second, softirq included, less the same where nobody answers. */
  readonly cpu_us_per_reply: number;
}

export type Metric = keyof Measurement;

export const METRICS: readonly Metric[] = [
  'rtt_p50_us',
  'rtt_p99_us',
  'paced_p99_us',
  'replies_per_s',
  'cpu_us_per_reply',
];

export interface Target {
  readonly metric: Metric;
  readonly variant: Variant;
  /** The ratio to `kernel` is at most, or at least, this. */
  readonly most?: number;
  readonly least?: number;
  /** The value itself is at most this. */
  readonly mostValue?: number;
}

/** For both families. */
export const TARGETS: readonly Target[] = [
  { metric: 'rtt_p50_us', variant: 'bpf', most: 1.15 },
  { metric: 'rtt_p50_us', variant: 'bpf-10k', most: 1.25 },
  { metric: 'paced_p99_us', variant: 'bpf', most: 1.5 },
  { metric: 'paced_p99_us', variant: 'bpf-10k', most: 1.5 },
  { metric: 'paced_p99_us', variant: 'bpf-blocked', most: 1.5 },
  { metric: 'replies_per_s', variant: 'bpf', least: 1 },
  { metric: 'replies_per_s', variant: 'bpf-10k', least: 1 },
  { metric: 'cpu_us_per_reply', variant: 'bpf', most: 1 },
  { metric: 'cpu_us_per_reply', variant: 'bpf-10k', most: 1 },
  { metric: 'rtt_p50_us', variant: 'packet', most: 5 },
  { metric: 'paced_p99_us', variant: 'packet-blocked', mostValue: 5000 },
];
