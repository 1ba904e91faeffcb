/**
 * A small heap. V8 lets garbage grow to several times of what is alive, and its young generation
 * to 128 MiB, before it collects: on a large machine a program with 45 MiB of objects takes 400.
 * Ours share their node with the user's programs and are idle nearly always, so they pay some
 * processor time in a burst for it. No limit: a larger cluster needs more, and must get it.
 */
import { setFlagsFromString } from 'node:v8';

/** To be called first of all; for every thread. */
export function keepHeapSmall(): void {
  setFlagsFromString('--optimize-for-size');
  setFlagsFromString('--heap-growing-percent=20');
}

/** What cannot be set from within: half of the young generation's size, and glibc's arenas, of
 * which every thread takes one. Part of the image's environment. */
export const SMALL_HEAP: Readonly<Record<string, string>> = {
  NODE_OPTIONS: '--max-semi-space-size=2',
  MALLOC_ARENA_MAX: '1',
};
