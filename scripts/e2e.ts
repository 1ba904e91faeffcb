/**
 * `make e2e`: everything on a real Kubernetes in network namespaces.
 *
 *     node scripts/e2e.ts               all steps
 *     node scripts/e2e.ts lab           these steps
 *
 * Kubernetes is built first if it must be, which takes minutes and says so; nothing is counted for
 * it, but without it nothing else is tried.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { binaries } from '../lab/kube/binaries.ts';
import { ROLES } from '../lab/kube/extent.ts';
import { runSteps, suite, tests } from './steps.ts';
import type { Step } from './steps.ts';

const FOLDER = join(import.meta.dirname, '../test/e2e');
/** A lab takes 10 s to come up on a machine that does nothing else. */
const LIMIT_MS = 600_000;

/** What measures time, or counts the clusters on the machine, has it for itself. */
const ALONE = new Set(['failures', 'image', 'lab', 'labkubelet', 'labmake', 'replicas']);

/** One step per file, so that each has a cluster for itself. */
function step(file: string): Step {
  const name = file.replace('.test.ts', '');
  const pattern = `${suite('e2e')}${name}\\.test\\.ts$`;
  return { ...tests(name, ALONE.has(name), '-i', pattern), limitMs: LIMIT_MS };
}

const files = readdirSync(FOLDER).filter((file) => file.endsWith('.test.ts'));
await binaries(ROLES.kubelets, (text) => console.log(`lab: ${text}`));
await runSteps(files.toSorted().map(step), process.argv.slice(2));
