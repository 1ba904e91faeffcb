/**
 * A small heap. V8 lets garbage grow to several times of what is alive, its young generation to
 * 128 MiB, and glibc keeps what was freed: on a large machine a program with 45 MiB of objects
 * takes 400. Ours share their node with the user's programs and are idle nearly always, so they
 * pay some processor time in a burst for it. No limit: a larger cluster needs more, and must get
 * it. What each part saves a speaker with 100 addresses, in MiB of its own and resident, one after
 * the other (`npm run -s bench -- footprint` has the sum):
 *
 *   a young generation of 1 MiB instead of 4, in both threads                            7    7
 *   chunks of malloc from 32 KiB on given back at once: V8's compilers need many         8    8
 *   no TurboFan: the compiler alone is 5 MiB of Node.js' code; Sparkplug and Maglev do   0    5
 *   --optimize-for-size: collected when 2 MiB are new, not 8; what is freed is given up  5    5
 *
 * One run each. Not `--jitless`, which saves 8 more and took a controller 1.3 s of processor time
 * to begin with 100 Services instead of 0.7, and not `--single-threaded`, which took 6 more.
 */
import { setFlagsFromString } from 'node:v8';

/** `--heap-growing-percent`: garbage up to as many percent of what is alive; a choice between 20
 * and 40, not the best of several. `--no-parallel-scavenge`: a megabyte is collected in half a
 * millisecond, and to wake four other threads for it is most of what an idle program would do. */
const FLAGS = [
  '--heap-growing-percent=30',
  '--optimize-for-size',
  '--no-turbofan',
  '--no-parallel-scavenge',
];

/** Of every thread, those to come too. From within, because Node.js does not take these from the
 * environment, and manifests of others, too, start the programs. */
export function keepHeapSmall(): void {
  for (const flag of FLAGS) setFlagsFromString(flag);
}

/**
 * What cannot be set from within, as part of the image's environment: half of the young
 * generation's size in MiB; glibc's arenas, of which every thread takes one; from how many free
 * bytes on it gives them back, and from how many on each allocation is a mapping of its own (it
 * raises both by itself unless told).
 */
export const SMALL_HEAP: Readonly<Record<string, string>> = {
  NODE_OPTIONS: '--max-semi-space-size=1',
  MALLOC_ARENA_MAX: '1',
  MALLOC_TRIM_THRESHOLD_: '65536',
  MALLOC_MMAP_THRESHOLD_: '32768',
};
