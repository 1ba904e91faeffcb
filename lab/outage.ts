/**
 * Measures an outage as a client sees it: the longest time without a successful answer, with a new
 * connection tried every 10 ms (see pulse.ts). Times are of completions: an attempt sent into the
 * dark that a SYN retransmission saves a second later does not make the outage look shorter.
 * Resolution: the interval.
 */
import { join } from 'node:path';
import { monotonic } from '../lib/io/clock.ts';
import type { Instant } from '../lib/time.ts';
import type { Lab, Namespace } from './namespace.ts';
import { Program } from './process.ts';

export interface Beat {
  /** When the attempt began. */
  readonly sent: Instant;
  /** When its result was known. */
  readonly at: Instant;
  readonly ok: boolean;
  /** The body, or the error. */
  readonly text: string;
}

export interface Outage {
  /** The longest gap between neighbouring successes, in milliseconds. */
  readonly ms: number;
  readonly from: Instant;
  readonly to: Instant;
}

/**
 * The longest gap between neighbouring successes that ends after `since`; undefined when there
 * was no success before `since`, or none after it: then there is no end to measure.
 */
export function longestGap(beats: readonly Beat[], since: Instant): Outage | undefined {
  const times = beats.filter((beat) => beat.ok).map((beat) => beat.at);
  times.sort((a, b) => a - b);
  let longest: Outage | undefined;
  for (let i = 1; i < times.length; i += 1) {
    const [from, to] = [times[i - 1] ?? 0, times[i] ?? 0];
    if (to < since) continue;
    if (longest === undefined || to - from > longest.ms) longest = { ms: to - from, from, to };
  }
  return longest;
}

export interface MeterOptions {
  readonly namespace: Namespace;
  readonly url: string;
  /** For the log of the measuring process. */
  readonly directory: string;
  readonly name?: string;
  readonly intervalMs?: number;
  readonly timeoutMs?: number;
}

export class OutageMeter {
  readonly #pulse: Program;
  readonly #beats: Beat[] = [];
  #read = 0;

  private constructor(pulse: Program) {
    this.#pulse = pulse;
  }

  /** Starts, and waits for the first twenty good answers in a row. */
  static async start(lab: Lab, options: MeterOptions): Promise<OutageMeter> {
    const { url, intervalMs = 10, timeoutMs = 1000 } = options;
    const script = join(import.meta.dirname, 'pulse.ts');
    const argv = [process.execPath, script, url, String(intervalMs), String(timeoutMs)];
    const { namespace, directory, name = 'outage' } = options;
    const meter = new OutageMeter(Program.start(lab, { name, argv, directory, namespace }));
    await meter.goodAnswersSince(0, 20, 15_000);
    return meter;
  }

  /** Every finished attempt so far, in order of completion. */
  beats(): readonly Beat[] {
    const text = this.#pulse.logFrom(this.#read);
    const end = text.lastIndexOf('\n') + 1;
    this.#read += end;
    const lines = text.toString('utf8', 0, end).split('\n').slice(0, -1);
    this.#beats.push(...lines.map((line) => JSON.parse(line) as Beat));
    return this.#beats;
  }

  /** Waits for `count` good answers in a row to attempts sent after `since`. */
  goodAnswersSince(since: Instant, count: number, withinMs: number): Promise<true> {
    const look = (): boolean => {
      const sent = this.beats().filter((beat) => beat.sent >= since);
      return sent.length >= count && sent.slice(-count).every((beat) => beat.ok);
    };
    const what = `${count} good answers in a row`;
    return this.#pulse.until(() => (look() ? true : undefined), withinMs, what);
  }

  /** The outage around an event at `since`; call it when answers are good again. */
  outage(since: Instant): Outage | undefined {
    return longestGap(this.beats(), since);
  }

  /** Ends the measuring process. */
  async stop(): Promise<void> {
    await this.#pulse.kill();
  }

  static now(): Instant {
    return monotonic();
  }
}
