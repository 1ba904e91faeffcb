/**
 * Asking the wire before answering: which of the addresses that this node would own is it free to
 * answer for? Membership says who is alive by its beats; the segment says who answers. Where the
 * two differ the segment is right, or a broken path for beats would make two voices.
 *
 * - *First*: an address that was never announced is probed as RFC 5227 has it, optimistically. A
 *   stranger that answers has it: the address is withheld and asked for again every ten seconds.
 * - *Takeover*: if a node that the address could be with is unaccounted for (neither in the view
 *   nor gone with a goodbye), or has not heard yet that the order changed, the wire is asked. A
 *   node of the cluster that answers has a running lease: the address stays with it and the
 *   question is put again each beat. A stranger is no reason to be silent: the address is ours,
 *   and is defended.
 *
 * A node's addresses hang on one lease, so those that would be with the same node are asked for
 * by samples: the death of a node with ten thousand addresses costs nine probes, not ten thousand.
 *
 * Who answers for everything (a router with proxy ARP) says nothing: see `verdicts.ts`.
 */
import type { Random } from '../lib/random.ts';
import { earlier } from '../lib/time.ts';
import type { Instant, Millis } from '../lib/time.ts';
import { formatIp } from '../net/ip.ts';
import type { Ip } from '../net/ip.ts';
import type { Mac } from '../net/mac.ts';
import type { Sighting } from './dataplane.ts';
import type { Pacer } from './pacer.ts';
import { Question } from './question.ts';
import type { Answer, Asked, OutFrame, Path } from './question.ts';
import { FIRST, FIRST_RFC, PROBE_WAIT, TAKEOVER, WITHHELD_AGAIN } from './timing.ts';
import { Verdicts } from './verdicts.ts';
import { sameList } from './vip.ts';

/** `rfc`: the whole cycle before the first announcement; `off`: no probe. */
export type Probe = 'optimistic' | 'rfc' | 'off';

/**
 * `before`, `after`: a node of the cluster that comes before or after this one in the address's
 * order. `unknown`: not told yet; counts as a node of the cluster until it is.
 */
export type Whose = 'before' | 'after' | 'stranger' | 'unknown';

export interface Bid extends Asked {
  /** Never announced by anybody. */
  readonly isNew: boolean;
  /** Nodes that it could be with and that nobody knows about, in the order of owning. */
  readonly suspects: readonly string[];
}

export type AskingEvent =
  /** A stranger answers for it; `withheld`: so we do not. */
  | (Answer & { readonly kind: 'stranger'; readonly withheld: boolean })
  /** The stranger has gone: it is answered for now. */
  | { readonly kind: 'free'; readonly key: string };

export interface AskingOptions {
  readonly random: Random;
  readonly probe: Probe;
  readonly pacer: Pacer;
  /** Between two questions to an owner that answers; one beat. */
  readonly again: Millis;
  readonly whose: (mac: Mac, key: string) => Whose;
  /** By name, if it is a node's of the cluster. */
  readonly nodeOf: (mac: Mac) => string | undefined;
}

interface Standing {
  readonly bid: Bid;
  isClear: boolean;
  isWithheld: boolean;
  /** What it hangs on; also while it is announced and later probes are under way. */
  question: Question | undefined;
}

/** A question that waits for verdicts on so many takes no more: MACs are made up easily. */
const MOST_PENDING = 8;

export class Asking {
  readonly #options: AskingOptions;
  readonly #standings = new Map<string, Standing>();
  /** Takeovers by what their addresses hang on; first ones by address; decoys by MAC. */
  readonly #questions = new Map<string, Question>();
  readonly #verdicts: Verdicts;
  /** Asked for by this life of the speaker and found free. */
  readonly #proven = new Set<string>();
  /** There is no room for frames before. */
  #opensAt: Instant = -Infinity;
  readonly events: AskingEvent[] = [];
  /** Addresses of which `isClear` may say something else; whoever reads them takes them out. */
  readonly changed = new Set<string>();
  /** Questions begun, and those that found the owner answering. */
  readonly counts = { asked: 0, occupied: 0 };

