/**
 * What `verify` found on one link, as it is shown: by GET /verify of a speaker, and by whoever asks
 * without one. Names for machines, one sentence for people.
 */
import type { Mac } from '../net/mac.ts';
import type { Answerer } from './verify.ts';

export const VERIFY_PATH = '/verify';
/** For the tag of a request: HMAC-SHA-256 over this and the request's path with its query. */
export const VERIFY_CONTEXT = 'arpeggio verify 1\n';

/** `proxy`: only machines answered that answer for everything. */
export type Outcome = 'none' | 'one' | 'several' | 'proxy';

export interface Finding {
  /** Canonical. */
  readonly ip: string;
  readonly interface: string;
  readonly outcome: Outcome;
  /** This very host answers for it; it does not hear itself, and is not among the answers. */
  readonly here: boolean;
  readonly answers: readonly FoundAnswer[];
  readonly sentence: string;
}

export interface FoundAnswer {
  readonly mac: Mac;
  /** Absent: a stranger, as far as the one who asked knows. */
  readonly node?: string;
  readonly proxy: boolean;
}

export interface Asked {
  readonly ip: string;
  readonly interface: string;
  readonly here: boolean;
}

export function findingOf(asked: Asked, found: readonly Answerer[]): Finding {
  const holders = found.filter(({ isProxy }) => !isProxy);
  const proxies = found.filter(({ isProxy }) => isProxy);
  const answers = found.map(({ mac, node, isProxy }) => ({
    mac,
    ...(node === undefined ? {} : { node }),
    proxy: isProxy,
  }));
  const outcome = outcomeOf(holders.length, proxies.length);
  const sentence = `${holdersSay(asked, holders)}${proxiesSay(proxies)}`;
  return { ...asked, outcome, answers, sentence };
}

function outcomeOf(holders: number, proxies: number): Outcome {
  if (holders > 0) return holders === 1 ? 'one' : 'several';
  return proxies > 0 ? 'proxy' : 'none';
}

function holdersSay({ ip, interface: link, here }: Asked, holders: readonly Answerer[]): string {
  const names = holders.map(({ mac, node }) => `${node ?? 'a stranger'} (${mac})`).join(', ');
  if (here && holders.length === 0) {
    return `this node answers for ${ip}, and nobody else on ${link} does`;
  }
  if (here) return `this node answers for ${ip}, and on ${link} so does ${names}`;
  if (holders.length === 0) return `nobody on ${link} answers for ${ip}`;
  if (holders.length === 1) return `${names} answers for ${ip} on ${link}`;
  return `${holders.length} answer for ${ip} on ${link}: ${names}`;
}

function proxiesSay(proxies: readonly Answerer[]): string {
  if (proxies.length === 0) return '';
  const names = proxies.map(({ mac }) => mac).join(', ');
  return `; not counted, because it answers for every address: ${names}`;
}
