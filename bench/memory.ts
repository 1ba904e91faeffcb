/**
 * Memory of the programs as they run in a pod: bundled, with the image's environment, and with
 * 10,000 Services and as many EndpointSlices at an API server, from the first byte to every Service
 * having an address and the speaker an order for each. RSS as the kernel counts it (`VmRSS`), what
 * of it is the program's own and not Node.js' code shared by all (`RssAnon`), its highest value
 * (`VmHWM`), and processor time. Once with a service account, as in a pod, and once with a
 * kubeconfig, which brings the library that reads it. Before that the API client by itself, which
 * follows both kinds and keeps what the programs keep of them.
 */
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SMALL_HEAP } from '../lib/io/heap.ts';
import { executeSync } from '../lab/execute.ts';
import { LabFailure } from '../lab/failure.ts';
import { Lab } from '../lab/namespace.ts';
import { httpGet } from '../lab/probe.ts';
import { Program } from '../lab/process.ts';
import { Segment } from '../lab/segment.ts';
import type { Host } from '../lab/segment.ts';
import { until } from '../lab/until.ts';

const ROOT = join(import.meta.dirname, '..');
const COUNT = 10_000;
const WITHIN_MS = 300_000;
const SETTLE_MS = 5000;
const PORTS = { controller: 7472, speaker: 7473 } as const;

export type Access = 'pod' | 'kubeconfig';
type Name = keyof typeof PORTS;

export interface Footprint {
  readonly rss_mib: number;
  readonly anon_mib: number;
  readonly peak_mib: number;
  readonly cpu_s: number;
}

export interface Memory {
  readonly objects: number;
  /** KiB of each file of the bundle. */
  readonly bundles: Readonly<Record<string, number>>;
  readonly client: Footprint;
  readonly programs: Readonly<Record<Access, Readonly<Record<Name, Footprint>>>>;
}

