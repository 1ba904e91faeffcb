/**
 * Demos left running with `make demo KEEP=1`, and how they end. Every program of a demo runs in one
 * of its namespaces, so their names are all there is to remember; the record lies in the run's own
 * directory, next to its logs.
 */
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeNamespaces } from '../lab/namespace.ts';

const PREFIX = 'arpeggio-demo-';
const RECORD = 'kept.json';

/** Where a run of this process keeps its files. */
export function directoryOfRun(): string {
  return join(tmpdir(), `${PREFIX}${process.pid}`);
}

export function remember(directory: string, namespaces: readonly string[]): void {
  writeFileSync(join(directory, RECORD), JSON.stringify({ namespaces }));
}

/** Ends kept demos, all or the one of this name; says their directories. */
export function stopKept(only?: string): string[] {
  const directories = readdirSync(tmpdir())
    .filter((name) => name.startsWith(PREFIX) && name === (only ?? name))
    .map((name) => join(tmpdir(), name))
    .filter((directory) => existsSync(join(directory, RECORD)));
  for (const directory of directories) {
    const text = readFileSync(join(directory, RECORD), 'utf8');
    const { namespaces } = JSON.parse(text) as { namespaces: readonly string[] };
    removeNamespaces(namespaces);
    rmSync(directory, { recursive: true, force: true });
  }
  return directories;
}
