/**
 * Who answered for an address, question by question: the record of native/asker.c, and what it
 * says about voices. Asked from a host of its own, because answers refresh the neighbour entries
 * of the host that asks, and a client's must age as they do in life.
 */
import type { Instant, Millis } from '../lib/time.ts';

export interface Reply {
  readonly question: number;
  readonly at: Instant;
  /** After its question. */
  readonly late: Millis;
  readonly mac: string;
}

export class Askings {
  /** When each question was asked; numbers come again after eleven minutes at 10 ms. */
  readonly asked = new Map<number, Instant>();
  readonly replies: Reply[] = [];

  /** Whole lines of the record, in order. */
  take(text: string): void {
    for (const line of text.split('\n')) {
      const [what, number = '', at = '', mac = ''] = line.split(' ');
      const [question, time] = [Number(number), Number(at)];
      if (what === 'ask') this.asked.set(question, time);
      const since = this.asked.get(question);
      if (what !== 'reply' || since === undefined) continue;
      this.replies.push({ question, at: time, late: time - since, mac });
    }
  }
}

/** For how long more than one node answered, counted in questions of that distance. */
export function twoVoices({ replies }: Askings, from: Instant, interval: Millis): Millis {
  const voices = new Map<number, Set<string>>();
  for (const { question, at, mac } of replies) {
    if (at < from) continue;
    const known = voices.get(question);
    if (known === undefined) voices.set(question, new Set([mac]));
    else known.add(mac);
  }
  return [...voices.values()].filter((macs) => macs.size > 1).length * interval;
}

/** Answers to questions that nobody waits for any more. */
export function staleAnswers({ replies }: Askings, from: Instant, patience: Millis): number {
  return replies.filter(({ at, late }) => at >= from && late > patience).length;
}

/** When another than that MAC first answered a question asked since. */
export function firstOther(
  { asked, replies }: Askings,
  from: Instant,
  mac: string,
): Instant | undefined {
  const isNew = (reply: Reply): boolean =>
    reply.mac !== mac && (asked.get(reply.question) ?? 0) >= from;
  return replies.find(isNew)?.at;
}
