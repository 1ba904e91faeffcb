/**
 * Many addresses on a segment: speakers as they are in the image (bundled, with its environment),
 * one on each node, and an API server that tells them of as many Services as asked for. Without
 * controllers, whose work has measurements of its own.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
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
import type { Millis } from '../lib/time.ts';

const ROOT = join(import.meta.dirname, '..');
const PORT = 7473;
const WITHIN_MS = 300_000;

export interface CrowdOptions {
  /** Of the namespaces: lower-case letters and digits. */
  readonly purpose: string;
  readonly nodes: number;
  /** Of 198.18.0.0/15. */
  readonly addresses: readonly string[];
  /** One Service or endpoint changes so often; 0: never. */
  readonly churn: Millis;
  /** Of the speakers, besides those that every one needs. */
  readonly flags: readonly string[];
  /** As of nice(1): below 0 they go before whatever else the machine does. */
  readonly niceness?: number;
}

export class Crowd {
  readonly lab: Lab;
  readonly segment: Segment;
  /** Ends with the run. */
  readonly directory: string;
  readonly #options: CrowdOptions;
  #host: Program | undefined;

  constructor(options: CrowdOptions) {
    this.#options = options;
    this.lab = new Lab(options.purpose);
    const directory = mkdtempSync(join(tmpdir(), `arpeggio-${options.purpose}-`));
    this.directory = directory;
    this.lab.adopt({ endSync: () => rmSync(directory, { recursive: true, force: true }) });
    this.segment = new Segment(this.lab, { nodes: options.nodes });
  }

  async open(): Promise<void> {
    const { addresses, churn } = this.#options;
    const bundle = [process.execPath, join(ROOT, 'scripts/bundle.ts'), this.#file('dist')];
    const bundled = executeSync(bundle, { timeoutMs: WITHIN_MS });
    if (bundled.code !== 0) throw new LabFailure(`the bundles fail: ${bundled.stderr.trim()}`);
    writeFileSync(this.#file('addresses'), addresses.join('\n'));
    // The key of the heartbeats; nobody but this run has it.
    writeFileSync(this.#file('secret'), randomBytes(32).toString('hex'), { mode: 0o600 });
    const { ip4: host, namespace } = this.segment.connectControl();
    const nodes = this.segment.nodes.map(({ name, ip4 }) => `${name}=${ip4}`).join();
    const script = join(ROOT, 'bench/crowdhost.ts');
    const argv = [process.execPath, script, this.directory, host, nodes, String(churn)];
    const place = { namespace, directory: this.directory };
    this.#host = Program.start(this.lab, { name: 'api', argv, ...place });
    await this.#host.line((text) => text === 'serving', WITHIN_MS, 'it serves');
  }

  /** Started again, a speaker goes on with the log of its predecessor. */
  start({ name, namespace }: Host): Program {
    const flags = [
      `--kubeconfig=${this.#file('kubeconfig')}`,
      `--node=${name}`,
      `--secret-file=${this.#file('secret')}`,
      `--port=${PORT}`,
      '--host=127.0.0.1',
      ...this.#options.flags,
    ];
    const nice = ['nice', '-n', String(this.#options.niceness ?? 0)];
    const argv = [...nice, process.execPath, join(this.#file('dist'), 'speaker.mjs'), ...flags];
    const place = { namespace, directory: this.directory, env: SMALL_HEAP };
    return Program.start(this.lab, { name: `speaker-${name}`, argv, ...place });
  }

  async ready({ namespace }: Host, speaker: Program): Promise<void> {
    const isReady = async (): Promise<boolean> => {
      this.check();
      return (await httpGet(namespace, `http://127.0.0.1:${PORT}/readyz`))?.status === 200;
    };
    await speaker.until(isReady, WITHIN_MS, 'it is ready', 100);
  }

  /** The metrics of a speaker; undefined when it does not answer in time. */
  async metrics({ namespace }: Host): Promise<string | undefined> {
    return (await httpGet(namespace, `http://127.0.0.1:${PORT}/metrics`, 5000))?.body;
  }

  /** What became of the Services, as the API server said last. */
  told(): string {
    return this.#host?.log().trimEnd().split('\n').at(-1) ?? '';
  }

  /** Throws when the API server has ended. */
  check(): void {
    const host = this.#host;
    if (host?.exit !== undefined) throw new LabFailure(`the API server ended\n${host.tail(20)}`);
  }

  close(): void {
    this.lab.close();
  }

  #file(name: string): string {
    return join(this.directory, name);
  }
}

/** How many addresses the node announces. */
export function announced(metrics: string): number {
  return metrics.split('\n').filter((line) => line.startsWith('metallb_speaker_announced{')).length;
}
