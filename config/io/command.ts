/**
 * A program from its command line to its end: help, or one sentence and an exit code. 2: the
 * command line is wrong; 1: it cannot start.
 */
import { keepHeapSmall } from '../../lib/io/heap.ts';
import { leave } from '../../lib/io/leave.ts';
import type { Result } from '../../lib/result.ts';
import { flagHelp, parseFlags } from '../flags.ts';
import type { FlagSpec, FlagValues } from '../flags.ts';

/** `about` continues the program's name. `run` resolves when it runs, or with why it cannot. */
export async function command<S extends FlagSpec>(
  program: string,
  about: string,
  spec: S,
  run: (flags: FlagValues<S>) => Promise<Result<unknown, string>>,
): Promise<void> {
  keepHeapSmall();
  const flags = parseFlags(program, spec, process.argv.slice(2), process.env);
  if (!flags.ok) fail(flags.error, 2);
  if (flags.value.help) {
    process.stdout.write(flagHelp(program, about, spec));
    leave(0);
  }
  const started = await run(flags.value);
  if (!started.ok) fail(`${program}: ${started.error}`, 1);
  // Watches of files and most timers let a process go; one that serves nothing would end here.
  setInterval(() => undefined, 2 ** 31 - 1);
}

function fail(sentence: string, code: number): never {
  process.stderr.write(`${sentence}\n`);
  leave(code);
}
