/**
 * `make test`: every check that needs no Kubernetes.
 *
 *     node scripts/test.ts              all steps
 *     node scripts/test.ts unit lint    these steps
 */
import { BIN, check, runSteps, suite, tests } from './steps.ts';
import type { Step } from './steps.ts';

/** Files of test/lab that are about data planes alone. */
const PLANES = '(dataplane|differential|packet|plane)';

/** Of the simulation: an hour in virtual time. */
const SEEDS = '--nodes=3-10 --seeds=60 --minutes=1 --vips=10'.split(' ');

const STEPS: readonly Step[] = [
  check('types', BIN('tsc'), '-p', 'tsconfig.json'),
  check('pure', BIN('tsc'), '-p', 'tsconfig.pure.json'),
  check('lint', BIN('oxlint'), '--deny-warnings'),
  check('format', BIN('prettier'), '--check', '--log-level=warn', '.'),
  check('crds', process.execPath, 'scripts/crds.ts', '--check'),
  check('manifests', process.execPath, 'scripts/manifests.ts', '--check'),
  check('bytecode', process.execPath, 'scripts/bytecode.ts', '--check'),
  check('libfuzzer', process.execPath, 'scripts/fuzz.ts'),
  tests('tidy', false, '-i', suite('tidy')),
  tests('unit', false, '--maxWorkers=1', suite('unit')),
  check('sim', process.execPath, 'test/sim/main.ts', ...SEEDS),
  tests('fuzz', false, '-i', suite('fuzz')),
  tests('contract', true, '-i', suite('contract')),
  tests('planes', true, '-i', `${suite('lab')}${PLANES}`),
  tests(
    'lab',
    true,
    '-i',
    suite('lab'),
    `--testPathIgnorePatterns=${suite('lab')}(demo|${PLANES})`,
  ),
  tests('demo', true, '-i', `${suite('lab')}demo`),
];

await runSteps(STEPS, process.argv.slice(2));
