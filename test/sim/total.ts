/** Figures of one run or of several. */
import type { Instant } from '../../lib/time.ts';
import type { Scenario } from './scenario.ts';
import type { Outcome } from './simulate.ts';

export class Total {
  readonly #began: Instant;
  readonly #nodes: number[] = [];
  readonly #seeds: number[] = [];
  #seconds = 0;
  #falseTakeovers = 0;
  #gaps = 0;
  #hash = '';
  readonly #longest: Record<string, number> = {};

  constructor(began: Instant) {
    this.#began = began;
  }

  add({ names, seed }: Scenario, { seconds, judge, hash }: Outcome): void {
    this.#nodes.push(names.length);
    this.#seeds.push(seed);
    this.#seconds += seconds;
    this.#falseTakeovers += judge.counts.falseTakeovers;
    this.#gaps += judge.counts.gaps;
    this.#hash = this.#hash === '' ? hash : sum(this.#hash, hash);
    for (const [what, ms] of Object.entries(judge.longest)) {
      this.#longest[what] = Math.max(this.#longest[what] ?? 0, ms);
    }
  }

  words(now: Instant): string {
    const wall = ((now - this.#began) / 1000).toFixed(1);
    const what = `nodes=${span(this.#nodes)} seed=${span(this.#seeds)}`;
    const times = `virtual_s=${Math.round(this.#seconds)} wall_s=${wall}`;
    return `${what} ${times} false_takeovers=${this.#falseTakeovers} hash=${this.#hash}`;
  }

  /** What the checkers measured, in ms: healing, and two voices by what they come from. */
  longest(): string {
    const all = Object.entries(this.#longest).map(([what, ms]) => `${what} ${Math.round(ms)} ms`);
    return `longest: ${all.join(', ')}; leases that two lost beats ended: ${this.#gaps}`;
  }
}

function span(all: readonly number[]): string {
  const [least, most] = [Math.min(...all), Math.max(...all)];
  return least === most ? String(least) : `${least}-${most}`;
}

/** Of two hexadecimal numbers of 64 bits, without what is carried. */
function sum(a: string, b: string): string {
  const value = (BigInt(`0x${a}`) * 31n + BigInt(`0x${b}`)) & 0xffff_ffff_ffff_ffffn;
  return value.toString(16).padStart(16, '0');
}
