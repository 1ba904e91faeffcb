/**
 * Measurements, run by `npm run -s bench -- NAME`. Results go to standard output, progress to
 * standard error; everything happens in namespaces that are removed at the end.
 *
 *   allocate [--rounds N]            decisions on 10,000 Services, and on one that has changed
 *   answer [--rounds N]              ARP and NDP answers beside the kernel's own; root
 *   burst [--rounds N]               1,000 Services at a real API server get addresses; root
 *   failover [--kind K] [--runs N]   outages at a client by kind of fault; root
 *   flood [--rounds N]               100,000 questions a second for nobody's addresses; root
 *   footprint                        memory with 100 and 1,000 Services, idle processor time; root
 *   links [--rounds N]               how soon changes of interfaces are announced; root
 *   memory                           both programs with 10,000 Services and EndpointSlices; root
 *   soak [--kind K] [--minutes M]    whether a speaker grows with 1,000 addresses and churn; root
 *   takeover [--kind P] [--runs N]   10,000 addresses lose their node at once; root
 *
 * With --json, one JSON object.
 */
import { LabFailure } from '../lab/failure.ts';
import { BENCHES } from './benches.ts';
import { WISHES, wishes } from './wishes.ts';

function fail(sentence: string): never {
  process.stderr.write(`bench: ${sentence}\n`);
  process.exit(1);
}

const usage = `usage: npm run -s bench -- ${Object.keys(BENCHES).join('|')}\n         ${WISHES}`;
const given = wishes(process.argv.slice(2)) ?? fail(usage);
const bench = BENCHES[given.name] ?? fail(usage);
try {
  const started = performance.now();
  const { json, table, missed } = await bench(given, (what) => {
    const seconds = ((performance.now() - started) / 1000).toFixed(0);
    process.stderr.write(`${seconds.padStart(4)} s  ${what}\n`);
  });
  const asText = given.asJson || table === undefined;
  process.stdout.write(asText ? `${JSON.stringify(json)}\n` : table);
  if (missed !== undefined && missed.length > 0) fail(missed.join('; '));
} catch (error) {
  if (error instanceof LabFailure) fail(error.message);
  throw error;
}
// The responders' channels would keep the process.
process.exit();