  constructor(options: AskingOptions) {
    this.#options = options;
    this.#verdicts = new Verdicts(options.random);
  }

  /** This node heads the order of the address, and would answer for it. */
  put(key: string, bid: Bid, now: Instant): void {
    const standing = this.#standings.get(key);
    if (standing?.isClear === true) return;
    if (standing !== undefined && sameBid(standing.bid, bid)) return;
    if (standing !== undefined) this.#leave(key, standing);
    this.#begin(key, bid, now);
  }

  /** It does not any more. */
  drop(key: string): void {
    const standing = this.#standings.get(key);
    if (standing === undefined) return;
    this.#standings.delete(key);
    this.#leave(key, standing);
    this.changed.add(key);
  }

  has(key: string): boolean {
    return this.#standings.has(key);
  }

  /** Addresses that this node would answer for. */
  keys(): Iterable<string> {
    return this.#standings.keys();
  }

  /**
   * A node that comes before us claims it. Is it true? A claim may be forged, or made by a kernel
   * that answers nobody, so the address is answered for until that node answers a question.
   */
  contest(key: string, now: Instant): void {
    const standing = this.#standings.get(key);
    if (standing === undefined || standing.question !== undefined) return;
    const question = this.#askApart(key, standing, now);
    question.isClear = standing.isClear;
  }

  /** A node of the cluster has been heard with it: it is not new. */
  prove(key: string): void {
    this.#proven.add(key);
  }

  /** Its orders are gone: what was found out about it holds no more. */
  forget(key: string): void {
    this.#proven.delete(key);
  }

  isClear(key: string): boolean {
    return this.#standings.get(key)?.isClear === true;
  }

  /** Is there a question about it that is not settled yet? */
  isOpen(key: string): boolean {
    return this.#standings.get(key)?.question !== undefined;
  }

  /** Was the MAC found to answer for everything? */
  isProxy(mac: Mac, now: Instant): boolean {
    return this.#verdicts.isProxy(mac, now);
  }

  /** Addresses to watch that nobody has; `baits` grows when they are others. */
  decoys(): Iterable<readonly [string, Ip]> {
    return this.#verdicts.decoys();
  }

  get baits(): number {
    return this.#verdicts.version;
  }

