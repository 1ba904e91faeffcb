/**
 * The last report of every speaker, and what follows from all of them: who answers for a Service.
 * A part of the Machine's snapshot; it remembers instants, because reports of one event do not
 * arrive together.
 *
 * - Whom another speaker declares gone after its own last report has no voice any more: the dead
 *   cannot take back what they said. If it lives, its next report gives the voice back.
 * - Of two that answer for an address, the one that began later speaks alone for PATIENCE: in a
 *   hand-over the other one's report is on its way. After that both are named.
 * - That nobody answers is said only after it has been so for PATIENCE: a successor's report is on
 *   its way. Until then whatever is shown stays.
 * - Whose report is older than SILENCE has said nothing. As long as others hear it, it may be the
 *   one that answers: Unknown.
 */
import type { ReportedSilence, SpeakerReport } from '../owners/report.ts';
import { earlier } from '../lib/time.ts';
import type { Instant, Millis } from '../lib/time.ts';
import { sha256Hex } from '../lib/sha256.ts';
import { announcementOf } from './announcement.ts';
import type { Announcement, Lack, Voice } from './announcement.ts';
import { Conflicts } from './conflicts.ts';
import type { Stranger } from './conflicts.ts';
import { withheldText } from './contest.ts';
import type { Contest } from './contest.ts';

/** Three reports in a row that did not come. */
export const SILENCE: Millis = 30_000;
export const PATIENCE: Millis = 1000;

export type Admission =
  | { readonly kind: 'admitted' }
  /** This life of the speaker is new here: it must repeat the challenge. */
  | { readonly kind: 'challenged'; readonly challenge: string }
  | { readonly kind: 'replayed' };

interface Entry {
  readonly report: SpeakerReport;
  /** The same as text, without what every report has anew. */
  readonly content: string;
  readonly at: Instant;
  /** By address: what is said, and since when. */
  readonly voices: ReadonlyMap<string, { readonly voice: Voice; readonly since: Instant }>;
  /** By key of the Service. */
  readonly silent: ReadonlyMap<string, ReportedSilence>;
  /** Other nodes that this one does not hear, since when. */
  readonly gone: ReadonlyMap<string, Instant>;
}

export class Reports {
  /** What they say of strangers. */
  readonly conflicts = new Conflicts();
  readonly #seed: string;
  #since: Instant | undefined;
  readonly #entries = new Map<string, Entry>();
  readonly #challenges = new Map<string, string>();
  #challenged = 0;
  #heardAt: Instant = -Infinity;
  /** By key of a Service: since when some address of it has no voice. */
  readonly #lacking = new Map<string, Instant>();
  /** When patience ends for something. */
  readonly #wakes = new Set<Instant>();

  /** `seed`: random, for challenges. */
  constructor(seed: string) {
    this.#seed = seed;
  }

