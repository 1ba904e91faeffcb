/**
 * Network namespaces under one prefix, and the promise that none stays behind.
 *
 * A run owns a `Lab`: every namespace and every program of that run belongs to it and ends with it,
 * on `close`, on a normal exit, on an exception and on SIGINT or SIGTERM. What only SIGKILL can
 * leave (names; programs die with their parent, see program.ts) is removed by the next run, which
 * recognises it because names carry the pid of the run that made them: `arpeggio-demo-1234-node1`.
 *
 * Alternative not taken: one unnamed user + network namespace around everything (`unshare -Urn`).
 * It cleans up by itself, but nobody could look into a running demo with `ip netns exec`.
 */
import { existsSync, readdirSync } from 'node:fs';
import { execute, executeSync } from './execute.ts';
import type { ExecuteOptions, Finished } from './execute.ts';
import { LabFailure } from './failure.ts';

const NETNS_DIR = '/run/netns';
const OURS = /^arpeggio-[a-z0-9]+-(\d+)-/;

/** One network namespace. */
export class Namespace {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  /** The command line that runs `argv` in here; `ip netns exec` keeps the pid. */
  wrap(argv: readonly string[]): string[] {
    return ['ip', 'netns', 'exec', this.name, ...argv];
  }

  exec(argv: readonly string[], options?: ExecuteOptions): Promise<Finished> {
    return execute(this.wrap(argv), options);
  }

  /** The same without letting anything else happen meanwhile. */
  execSync(argv: readonly string[], options?: ExecuteOptions): Finished {
    return executeSync(this.wrap(argv), options);
  }

  /** Runs `ip` commands in here, one per line; the first failure stops and throws. */
  ip(...lines: readonly string[]): string {
    return ip(['-n', this.name, '-batch', '-'], lines.join('\n'));
  }

  /** Sets `net.*` kernel parameters of this namespace, as `ipv4/ip_forward`. */
  sysctl(values: Readonly<Record<string, number>>): void {
    const script = Object.entries(values)
      .map(([key, value]) => `echo ${value} > /proc/sys/net/${key}`)
      .join(' && ');
    const done = this.execSync(['sh', '-c', script]);
    if (done.code !== 0) {
      throw new LabFailure(`cannot set ${Object.keys(values).join(', ')}: ${done.stderr.trim()}`);
    }
  }

  /** Every process that has its network in here, ours by definition. */
  pids(): number[] {
    const found = executeSync(['ip', 'netns', 'pids', this.name]);
    return found.stdout.split('\n').filter(Boolean).map(Number);
  }
}

/** Something that must end before the namespaces go. */
export interface Guest {
  endSync(): void;
}

export class Lab {
  /** `arpeggio-<purpose>-<pid>`: the prefix of every name. */
  readonly prefix: string;
  readonly #namespaces = new Map<string, Namespace>();
  readonly #guests = new Set<Guest>();
  readonly #onExit = (): void => this.close();
  readonly #onSignal = (signal: NodeJS.Signals): void => {
    this.close();
    process.exit(signal === 'SIGINT' ? 130 : 143);
  };
  #open = true;

  /** `purpose`: lower-case letters and digits, such as `demo`. */
  constructor(purpose: string) {
    checkMachine();
    removeLeftovers();
    this.prefix = `arpeggio-${purpose}-${process.pid}`;
    // A second lab of one process (several suites in one worker) gets its own names.
    for (let n = 2; taken(this.prefix); n += 1) {
      this.prefix = `arpeggio-${purpose}${n}-${process.pid}`;
    }
    process.once('exit', this.#onExit);
    process.once('SIGINT', this.#onSignal);
    process.once('SIGTERM', this.#onSignal);
  }

  /** Creates `<prefix>-<short>` with its loopback up. */
  namespace(short: string): Namespace {
    if (!this.#open) throw new LabFailure(`the lab ${this.prefix} is closed`);
    const namespace = new Namespace(`${this.prefix}-${short}`);
    this.#namespaces.set(namespace.name, namespace);
    ip(['netns', 'add', namespace.name]);
    namespace.ip('link set lo up');
    return namespace;
  }

  /** Takes care of a guest until the end of the lab. */
  adopt(guest: Guest): void {
    this.#guests.add(guest);
  }

  /** Forgets everything without ending it: `make demo KEEP=1` hands it to `make demo-stop`. */
  release(): string[] {
    this.#unhook();
    this.#open = false;
    return [...this.#namespaces.keys()];
  }

  /** Ends every program and removes every namespace. Idempotent, bounded, never throws. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#unhook();
    for (const guest of this.#guests) guest.endSync();
    removeNamespaces([...this.#namespaces.keys()]);
  }

  #unhook(): void {
    process.off('exit', this.#onExit);
    process.off('SIGINT', this.#onSignal);
    process.off('SIGTERM', this.#onSignal);
  }
}

/** Kills what runs inside, then removes the names. A namespace that is gone is no error. */
export function removeNamespaces(names: readonly string[]): void {
  for (const name of names) {
    if (!existsSync(`${NETNS_DIR}/${name}`)) continue;
    for (const pid of new Namespace(name).pids()) killQuietly(pid);
    executeSync(['ip', 'netns', 'del', name]);
  }
}

/** Removes namespaces of runs that were killed: their pid is gone and nothing runs inside. */
export function removeLeftovers(): void {
  if (process.getuid?.() !== 0 || !existsSync(NETNS_DIR)) return;
  for (const name of readdirSync(NETNS_DIR)) {
    const pid = OURS.exec(name)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    const run = name.slice(0, name.indexOf(`-${pid}-`) + pid.length + 2);
    const siblings = readdirSync(NETNS_DIR).filter((other) => other.startsWith(run));
    // A demo kept with KEEP=1 outlives the process that started it: its programs still run.
    if (siblings.some((other) => new Namespace(other).pids().length > 0)) continue;
    executeSync(['ip', 'netns', 'del', name]);
  }
}

function taken(prefix: string): boolean {
  if (!existsSync(NETNS_DIR)) return false;
  return readdirSync(NETNS_DIR).some((name) => name.startsWith(`${prefix}-`));
}

/** Says in one sentence why there can be no namespaces here. */
export function checkMachine(): void {
  if (process.platform !== 'linux') {
    throw new LabFailure('network namespaces exist on Linux only: use a Linux machine or VM');
  }
  if (process.getuid?.() !== 0) {
    throw new LabFailure('network namespaces need root: run the command again with sudo');
  }
}

function ip(args: readonly string[], input?: string): string {
  const done = executeSync(['ip', ...args], input === undefined ? {} : { input });
  if (done.code === 0) return done.stdout;
  const what = input === undefined ? args.join(' ') : input.replaceAll('\n', '; ');
  const why = done.stderr.trim().split('\n').at(-1) ?? '';
  const denied = why.includes('not permitted') ? ': a container needs to be privileged' : '';
  throw new LabFailure(`\`ip ${what}\` failed: ${why}${denied}`);
}

export function killQuietly(pid: number, signal: NodeJS.Signals = 'SIGKILL'): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Already gone: that is what was wanted.
  }
}
