/**
 * Measurements, run by `npm run -s bench -- NAME`. Results go to standard output, progress to
 * standard error; everything happens in namespaces that are removed at the end.
 *
 *   allocate [--rounds N]            decisions on 10,000 Services, and on one that has changed
 *   answer [--rounds N]              ARP and NDP answers beside the kernel's own; root
 *   burst [--rounds N]               1,000 Services at a real API server get addresses; root
 *   failover [--kind K] [--runs N]   outages at a client by kind of fault; root
 *   memory                           both programs with 10,000 Services and EndpointSlices; root
 *
 * With --json, one JSON object.
 */
import { parseArgs } from 'node:util';
import { LabFailure } from '../lab/failure.ts';
import { BENCHES } from './benches.ts';

const USAGE = `usage: npm run -s bench -- ${Object.keys(BENCHES).join('|')}
         [--json] [--rounds N] [--runs N] [--kind K]`;
const text = { type: 'string' } as const;
const options = { json: { type: 'boolean' }, rounds: text, runs: text, kind: text } as const;

function fail(sentence: string): never {
  process.stderr.write(`bench: ${sentence}\n`);
  process.exit(1);
}

function given(): ReturnType<
  typeof parseArgs<{ options: typeof options; allowPositionals: true }>
> {
  try {
    return parseArgs({ allowPositionals: true, options });
  } catch {
    return fail(USAGE);
  }
}

const { values, positionals } = given();
const wishes = {
  rounds: Number(values.rounds ?? 7),
  runs: Number(values.runs ?? 3),
  kind: values.kind ?? '',
};
const bench = BENCHES[positionals.join()] ?? fail(USAGE);
if (![wishes.rounds, wishes.runs].every((n) => Number.isInteger(n) && n >= 1)) fail(USAGE);
try {
  const started = performance.now();
  const { json, table } = await bench(wishes, (what) => {
    const seconds = ((performance.now() - started) / 1000).toFixed(0);
    process.stderr.write(`${seconds.padStart(4)} s  ${what}\n`);
  });
  const asText = values.json === true || table === undefined;
  process.stdout.write(asText ? `${JSON.stringify(json)}\n` : table);
} catch (error) {
  if (error instanceof LabFailure) fail(error.message);
  throw error;
}
// The responders' channels would keep the process.
process.exit();
