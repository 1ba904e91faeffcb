/**
 * One Service as the Allocator remembers it: what it asks for and holds, what it has in the
 * ledger, and what was decided.
 */
import type { Claim } from '../config/claim.ts';
import { sameIp } from '../net/ip.ts';
import type { Ip } from '../net/ip.ts';
import type { Decision } from './allocate.ts';

export class Entry {
  readonly key: string;
  /** undefined: it only shows addresses. */
  claim: Claim | undefined = undefined;
  /** What its claim holds; but what was decided since where that is something. */
  held: readonly Ip[] = NOTHING;
  /** The request cannot be understood: keep what is held, ask for nothing. */
  keepOnly = false;
  /** Its own change of what it shares may have made a conflict. */
  changed = false;
  /** All that it may show. */
  occupied: readonly Ip[] = NOTHING;
  /** What it kept of what it held, before anything was given. */
  kept: readonly Ip[] = NOTHING;
  /** In the ledger: what it uses. */
  used: readonly Ip[] = NOTHING;
  /** In the ledger: what it shows and does not use. */
  left: readonly Ip[] = NOTHING;
  decision: Decision | undefined = undefined;
  /** As it was before it was taken out of the ledger; undefined: it is as decided. */
  was: Footprint | undefined = undefined;

  constructor(key: string) {
    this.key = key;
  }
}

export interface Footprint {
  readonly claim: Claim | undefined;
  readonly held: readonly Ip[];
  readonly used: readonly Ip[];
  readonly left: readonly Ip[];
}

export const NOTHING: readonly Ip[] = [];

/** Who keeps an address that two hold: who did not make the conflict, got it first, by name. */
export function bySeniority(a: Entry, b: Entry): number {
  if (a.changed !== b.changed) return Number(a.changed) - Number(b.changed);
  const [first, second] = [a.claim?.since ?? '', b.claim?.since ?? ''];
  if (first !== second) return first < second ? -1 : 1;
  return a.key < b.key ? -1 : 1;
}

/** Who asks for certain addresses comes before who takes any; else by name. */
export function byUrgency(a: Entry, b: Entry): number {
  const requests = Number(asks(b)) - Number(asks(a));
  if (requests !== 0) return requests;
  return a.key < b.key ? -1 : 1;
}

function asks({ claim }: Entry): boolean {
  return claim !== undefined && claim.requested.length > 0;
}

/** Whether two claims of one Service ask for the same; what it holds and since when aside. */
export function sameWish(a: Claim, b: Claim): boolean {
  return (
    a.pool === b.pool &&
    a.perFamily === b.perFamily &&
    a.barred === b.barred &&
    a.families.want === b.families.want &&
    a.families.order.join() === b.families.order.join() &&
    sameList(a.requested, b.requested) &&
    sharesAlike(a, b) &&
    sameLabels(a.labels, b.labels)
  );
}

/** Whether others may share with the one as with the other. */
export function sharesAlike(a: Claim, b: Claim): boolean {
  return (
    a.sharing?.key === b.sharing?.key &&
    a.sharing?.backend === b.sharing?.backend &&
    a.externalTrafficPolicy === b.externalTrafficPolicy &&
    (a.ports === b.ports || a.ports.join() === b.ports.join())
  );
}

function sameLabels(a: Claim['labels'], b: Claim['labels']): boolean {
  if (a === b) return true;
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}

export function sameDecision(a: Decision | undefined, b: Decision): boolean {
  if (a === undefined || a.kind !== b.kind) return false;
  if (a.kind === 'allocated' && b.kind === 'allocated') {
    return a.pool === b.pool && sameList(a.addresses, b.addresses);
  }
  if (a.kind === 'denied' && b.kind === 'denied') {
    return a.reason === b.reason && a.message === b.message;
  }
  return true;
}

/** Equal, in the same order. */
export function sameList(a: readonly Ip[], b: readonly Ip[]): boolean {
  return a.length === b.length && a.every((ip, at) => sameIp(ip, b[at] ?? { ...ip, value: -1n }));
}

export function has(list: readonly Ip[], ip: Ip): boolean {
  for (const each of list) if (sameIp(each, ip)) return true;
  return false;
}

/** Both lists, nothing twice; the same array where the second adds nothing. */
export function united(a: readonly Ip[], b: readonly Ip[]): readonly Ip[] {
  if (a.length === 0 || a === b) return b;
  const more = b.filter((ip) => !has(a, ip));
  return more.length === 0 ? a : [...a, ...more];
}

export function without(a: readonly Ip[], b: readonly Ip[]): readonly Ip[] {
  if (a.length === 0 || a === b) return NOTHING;
  const rest = a.filter((ip) => !has(b, ip));
  return rest.length === 0 ? NOTHING : rest;
}
