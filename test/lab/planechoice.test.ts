/**
 * The speaker tries `bpf`, else takes `packet`, and says which and why in one line of its log and
 * in a metric: with the capabilities of our manifests, with those of MetalLB's, and as it is told.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { Lab } from '../../lab/namespace.ts';
import { Program } from '../../lab/process.ts';
import { Segment } from '../../lab/segment.ts';
import { onlyWith } from './cable.ts';

jest.setTimeout(40_000);

const ROOT = join(import.meta.dirname, '../..');
const PORT = '7472';
const directory = mkdtempSync(join(tmpdir(), 'arpeggio-choice-'));
const manifests = join(directory, 'manifests');
const secret = join(directory, 'secret');
let lab: Lab;
let segment: Segment;
let count = 0;

beforeAll(() => {
  mkdirSync(manifests);
  writeFileSync(secret, 'a secret that is long enough');
  lab = new Lab('choice');
  segment = new Segment(lab, { nodes: 1 });
});
afterAll(() => {
  lab.close();
  rmSync(directory, { recursive: true, force: true });
});

/** What a speaker says about its plane: the line of its log, and the metric. */
async function chosen(
  capabilities: readonly string[],
  ...flags: readonly string[]
): Promise<{ readonly said: string; readonly metric: string }> {
  const { namespace } = segment.node('node1');
  count += 1;
  const own = ['--manifests', manifests, '--node', 'node1', '--secret-file', secret];
  const args = [join(ROOT, 'speaker/main.ts'), ...own, '--port', PORT, ...flags];
  const program = Program.start(lab, {
    name: `speaker-${count}`,
    argv: [...onlyWith(...capabilities), process.execPath, ...args],
    directory,
    namespace,
  });
  const line = await program.line((one) => one.includes('"Started"'), 20_000, 'it has started');
  const scrape = await namespace.exec(['curl', '-fsS', `http://127.0.0.1:${PORT}/metrics`]);
  program.endSync();
  await program.exited;
  const shown = scrape.stdout.split('\n').filter((one) => one.startsWith('arpeggio_data_plane{'));
  return { said: (JSON.parse(line) as { msg: string }).msg, metric: shown.join('\n') };
}

test.each([
  {
    name: 'the capabilities of our manifests',
    capabilities: ['bpf', 'net_admin'],
    flags: [],
    plane: 'bpf',
    why: /: the first choice, and it can be attached$/,
  },
  {
    name: 'NET_RAW alone',
    capabilities: ['net_raw'],
    flags: [],
    plane: 'packet',
    why: /: bpf is refused: cannot create a BPF map \(EPERM\): the speaker needs CAP_BPF/,
  },
  {
    name: 'all of them, and a flag',
    capabilities: ['bpf', 'net_admin', 'net_raw'],
    flags: ['--data-plane=packet'],
    plane: 'packet',
    why: /: --data-plane=packet$/,
  },
])('with $name: $plane', async ({ capabilities, flags, plane, why }) => {
  const { said, metric } = await chosen(capabilities, ...flags);
  expect(said).toMatch(new RegExp(`^answering through ${plane}: `));
  expect(said).toMatch(why);
  expect(metric).toBe(`arpeggio_data_plane{plane="${plane}"} 1`);
});
