/**
 * Measurements, run by `npm run -s bench -- NAME`. Results go to standard output, progress to
 * standard error; everything happens in namespaces that are removed at the end.
 *
 *   answer [--rounds N]              ARP and NDP answers beside the kernel's own; root
 *   failover [--kind K] [--runs N]   outages at a client by kind of fault; root
 *   memory                           both programs with 10,000 Services and EndpointSlices; root
 *
 * With --json, one JSON object.
 */
import { parseArgs } from 'node:util';
import { LabFailure } from '../lab/failure.ts';

interface Wishes {
  readonly rounds: number;
  readonly runs: number;
  /** Empty: all. */
  readonly kind: string;
}

interface Result {
  readonly json: unknown;
  /** Lines for people; without it the JSON is shown to them too. */
  readonly table?: string;
}

type Bench = (wishes: Wishes, say: (text: string) => void) => Promise<Result>;

/** Loaded when they run: no measurement carries another's modules. */
const BENCHES: Readonly<Record<string, Bench>> = {
  async answer({ rounds }, say) {
    const [{ answer }, { asJson, asTable }] = await Promise.all([
      import('./answer.ts'),
      import('./report.ts'),
    ]);
    const answers = await answer(rounds, say);
    return { json: asJson(answers), table: asTable(answers) };
  },
  async failover({ runs, kind }, say) {
    const { KINDS, failover, failoverJson } = await import('./failover.ts');
    const kinds = KINDS.filter((each) => kind === '' || each === kind);
    if (kinds.length === 0) return fail(`no kind "${kind}": choose from ${KINDS.join(' ')}`);
    return { json: failoverJson(await failover(kinds, runs, say)) };
  },
  async memory(_, say) {
    const { memory, memoryTable } = await import('./memory.ts');
    const measured = await memory(say);
    return { json: measured, table: memoryTable(measured) };
  },
};

const NAMES = Object.keys(BENCHES).join('|');
const USAGE = `usage: npm run -s bench -- ${NAMES} [--json] [--rounds N] [--runs N] [--kind K]`;
const ROUNDS = 7;
const RUNS = 3;

function fail(sentence: string): never {
  process.stderr.write(`bench: ${sentence}\n`);
  process.exit(1);
}

function readArguments(): { bench: Bench; json: boolean; wishes: Wishes } {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        json: { type: 'boolean' },
        rounds: { type: 'string' },
        runs: { type: 'string' },
        kind: { type: 'string' },
      },
    });
    const rounds = Number(values.rounds ?? ROUNDS);
    const runs = Number(values.runs ?? RUNS);
    const bench = BENCHES[positionals.join()];
    const isCount = (n: number): boolean => Number.isInteger(n) && n >= 1;
    if (bench === undefined || !isCount(rounds) || !isCount(runs)) return fail(USAGE);
    return { bench, json: values.json ?? false, wishes: { rounds, runs, kind: values.kind ?? '' } };
  } catch {
    return fail(USAGE);
  }
}

const { bench, json, wishes } = readArguments();
try {
  const started = performance.now();
  const result = await bench(wishes, (text) => {
    const seconds = ((performance.now() - started) / 1000).toFixed(0);
    process.stderr.write(`${seconds.padStart(4)} s  ${text}\n`);
  });
  const asText = json || result.table === undefined;
  process.stdout.write(asText ? `${JSON.stringify(result.json)}\n` : result.table);
} catch (error) {
  if (error instanceof LabFailure) fail(error.message);
  throw error;
}
// The responders' channels would keep the process.
process.exit();
