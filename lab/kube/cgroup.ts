/**
 * A control group for each node with a kubelet, in every hierarchy the machine has, so that the
 * node's cgroup namespace is rooted there and what its pods use is below it. Version 1 (one
 * hierarchy per controller, as they are mounted) and version 2 (one for all).
 */
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

export interface Hierarchy {
  /** Where the machine has it mounted. */
  readonly path: string;
  readonly version: 1 | 2;
  /** Version 1, for a mount of the same: `cpu,cpuacct` or `name=systemd`. */
  readonly controllers: string;
}

const ROOT = '/sys/fs/cgroup';
/** A second in all. */
const REMOVE_TRIES = 50;
const REMOVE_PAUSE_MS = 20;
/** What a mount line says that is no controller. */
const MOUNT_OPTIONS = /^(?:r[wo]|relatime|xattr|nsdelegate|release_agent=.*|clone_children)$/;

/** Version 2 counts only where it has the controllers: at the root, not as `unified` beside v1. */
export function hierarchies(mountinfo = readFileSync('/proc/self/mountinfo', 'utf8')): Hierarchy[] {
  const all = mountinfo.split('\n').flatMap((line): Hierarchy[] => {
    const [before = '', after = ''] = line.split(' - ');
    const path = before.split(' ')[4] ?? '';
    const [kind, , options = ''] = after.split(' ');
    if (path !== ROOT && !path.startsWith(`${ROOT}/`)) return [];
    if (kind === 'cgroup2') return [{ path, version: 2, controllers: '' }];
    if (kind !== 'cgroup') return [];
    const controllers = options.split(',').filter((option) => !MOUNT_OPTIONS.test(option));
    return [{ path, version: 1, controllers: controllers.join(',') }];
  });
  const unified = all.filter(({ path, version }) => version === 2 && path === ROOT);
  return unified.length > 0 ? unified : all.filter(({ version }) => version === 1);
}

/** Makes them where they are missing; the folders, for the process that will enter them. */
export function makeGroups(name: string): string[] {
  return hierarchies().map(({ path, controllers }) => {
    const group = join(path, name);
    mkdirSync(group, { recursive: true });
    if (controllers.split(',').includes('cpuset')) {
      // Empty in a new group, and then nothing may enter it.
      for (const file of ['cpuset.cpus', 'cpuset.mems']) {
        writeFileSync(join(group, file), readFileSync(join(path, file)));
      }
      writeFileSync(join(group, 'cgroup.clone_children'), '1');
    }
    return group;
  });
}

/** All groups whose name begins so, with everything below; their processes have ended. */
export function removeGroups(prefix: string): void {
  for (const { path } of hierarchies()) {
    for (const name of existsSync(path) ? readdirSync(path) : []) {
      if (name.startsWith(`${prefix}-`)) removeGroup(join(path, name));
    }
  }
}

/** Children first: a group is removed by rmdir, its files are not really there. */
export function removeGroup(group: string): void {
  for (const entry of readdirSync(group, { withFileTypes: true })) {
    if (entry.isDirectory()) removeGroup(join(group, entry.name));
  }
  for (let tries = 0; tries < REMOVE_TRIES; tries += 1) {
    if (isRemoved(group)) return;
    pause(REMOVE_PAUSE_MS);
  }
}

/** False while a process in it, killed a moment ago, has not quite ended. */
function isRemoved(group: string): boolean {
  try {
    rmdirSync(group);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}

/** Without giving way: exit handlers come here too. */
function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
