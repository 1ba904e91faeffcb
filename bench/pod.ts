/**
 * One node of a cluster for measurements of what a program takes: an API server with as many
 * Services and EndpointSlices as asked for, and programs bundled, with the environment of the image
 * and a service account, as a kubelet starts them. Other nodes exist as objects, and as a process
 * that sends their beats.
 */
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { executeSync } from '../lab/execute.ts';
import { LabFailure } from '../lab/failure.ts';
import { Lab } from '../lab/namespace.ts';
import { httpGet } from '../lab/probe.ts';
import { Program } from '../lab/process.ts';
import { Segment } from '../lab/segment.ts';
import type { Host } from '../lab/segment.ts';
import { SMALL_HEAP } from '../lib/io/heap.ts';

const ROOT = join(import.meta.dirname, '..');
const WITHIN_MS = 120_000;
const PORTS = { controller: 7472, speaker: 7473 } as const;
const ACCOUNT = '/run/secrets/kubernetes.io/serviceaccount';

export const FIRST = ['nice', '-n', '-15'] as const;

export type Name = keyof typeof PORTS;

export interface PodOptions {
  /** Of the namespaces: lower-case letters and digits. */
  readonly purpose: string;
  /** With an EndpointSlice each. */
  readonly services: number;
  /** 1 to 100. The programs run on the first. */
  readonly nodes: number;
}

/** The bundles, in a directory that the caller removes. */
export function bundled(directory: string): string {
  const dist = join(directory, 'dist');
  const argv = [process.execPath, join(ROOT, 'scripts/bundle.ts'), dist];
  const done = executeSync(argv, { timeoutMs: WITHIN_MS });
  if (done.code !== 0) throw new LabFailure(`the bundles fail: ${done.stderr.trim()}`);
  return dist;
}

export class Pod {
  readonly lab: Lab;
  readonly node: Host;
  readonly client: Host;
  readonly #segment: Segment;
  readonly #directory: string;
  readonly #dist: string;
  readonly #options: PodOptions;
  #api: Program | undefined;
  #port = '';

  constructor(dist: string, options: PodOptions) {
    this.#dist = dist;
    this.#options = options;
    const directory = mkdtempSync(join(tmpdir(), `arpeggio-${options.purpose}-`));
    this.#directory = directory;
    this.lab = new Lab(options.purpose);
    this.lab.adopt({ endSync: () => rmSync(directory, { recursive: true, force: true }) });
    // The second is where the beats of all others come from.
    this.#segment = new Segment(this.lab, { nodes: Math.min(2, options.nodes) });
    this.node = this.#segment.node('node1');
    this.client = this.#segment.client;
  }

  async open(): Promise<void> {
    const { services, nodes } = this.#options;
    const script = join(ROOT, 'bench/apihost.ts');
    const argv = [process.execPath, script, String(services), this.#directory, String(nodes)];
    const place = { namespace: this.node.namespace, directory: this.#directory };
    this.#api = Program.start(this.lab, { name: 'api', argv, ...place });
    const line = await this.#api.line((text) => text.startsWith('port '), WITHIN_MS, 'its port');
    this.#port = line.slice('port '.length);
    if (nodes > 1) await this.#others(nodes);
  }

  /** `wrap` gets the command line that starts it: a limit, another binary. */
  start(name: Name, wrap = (argv: readonly string[]): readonly string[] => argv): Program {
    const { namespace } = this.node;
    const secret = `--secret-file=${join(this.#directory, 'serviceaccount/ca.crt')}`;
    const flags = name === 'speaker' ? ['--node=node1', secret] : [];
    const bundle = join(this.#dist, `${name}.mjs`);
    const argv = wrap([process.execPath, bundle, `--port=${PORTS[name]}`, ...flags]);
    const mount = `mount -t tmpfs none /run && mkdir -p ${ACCOUNT}`;
    const copy = `cp ${join(this.#directory, 'serviceaccount')}/* ${ACCOUNT}`;
    const env = `env KUBERNETES_SERVICE_HOST=127.0.0.1 KUBERNETES_SERVICE_PORT=${this.#port}`;
    const script = `${mount} && ${copy} && exec ${env} "$@"`;
    const inside = ['unshare', '--mount', 'sh', '-c', script, 'sh', ...argv];
    const place = { namespace, directory: this.#directory };
    const environment = { NODE_ENV: 'production', ...SMALL_HEAP };
    return Program.start(this.lab, { name, argv: inside, ...place, env: environment });
  }

  /** Every Service has an address; a controller gave it. */
  async allocated(): Promise<void> {
    await this.#api?.line((text) => text === 'allocated', WITHIN_MS, 'all have addresses');
  }

  /** The speaker answers for so many addresses. */
  async holds(speaker: Program, count: number): Promise<void> {
    const all = async (): Promise<boolean> => {
      const report = await this.ask('speaker', '/report');
      return (report?.match(/"198\.1[89]\.\d+\.\d+"/g)?.length ?? 0) >= count;
    };
    await speaker.until(all, WITHIN_MS, `it holds ${count} addresses`, 200);
    await this.ready('speaker', speaker);
  }

  async ready(name: Name, program: Program): Promise<void> {
    const is = async (): Promise<boolean> => (await this.ask(name, '/readyz')) === 'ready\n';
    await program.until(is, WITHIN_MS, 'it is ready', 100);
  }

  /** What the program's server says; undefined: not 200, or nothing. */
  async ask(name: Name, path: string): Promise<string | undefined> {
    const url = `http://127.0.0.1:${PORTS[name]}${path}`;
    const answer = await httpGet(this.node.namespace, url, 5000);
    return answer?.status === 200 ? answer.body : undefined;
  }

  close(): void {
    this.lab.close();
  }

  /** One process has the addresses of all other nodes. */
  async #others(nodes: number): Promise<void> {
    const { namespace } = this.#segment.node('node2');
    const more = Array.from({ length: nodes - 2 }, (_, i) => `192.168.100.${102 + i}`);
    if (more.length > 0) namespace.ip(...more.map((ip) => `addr add ${ip}/24 dev eth0`));
    const secret = join(this.#directory, 'serviceaccount/ca.crt');
    const script = join(ROOT, 'bench/beats.ts');
    // Before whatever else the machine does: a hundred nodes are not late because one is busy.
    const argv = [...FIRST, process.execPath, script, String(nodes), secret];
    const place = { namespace, directory: this.#directory };
    const beats = Program.start(this.lab, { name: 'beats', argv, ...place });
    await beats.line((text) => text === 'beating', WITHIN_MS, 'it sends beats');
  }
}

export interface Taken {
  readonly rss_mib: number;
  readonly anon_mib: number;
  readonly peak_mib: number;
  /** Of processor time, so far. */
  readonly cpu_s: number;
  /** How often a thread has waited, so far. */
  readonly waits: number;
}

export function takenBy(pid: number): Taken {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const mib = (key: string): number =>
    Math.round(Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 102.4) / 10;
  const tasks = readdirSync(`/proc/${pid}/task`).map((task) => `/proc/${pid}/task/${task}`);
  const sum = (read: (task: string) => number): number =>
    tasks.reduce((all, task) => all + read(task), 0);
  return {
    rss_mib: mib('VmRSS'),
    anon_mib: mib('RssAnon'),
    peak_mib: mib('VmHWM'),
    cpu_s: sum((task) => Number(readFileSync(`${task}/schedstat`, 'utf8').split(' ')[0])) / 1e9,
    waits: sum((task) => {
      const text = readFileSync(`${task}/status`, 'utf8');
      return Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(text)?.[1]);
    }),
  };
}