export async function memory(say: (text: string) => void): Promise<Memory> {
  const scratch = mkdtempSync(join(tmpdir(), 'arpeggio-memory-'));
  try {
    const dist = join(scratch, 'dist');
    say('bundling');
    const bundle = [process.execPath, join(ROOT, 'scripts/bundle.ts'), dist];
    const bundled = executeSync(bundle, { timeoutMs: WITHIN_MS });
    if (bundled.code !== 0) throw new LabFailure(`the bundles fail: ${bundled.stderr.trim()}`);
    const client = await follow(scratch, say);
    const programs = {
      pod: await run('pod', dist, join(scratch, 'pod'), say),
      kubeconfig: await run('kubeconfig', dist, join(scratch, 'kubeconfig'), say),
    };
    return { objects: 2 * COUNT, bundles: sizes(dist), client, programs };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** The client alone, bundled as the programs are. */
async function follow(scratch: string, say: (text: string) => void): Promise<Footprint> {
  say(`the API client: ${COUNT} Services and EndpointSlices`);
  const directory = join(scratch, 'client');
  mkdirSync(directory);
  const lab = new Lab('memory');
  try {
    const namespace = lab.namespace('node');
    namespace.ip('link set lo up');
    const bundle = join(directory, 'reflect.mjs');
    const flags = ['--bundle', '--platform=node', '--format=esm', `--outfile=${bundle}`, REQUIRE];
    const entry = join(ROOT, 'bench/reflect.ts');
    const bundled = executeSync([join(ROOT, 'node_modules/.bin/esbuild'), entry, ...flags]);
    if (bundled.code !== 0) throw new LabFailure(`the bundle fails: ${bundled.stderr.trim()}`);
    const { port } = await apiServer(lab, namespace, directory);
    const argv = [process.execPath, bundle, port, join(directory, 'serviceaccount')];
    const place = { namespace, directory, env: SMALL_HEAP };
    const program = Program.start(lab, { name: 'client', argv, ...place });
    await program.line((text) => text === `synced ${2 * COUNT}`, WITHIN_MS, 'it knows all');
    await quiet('the client', program.pid);
    return footprint(program.pid);
  } finally {
    lab.close();
  }
}

/** Packages of the older module system look for this. */
const REQUIRE =
  "--banner:js=import{createRequire as make}from'node:module';" +
  'const require=make(import.meta.url);';

async function apiServer(
  lab: Lab,
  namespace: Host['namespace'],
  directory: string,
): Promise<{ readonly api: Program; readonly port: string }> {
  const argv = [process.execPath, join(ROOT, 'bench/apihost.ts'), String(COUNT), directory];
  const api = Program.start(lab, { name: 'api', argv, namespace, directory });
  const line = await api.line((text) => text.startsWith('port '), WITHIN_MS, 'its port');
  return { api, port: line.slice('port '.length) };
}

async function run(
  access: Access,
  dist: string,
  directory: string,
  say: (text: string) => void,
): Promise<Record<Name, Footprint>> {
  mkdirSync(directory);
  const lab = new Lab('memory');
  try {
    const node = new Segment(lab, { nodes: 1 }).node('node1');
    node.namespace.ip('link set lo up');
    say(`${access}: ${COUNT} Services and EndpointSlices`);
    const { namespace } = node;
    const { api, port } = await apiServer(lab, namespace, directory);
    const start = (name: Name, flags: readonly string[]): Program => {
      const entry = [process.execPath, join(dist, `${name}.mjs`), `--port=${PORTS[name]}`];
      const argv = [...inPod(access, directory, port), ...entry, ...flags];
      if (access === 'kubeconfig') argv.push(`--kubeconfig=${join(directory, 'kubeconfig')}`);
      return Program.start(lab, { name, argv, namespace, directory, env: SMALL_HEAP });
    };
    const secret = `--secret-file=${join(directory, 'serviceaccount/ca.crt')}`;
    say(`${access}: the controller allocates, the speaker follows`);
    const programs = {
      controller: start('controller', []),
      speaker: start('speaker', ['--node=node1', secret]),
    };
    await api.line((text) => text === 'allocated', WITHIN_MS, 'every Service has an address');
    return {
      controller: await settled(node, 'controller', programs.controller),
      speaker: await settled(node, 'speaker', programs.speaker),
    };
  } finally {
    lab.close();
  }
}

/** A mount namespace in which the service account is where a kubelet puts it. */
function inPod(access: Access, directory: string, port: string): readonly string[] {
  if (access === 'kubeconfig') return [];
  const account = '/run/secrets/kubernetes.io/serviceaccount';
  const mount = `mount -t tmpfs none /run && mkdir -p ${account}`;
  const copy = `cp ${join(directory, 'serviceaccount')}/* ${account}`;
  const env = `env KUBERNETES_SERVICE_HOST=127.0.0.1 KUBERNETES_SERVICE_PORT=${port}`;
  return ['unshare', '--mount', 'sh', '-c', `${mount} && ${copy} && exec ${env} "$@"`, 'sh'];
}

async function settled(node: Host, name: Name, program: Program): Promise<Footprint> {
  const url = `http://127.0.0.1:${PORTS[name]}/readyz`;
  const isReady = async (): Promise<boolean> =>
    (await httpGet(node.namespace, url, 5000))?.status === 200;
  await program.until(isReady, WITHIN_MS, 'it is ready', 200);
  await quiet(name, program.pid);
  return footprint(program.pid);
}

function quiet(name: string, pid: number): Promise<boolean> {
  let before = -1;
  const look = (): boolean => {
    const { cpu_s: now } = footprint(pid);
    const isQuiet = now - before < 0.2;
    before = now;
    return isQuiet;
  };
  return until(look, { withinMs: WITHIN_MS, everyMs: SETTLE_MS, what: `${name} to be quiet` });
}

function footprint(pid: number): Footprint {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const mib = (key: string): number => {
    const kib = new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(status)?.[1];
    return Math.round(Number(kib) / 102.4) / 10;
  };
  // After the name, which may hold spaces: field 14 and 15 of proc(5), in ticks of 10 ms.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
  const ticks = Number(fields[11]) + Number(fields[12]);
  return {
    rss_mib: mib('VmRSS'),
    anon_mib: mib('RssAnon'),
    peak_mib: mib('VmHWM'),
    cpu_s: ticks / 100,
  };
}

function sizes(dist: string): Record<string, number> {
  const files = readdirSync(dist).filter((name) => /\.(?:mjs|node)$/.test(name));
  return Object.fromEntries(
    files.map((name) => [name, Math.round(statSync(join(dist, name)).size / 1024)]),
  );
}

export function memoryTable({ bundles, client, programs }: Memory): string {
  const row = (name: string, access: string, print: Footprint): string => {
    const mibs = [print.rss_mib, print.anon_mib, print.peak_mib].map((mib) => mib.toFixed(0));
    const cells = [...mibs, print.cpu_s.toFixed(1)].map((text) => text.padStart(8)).join('');
    return `${name.padEnd(12)}${access.padEnd(12)}${cells}`;
  };
  const rows = [
    row('client', 'pod', client),
    ...Object.entries(programs).flatMap(([access, both]) =>
      Object.entries(both).map(([name, print]) => row(name, access, print)),
    ),
  ];
  const files = Object.entries(bundles).map(([name, kib]) => `${name} ${kib} KiB`);
  const head = `${'program'.padEnd(12)}${'access'.padEnd(12)} RSS MiB    anon    peak   CPU s`;
  return [head, ...rows, '', files.join(', '), ''].join('\n');
}
