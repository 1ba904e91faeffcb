/**
 * The bundles run where there is no checkout and no node_modules: they start, load the native addon
 * and the reflex thread from beside them, and end in order.
 */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { executeSync } from '../../lab/execute.ts';
import { Lab } from '../../lab/namespace.ts';
import { Program } from '../../lab/process.ts';
import { ready } from '../../lab/ready.ts';
import { Segment } from '../../lab/segment.ts';

jest.setTimeout(90_000);
/** Three bundles, one with all of the Kubernetes client. */
const BUILD_MS = 60_000;

const ROOT = join(import.meta.dirname, '../..');
const PORT = 7472;

const directory = mkdtempSync(join(tmpdir(), 'arpeggio-bundle-'));
const manifests = join(directory, 'manifests');
const secret = join(directory, 'secret');
const lab = new Lab('bundle');
let segment: Segment;

beforeAll(() => {
  const script = join(ROOT, 'scripts/bundle.ts');
  const argv = [process.execPath, script, join(directory, 'dist')];
  const built = executeSync(argv, { timeoutMs: BUILD_MS });
  if (built.code !== 0) throw new Error(`not built: ${built.stderr}`);
  cpSync(join(ROOT, 'demo/manifests'), manifests, { recursive: true });
  writeFileSync(secret, 'a secret that is long enough');
  segment = new Segment(lab, { nodes: 1 });
});

afterAll(() => {
  lab.close();
  rmSync(directory, { recursive: true, force: true });
});

/** How it ended, after it was ready. */
async function startsAndStops(name: string, ...flags: readonly string[]): Promise<unknown> {
  const { namespace } = segment.node('node1');
  const bundle = join(directory, `dist/${name}.mjs`);
  const argv = [process.execPath, bundle, '--manifests', manifests, ...flags];
  const program = Program.start(lab, { name, argv, namespace, directory });
  await ready(program, namespace, { port: PORT, withinMs: 10_000 });
  const { code } = await program.stop();
  return { code, errors: program.errors() };
}

const WELL = { code: 0, errors: '' };

test('speaker', async () => {
  const flags = ['--node', 'node1', '--secret-file', secret, '--port', String(PORT)];
  expect(await startsAndStops('speaker', ...flags)).toEqual(WELL);
});

test('controller', async () => {
  expect(await startsAndStops('controller', '--port', String(PORT))).toEqual(WELL);
});
