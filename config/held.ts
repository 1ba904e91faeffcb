/**
 * The configuration in force. A broken one never stops what already runs: the last good one stays
 * until a good one comes, and the problems are there to be shown (MetalLB does the same).
 */
import type { Result } from '../lib/result.ts';
import type { Config } from './model.ts';
import type { Problem } from './problem.ts';

export interface Held {
  /** undefined: there was never a valid one; then nothing is decided, and nothing is cleared. */
  readonly config: Config | undefined;
  /** Of the newest configuration; not empty: `config` is older than what the user wrote. */
  readonly problems: readonly Problem[];
  /** Of the newest configuration too, but of BGP objects, which hold back nothing. */
  readonly aside: readonly Problem[];
}

export const NOTHING_HELD: Held = { config: undefined, problems: [], aside: [] };

export function hold(before: Held, parsed: Result<Config, readonly Problem[]>): Held {
  if (!parsed.ok) return { config: before.config, problems: parsed.error, aside: [] };
  return { config: parsed.value, problems: [], aside: parsed.value.bgp?.problems ?? [] };
}
