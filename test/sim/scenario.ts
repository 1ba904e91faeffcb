/**
 * What is to happen in a run, as plain data: it can be written down, played again, and made
 * smaller. A seed makes one: weather (loss, delay, clock rates), and episodes of faults that
 * overlap, each followed by a calm in which everything must come right and then stay as it is.
 */
import { unreachable } from '../../lib/assert.ts';
import { seeded } from '../../lib/random.ts';
import type { Random } from '../../lib/random.ts';
import type { Instant, Millis } from '../../lib/time.ts';

export const KINDS = [
  ...(['crash', 'stop', 'freeze', 'partition', 'oneway', 'heartbeat', 'cable', 'link'] as const),
  ...(['stranger', 'address', 'order', 'drift'] as const),
] as const;

export type Kind = (typeof KINDS)[number];

/** `until`: all that it means is over, but for what nodes make of it. */
interface Span {
  readonly at: Instant;
  readonly until: Instant;
}

export type Fault = Span &
  (
    | { readonly kind: 'crash' | 'stop' | 'link'; readonly who: string }
    /** `lost`: what arrived meanwhile is gone. */
    | { readonly kind: 'freeze'; readonly who: string; readonly lost: boolean }
    /** Those do not reach the rest, nor the rest them; `oneway`: but the rest reaches them. */
    | { readonly kind: 'partition' | 'oneway' | 'heartbeat'; readonly who: readonly string[] }
    /** Told of after `notice`, both times; the port forwards that long after it is back. */
    | {
        readonly kind: 'cable';
        readonly who: string;
        readonly notice: Millis;
        readonly forwards: Millis;
      }
    /** A host that is none of ours claims the address and answers for it. */
    | { readonly kind: 'stranger'; readonly ip: string }
    /** A new order; each node is told of it at its own time. `isNew`: of a new address. */
    | {
        readonly kind: 'order';
        readonly ip: string;
        readonly owners: readonly string[];
        readonly isNew: boolean;
      }
  );

export interface Weather {
  readonly loss: number;
  /** One-way, of beats and of frames. */
  readonly delay: readonly [Millis, Millis];
  readonly frameDelay: readonly [Millis, Millis];
  readonly late: Millis;
  readonly drift: number;
  readonly ageing: Millis;
}

export interface Scenario {
  readonly seed: number;
  readonly names: readonly string[];
  readonly minutes: number;
  readonly isolation: 'keep' | 'stop';
  readonly orders: Readonly<Record<string, readonly string[]>>;
  readonly weather: Weather;
  readonly faults: readonly Fault[];
}

export interface ScenarioOptions {
  readonly nodes: number;
  readonly seed: number;
  readonly minutes: number;
  readonly vips: number;
  readonly kinds: ReadonlySet<Kind>;
}

/** All nodes start at once; after this nothing of that is left. */
export const START: Millis = 15_000;
/** Within this the faults of an episode begin. */
const EPISODE: Millis = 1500;
export const LEAST_CALM: Millis = 9000;

export function newScenario({ nodes, seed, minutes, vips, kinds }: ScenarioOptions): Scenario {
  const random = seeded(seed);
  const digits = String(nodes - 1).length;
  const names = Array.from({ length: nodes }, (_, i) => `n${String(i).padStart(digits, '0')}`);
  const draw = new Draw(random, names);
  const ips = Array.from({ length: vips }, (_, i) => vip(i));
  const orders = Object.fromEntries(ips.map((ip) => [ip, draw.order()]));
  const isolation = random() < 0.75 ? 'keep' : 'stop';
  const weather = weatherOf(draw, kinds.has('drift'));
  const possible = KINDS.filter((kind) => kind !== 'drift').filter((kind) => kinds.has(kind));
  const faults: Fault[] = [];
  const last = minutes * 60_000 - LEAST_CALM;
  for (let at = START; possible.length > 0;) {
    const episode: Fault[] = [];
    for (let count = 1 + Math.floor(random() * 3.5); count > 0; count--) {
      const kind = draw.one(possible);
      if (kind === 'address') ips.push(vip(ips.length));
      const ip = kind === 'address' ? (ips.at(-1) ?? '') : draw.one(ips);
      episode.push(draw.fault(kind, at + random() * EPISODE, ip));
    }
    const over = Math.max(...episode.map(({ until }) => until));
    if (over > last) break;
    faults.push(...episode);
    at = over + LEAST_CALM + random() * 8000;
  }
  faults.sort((a, b) => a.at - b.at);
  return { seed, names, minutes, isolation, orders, weather, faults };
}

function weatherOf(draw: Draw, drifts: boolean): Weather {
  const slowest = draw.one([0.3, 1, 5, 20]);
  return {
    loss: draw.one([0, 0, 0.001, 0.01, 0.02]),
    delay: [0.1, slowest],
    // A question to the segment is judged after 30 ms: there and back must fit.
    frameDelay: [0.05, Math.min(slowest, 10)],
    late: draw.one([0, 1, 3]),
    // Crystals are good to 100 parts in a million; what steers them (NTP) may add 500.
    drift: drifts ? draw.one([0, 0.0001, 0.0006]) : 0,
    ageing: draw.one([5000, 300_000]),
  };
}

/** IPv4 and IPv6 of the documentation's blocks. */
function vip(number: number): string {
  const host = number + 1;
  if (number % 5 === 4 || number > 400) return `2001:db8:1::${host.toString(16)}`;
  return number < 200 ? `198.51.100.${host}` : `192.0.2.${host - 200}`;
}

class Draw {
  readonly #random: Random;
  readonly #names: readonly string[];

  constructor(random: Random, names: readonly string[]) {
    this.#random = random;
    this.#names = names;
  }

  one<T>(all: readonly T[]): T {
    const chosen = all[Math.floor(this.#random() * all.length)];
    if (chosen === undefined) throw new Error('nothing to choose from');
    return chosen;
  }

  order(): readonly string[] {
    const keyed = this.#names.map((name) => [this.#random(), name] as const);
    return keyed.toSorted(([a], [b]) => a - b).map(([, name]) => name);
  }

  /** Some, but not all. */
  #group(): readonly string[] {
    const most = Math.max(1, this.#names.length - 1);
    return this.order().slice(0, 1 + Math.floor(this.#random() * most));
  }

  /** From 20 ms to 8 s, as many short ones as long ones. */
  #duration(): Millis {
    return 20 * 400 ** this.#random();
  }

  fault(kind: Exclude<Kind, 'drift'>, at: Instant, ip: string): Fault {
    const until = at + this.#duration();
    const who = this.one(this.#names);
    switch (kind) {
      case 'crash':
      case 'stop':
      case 'link':
        return { kind, at, until, who };
      case 'freeze':
        return { kind, at, until, who, lost: this.#random() < 0.5 };
      case 'partition':
      case 'oneway':
      case 'heartbeat':
        return { kind, at, until, who: this.#group() };
      case 'cable': {
        const notice = this.one([1, 5, 1000]);
        return { kind, at, until: until + 2000, who, notice, forwards: this.#random() * 2000 };
      }
      case 'stranger':
        return { kind, at, until, ip };
      case 'address':
      case 'order':
        return { kind: 'order', at, until, ip, owners: this.order(), isNew: kind === 'address' };
      default:
        return unreachable(kind);
    }
  }
}
