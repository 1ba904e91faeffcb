/**
 * Where the programs of Kubernetes come from: `go/`, built once into one program that plays every
 * role (see go/main.go), kept outside the tree in
 *
 *     ${XDG_CACHE_HOME:-~/.cache}/arpeggio/kube/<digest of go.mod, go.sum, main.go, machine>/
 *
 * with a symbolic link for each role. The first build takes about eight minutes on two cores; a CI
 * cache entry of that folder (35 MB compressed) spares it. It appears by a rename, so a folder that
 * exists is complete.
 *
 * KUBEBUILDER_ASSETS, the folder that envtest knows, comes first for the roles that are in it.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { monotonic } from '../../lib/io/clock.ts';
import { childEnv, executeSync } from '../execute.ts';
import { LabFailure } from '../failure.ts';
import { findGo } from './gotool.ts';
import type { GoTool } from './gotool.ts';

export const ROLES = [
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kube-proxy',
  'kubelet',
  'kubectl',
  'agnhost',
] as const;
export type Role = (typeof ROLES)[number];

/** The path of the program for a role. */
export type Binaries = (role: Role) => string;

type Say = (text: string) => void;

const SOURCES = ['go.mod', 'go.sum', 'main.go'];
const SIGN_OF_LIFE_MS = 5000;
const VERSION_PACKAGES = ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version'];

/** The programs for these roles, built first if they must be. */
export async function binaries(roles: readonly Role[], say: Say): Promise<Binaries> {
  const given = process.env['KUBEBUILDER_ASSETS'];
  const lacking = given === undefined ? roles : roles.filter((role) => !isIn(given, role));
  if (given !== undefined && lacking.length > 0) {
    say(`KUBEBUILDER_ASSETS has no ${lacking.join(', ')}: taken from our own build of Kubernetes`);
  }
  if (lacking.length > 0 && !isBuilt()) await build(say);
  return (role) => join(given !== undefined && isIn(given, role) ? given : cacheFolder(), role);
}

/** Whether these roles need no compiler. */
export function areThere(roles: readonly Role[]): boolean {
  const given = process.env['KUBEBUILDER_ASSETS'];
  return isBuilt() || (given !== undefined && roles.every((role) => isIn(given, role)));
}

/** The Kubernetes version of go.mod: `1.35.4`. */
export function kubernetesVersion(): string {
  const version = /^\tk8s\.io\/kubernetes v(\S+)/m.exec(
    readFileSync(source('go.mod'), 'utf8'),
  )?.[1];
  if (version === undefined) throw new Error('go.mod names no version of k8s.io/kubernetes');
  return version;
}

export function cacheFolder(): string {
  const hash = createHash('sha256').update(process.arch);
  for (const name of SOURCES) hash.update(`${name}\0`).update(readFileSync(source(name)));
  return join(cacheRoot(), hash.digest('hex').slice(0, 16));
}

function cacheRoot(): string {
  const base = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  return join(base, 'arpeggio/kube');
}

function source(name: string): string {
  return join(import.meta.dirname, 'go', name);
}

function isIn(folder: string, role: Role): boolean {
  return existsSync(join(folder, role));
}

function isBuilt(): boolean {
  return existsSync(join(cacheFolder(), 'kube'));
}

async function build(say: Say): Promise<void> {
  const go = findGo(say);
  mkdirSync(cacheRoot(), { recursive: true });
  removeUnfinished();
  const begin = monotonic();
  const version = kubernetesVersion();
  say(`building Kubernetes ${version}, once: about 8 minutes on two cores, 4 GB of disk for Go`);
  const fresh = join(cacheRoot(), `new-${process.pid}`);
  mkdirSync(fresh);
  try {
    await compile(go, join(fresh, 'kube'), say);
    for (const role of ROLES) symlinkSync('kube', join(fresh, role));
    const answer = executeSync([join(fresh, 'kubectl'), 'version', '--client']);
    if (!answer.stdout.includes(version)) {
      throw new LabFailure(`the built kubectl does not say ${version}: ${answer.stderr.trim()}`);
    }
    putInPlace(fresh);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
  say(`built Kubernetes ${version} in ${seconds(begin)}, kept in ${cacheFolder()}`);
}

/** What builds left that were killed: their pid is gone. */
function removeUnfinished(): void {
  for (const name of readdirSync(cacheRoot())) {
    const pid = /^new-(\d+)$/.exec(name)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    rmSync(join(cacheRoot(), name), { recursive: true, force: true });
  }
}

/** Another build may have come first: then that one stays, being the same. */
function putInPlace(fresh: string): void {
  try {
    renameSync(fresh, cacheFolder());
  } catch (error) {
    if (!isBuilt()) throw error;
  }
}

/** The lowest priority: whoever shares the machine goes first. */
function compile(go: GoTool, out: string, say: Say): Promise<void> {
  // The commit of this repository says nothing about what is built, and git may be missing.
  const flags = ['-trimpath', '-buildvcs=false', '-ldflags', linkerFlags(), '-v', '-o', out];
  const argv = ['nice', '-n', '19', go.command, 'build', ...flags, '.'];
  const begin = monotonic();
  return new Promise((done, fail) => {
    // Ends with us: a build that outlives its reader would go on for minutes.
    const child = spawn('setpriv', ['--pdeathsig', 'TERM', '--', ...argv], {
      cwd: join(import.meta.dirname, 'go'),
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...childEnv(), ...go.env, CGO_ENABLED: '0' },
    });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
    const alive = setInterval(() => say(`${progress(said)}, ${seconds(begin)}`), SIGN_OF_LIFE_MS);
    child.once('error', fail);
    child.once('close', (code) => {
      clearInterval(alive);
      if (code === 0) return done();
      const why = said.trimEnd().split('\n').slice(-8).join('\n  ');
      return fail(new LabFailure(`\`go build\` of Kubernetes failed:\n  ${why}`));
    });
  });
}

/** `go build -v` names each module it downloads, then each package it compiles. */
function progress(said: string): string {
  const lines = said.split('\n').slice(0, -1);
  const modules = lines.filter((line) => line.startsWith('go: downloading ')).length;
  const packages = lines.length - modules;
  if (packages > 0) return `compiled ${packages} packages, now ${lines.at(-1) ?? ''}`;
  return modules > 0
    ? `downloaded ${modules} Go modules`
    : 'compiling, or linking what was compiled before';
}

/** Without them the version is a placeholder, and kubectl and the API server disagree. */
function linkerFlags(): string {
  const version = kubernetesVersion();
  const [major = '', minor = ''] = version.split('.');
  const facts = {
    gitVersion: `v${version}`,
    gitMajor: major,
    gitMinor: minor,
    gitCommit: 'module',
    gitTreeState: 'clean',
    buildDate: '1970-01-01T00:00:00Z',
  };
  const set = VERSION_PACKAGES.flatMap((name) =>
    Object.entries(facts).map(([key, value]) => `-X ${name}.${key}=${value}`),
  );
  return ['-s', '-w', ...set].join(' ');
}

function seconds(since: number): string {
  return `${Math.round((monotonic() - since) / 1000)} s`;
}
