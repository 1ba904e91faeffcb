/**
 * What a Service's condition says of strangers that claim its addresses, or did: who, where, what
 * becomes of the address, and what to do. Made from what is reported now and from what the Service
 * shows, so that a restart says the same.
 */
import type { Condition } from '../kube/objects.ts';
import type { Stranger } from './conflicts.ts';

/** As far as it concerns one Service. */
export interface Contest {
  /** Of the addresses that it is to have. */
  readonly strangers: readonly Stranger[];
  /** The same of any address in quarantine. */
  readonly banned: (ip: string) => readonly Stranger[];
  /** All speakers have had the time to say what they know. */
  readonly isKnown: boolean;
}

export type Said = Pick<Condition, 'status' | 'reason' | 'message'>;

export interface Verdict {
  /** undefined: there is nothing to say. */
  readonly said: Said | undefined;
  /** Somebody claims something, and it was not said before. */
  readonly isNews: boolean;
}

/**
 * `before`: what the Service shows. `lost`: addresses that it shows and is not to have. `isSame`:
 * it is to have what it shows.
 */
export function contest(
  { strangers, banned, isKnown }: Contest,
  before: Said | undefined,
  { lost, isSame }: { readonly lost: readonly string[]; readonly isSame: boolean },
): Verdict {
  const culprits = lost.flatMap(banned);
  if (strangers.length > 0) {
    const isNews = before?.status !== 'True' || !strangers.every((each) => isSaid(each, before));
    return { said: presentOf(strangers), isNews: isNews || culprits.length > 0 };
  }
  if (culprits.length > 0) {
    const message = `${culprits.map(claimText).join('; ')}, so it was given up; ${GIVEN_UP_ADVICE}`;
    return { said: { status: 'False', reason: 'AddressGivenUp', message }, isNews: true };
  }
  // Of addresses that it has no more.
  if (before === undefined || !isSame) return { said: undefined, isNews: false };
  const isOver = before.status === 'True' && isKnown;
  return { said: isOver ? OVER : before, isNews: false };
}

/** `MAC on eth0 of node1 claims 192.0.2.1 and is no node of the cluster` */
export function claimText({ ip, mac, places }: Stranger): string {
  const named = places.slice(0, MOST_PLACES).join(', ');
  const more = places.length > MOST_PLACES ? ` and ${places.length - MOST_PLACES} more` : '';
  return `${mac} on ${named}${more} ${claims(ip)}`;
}

/** Why nobody answers for what strangers claim. */
export function withheldText(strangers: readonly Stranger[]): string {
  const who = strangers.map(claimText).join('; ');
  const many = [...new Set(strangers.filter(isEverywhere).map(({ mac }) => mac))];
  const looks = many.map((mac) => `; ${mac} ${EVERYWHERE}`).join('');
  return `${who}, so nobody answers for it here; ${WITHHELD_ADVICE}${looks}`;
}

function isEverywhere({ claimsMany }: Stranger): boolean {
  return claimsMany === true;
}

function claims(ip: string): string {
  return `claims ${ip} and is no node of the cluster`;
}

function presentOf(strangers: readonly Stranger[]): Said {
  if (strangers.some(({ isWithheld }) => isWithheld)) {
    return { status: 'True', reason: 'AddressWithheld', message: withheldText(strangers) };
  }
  const message = `${strangers.map(claimText).join('; ')}; it is defended, and ${DEFENDED_ADVICE}`;
  return { status: 'True', reason: 'AddressDefended', message };
}

/** Where it was heard may change; that is no news. */
function isSaid({ ip, mac }: Stranger, { message }: Said): boolean {
  return message.includes(mac) && message.includes(claims(ip));
}

const MOST_PLACES = 3;
const EVERYWHERE = 'claims so many addresses that it looks like one host answering for everything';
const GIVEN_UP_ADVICE = 'give that host another address, or take this one out of its pool';
const WITHHELD_ADVICE = 'give that host another address, or the Service';
const DEFENDED_ADVICE =
  'clients may reach either of them: give that host another address, or the Service';
const OVER: Said = {
  status: 'False',
  reason: 'ConflictOver',
  message: 'nobody else is heard to claim its addresses any more',
};
