/**
 * A small heap. V8 lets garbage grow to several times of what is alive, its young generation to
 * 128 MiB, and glibc keeps what was freed: on a large machine a program with 45 MiB of objects
 * takes 400. Ours share their node with the user's programs and are idle nearly always, so they
 * pay some processor time in a burst for it. No limit: a larger cluster needs more, and must get
 * it. Not `--optimize-for-size`: alone it kept a controller at 136 MiB, for three times the
 * processor time in a burst (one run each). Beside the flag below it has not been measured, and
 * the 30 is a choice between 20 and 40, not the best of several.
 */
import { setFlagsFromString } from 'node:v8';

/** Of every thread, those to come too: garbage up to as many percent of what is alive. From
 * within, because Node.js does not take it from the environment, and manifests of others, too,
 * start the programs. */
export function keepHeapSmall(): void {
  setFlagsFromString('--heap-growing-percent=30');
}

/**
 * What cannot be set from within, as part of the image's environment: half of the young
 * generation's size in MiB; glibc's arenas, of which every thread takes one; and from how many
 * free bytes on it gives them back (it raises that by itself unless told).
 */
export const SMALL_HEAP: Readonly<Record<string, string>> = {
  NODE_OPTIONS: '--max-semi-space-size=4',
  MALLOC_ARENA_MAX: '1',
  MALLOC_TRIM_THRESHOLD_: '65536',
};
