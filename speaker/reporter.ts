/**
 * When to report, to whom, and with what: at once when something changed, once more a second
 * later, and every ten seconds. A burst of changes is one report, and there is one under way per
 * controller. The repetition settles quickly what two reports that crossed each other left open.
 *
 * A controller that cannot be reached, or that refuses, is tried again with back-off; each change
 * of that is said once. The first report that a controller gets of this boot is answered with a
 * challenge, which is repeated from then on (owners/report.ts).
 */
import type { SpeakerReport, SpeakerStatus } from '../owners/report.ts';
import type { Machine } from '../lib/machine.ts';
import type { Note } from '../lib/note.ts';
import { earlier } from '../lib/time.ts';
import type { Instant, Millis } from '../lib/time.ts';

export type ReporterInput =
  /** What there is to report may have changed. */
  | { readonly kind: 'changed' }
  /** Where the controllers are now. */
  | { readonly kind: 'controllers'; readonly urls: readonly string[] }
  | { readonly kind: 'answered'; readonly url: string; readonly answer: Answer };

export type Answer =
  | { readonly kind: 'taken' }
  | { readonly kind: 'challenged'; readonly challenge: string }
  /** Not reached, or refused; a clause that says why. */
  | { readonly kind: 'failed'; readonly why: string };

export type ReporterOutput =
  | { readonly kind: 'post'; readonly url: string; readonly report: SpeakerReport }
  | { readonly kind: 'note'; readonly note: Note };

export interface ReporterOptions {
  readonly node: string;
  readonly boot: string;
  /** Asked for when it is needed, never more often than SPACING. */
  readonly status: () => SpeakerStatus;
}

/** Brain and reflex tell of one event in several changes. */
export const COALESCE: Millis = 20;
/** Between two looks at the status: writing down ten thousand addresses takes its time. */
export const SPACING: Millis = 200;
export const CONFIRM: Millis = 1000;
export const REFRESH: Millis = 10_000;
export const RETRY_FIRST: Millis = 500;

interface Target {
  challenge: string;
  isUnderWay: boolean;
  /** When to report next. */
  at: Instant;
  failures: number;
  /** What was last said about it. */
  said: string;
  /** The last report was answered with a challenge. */
  wasChallenged: boolean;
}

export class Reporter implements Machine<ReporterInput, ReporterOutput> {
  readonly #options: ReporterOptions;
  readonly #targets = new Map<string, Target>();
  readonly #out: ReporterOutput[] = [];
  #status: SpeakerStatus | undefined;
  #text = '';
  #number = 0;
  #lookAt: Instant | undefined;
  #lookedAt: Instant = -Infinity;
  #confirmAt: Instant | undefined;

  constructor(options: ReporterOptions) {
    this.#options = options;
  }

  handle(input: ReporterInput, now: Instant): void {
    switch (input.kind) {
      case 'changed':
        this.#lookAt ??= Math.max(now + COALESCE, this.#lookedAt + SPACING);
        return;
      case 'controllers':
        this.#setTargets(input.urls, now);
        return;
      case 'answered':
        this.#answered(input.url, input.answer, now);
        return;
    }
  }

  tick(now: Instant): void {
    if (this.#targets.size === 0) return;
    if (this.#lookAt !== undefined && this.#lookAt <= now) this.#look(now);
    if (this.#confirmAt !== undefined && this.#confirmAt <= now) {
      this.#confirmAt = undefined;
      this.#hasten(now);
    }
    for (const [url, target] of this.#targets) {
      if (!target.isUnderWay && target.at <= now) this.#post(url, target, now);
    }
  }

  poll(): ReporterOutput | undefined {
    return this.#out.shift();
  }

  deadline(): Instant | undefined {
    if (this.#targets.size === 0) return undefined;
    let at = earlier(this.#lookAt, this.#confirmAt);
    for (const target of this.#targets.values()) {
      if (!target.isUnderWay) at = earlier(at, target.at);
    }
    return at;
  }

  /** The report as it would be now, for whoever asks this node. */
  present(): SpeakerReport {
    return this.#report(this.#options.status(), '');
  }

  #setTargets(urls: readonly string[], now: Instant): void {
    for (const url of this.#targets.keys()) if (!urls.includes(url)) this.#targets.delete(url);
    for (const url of urls) {
      if (this.#targets.has(url)) continue;
      const fresh = { challenge: '', isUnderWay: false, failures: 0, said: '' };
      this.#targets.set(url, { ...fresh, at: now, wasChallenged: false });
    }
  }

  #look(now: Instant): void {
    this.#lookAt = undefined;
    this.#lookedAt = now;
    const status = this.#options.status();
    const text = JSON.stringify(status);
    if (text === this.#text) return;
    this.#status = status;
    this.#text = text;
    this.#confirmAt = now + CONFIRM;
    this.#hasten(now);
  }

  /** Who does not answer is asked in its own time. */
  #hasten(now: Instant): void {
    for (const target of this.#targets.values()) {
      if (target.failures === 0) target.at = Math.min(target.at, now);
    }
  }

  #post(url: string, target: Target, now: Instant): void {
    if (this.#status === undefined) this.#look(now);
    const status = this.#status ?? this.#options.status();
    this.#number += 1;
    target.isUnderWay = true;
    target.at = now + REFRESH;
    this.#out.push({ kind: 'post', url, report: this.#report(status, target.challenge) });
  }

  #report(status: SpeakerStatus, challenge: string): SpeakerReport {
    const { node, boot } = this.#options;
    const number = Math.max(1, this.#number);
    return { version: 1, node, boot, number, challenge, ...status };
  }

  #answered(url: string, answer: Answer, now: Instant): void {
    const target = this.#targets.get(url);
    if (target === undefined) return;
    target.isUnderWay = false;
    const again = target.wasChallenged;
    target.wasChallenged = answer.kind === 'challenged';
    if (answer.kind === 'taken') {
      target.failures = 0;
      this.#say(target, 'info', 'Reporting', `the controller at ${url} takes reports`);
    } else if (answer.kind === 'challenged' && !again) {
      target.challenge = answer.challenge;
      target.at = now;
    } else {
      const why = answer.kind === 'failed' ? answer.why : 'it challenges every report';
      target.at = now + Math.min(REFRESH, RETRY_FIRST * 2 ** target.failures);
      target.failures += 1;
      this.#say(target, 'warn', 'ReportFailed', `cannot report to ${url}: ${why}`);
    }
  }

  #say(target: Target, level: Note['level'], event: string, msg: string): void {
    if (target.said === msg) return;
    target.said = msg;
    this.#out.push({ kind: 'note', note: { level, event, msg, fields: {} } });
  }
}