  /** Takes note of who claims an address. */
  hear({ ip, mac, link, form }: Sighting, now: Instant): void {
    const key = formatIp(ip);
    if (form !== 'probe') this.#verdicts.hear(key, mac);
    const standing = this.#standings.get(key);
    const question = standing?.question;
    // What comes before it is asked was an answer to something else.
    if (standing === undefined || question?.isPut !== true) return;
    if (question.isPending && question.answers.size >= MOST_PENDING) return;
    // On another segment it may be somebody's by right.
    if (!standing.bid.paths.some(({ index }) => index === link)) return;
    if (!this.#counts(key, standing, mac, form)) return;
    question.answers.set(mac, { mac, link, key });
    if (standing.isClear) this.#judge(question, now);
  }

  /** Judges what is due to be judged. */
  tick(now: Instant): void {
    for (const mac of this.#verdicts.tick(now)) {
      for (const question of this.#questions.values()) {
        if (question.isPending && question.answers.has(mac)) this.#judge(question, now);
      }
    }
    for (const [name, question] of this.#questions) {
      const { clear, end } = question.timing;
      if (question.isPending) continue;
      if (question.isClear && question.isOld(end, now)) this.#end(name, question);
      else if (!question.isClear && question.isOld(clear, now)) {
        // Who stood still meanwhile has heard nothing, and knows nothing.
        if (question.isOld(clear + this.#options.again, now)) question.again(now);
        else this.#judge(question, now);
      }
    }
  }

  /** Probes to send now, within the pace: those that something waits for, or the others. */
  due(now: Instant, which: 'waited for' | 'later'): OutFrame[] {
    const due: OutFrame[] = [];
    const decoys = which === 'later' ? [] : this.#verdicts.questions();
    for (const question of decoys) this.#put(question, due, now);
    for (const question of this.#questions.values()) {
      if (question.isClear === (which === 'later')) this.#put(question, due, now);
    }
    return due;
  }

  #put(question: Question, due: OutFrame[], now: Instant): void {
    for (let frame = question.due(now); frame !== undefined; frame = question.due(now)) {
      if (!this.#options.pacer.take(1, now)) {
        this.#opensAt = this.#options.pacer.opensAt();
        return;
      }
      due.push(frame);
      question.take(now);
    }
  }

  deadline(): Instant | undefined {
    let at: Instant | undefined;
    for (const question of this.#verdicts.questions()) {
      at = earlier(at, question.deadline(this.#opensAt));
    }
    for (const question of this.#questions.values()) {
      at = earlier(at, question.deadline(this.#opensAt));
    }
    return at === Infinity ? undefined : at;
  }

  // --- questions ----------------------------------------------------------------------------

  #begin(key: string, bid: Bid, now: Instant): void {
    const { probe, random } = this.#options;
    const isFirst = bid.isNew && probe !== 'off' && !this.#proven.has(key);
    const standing: Standing = { bid, isClear: false, isWithheld: false, question: undefined };
    this.#standings.set(key, standing);
    if (!isFirst && bid.suspects.length === 0) {
      standing.isClear = true;
      this.changed.add(key);
      return;
    }
    const name = isFirst ? key : groupOf(bid);
    let question = this.#questions.get(name);
    // Judged already, and about to end: whoever came now would be forgotten.
    if (question?.isClear === true) {
      this.#end(name, question);
      question = undefined;
    }
    if (question === undefined) {
      const wait = isFirst && probe === 'rfc' ? random() * PROBE_WAIT : 0;
      const first = probe === 'rfc' ? FIRST_RFC : FIRST;
      question = new Question(isFirst ? first : TAKEOVER, now + wait);
      this.#questions.set(name, question);
      this.counts.asked += 1;
    }
    question.addresses.set(key, bid);
    standing.question = question;
  }

  /** A question about this address alone. */
  #askApart(key: string, standing: Standing, at: Instant): Question {
    const question = new Question(TAKEOVER, at);
    question.addresses.set(key, standing.bid);
    this.#questions.set(key, question);
    standing.question = question;
    return question;
  }

  #leave(key: string, { bid, question, isWithheld }: Standing): void {
    if (isWithheld) this.events.push({ kind: 'free', key });
    question?.addresses.delete(key);
    if (question?.addresses.size !== 0) return;
    for (const name of [key, groupOf(bid)]) {
      if (this.#questions.get(name) === question) this.#questions.delete(name);
    }
  }

  #counts(key: string, standing: Standing, mac: Mac, form: Sighting['form']): boolean {
    const { bid, isClear, question } = standing;
    const whose = this.#options.whose(mac, key);
    // What we answer for is let go of only to who comes before us.
    const isContest = isClear && question?.timing === TAKEOVER;
    if (form !== 'probe') return !isContest || whose === 'before';
    if (isClear) return false;
    // Somebody else asks what we ask. Of two nodes the one that comes before goes on; a stranger
    // that probes for what nobody has had wants it too (RFC 5227 2.1.1).
    return whose === 'before' || (whose === 'stranger' && bid.isNew);
  }

  #judge(question: Question, now: Instant): void {
    const answers = [...question.answers.values()].filter(({ mac }) => !this.isProxy(mac, now));
    const unjudged = answers.filter(({ mac }) => !this.#verdicts.has(mac));
    for (const { mac, link, key } of unjudged) {
      // The address may be gone; it was asked for as the others of the question are.
      const asked = question.addresses.get(key) ?? [...question.addresses.values()][0];
      const paths = asked?.paths.filter(({ index }) => index === link) ?? [];
      this.#verdicts.tempt(mac, asked && { ip: asked.ip, paths }, (each) => this.has(each), now);
    }
    question.isPending = unjudged.length > 0;
    if (question.isPending) return;
    const isStranger = (each: Answer): boolean =>
      this.#options.whose(each.mac, each.key) === 'stranger';
    const strangers = answers.filter(isStranger);
    const nodes = answers.filter((each) => !isStranger(each));
    if (nodes.length > 0 && this.#sortOut(nodes, question, now)) {
      this.counts.occupied += 1;
      question.again(now + this.#options.again);
      this.#unclear(question);
    } else if (question.timing === TAKEOVER || strangers.length === 0) {
      this.#clear(question, strangers);
    } else this.#withhold(question, strangers, now);
  }

  /**
   * Does that speak for all addresses of the question? It does if it comes from a node that all of
   * them could be with; an address that another one answers for is asked for by itself.
   */
  #sortOut(nodes: readonly Answer[], question: Question, now: Instant): boolean {
    const { addresses } = question;
    const [first = ''] = addresses.keys();
    const suspects = this.#standings.get(first)?.bid.suspects ?? [];
    const isSuspect = ({ mac }: Answer): boolean => {
      const node = this.#options.nodeOf(mac);
      return node === undefined || suspects.includes(node);
    };
    if (addresses.size <= 1 || question.timing !== TAKEOVER || nodes.some(isSuspect)) return true;
    for (const { key } of nodes) {
      const standing = this.#standings.get(key);
      if (standing === undefined || !addresses.delete(key)) continue;
      this.counts.occupied += 1;
      this.#askApart(key, standing, now + this.#options.again);
    }
    return addresses.size === 0;
  }

  #clear(question: Question, strangers: readonly Answer[]): void {
    for (const each of strangers) this.events.push({ kind: 'stranger', withheld: false, ...each });
    if (question.isClear) return;
    question.isClear = true;
    for (const key of question.addresses.keys()) {
      this.changed.add(key);
      const standing = this.#standings.get(key);
      if (standing === undefined) continue;
      if (standing.isWithheld) this.events.push({ kind: 'free', key });
      standing.isWithheld = false;
      standing.isClear = true;
    }
  }

  #withhold(question: Question, strangers: readonly Answer[], now: Instant): void {
    for (const each of strangers) this.events.push({ kind: 'stranger', withheld: true, ...each });
    this.#unclear(question);
    for (const key of question.addresses.keys()) {
      const standing = this.#standings.get(key);
      if (standing !== undefined) standing.isWithheld = true;
    }
    question.again(now + WITHHELD_AGAIN * (0.8 + 0.4 * this.#options.random()));
  }

  #unclear(question: Question): void {
    const wasClear = question.isClear;
    question.isClear = false;
    for (const key of question.addresses.keys()) {
      if (wasClear) this.changed.add(key);
      const standing = this.#standings.get(key);
      if (standing !== undefined) standing.isClear = false;
    }
  }

  #end(name: string, question: Question): void {
    this.#questions.delete(name);
    for (const key of question.addresses.keys()) {
      this.#proven.add(key);
      const standing = this.#standings.get(key);
      if (standing !== undefined) standing.question = undefined;
    }
  }
}

/** What is with the same node is asked for together. */
function groupOf({ suspects, paths }: Bid): string {
  return `${suspects.join()} on ${paths.map(({ index }) => index).join()}`;
}

function sameBid(a: Bid, b: Bid): boolean {
  if (a.isNew !== b.isNew || (!a.isNew && !sameList(a.suspects, b.suspects))) return false;
  return sameList(a.paths.map(nameOf), b.paths.map(nameOf));
}

function nameOf({ index, mac }: Path): string {
  return `${index} ${mac}`;
}
