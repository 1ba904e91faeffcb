/**
 * The runner behind `make test` and `make e2e`: steps in order of cost. Checks of the text and unit
 * tests run two side by side; what makes network namespaces and measures time runs alone, because
 * a busy machine is not what those tests are about. Each jest test counts as one, every other step
 * counts as one. The last line is `N passed, N failed` and the exit code is 1 when anything failed.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { monotonic } from '../lib/io/clock.ts';
import { removeLeftovers } from '../lab/namespace.ts';

export interface Step {
  readonly name: string;
  readonly argv: readonly string[];
  /** Jest steps are counted test by test. */
  readonly jest: boolean;
  /** Beside another step, or alone on the machine. */
  readonly alone: boolean;
  /** After this long it is killed. */
  readonly limitMs: number;
}

interface Outcome {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Shown in full when something failed. */
  readonly output: string;
}

const ROOT = join(import.meta.dirname, '..');
const SCRATCH = mkdtempSync(join(tmpdir(), 'arpeggio-test-'));
const STEP_LIMIT_MS = 600_000;
const SIGN_OF_LIFE_MS = 5000;

/** A command of the npm packages. */
export const BIN = (name: string): string => join(ROOT, 'node_modules/.bin', name);
const JEST = [
  process.execPath,
  '--disable-warning=ExperimentalWarning',
  '--experimental-vm-modules',
  join(ROOT, 'node_modules/jest/bin/jest.js'),
];

/** A command that is right when it ends with 0. */
export function check(name: string, ...argv: string[]): Step {
  return { name, argv, jest: false, alone: false, limitMs: STEP_LIMIT_MS };
}

/** A run of jest. */
export function tests(name: string, alone: boolean, ...args: string[]): Step {
  const json = ['--json', `--outputFile=${resultFile(name)}`];
  const argv = [...JEST, ...json, ...args];
  return { name, argv, jest: true, alone, limitMs: STEP_LIMIT_MS };
}

/** A pattern for jest that holds in any folder, even one that is itself called test/lab. */
export function suite(folder: string): string {
  return `${join(ROOT, 'test', folder).replace(/[^\w/-]/g, '\\$&')}/`;
}

function resultFile(name: string): string {
  return join(SCRATCH, `${name}.json`);
}

/** The command's exit code and everything it wrote, in the order it came. */
function execute({ argv, limitMs }: Step): Promise<{ code: number | null; output: string }> {
  const [program, ...args] = argv;
  return new Promise((done) => {
    const child = spawn(program ?? '', args, {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: limitMs,
      killSignal: 'SIGKILL',
    });
    let [errors, log] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => (log += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
    child.once('error', (error) => done({ code: null, output: error.message }));
    child.once('close', (code, signal) => {
      const late = signal === null ? '' : `ended by ${signal} (limit ${limitMs / 1000} s)\n`;
      done({ code, output: `${log}${errors}${late}` });
    });
  });
}

async function run(step: Step): Promise<Outcome> {
  const { code, output } = await execute(step);
  if (!step.jest) {
    const passed = code === 0 ? 1 : 0;
    return { passed, failed: 1 - passed, skipped: 0, output };
  }
  return countJest(step.name, code, output);
}

interface JestResult {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numRuntimeErrorTestSuites: number;
}

function countJest(name: string, code: number | null, output: string): Outcome {
  let result: JestResult;
  try {
    result = JSON.parse(readFileSync(resultFile(name), 'utf8')) as JestResult;
  } catch {
    return { passed: 0, failed: 1, skipped: 0, output };
  }
  const passed = result.numPassedTests;
  const skipped = result.numPendingTests;
  let failed = result.numFailedTests + result.numRuntimeErrorTestSuites;
  // A suite without tests, or a failure outside any test, must not look like a success.
  if (failed === 0 && (code !== 0 || passed === 0)) failed = 1;
  return { passed, failed, skipped, output: withoutJson(output) };
}

/** Jest prints its JSON result to standard output even when it has a file for it. */
function withoutJson(output: string): string {
  return output
    .split('\n')
    .filter((line) => !line.startsWith('{"num') && !line.startsWith('Test results written to'))
    .join('\n');
}

const seconds = (since: number): string => `${((monotonic() - since) / 1000).toFixed(1)} s`;

async function report(step: Step): Promise<Outcome> {
  const begin = monotonic();
  const alive = setInterval(
    () => console.log(`  ...     ${step.name}: ${seconds(begin)}`),
    SIGN_OF_LIFE_MS,
  );
  const outcome = await run(step);
  clearInterval(alive);
  const { passed, failed, skipped } = outcome;
  const verdict = failed === 0 ? 'ok    ' : 'FAILED';
  const some = skipped === 0 ? '' : `, ${skipped} skipped`;
  const count = step.jest
    ? `${passed} passed${failed === 0 ? '' : `, ${failed} failed`}${some}`
    : '';
  console.log(
    `  ${verdict}  ${step.name.padEnd(9)} ${seconds(begin).padStart(7)}  ${count}`.trimEnd(),
  );
  if (failed > 0) console.log(outcome.output.replace(/^/gm, '    '));
  return outcome;
}

/** Takes steps from one queue until it is empty; two of these make two lanes. */
async function lane(queue: Step[], outcomes: Outcome[]): Promise<void> {
  for (let step = queue.shift(); step !== undefined; step = queue.shift()) {
    outcomes.push(await report(step));
  }
}

function selected(steps: readonly Step[], names: readonly string[]): readonly Step[] {
  const unknown = names.find((name) => !steps.some((step) => step.name === name));
  if (unknown !== undefined) {
    console.error(`no step "${unknown}": choose from ${steps.map((step) => step.name).join(' ')}`);
    process.exit(2);
  }
  return names.length === 0 ? steps : steps.filter((step) => names.includes(step.name));
}

/** Runs those that are named, or all, and sets the exit code. */
export async function runSteps(all: readonly Step[], names: readonly string[]): Promise<void> {
  const steps = selected(all, names);
  process.once('exit', () => rmSync(SCRATCH, { recursive: true, force: true }));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      removeLeftovers();
      process.exit(1);
    });
  }
  const begin = monotonic();
  console.log(`${steps.length} steps, output of a failed one in full; logs nowhere else`);
  const outcomes: Outcome[] = [];
  // The longest first, so that both lanes end at about the same time.
  const together = steps
    .filter((step) => !step.alone)
    .toSorted((a) => (a.name === 'unit' ? -1 : 0));
  await Promise.all([lane(together, outcomes), lane(together, outcomes)]);
  await lane(
    steps.filter((step) => step.alone),
    outcomes,
  );
  const sum = (key: 'passed' | 'failed'): number =>
    outcomes.reduce((total, outcome) => total + outcome[key], 0);
  console.log(`${seconds(begin)} in all`);
  console.log(`${sum('passed')} passed, ${sum('failed')} failed`);
  process.exitCode = sum('failed') === 0 ? 0 : 1;
}
