/**
 * What is to be told of interfaces on which the responder is not where it belongs: it cannot be
 * attached, or somebody else keeps taking its place. What was put back is told for a while longer,
 * because whoever did it once does it again: two agents that both want to be first.
 */
import type { Instant, Millis } from '../lib/time.ts';
import type { ReportedTrouble } from '../owners/report.ts';
import type { Mended } from './dataplane.ts';

export const TOLD_FOR: Millis = 60_000;

export class Displaced {
  /** By name of the interface: why it is not attached. */
  readonly #failures = new Map<string, string>();
  readonly #mended = new Map<string, { readonly how: Mended; readonly until: Instant }>();

  attached(name: string): void {
    this.#failures.delete(name);
  }

  failed(name: string, why: string): void {
    this.#failures.set(name, why);
  }

  mended(name: string, how: Mended, now: Instant): void {
    this.#failures.delete(name);
    this.#mended.set(name, { how, until: now + TOLD_FOR });
  }

  /** The interface is none of ours any more. */
  gone(name: string): void {
    this.#failures.delete(name);
    this.#mended.delete(name);
  }

  troubles(now: Instant): readonly ReportedTrouble[] {
    for (const [name, { until }] of this.#mended) if (until <= now) this.#mended.delete(name);
    return [
      ...[...this.#failures].map(([name, why]) => ({
        reason: 'ResponderNotAttached',
        sentence: `nothing is answered on ${name}: ${why}`,
      })),
      ...[...this.#mended].map(([name, { how }]) => ({
        reason: 'ResponderDisplaced',
        sentence: `${mendedText(name, how)}: look for another agent that uses BPF there`,
      })),
    ];
  }
}

/** What happened, as a sentence without an end. */
export function mendedText(name: string, how: Mended): string {
  const what = how === 'gone' ? 'took the responder off' : 'hung a program before it on';
  return `somebody ${what} ${name}; it is back in its place`;
}
