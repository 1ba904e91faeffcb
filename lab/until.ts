/**
 * Waits for a condition with a deadline: the only way the lab waits. There is no fixed sleep, so a
 * fast machine is fast and a slow one is not flaky; the sentence of a failure says what was waited
 * for and what was last seen.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { monotonic } from '../lib/io/clock.ts';
import { LabFailure } from './failure.ts';

export interface Deadline {
  readonly withinMs: number;
  /** Completes "waited N ms for …". */
  readonly what: string;
  /** How often to look; 10 ms unless a look costs a process. */
  readonly everyMs?: number;
  /** What a person needs to see when it did not happen. */
  readonly lastSeen?: () => string;
}

const LOOK_EVERY_MS = 10;

/** The first value that is neither undefined nor false. */
export async function until<T>(
  look: () => Promise<T | undefined | false> | T | undefined | false,
  deadline: Deadline,
): Promise<T> {
  const end = monotonic() + deadline.withinMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== false) return seen;
    if (monotonic() >= end) break;
    await pause(deadline.everyMs ?? LOOK_EVERY_MS);
  }
  const last = deadline.lastSeen === undefined ? '' : `\n${deadline.lastSeen()}`;
  throw new LabFailure(`waited ${deadline.withinMs} ms for ${deadline.what}${last}`);
}
