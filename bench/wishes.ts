/**
 * What a measurement is asked for on the command line. All may be given to each; one that does not
 * know a flag ignores it.
 */
import { parseArgs } from 'node:util';

export interface Wishes {
  /** Empty: none, or several. */
  readonly name: string;
  readonly asJson: boolean;
  readonly rounds: number;
  readonly runs: number;
  /** Empty: all. */
  readonly kind: string;
  /** Of a soak. */
  readonly minutes: number;
}

export const WISHES = '[--json] [--rounds N] [--runs N] [--kind K] [--minutes M]';

const text = { type: 'string' } as const;
const options = {
  json: { type: 'boolean' },
  rounds: text,
  runs: text,
  kind: text,
  minutes: text,
} as const;

/** undefined: not understood. */
export function wishes(argv: readonly string[]): Wishes | undefined {
  try {
    const { values, positionals } = parseArgs({ args: [...argv], allowPositionals: true, options });
    const rounds = Number(values.rounds ?? 7);
    const runs = Number(values.runs ?? 3);
    const minutes = Number(values.minutes ?? 60);
    if (![rounds, runs, minutes].every((n) => Number.isInteger(n) && n >= 1)) return undefined;
    const { json: asJson = false, kind = '' } = values;
    return { name: positionals.join(), asJson, rounds, runs, kind, minutes };
  } catch {
    return undefined;
  }
}
