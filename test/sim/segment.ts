/**
 * The simulated segment: a learning switch whose table ages (IEEE 802.1D 7.9), and who reaches
 * whom by it. Beats are datagrams of the same segment, so what cuts frames cuts beats too; what
 * only beats suffer from (a firewall, a full queue) is kept apart. Cuts are counted, because
 * several faults can hold the same path.
 *
 * All hosts hang on one switch; a partition is pairs of them that no longer reach each other. That
 * is what two switches with a broken cable between them look like to the hosts.
 */
import type { Random } from '../../lib/random.ts';
import type { Instant, Millis } from '../../lib/time.ts';
import { macFromBytes } from '../../net/mac.ts';
import type { Mac } from '../../net/mac.ts';

export interface SegmentOptions {
  readonly random: Random;
  /** Probability that a datagram or a frame is lost. */
  readonly loss?: number | undefined;
  /** One-way delay of a beat, uniform between the two; more than a beat apart: reordered. */
  readonly delay?: readonly [Millis, Millis] | undefined;
  /** The same for frames; that of beats unless told. */
  readonly frameDelay?: readonly [Millis, Millis] | undefined;
  /** After so long without a frame from it the switch forgets where a MAC is. */
  readonly ageing?: Millis | undefined;
}

const AGEING: Millis = 300_000;

export class Segment {
  readonly #random: Random;
  readonly #loss: number;
  readonly #delays: Record<'beat' | 'frame', readonly [Millis, Millis]>;
  readonly #ageing: Millis;
  readonly #ports = new Set<string>();
  /** Where a MAC was seen last. */
  readonly #learnt = new Map<Mac, { readonly port: string; readonly at: Instant }>();
  /** By `from>to`: how many hold it cut, for everything and for beats alone. */
  readonly #cut = new Map<string, number>();
  readonly #deaf = new Map<string, number>();
  /** By `from>to`: when it was healed last. */
  readonly #healedAt = new Map<string, Instant>();
  /** When beats reached everybody again whom frames reach. */
  #heardAt: Instant = -Infinity;

  constructor({ random, loss = 0, delay = [0.1, 1], frameDelay, ageing }: SegmentOptions) {
    this.#random = random;
    this.#loss = loss;
    this.#delays = { beat: delay, frame: frameDelay ?? delay };
    this.#ageing = ageing ?? AGEING;
  }

  add(port: string): void {
    this.#ports.add(port);
  }

  /** How long a beat or a frame takes from one to the other; undefined: it does not arrive. */
  travel(from: string, to: string, what: 'beat' | 'frame'): Millis | undefined {
    if (this.#cut.size > 0 && this.#cut.has(`${from}>${to}`)) return undefined;
    if (what === 'beat' && this.#deaf.size > 0 && this.#deaf.has(`${from}>${to}`)) return undefined;
    if (this.#loss > 0 && this.#random() < this.#loss) return undefined;
    const [least, most] = this.#delays[what];
    return least + this.#random() * (most - least);
  }

  /** The ports that the switch sends a frame out of. */
  forward(from: string, frame: Uint8Array, now: Instant): Iterable<string> {
    this.#learnt.set(macFromBytes(frame.subarray(6, 12)), { port: from, at: now });
    const isGroup = ((frame[0] ?? 0) & 1) === 1;
    if (isGroup) return this.#allBut(from);
    const place = this.#learnt.get(macFromBytes(frame.subarray(0, 6)));
    if (place === undefined || now - place.at > this.#ageing) return this.#allBut(from);
    return place.port === from ? [] : [place.port];
  }

  *#allBut(from: string): Iterable<string> {
    for (const port of this.#ports) if (port !== from) yield port;
  }

  // --- faults -------------------------------------------------------------------------------

  cut(from: string, to: string): void {
    const path = `${from}>${to}`;
    count(this.#cut, path, 1);
  }

  join(from: string, to: string, now: Instant): void {
    const path = `${from}>${to}`;
    if (!this.#cut.has(path)) return;
    count(this.#cut, path, -1);
    if (!this.#cut.has(path)) this.#healedAt.set(path, now);
  }

  /** Both ways, with everybody. */
  isolate(name: string): void {
    for (const other of this.#ports) {
      this.cut(name, other);
      this.cut(other, name);
    }
  }

  include(name: string, now: Instant): void {
    for (const other of this.#ports) {
      this.join(name, other, now);
      this.join(other, name, now);
    }
  }

  /** Beats alone. */
  deafen(from: string, to: string): void {
    count(this.#deaf, `${from}>${to}`, 1);
  }

  undeafen(from: string, to: string, now: Instant): void {
    count(this.#deaf, `${from}>${to}`, -1);
    if (this.#deaf.size === 0) this.#heardAt = now;
  }

  heal(now: Instant): void {
    for (const path of this.#cut.keys()) this.#healedAt.set(path, now);
    if (this.#deaf.size > 0) this.#heardAt = now;
    this.#cut.clear();
    this.#deaf.clear();
  }

  // --- for checkers -------------------------------------------------------------------------

  get ports(): Iterable<string> {
    return this.#ports;
  }

  /** Since when frames pass between two in both directions; undefined: they do not. */
  togetherSince(a: string, b: string): Instant | undefined {
    const paths = [`${a}>${b}`, `${b}>${a}`];
    if (paths.some((path) => this.#cut.has(path))) return undefined;
    return Math.max(...paths.map((path) => this.#healedAt.get(path) ?? -Infinity));
  }

  /** Since when beats pass wherever frames do; undefined: they do not. */
  heardSince(): Instant | undefined {
    return this.#deaf.size > 0 ? undefined : this.#heardAt;
  }
}

function count(counts: Map<string, number>, path: string, change: number): void {
  const number = (counts.get(path) ?? 0) + change;
  if (number > 0) counts.set(path, number);
  else counts.delete(path);
}
