/**
 * Fuzzes the decision of the data planes: builds test/fuzz/responder.c with clang's libFuzzer,
 * ASan and UBSan, and runs it from the corpus in test/fuzz/responder.corpus (one input a line, in
 * hexadecimal).
 *
 *   node scripts/fuzz.ts                  30 s, as `make test` does
 *   node scripts/fuzz.ts --seconds 600    as `make fuzz` does
 *   node scripts/fuzz.ts --keep           adds to the corpus what reaches more code
 *
 * An input that fails is printed as a line for the corpus.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const FUZZ = join(import.meta.dirname, '../test/fuzz');
const SOURCE = join(FUZZ, 'responder.c');
const CORPUS = join(FUZZ, 'responder.corpus');
const CLANG = 'clang-14';
const SANITIZERS = ['-fsanitize=fuzzer,address,undefined', '-fno-sanitize-recover=all'];
/** Longer frames have nothing that the decision looks at. */
const MOST_BYTES = 160;
/** Of what is said about a failure. */
const MOST_LINES = 40;
const HEADER = [
  '# Inputs of test/fuzz/responder.c: questions, claims, and what reaches code that no other does,',
  '# which `node scripts/fuzz.ts --keep` adds.',
];

const directory = mkdtempSync(join(tmpdir(), 'arpeggio-fuzz-'));
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));

function folder(name: string): string {
  const path = join(directory, name);
  mkdirSync(path);
  return path;
}

function fail(sentence: string): never {
  console.error(`fuzz: ${sentence}`);
  process.exit(1);
}

function build(): string {
  const program = join(directory, 'responder');
  const flags = ['-g', '-O2', '-Wall', '-Wextra', '-Werror', ...SANITIZERS];
  const run = spawnSync(CLANG, [...flags, '-o', program, SOURCE], { encoding: 'utf8' });
  if (run.error !== undefined) fail(`${CLANG} is missing: apt-get install clang-14`);
  if (run.status !== 0) {
    fail(`${CLANG} failed (libFuzzer: apt-get install libclang-rt-14-dev):\n${run.stderr}`);
  }
  return program;
}

/** libFuzzer wants a file for each input. */
function unpack(path: string): number {
  const lines = readFileSync(CORPUS, 'utf8').split('\n');
  const inputs = lines.filter((line) => line !== '' && !line.startsWith('#'));
  for (const line of inputs) {
    const bytes = Buffer.from(line, 'hex');
    writeFileSync(join(path, createHash('sha256').update(bytes).digest('hex')), bytes);
  }
  return inputs.length;
}

function inputsOf(path: string): string[] {
  return readdirSync(path).map((name) => readFileSync(join(path, name)).toString('hex'));
}

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '30' }, keep: { type: 'boolean' } },
});
const program = build();
const [committed, found, failures] = ['committed', 'found', 'failures'].map(folder) as [
  string,
  string,
  string,
];
const known = unpack(committed);
const limits = [`-max_total_time=${values.seconds}`, `-max_len=${MOST_BYTES}`, '-timeout=5'];
const options = [...limits, `-artifact_prefix=${failures}/`, '-print_final_stats=1'];
const run = spawnSync(program, [...options, found, committed], { encoding: 'utf8' });
if (run.status !== 0) {
  const lines = run.stderr.split('\n');
  const first = lines.findIndex((line) => /not so|ERROR|runtime error/.test(line));
  const said = lines.slice(Math.max(first, 0)).slice(0, MOST_LINES).join('\n');
  fail(`${said}\nfailing input:\n${inputsOf(failures).join('\n')}`);
}
const executed = /number_of_executed_units: (\d+)/.exec(run.stderr)?.[1] ?? '0';
if (Number(executed) <= known) fail(`only ${executed} inputs were run:\n${run.stderr}`);
console.log(`${executed} inputs from a corpus of ${known}, nothing found`);
if (values.keep === true) {
  // Into what there is: some of it was put there for what it says, not for the code it reaches.
  spawnSync(program, ['-merge=1', committed, found], { encoding: 'utf8' });
  const lines = inputsOf(committed).toSorted((a, b) => a.length - b.length || (a < b ? -1 : 1));
  writeFileSync(CORPUS, `${[...HEADER, ...lines].join('\n')}\n`);
  console.log(`the corpus has ${lines.length} inputs now`);
}
