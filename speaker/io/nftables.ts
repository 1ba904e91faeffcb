/**
 * Keeps the one nftables table of `--forward=nftables` equal to what is wanted, with one `nft -f -`
 * per change: the kernel takes the whole transaction or nothing. Runs never overlap; of several
 * wishes during a run only the last is carried out. A run says only what differs; after one that
 * failed nobody knows what there is, and the next makes the whole table new.
 *
 * The table stays when the process is killed, on purpose: connections through this node go on, and
 * the next start replaces it. An orderly exit removes it (`remove`, synchronous, because a process
 * that got SIGTERM has no time for promises).
 */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import type { Log } from '../../lib/io/log.ts';
import { err, ok } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';
import type { Family } from '../../net/ip.ts';
import type { Forward } from '../forward.ts';
import { NO_RULESET, rulesetOf, transaction } from '../ruleset.ts';
import type { Ruleset } from '../ruleset.ts';

const RETRY_MS = 2000;
/** A run may take this long, and as much longer for each line; measured is a hundredth of that. */
const LIMIT_MS = 5000;
const LINE_MS = 1;

const SWITCHES: Readonly<Record<Family, string>> = {
  4: '/proc/sys/net/ipv4/ip_forward',
  6: '/proc/sys/net/ipv6/conf/all/forwarding',
};

export class Nftables {
  readonly #log: Log;
  /** What the kernel has, as far as we know. */
  #applied: Ruleset | 'unknown' = NO_RULESET;
  #wanted: Ruleset = NO_RULESET;
  /** The run under way. */
  #running: ChildProcess | undefined;
  #closed = false;
  #retry: NodeJS.Timeout | undefined;

  private constructor(log: Log) {
    this.#log = log;
  }

  /** Starts without a table, also when an earlier process was killed and left one. */
  static open(log: Log): Result<Nftables, string> {
    const cleared = runSync(REMOVAL);
    return cleared.ok ? ok(new Nftables(log)) : cleared;
  }

  /** Makes the table say this, soon. Repeating a wish costs nothing. */
  want(forwards: readonly Forward[]): void {
    this.#wanted = rulesetOf(forwards);
    for (const family of [4, 6] as const) {
      if (forwards.some(({ vip }) => vip.family === family)) this.#turnOn(family);
    }
    this.#settle();
  }

  /** Removes the table, at once and for good. */
  remove(): Result<void, string> {
    this.#closed = true;
    clearTimeout(this.#retry);
    // A run that ends after the removal would bring the table back.
    if (this.#running !== undefined) endSync(this.#running);
    return runSync(REMOVAL);
  }

  #settle(): void {
    if (this.#running !== undefined || this.#closed) return;
    const text = transaction(this.#applied, this.#wanted);
    if (text === '') return;
    clearTimeout(this.#retry);
    void this.#carryOut(this.#wanted, text);
  }

  /** Never rejects: `run` turns every failure into a sentence. */
  async #carryOut(wanted: Ruleset, text: string): Promise<void> {
    const child = start(text);
    this.#running = child;
    const result = await ended(child);
    this.#running = undefined;
    if (this.#closed) return;
    const whole = this.#applied === 'unknown';
    this.#applied = result.ok ? wanted : 'unknown';
    if (result.ok) {
      this.#log('debug', 'ForwardingApplied', 'the nftables table says what is wanted');
      this.#settle();
      return;
    }
    this.#log('error', 'ForwardingFailed', result.error);
    // A difference is refused when somebody else changed the table: the whole helps at once.
    if (whole) this.#retry = setTimeout(() => this.#settle(), RETRY_MS).unref();
    else this.#settle();
  }

  /** Without routing the kernel drops what is not for an address of its own. */
  #turnOn(family: Family): void {
    const path = SWITCHES[family];
    try {
      if (readFileSync(path, 'utf8').trim() !== '0') return;
      writeFileSync(path, '1\n');
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? String(error);
      const help = `set it with sysctl, or choose --forward=none`;
      this.#log('error', 'RoutingFailed', `cannot write 1 to ${path} (${code}): ${help}`);
      return;
    }
    const also = family === 6 ? '; router advertisements now need accept_ra=2' : '';
    this.#log('info', 'RoutingEnabled', `turned on IPv${family} routing (${path})${also}`);
  }
}

const REMOVAL = transaction('unknown', NO_RULESET);
const ARGV = ['-f', '-'];
const ENV = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };

/** A process group of its own: what it may have started ends with it. */
function start(text: string): ChildProcess {
  const child = spawn('nft', ARGV, {
    stdio: ['pipe', 'ignore', 'pipe'],
    env: ENV,
    timeout: limitOf(text),
    killSignal: 'SIGKILL',
    detached: true,
  });
  child.stdin.on('error', () => {});
  child.stdin.end(text);
  return child;
}

function ended(child: ChildProcess): Promise<Result<void, string>> {
  return new Promise((done) => {
    let complaint = '';
    child.stderr?.setEncoding('utf8').on('data', (some: string) => (complaint += some));
    child.once('error', (error) => done(err(notRun(error))));
    child.once('close', (code) => done(code === 0 ? ok(undefined) : err(refused(complaint))));
  });
}

/**
 * Returns when the process has surely ended: until then a transaction that has reached the kernel
 * may still be carried out. No event loop runs meanwhile, so nobody reaps it: a zombie has ended.
 */
function endSync({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (let waited = 0; waited < LIMIT_MS && isAlive(pid); waited += 1) Atomics.wait(pause, 0, 0, 1);
}

/** proc_pid_stat(5): the state follows the name, which may contain anything. */
function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return !'ZX'.includes(stat.slice(stat.lastIndexOf(')') + 2)[0] ?? 'X');
  } catch {
    return false;
  }
}

function limitOf(text: string): number {
  return LIMIT_MS + LINE_MS * text.split('\n').length;
}

function runSync(text: string): Result<void, string> {
  const { status, error, stderr } = spawnSync('nft', ARGV, {
    input: text,
    encoding: 'utf8',
    env: ENV,
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  if (status === 0) return ok(undefined);
  return err(error === undefined ? refused(stderr) : notRun(error));
}

const INSTEAD = 'or choose --forward=none';

function notRun(error: NodeJS.ErrnoException): string {
  const why = `cannot run nft (${error.code ?? error.message})`;
  return `--forward=nftables: ${why}: install the package nftables, ${INSTEAD}`;
}

function refused(complaint: string): string {
  if (complaint.includes('Operation not permitted')) {
    return `--forward=nftables needs the capability NET_ADMIN: run as root, ${INSTEAD}`;
  }
  const first = complaint.split('\n')[0] ?? '';
  return `nft refused the table (${first || 'no answer'}): report it, ${INSTEAD}`;
}
