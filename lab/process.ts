/**
 * A program under test: started in a namespace, watched by its log, ended by its pid.
 *
 * Output goes to files, not pipes: the log survives for a person to read, a kept demo goes on
 * writing after its parent left, and a test reads what was said before it began to listen. The
 * program dies with its parent (PR_SET_PDEATHSIG through `setpriv`), so that not even SIGKILL of a
 * test run leaves an orphan; `keep` turns that off.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { monotonic } from '../lib/io/clock.ts';
import type { Instant } from '../lib/time.ts';
import { childEnv } from './execute.ts';
import { LabFailure } from './failure.ts';
import { killQuietly } from './namespace.ts';
import type { Guest, Lab, Namespace } from './namespace.ts';
import { until } from './until.ts';

export interface ProgramOptions {
  /** In messages and as the name of its log: `speaker-node1`. */
  readonly name: string;
  readonly argv: readonly string[];
  /** Where the log files go. */
  readonly directory: string;
  /** Undefined: in the namespace of the caller. */
  readonly namespace?: Namespace;
  readonly env?: Readonly<Record<string, string>>;
  /** Goes on after this process: for `make demo KEEP=1`. */
  readonly keep?: boolean;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly at: Instant;
}

export class Program implements Guest {
  readonly name: string;
  readonly pid: number;
  /** Resolves when the process has ended; never rejects. */
  readonly exited: Promise<Exit>;
  readonly logFile: string;
  readonly #errorFile: string;
  readonly #child: ChildProcess;
  /** A program started again appends to its predecessor's log; this is where its own begins. */
  readonly #begin: readonly [number, number];
  #exit: Exit | undefined;

  private constructor(
    options: ProgramOptions,
    child: ChildProcess,
    files: readonly [string, string],
    sizes: readonly [number, number],
  ) {
    this.name = options.name;
    this.pid = child.pid ?? 0;
    this.#child = child;
    [this.logFile, this.#errorFile] = files;
    this.#begin = sizes;
    this.exited = new Promise((done) => {
      child.once('exit', (code, signal) => {
        this.#exit = { code, signal, at: monotonic() };
        done(this.#exit);
      });
    });
  }

  static start(lab: Lab, options: ProgramOptions): Program {
    const file = (ending: string): string => join(options.directory, `${options.name}.${ending}`);
    const files = [file('log'), file('err')] as const;
    const [out, error] = [openSync(files[0], 'a'), openSync(files[1], 'a')];
    const sizes = [fstatSync(out).size, fstatSync(error).size] as const;
    const leash = options.keep === true ? [] : ['setpriv', '--pdeathsig', 'KILL', '--'];
    const bare = [...leash, ...options.argv];
    const [program, ...args] = options.namespace?.wrap(bare) ?? bare;
    const child = spawn(program ?? '', args, {
      stdio: ['ignore', out, error],
      env: { ...childEnv(), ...options.env },
      // Its own process group when kept: Ctrl-C in the terminal is then not for it.
      detached: options.keep === true,
    });
    closeSync(out);
    closeSync(error);
    child.once('error', () => {});
    if (child.pid === undefined) throw new LabFailure(`cannot start ${program ?? ''}`);
    if (options.keep === true) child.unref();
    const started = new Program(options, child, files, sizes);
    lab.adopt(started);
    return started;
  }

  get exit(): Exit | undefined {
    return this.#exit;
  }

  /** Everything written to standard output so far. */
  log(): string {
    return this.logFrom(0).toString();
  }

  /** The same from a byte on, for who reads a long log again and again. */
  logFrom(offset: number): Buffer {
    return readFrom(this.logFile, this.#begin[0] + offset);
  }

  /** Everything written to standard error so far. */
  errors(): string {
    return readFrom(this.#errorFile, this.#begin[1]).toString();
  }

  /** The first line of the log that satisfies `match`, from the beginning of the log. */
  line(match: (line: string) => boolean, withinMs: number, what: string): Promise<string> {
    return this.until(() => this.log().split('\n').slice(0, -1).find(match), withinMs, what);
  }

  /** Waits while the program lives; its death or silence is explained with the end of its log. */
  until<T>(
    look: () => Promise<T | undefined | false> | T | undefined | false,
    withinMs: number,
    what: string,
    everyMs = 10,
  ): Promise<T> {
    const orDead = async (): Promise<T | undefined | false> => {
      const seen = await look();
      if (seen !== undefined && seen !== false) return seen;
      if (this.#exit !== undefined) {
        throw new LabFailure(
          `${this.name} ended (${describe(this.#exit)}) before ${what}\n${this.tail()}`,
        );
      }
      return undefined;
    };
    const lastSeen = (): string => this.tail();
    return until(orDead, { withinMs, what: `${this.name}: ${what}`, everyMs, lastSeen });
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#exit === undefined) killQuietly(this.pid, signal);
  }

  /** SIGTERM, and SIGKILL when it does not end in time; the caller judges the Exit. */
  async stop(withinMs = 2000): Promise<Exit> {
    this.signal('SIGTERM');
    const late = setTimeout(() => this.signal('SIGKILL'), withinMs);
    const exit = await this.exited;
    clearTimeout(late);
    return exit;
  }

  /** Power off: no chance to say good-bye. */
  kill(): Promise<Exit> {
    this.signal('SIGKILL');
    return this.exited;
  }

  endSync(): void {
    this.signal('SIGKILL');
    this.#child.unref();
  }

  /** The last lines a person needs to see. */
  tail(lines = 8): string {
    const last = `${this.log()}${this.errors()}`.trimEnd().split('\n').slice(-lines);
    return last.map((line) => `  ${this.name} | ${line}`).join('\n');
  }
}

function readFrom(file: string, offset: number): Buffer {
  const fd = openSync(file, 'r');
  const bytes = Buffer.alloc(Math.max(0, fstatSync(fd).size - offset));
  const length = readSync(fd, bytes, 0, bytes.length, offset);
  closeSync(fd);
  return bytes.subarray(0, length);
}

function describe(exit: Exit): string {
  return exit.signal === null ? `exit code ${exit.code}` : exit.signal;
}