  /** From now on reports can come; before that, their absence says nothing. */
  begin(now: Instant): void {
    if (this.#since !== undefined) return;
    this.#since = now;
    this.#heardAt = now;
    this.#wakes.add(now + SILENCE);
  }

  /** Whether a report whose tag fits may be taken. Within a boot numbers grow. */
  admit({ node, boot, number, challenge }: SpeakerReport): Admission {
    const known = this.#entries.get(node)?.report;
    if (known?.boot === boot) return { kind: number > known.number ? 'admitted' : 'replayed' };
    const wanted = this.#challenges.get(node);
    if (wanted !== undefined && challenge === wanted) return { kind: 'admitted' };
    if (wanted !== undefined) return { kind: 'challenged', challenge: wanted };
    this.#challenged += 1;
    const made = sha256Hex(`${this.#seed} ${this.#challenged}`).slice(0, 32);
    this.#challenges.set(node, made);
    return { kind: 'challenged', challenge: made };
  }

  /** Of an admitted report; whether it says anything that was not known. */
  take(report: SpeakerReport, now: Instant): boolean {
    this.begin(now);
    const { node } = report;
    const before = this.#entries.get(node);
    const voices = new Map<string, { voice: Voice; since: Instant }>();
    for (const { ip, interfaces } of report.addresses) {
      const since = before?.voices.get(ip)?.since ?? now;
      voices.set(ip, { voice: { node, interfaces }, since });
    }
    const silent = new Map(report.silent.map((each) => [each.service, each]));
    const gone = this.#goneOf(report, before, now);
    const content = JSON.stringify({ ...report, number: 0, challenge: '' });
    const isNews = this.#isGone(node) || before?.content !== content;
    this.#challenges.delete(node);
    this.#entries.set(node, { report, content, at: now, voices, silent, gone });
    this.#heardAt = now;
    if (isNews) this.#wakes.add(now + PATIENCE);
    const isAnswered = (ip: string): boolean => this.#isAnswered(ip);
    return this.conflicts.take(node, report.conflicts, isAnswered, now) || isNews;
  }

  /** Forgets who has been silent for too long. */
  forget(now: Instant): void {
    for (const [node, { at }] of this.#entries) {
      if (now - at < SILENCE) continue;
      this.#entries.delete(node);
      this.conflicts.drop(node, now);
    }
    this.conflicts.forget(now);
    for (const at of this.#wakes) if (at <= now) this.#wakes.delete(at);
  }

  /** When time alone may change an answer. */
  deadline(): Instant | undefined {
    let first = this.conflicts.deadline();
    for (const at of this.#wakes) first = earlier(first, at);
    for (const { at } of this.#entries.values()) first = earlier(first, at + SILENCE);
    return first;
  }

  /** Nodes that have a say now, by name. */
  nodes(): readonly string[] {
    return [...this.#entries.keys()].toSorted();
  }

  /** What strangers have to do with these addresses, or had with others. */
  contest(ips: readonly string[], now: Instant): Contest {
    const { conflicts } = this;
    const strangers = conflicts.size === 0 ? [] : ips.flatMap((ip) => conflicts.of(ip));
    const banned = (ip: string): readonly Stranger[] => conflicts.banned(ip);
    const isLate = now - (this.#since ?? now) >= SILENCE;
    const isKnown = this.#entries.size > 0 && (isLate || this.#missing().length === 0);
    return { strangers, banned, isKnown };
  }

  /** undefined: nothing can be said yet; what is shown stays. */
  announcement(key: string, ips: readonly string[], now: Instant): Announcement | undefined {
    if (this.#since === undefined) return undefined;
    const voices = new Map(ips.map((ip) => [ip, this.#voicesOf(ip, now)]));
    const silent = ips.filter((ip) => voices.get(ip)?.length === 0);
    if (silent.length === 0) {
      this.#lacking.delete(key);
      return announcementOf(voices, undefined);
    }
    const lacking = this.#lacking.get(key) ?? now;
    this.#lacking.set(key, lacking);
    if (now - lacking < PATIENCE) {
      this.#wakes.add(lacking + PATIENCE);
      return undefined;
    }
    const lack = this.#lackOf(key, silent, now);
    return lack === undefined ? undefined : announcementOf(voices, lack);
  }

  /** Of Services that are gone, or have no address. */
  drop(key: string): void {
    this.#lacking.delete(key);
  }

  #goneOf(
    { node, boot, phase, peers }: SpeakerReport,
    before: Entry | undefined,
    now: Instant,
  ): ReadonlyMap<string, Instant> {
    const gone = new Map<string, Instant>();
    const heard = new Set([...peers.alive, ...peers.joining]);
    const known = before?.report.boot === boot ? before.gone : undefined;
    for (const other of this.#entries.keys()) {
      if (other === node || heard.has(other)) continue;
      // Before it serves it has not listened long enough to say so.
      const since = known?.get(other) ?? (phase === 'serving' ? now : undefined);
      if (since !== undefined) gone.set(other, since);
    }
    return gone;
  }

  /** Somebody declared it gone after it last reported. */
  #isGone(node: string): boolean {
    const at = this.#entries.get(node)?.at ?? Infinity;
    return [...this.#entries.values()].some(({ gone }) => (gone.get(node) ?? -Infinity) > at);
  }

  #isAnswered(ip: string): boolean {
    const entries = [...this.#entries];
    return entries.some(([node, { voices }]) => voices.has(ip) && !this.#isGone(node));
  }

  #voicesOf(ip: string, now: Instant): readonly Voice[] {
    const claims = [...this.#entries.values()]
      .flatMap(({ voices }) => voices.get(ip) ?? [])
      .filter(({ voice }) => !this.#isGone(voice.node))
      .toSorted((a, b) => b.since - a.since);
    const [newest] = claims;
    if (newest !== undefined && claims.length > 1 && now - newest.since < PATIENCE) {
      this.#wakes.add(newest.since + PATIENCE);
      return [newest.voice];
    }
    return claims.map(({ voice }) => voice);
  }

  #lackOf(key: string, silent: readonly string[], now: Instant): Lack | undefined {
    if (this.#entries.size === 0) {
      if (now - this.#heardAt < SILENCE) return this.#later(this.#heardAt + SILENCE);
      return { status: 'Unknown', reason: 'NoReports', message: NO_REPORTS };
    }
    const strangers = silent.flatMap((ip) => this.conflicts.of(ip));
    if (strangers.some(({ isWithheld }) => isWithheld)) {
      return { status: 'False', reason: 'AddressConflict', message: withheldText(strangers) };
    }
    const common = this.#commonReason(key);
    if (common !== undefined) return common;
    const missing = this.#missing();
    if (missing.length > 0) {
      const all = (this.#since ?? now) + SILENCE;
      if (now < all) return this.#later(all);
      const message = `no report from ${missing.join(', ')} for 30 s, which may answer: ${ADVICE}`;
      return { status: 'Unknown', reason: 'ReportMissing', message };
    }
    const starting = [...this.#entries.values()]
      .filter(({ report }) => report.phase !== 'serving')
      .map(({ report }) => report.node);
    const nobody = `no speaker answers for ${silent.join(' and ')}`;
    const why =
      starting.length === 0
        ? 'see their logs'
        : `still starting: ${starting.toSorted().join(', ')}`;
    return { status: 'False', reason: 'NobodyAnswers', message: `${nobody}; ${why}` };
  }

  #later(at: Instant): undefined {
    this.#wakes.add(at);
  }

  /** The reason that most speakers give. */
  #commonReason(key: string): Lack | undefined {
    const counts = new Map<string, { readonly lack: Lack; count: number }>();
    for (const { silent } of this.#entries.values()) {
      const found = silent.get(key);
      // It has one: whoever does not know that yet will tell.
      if (found === undefined || found.reason === 'NoAddress') continue;
      const lack = { status: 'False', reason: found.reason, message: found.sentence } as const;
      const known = counts.get(found.reason) ?? { lack, count: 0 };
      known.count += 1;
      counts.set(found.reason, known);
    }
    const ranked = [...counts.values()].toSorted(
      (a, b) => b.count - a.count || (a.lack.reason < b.lack.reason ? -1 : 1),
    );
    return ranked[0]?.lack;
  }

  /** Whom others hear, and who does not report. */
  #missing(): readonly string[] {
    const missing = new Set<string>();
    for (const { report } of this.#entries.values()) {
      for (const node of [...report.peers.alive, ...report.peers.joining]) {
        if (!this.#entries.has(node)) missing.add(node);
      }
    }
    return [...missing].toSorted();
  }
}

const ADVICE = 'see the log of its speaker';
const NO_REPORTS =
  'no speaker has reported for 30 s: check that speakers run, share the secret and reach the ' +
  'controller';
