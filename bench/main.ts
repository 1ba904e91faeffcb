/**
 * Measurements, run by `npm run -s bench -- NAME`. Results go to standard output, progress to
 * standard error; everything happens in namespaces that are removed at the end.
 *
 *   answer [--json] [--rounds N]    ARP and NDP answers beside the kernel's own; needs root
 *   memory [--json]                 both programs with 10,000 Services and EndpointSlices; root
 */
import { parseArgs } from 'node:util';
import { LabFailure } from '../lab/failure.ts';
import { answer } from './answer.ts';
import { memory, memoryTable } from './memory.ts';
import { asJson, asTable } from './report.ts';

const USAGE = 'usage: npm run -s bench -- answer|memory [--json] [--rounds N]';
const NAMES = ['answer', 'memory'] as const;
const ROUNDS = 7;

function fail(sentence: string): never {
  process.stderr.write(`bench: ${sentence}\n`);
  process.exit(1);
}

function readArguments(): { name: (typeof NAMES)[number]; json: boolean; rounds: number } {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { json: { type: 'boolean' }, rounds: { type: 'string' } },
    });
    const rounds = Number(values.rounds ?? ROUNDS);
    const name = NAMES.find((each) => each === positionals.join());
    if (name === undefined || !Number.isInteger(rounds) || rounds < 1) return fail(USAGE);
    return { name, json: values.json ?? false, rounds };
  } catch {
    return fail(USAGE);
  }
}

const { name, json, rounds } = readArguments();
try {
  const started = performance.now();
  const say = (text: string): void => {
    const seconds = ((performance.now() - started) / 1000).toFixed(0);
    process.stderr.write(`${seconds.padStart(4)} s  ${text}\n`);
  };
  if (name === 'memory') {
    const measured = await memory(say);
    process.stdout.write(json ? `${JSON.stringify(measured)}\n` : memoryTable(measured));
  } else {
    const answers = await answer(rounds, say);
    process.stdout.write(json ? `${JSON.stringify(asJson(answers))}\n` : asTable(answers));
  }
} catch (error) {
  if (error instanceof LabFailure) fail(error.message);
  throw error;
}
// The responders' channels would keep the process.
process.exit();
