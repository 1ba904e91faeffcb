/**
 * The programs of the demo on their segment: one controller, and on every node a speaker and a
 * backend. They share a directory of manifests, copied so that a run never changes the repository.
 */
import { randomBytes } from 'node:crypto';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { monotonic } from '../lib/io/clock.ts';
import type { Instant } from '../lib/time.ts';
import { LabFailure } from '../lab/failure.ts';
import { killQuietly } from '../lab/namespace.ts';
import type { Lab, Namespace } from '../lab/namespace.ts';
import { Program } from '../lab/process.ts';
import { ready } from '../lab/ready.ts';
import { Segment } from '../lab/segment.ts';
import type { Host } from '../lab/segment.ts';
import { until } from '../lab/until.ts';

const ROOT = join(import.meta.dirname, '..');
/** A bound, not an expectation: two demos beside a busy test run start slowly. */
const START_MS = 30_000;
const LOOPBACK = '127.0.0.1';
const CONTROLLER_PORT = 7472;
export const SPEAKER_PORT = 7473;

export interface ClusterOptions {
  /** Everything the run writes: manifests, logs, the secret. */
  readonly directory: string;
  readonly keep: boolean;
  /** The controller has a cable, and speakers report to it. */
  readonly reports?: boolean;
}

export class Cluster {
  readonly segment: Segment;
  readonly manifests: string;
  readonly logs: string;
  readonly secretFile: string;
  readonly #lab: Lab;
  readonly #keep: boolean;
  /** Of the controller on the segment; undefined: it has no cable. */
  readonly #controllerIp: string | undefined;
  readonly #programs = new Map<string, Program>();

  constructor(lab: Lab, options: ClusterOptions) {
    this.#lab = lab;
    this.#keep = options.keep;
    this.manifests = join(options.directory, 'manifests');
    this.logs = join(options.directory, 'log');
    this.secretFile = join(options.directory, 'secret');
    cpSync(join(import.meta.dirname, 'manifests'), this.manifests, { recursive: true });
    mkdirSync(this.logs);
    // The key that authenticates heartbeats; whoever reads it can take over addresses.
    writeFileSync(this.secretFile, randomBytes(32).toString('hex'), { mode: 0o600 });
    this.segment = new Segment(lab);
    this.#controllerIp = options.reports === true ? this.segment.connectControl().ip4 : undefined;
  }

  async startController(): Promise<void> {
    const reports = this.#controllerIp !== undefined;
    const flags = {
      manifests: this.manifests,
      port: CONTROLLER_PORT,
      host: reports ? '0.0.0.0' : LOOPBACK,
      ...(reports ? { 'secret-file': this.secretFile } : {}),
    };
    const { control } = this.segment;
    const controller = this.#start('controller', control, 'controller/main.ts', asArgs(flags));
    await ready(controller, control, { port: CONTROLLER_PORT });
  }

  async startBackends(nodes: readonly Host[] = this.segment.nodes): Promise<void> {
    const backends = nodes.map(({ name, namespace }) =>
      this.#start(`backend-${name}`, namespace, 'demo/backend.ts', [name]),
    );
    await Promise.all(
      backends.map((backend) =>
        backend.line((line) => line === 'listening', START_MS, 'it listens'),
      ),
    );
  }

  async startSpeakers(nodes: readonly Host[] = this.segment.nodes): Promise<void> {
    const url = `http://${this.#controllerIp}:${CONTROLLER_PORT}`;
    const start = ({ name, namespace }: Host): Program => {
      const flags = {
        manifests: this.manifests,
        node: name,
        'secret-file': this.secretFile,
        forward: 'nftables',
        port: SPEAKER_PORT,
        host: LOOPBACK,
        ...(this.#controllerIp === undefined ? {} : { controller: url }),
      };
      return this.#start(`speaker-${name}`, namespace, 'speaker/main.ts', asArgs(flags));
    };
    // All at once: started one after another, the first would own everything for a moment.
    const speakers = nodes.map((node) => ({ node, program: start(node) }));
    await Promise.all(
      speakers.map(({ node, program }) => ready(program, node.namespace, { port: SPEAKER_PORT })),
    );
  }

  /** `controller`, `speaker-node1`, `backend-node1`: the one started last. */
  program(name: string): Program {
    const program = this.#programs.get(name);
    if (program === undefined) throw new Error(`no program ${name} was started`);
    return program;
  }

  /** From now on its end is no reason to fail. */
  forget(name: string): void {
    this.#programs.delete(name);
  }

  /** Cable out, every process killed without a chance to say good-bye. Says when it began. */
  powerOff(host: Host): Instant {
    for (const kind of ['speaker', 'backend']) this.forget(`${kind}-${host.name}`);
    const pids = host.namespace.pids();
    const at = monotonic();
    for (const pid of pids) killQuietly(pid);
    this.segment.unplug(host);
    return at;
  }

  /** An orderly end of everything; also the only one that lets Node keep its compile cache. */
  async stop(): Promise<void> {
    const programs = [...this.#programs.values()];
    this.#programs.clear();
    await Promise.all(programs.map((program) => program.stop(1000)));
  }

  async powerOn(host: Host): Promise<void> {
    this.segment.plug(host);
    await this.startBackends([host]);
    await this.startSpeakers([host]);
  }

  /** Waits for something several programs do together; a program that ends is the reason. */
  until<T>(
    look: () => Promise<T | undefined | false> | T | undefined | false,
    withinMs: number,
    what: string,
  ): Promise<T> {
    const lookAtAll = async (): Promise<T | undefined | false> => {
      for (const program of this.#programs.values()) {
        if (program.exit !== undefined) {
          throw new LabFailure(`${program.name} ended before ${what}\n${program.tail()}`);
        }
      }
      return look();
    };
    const tails = (): string =>
      [...this.#programs.values()].map((program) => program.tail(3)).join('\n');
    return until(lookAtAll, { withinMs, what, lastSeen: tails });
  }

  #start(name: string, namespace: Namespace, script: string, args: readonly string[]): Program {
    const argv = [process.execPath, join(ROOT, script), ...args];
    const [directory, keep] = [this.logs, this.#keep];
    const program = Program.start(this.#lab, { name, argv, namespace, directory, keep });
    this.#programs.set(name, program);
    return program;
  }
}

function asArgs(flags: Readonly<Record<string, string | number>>): string[] {
  return Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)]);
}
