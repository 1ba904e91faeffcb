/** The words after `npm run -s sim --`. */
import { parseArgs } from 'node:util';
import { err, ok } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';
import { KINDS } from './scenario.ts';
import type { Kind, ScenarioOptions } from './scenario.ts';

export interface Arguments extends Omit<ScenarioOptions, 'nodes'> {
  /** At least and at most: the seeds go through them. */
  readonly nodes: readonly [number, number];
  /** How many seeds, from `seed` on. */
  readonly seeds: number;
  readonly replay: string | undefined;
}

const text = { type: 'string' } as const;
const WORDS = {
  nodes: { ...text, default: '3' },
  seed: { ...text, default: '1' },
  seeds: { ...text, default: '1' },
  minutes: { ...text, default: '1' },
  vips: { ...text, default: '100' },
  faults: { ...text, default: 'all' },
  replay: text,
  hunt: { type: 'boolean', default: false },
} as const;

export function readArguments(argv: readonly string[]): Result<Arguments, string> {
  let values;
  try {
    ({ values } = parseArgs({ args: [...argv], options: WORDS }));
  } catch (error) {
    return err(`sim: ${error instanceof Error ? error.message : String(error)}`);
  }
  const number = (name: 'seed' | 'seeds' | 'minutes' | 'vips'): number => Number(values[name]);
  for (const name of ['seed', 'seeds', 'minutes', 'vips'] as const) {
    if (!(number(name) > 0)) return err(`sim: --${name}=${values[name]} is no number above 0`);
  }
  const [least = 0, most = least] = values.nodes.split('-').map(Number);
  if (!(least > 0 && most >= least)) return err(`sim: --nodes=${values.nodes} is not 3 or 3-10`);
  const kinds = kindsOf(values.faults);
  if (!kinds.ok) return kinds;
  return ok({
    nodes: [least, most],
    seed: number('seed'),
    seeds: values.hunt ? Infinity : number('seeds'),
    minutes: number('minutes'),
    vips: number('vips'),
    kinds: kinds.value,
    replay: values.replay,
  });
}

function kindsOf(list: string): Result<ReadonlySet<Kind>, string> {
  if (list === 'all') return ok(new Set(KINDS));
  if (list === 'none') return ok(new Set());
  const kinds = new Set<Kind>();
  for (const word of list.split(',')) {
    const kind = KINDS.find((each) => each === word);
    if (kind === undefined) return err(`sim: no fault "${word}": all, none, or ${KINDS.join()}`);
    kinds.add(kind);
  }
  return ok(kinds);
}
