/**
 * All the arithmetic of failover in one place. Every number is in milliseconds of one node's own
 * monotonic clock; nodes never compare clocks, only durations.
 *
 * A node sends a beat every `beat`. Its lease ends `fence` after the *sending* time of its newest
 * beat that the confirming set acknowledged, so a frozen or cut-off owner falls silent by itself.
 * Others take over once a majority has heard nothing from it for `dead`. The inequalities below
 * are why the two cannot overlap; they are asserted when a program loads this file.
 */
import { assert } from '../lib/assert.ts';
import type { Millis } from '../lib/time.ts';

export interface Timing {
  /** Between two beats of a node. */
  readonly beat: Millis;
  /** From the sending of a confirmed beat to the end of the lease it earns. */
  readonly fence: Millis;
  /** Allowed for delivery, scheduling and different clock rates between lease end and takeover. */
  readonly slack: Millis;
  /** Silence after which a node counts as dead. */
  readonly dead: Millis;
  /** Silence after which a peer no longer counts as present for the isolation policy. */
  readonly quiet: Millis;
}

export type ProfileName = 'fast' | 'default' | 'vm';

export const PROFILES: Readonly<Record<ProfileName, Timing>> = {
  /** Bare metal on a quiet switch: an outage of about a quarter of a second. */
  fast: { beat: 50, fence: 120, slack: 60, dead: 200, quiet: 65 },
  default: { beat: 100, fence: 250, slack: 80, dead: 350, quiet: 140 },
  /** Survives live migration and CPU steal of about a second. */
  vm: { beat: 300, fence: 1500, slack: 500, dead: 2200, quiet: 900 },
};

/** The inequalities that make one voice; each names the failure it prevents. */
export function checkTiming(t: Timing): void {
  assert(t.fence + t.slack < t.dead, 'fence + slack < dead, or two nodes answer at a takeover');
  assert(2 * t.beat <= t.fence, '2 beats per fence, or one lost beat silences a healthy owner');
  assert(t.beat < t.quiet, 'beat < quiet, or every peer looks absent between two beats');
  assert(t.quiet + t.beat <= t.fence, 'quiet + beat <= fence, or a lone owner drops its lease');
}

for (const timing of Object.values(PROFILES)) checkTiming(timing);

/**
 * How long a starting node listens before it may own anything: long enough to hear every live
 * peer, and for the lease of its own earlier life to have ended.
 */
export function warmUp(t: Timing): Millis {
  return t.dead + t.beat;
}

/**
 * How long a node that hears nobody after its link came up takes that for a port that does not
 * forward yet, before it takes it for being alone: Linux tells a bridge of a carrier up to a
 * second late, and resolves neighbours once a second. Spanning tree without edge ports takes
 * longer; then it is alone, and the isolation policy decides.
 */
export const RELINK: Millis = 2500;

/** Least distance between two beats when news (a death, a readiness) makes one urgent. */
export function urgentSpacing(t: Timing): Millis {
  return t.beat / 10;
}

/**
 * When a new owner repeats its announcement, counted from the takeover: at once, then with
 * back-off; 1100 is past the second during which Linux protects a fresh entry (`locktime`).
 */
export const ANNOUNCE_AT: readonly Millis[] = [0, 200, 1100, 3000, 10_000];

/** Refresh below the usual 300 s of switch table ageing (IEEE 802.1D), jittered by a fifth. */
export const REFRESH_EVERY: Millis = 90_000;

/** Pacing of what is sent unasked, so that 10,000 addresses do not trip a switch's ARP policer. */
export const PACE = { frames: 100, every: 10 } as const;

/** When a question to the segment is judged, counted from its first probe. */
export interface Questioning {
  /** Probes leave at these; the first is 0. */
  readonly at: readonly Millis[];
  /** Unanswered until then: the address may be answered for. */
  readonly clear: Millis;
  /** Answers count until then. */
  readonly end: Millis;
  /** One answer says all there is to know. */
  readonly once: boolean;
}

/** How long an answer to a probe may take on a segment: a switch, a kernel, and a busy host. */
const ANSWER: Millis = 30;

/**
 * Does the owner before us still answer? Three probes, because one can be lost, and who takes over
 * from an owner that answers makes two voices.
 */
export const TAKEOVER: Questioning = { at: [0, 10, 20], clear: ANSWER, end: ANSWER, once: true };

/**
 * Does a stranger have it? Before an address is announced for the first time ever: RFC 5227 with
 * the shorter timeouts that its 2.2 allows, and announcing beside the later probes. A late answer
 * withdraws the address.
 */
export const FIRST: Questioning = {
  at: [0, 200, 500],
  clear: ANSWER,
  end: 500 + ANSWER,
  once: false,
};

/** RFC 5227 1.1 to the letter: PROBE_NUM between PROBE_MIN and PROBE_MAX, then ANNOUNCE_WAIT. */
export const FIRST_RFC: Questioning = { at: [0, 1500, 3000], clear: 5000, end: 5000, once: false };

/** RFC 5227 1.1: before the first of those, up to this. */
export const PROBE_WAIT: Millis = 1000;

/** Does the one who answered answer for everything (proxy ARP)? */
export const DECOY: Questioning = { at: [0, 10, 20], clear: ANSWER, end: ANSWER, once: false };

/** An address that a stranger has is asked for again this often, give or take a fifth. */
export const WITHHELD_AGAIN: Millis = 10_000;

/** RFC 5227 1.1, DEFEND_INTERVAL: an address is defended once in this time. */
export const DEFEND_INTERVAL: Millis = 10_000;

/** Of two nodes that answer for one address, the one that keeps it says so once in this time. */
export const MEETING_INTERVAL: Millis = 1000;

/** A conflict that was not seen for this long is over. */
export const CONFLICT_KEPT: Millis = 300_000;

/** One that was not seen for this long may be told of no more, if another is seen. */
export const STRANGER_KEPT: Millis = 60_000;
