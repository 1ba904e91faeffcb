/** One thread of a program held still, while its others go on: a reflex that hangs. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { executeSync } from '../../lab/execute.ts';

/** Builds the program that holds threads into a directory; returns its path. */
export function buildStall(directory: string): string {
  const program = join(directory, 'stall');
  const source = join(import.meta.dirname, 'native/stall.c');
  const built = executeSync(['cc', '-O2', '-Wall', '-Wextra', '-Werror', '-o', program, source]);
  if (built.code !== 0) throw new Error(built.stderr);
  return program;
}

/** Returns when the thread of that name stands; what it returns lets it go on. */
export async function stall(program: string, pid: number, name: string): Promise<() => void> {
  const tasks = `/proc/${pid}/task`;
  const nameOf = (id: string): string => readFileSync(`${tasks}/${id}/comm`, 'utf8').trim();
  const thread = readdirSync(tasks).find((id) => nameOf(id) === name);
  if (thread === undefined) throw new Error(`process ${pid} has no thread "${name}"`);
  const holder = spawn(program, [thread], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(holder.stdout, 'data');
  return () => holder.stdin.end();
}
