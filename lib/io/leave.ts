/**
 * The end of a program. Node.js waits at its end for the threads that compile in the background;
 * one of these that has run into the limit of a small heap (`heap.ts`) waits for a collection by
 * the main thread, which is at its end: both wait for ever. So there is room first, and nothing
 * new to compile.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const ROOM = ['--no-maglev', '--no-optimize-for-size', '--heap-growing-percent=400', '--expose-gc'];

export function leave(code: number): never {
  for (const flag of ROOM) setFlagsFromString(flag);
  const collect = runInNewContext('gc') as () => void;
  collect();
  process.exit(code);
}
