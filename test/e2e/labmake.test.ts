/**
 * `make lab` and `make lab-down` as a person uses them: what they print, and that nothing of a lab
 * stays behind, whether it ends well, is interrupted, or is killed half-way.
 */
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { execute } from '../../lab/execute.ts';
import type { Finished } from '../../lab/execute.ts';
import { removeLab } from '../../lab/kube/remove.ts';
import { uplinkName } from '../../lab/kube/wire.ts';
import { Lab, Namespace } from '../../lab/namespace.ts';
import { Program } from '../../lab/process.ts';

jest.setTimeout(90_000);

const MAIN = join(import.meta.dirname, '../../lab/main.ts');
const STARTING = 'controller-manager, scheduler';

const directory = mkdtempSync(join(tmpdir(), 'arpeggio-labmake-'));
const prefixes: string[] = [];
let lab: Lab;

beforeAll(() => {
  lab = new Lab('labmake');
});

afterAll(async () => {
  lab.close();
  for (const prefix of prefixes) await removeLab(prefix);
  rmSync(directory, { recursive: true, force: true });
});

function up(): { program: Program; prefix: string } {
  const argv = [process.execPath, MAIN, 'up'];
  const program = Program.start(lab, { name: `up-${prefixes.length}`, argv, directory });
  const prefix = `arpeggio-lab-${program.pid}`;
  prefixes.push(prefix);
  return { program, prefix };
}

function down(prefix: string): Promise<Finished> {
  return execute([process.execPath, MAIN, 'down', prefix]);
}

/** The last line that a lab prints is a command: here it is run, as it stands. */
function lastLine(program: Program): Promise<Finished> {
  return execute(['sh', '-c', program.log().trimEnd().split('\n').at(-1) ?? '']);
}

/** What exists of a lab. */
function traces(prefix: string): string[] {
  const namespaces = readdirSync('/run/netns').filter((name) => name.startsWith(`${prefix}-`));
  const processes = namespaces.flatMap((name) => new Namespace(name).pids().map(String));
  const links = Object.keys(networkInterfaces()).filter((name) => name === uplinkName(prefix));
  const folder = join(tmpdir(), prefix);
  return [...namespaces, ...processes, ...links, ...(existsSync(folder) ? [folder] : [])];
}

test('two labs come up side by side, go on alone, and go one by one', async () => {
  const [first, second] = [up(), up()];
  const labs = [first, second];
  for (const { program } of labs) expect((await program.exited).code).toBe(0);
  for (const { program } of labs) {
    const answer = await lastLine(program);
    expect(answer.stdout).toMatch(/^node1 +Ready .* 192\.168\.100\.100 /m);
  }
  const [one, two] = [first.prefix, second.prefix];
  expect((await down(one)).stdout).toBe(`lab: removed ${one}\n`);
  expect(traces(one)).toEqual([]);
  expect((await lastLine(second.program)).code).toBe(0);
  expect((await down(two)).stdout).toBe(`lab: removed ${two}\n`);
  expect(traces(two)).toEqual([]);
  expect((await down(two)).stdout).toBe('lab: none is there\n');
});

test('Ctrl-C half-way leaves nothing', async () => {
  const { program, prefix } = up();
  await program.line((line) => line.includes(STARTING), 60_000, 'the API server answers');
  program.signal('SIGINT');
  expect((await program.exited).code).toBe(130);
  expect(traces(prefix)).toEqual([]);
});

test('killed half-way it leaves what `make lab-down` removes', async () => {
  const { program, prefix } = up();
  await program.line((line) => line.includes(STARTING), 60_000, 'the API server answers');
  await program.kill();
  expect(traces(prefix)).not.toEqual([]);
  expect((await down(prefix)).stdout).toBe(`lab: removed ${prefix}\n`);
  expect(traces(prefix)).toEqual([]);
});

test('a component that cannot start is named, with the end of its log', async () => {
  const assets = mkdtempSync(join(directory, 'assets-'));
  const broken = '#!/bin/sh\necho "cannot open the disk" >&2\nexit 7\n';
  writeFileSync(join(assets, 'etcd'), broken, { mode: 0o755 });
  const argv = [process.execPath, MAIN, 'up'];
  const done = await execute(argv, { env: { KUBEBUILDER_ASSETS: assets }, timeoutMs: 60_000 });
  expect(done.code).toBe(1);
  expect(done.stderr).toMatch(/^lab: etcd ended \(exit code 7\)/);
  expect(done.stderr).toMatch(/etcd \| cannot open the disk/);
  const prefix = /(arpeggio-lab-\d+)\/log/.exec(done.stderr)?.[1] ?? '';
  prefixes.push(prefix);
  expect(traces(prefix)).toEqual([join(tmpdir(), prefix)]);
});
