/**
 * Runs one command to its end, inside or outside a namespace. Two forms, because the two users
 * differ: `execute` waits without blocking (probes beside a running scenario), `executeSync` is for
 * set-up and clean-up, where order matters more than the few milliseconds it blocks, and which must
 * also work in an exit handler.
 */
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { LabFailure } from './failure.ts';

export interface Finished {
  /** Exit code; 128 + signal number is not imitated: a killed command has code null. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ExecuteOptions {
  readonly input?: string;
  /** After this long the command is killed; its code is then null. */
  readonly timeoutMs?: number;
  readonly env?: Readonly<Record<string, string>>;
}

const DEFAULT_TIMEOUT_MS = 10_000;

export function execute(argv: readonly string[], options: ExecuteOptions = {}): Promise<Finished> {
  const [program, ...args] = argv;
  return new Promise((done, fail) => {
    const child = spawn(program ?? '', args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...childEnv(), ...options.env },
      timeout: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
      killSignal: 'SIGKILL',
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    // A command that ends before it read its input is judged by its exit code, not by EPIPE.
    child.stdin.on('error', () => {});
    child.stdin.end(options.input ?? '');
    child.once('error', (error: NodeJS.ErrnoException) => fail(notStarted(program, error)));
    child.once('close', (code) => done({ code, stdout, stderr }));
  });
}

export function executeSync(argv: readonly string[], options: ExecuteOptions = {}): Finished {
  const [program, ...args] = argv;
  const child = spawnSync(program ?? '', args, {
    input: options.input ?? '',
    encoding: 'utf8',
    env: { ...childEnv(), ...options.env },
    timeout: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  if (child.error !== undefined && child.status === null && child.signal === null) {
    throw notStarted(program, child.error);
  }
  return { code: child.status, stdout: child.stdout, stderr: child.stderr };
}

const COMPILE_CACHE = join(import.meta.dirname, '../node_modules/.cache/compile');

/**
 * Jest and npm put their own flags into NODE_OPTIONS; the programs under test run without. The
 * compile cache halves their start, which matters when seven start at once on two cores.
 */
export function childEnv(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _, ...env } = process.env;
  return { NODE_COMPILE_CACHE: COMPILE_CACHE, ...env };
}

function notStarted(program: string | undefined, error: NodeJS.ErrnoException): LabFailure {
  const why = error.code === 'ENOENT' ? 'is not installed: run `make setup`' : error.message;
  return new LabFailure(`the command \`${program ?? ''}\` ${why}`);
}
