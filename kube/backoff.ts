/**
 * How long to wait after failures in a row: 0.8 to 30 s, doubling, the upper half of each wait
 * left to chance so that a thousand clients of one failed server do not come back together. A
 * server that names a time (Retry-After) is given at least that, with some chance on top.
 */
import type { Random } from '../lib/random.ts';
import type { Millis } from '../lib/time.ts';

const SHORTEST: Millis = 800;
const LONGEST: Millis = 30_000;

/** No server may send us away for longer. */
const LONGEST_ASKED: Millis = 300_000;

/** `failures` in a row so far, at least one. */
export function backoff(failures: number, retryAfter: Millis | undefined, random: Random): Millis {
  const most = Math.min(LONGEST, 2 * SHORTEST * 2 ** (failures - 1));
  const own = (most / 2) * (1 + random());
  if (retryAfter === undefined) return own;
  return Math.max(own, Math.min(retryAfter, LONGEST_ASKED) * (1 + random() / 4));
}
