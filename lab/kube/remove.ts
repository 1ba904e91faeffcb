/**
 * The end of a lab, found by its name alone: `make lab-down` in another process, days later, and
 * `KubeLab.close` take the same way. Everything of a lab carries its prefix,
 * `arpeggio-<purpose>-<pid>`: its namespaces, its folder, its control groups; and every process of
 * it has its network in one of those namespaces, or is below one that has (containers end with the
 * init of their node). Processes are ended by their pid, never by their name.
 *
 * SIGKILL, because nothing of a lab is worth keeping and an API server takes ten seconds to say
 * good-bye.
 */
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { Namespace, killQuietly, removeNamespaces } from '../namespace.ts';
import { until } from '../until.ts';
import { removeGroups } from './cgroup.ts';
import { removeUplink } from './wire.ts';

const NETNS_DIR = '/run/netns';
const LAB = /^(arpeggio-([a-z]+)\d*-(\d+))(?:-|$)/;
/** Of `make lab`; other purposes are of tests, which end their labs themselves. */
export const KEPT = 'lab';

/** Where a lab keeps its files: keys, logs, what etcd stores. */
export function folderOf(prefix: string): string {
  return join(tmpdir(), prefix);
}

/** Says whose the folder is; a demo's or a test's own has none. */
const MARK = 'kubernetes-lab';

/** Made before anything else of a lab, so that the rest can be found by it. */
export function makeFolder(prefix: string): string {
  const folder = folderOf(prefix);
  // Logs of an earlier run of the same pid: the Lab has seen that no namespace uses the name.
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, 'log'), { recursive: true });
  writeFileSync(join(folder, MARK), 'removed by `make lab-down`\n');
  return folder;
}

/** What a lab has of the machine besides namespaces and files. */
export function removeNames(prefix: string): void {
  removeUplink(prefix);
  removeGroups(prefix);
}

/** Also in an exit handler, when every process has been killed. */
export function removeFiles(prefix: string): void {
  removeNames(prefix);
  rmSync(folderOf(prefix), { recursive: true, force: true, maxRetries: 5 });
}

export async function removeLab(prefix: string): Promise<void> {
  await endProcesses(prefix);
  removeNamespaces(namespacesOf(prefix).map(({ name }) => name));
  removeFiles(prefix);
}

/** Labs that `make lab` left running, and what was left of those whose process was killed. */
export function labsToRemove(only?: string): string[] {
  return traces().filter((prefix) => {
    if (only !== undefined) return prefix === only;
    return purposeOf(prefix) === KEPT || isStale(prefix);
  });
}

/** What is left of tests that were killed; asked before a new lab, so that it cannot pile up. */
export async function removeStale(): Promise<void> {
  for (const prefix of traces()) {
    if (purposeOf(prefix) !== KEPT && isStale(prefix)) await removeLab(prefix);
  }
}

/** The prefixes of all labs of which something exists, except demos, which end otherwise. */
function traces(): string[] {
  const found = [...entries(NETNS_DIR), ...entries(tmpdir())].flatMap(
    (name) => LAB.exec(name)?.[1] ?? [],
  );
  return [...new Set(found)].filter((prefix) => existsSync(join(folderOf(prefix), MARK)));
}

/** Its process is gone, and so is everything that could still use it. */
function isStale(prefix: string): boolean {
  const pid = LAB.exec(prefix)?.[3];
  return pid !== undefined && !existsSync(`/proc/${pid}`) && pidsOf(prefix).length === 0;
}

function purposeOf(prefix: string): string | undefined {
  return LAB.exec(prefix)?.[2];
}

/** Everything that has its network in a namespace of the lab. */
export async function endProcesses(prefix: string): Promise<void> {
  const gone = (): boolean => {
    const pids = pidsOf(prefix);
    // Again and again: what was being started while the first were killed.
    for (const pid of pids) killQuietly(pid);
    return pids.length === 0;
  };
  await until(gone, { withinMs: 5000, what: `the processes of ${prefix} to end`, everyMs: 20 });
}

function pidsOf(prefix: string): number[] {
  return namespacesOf(prefix).flatMap((namespace) => namespace.pids());
}

function namespacesOf(prefix: string): Namespace[] {
  return entries(NETNS_DIR)
    .filter((name) => name.startsWith(`${prefix}-`))
    .map((name) => new Namespace(basename(name)));
}

function entries(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}
