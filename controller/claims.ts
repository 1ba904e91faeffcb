/**
 * Addresses taken by creating objects: an AddressClaim, named after the address, says which
 * Services have it, and the API server creates a name once. docs/decisions/0008 has the reasons;
 * the rules are two, and do not depend on there being one controller only:
 *
 * - Vouched: an address is put on a Service's status only after a write of its claim with that
 *   Service as a holder, sent after the version of the Service was seen that the status is put on.
 * - Fenced: a holder is taken from a claim only when its Service is gone, or does not show the
 *   address in a version that we wrote after we saw the claim as it is; by the claim's version.
 *
 * Who puts an address vouched for before the fence fails for the Service's version; who vouches
 * after the fence was seen makes the taking away fail for the claim's version. So there is no
 * moment, however long anybody sleeps between decision and write, when a claim is somebody else's
 * and its address still comes upon the old holder.
 *
 * Times here are turns: numbers of the controller's inputs.
 */
import type { KubeFailure, WatchEvent } from '../kube/kube.ts';
import { keyOf } from '../kube/objects.ts';
import type { KubeObject, Meta } from '../kube/objects.ts';
import type { Result } from '../lib/result.ts';
import type { Instant, Millis } from '../lib/time.ts';
import { formatIp, sameIp } from '../net/ip.ts';
import type { Ip } from '../net/ip.ts';
import type { Taken } from './allocate.ts';
import {
  CONFIRMED,
  FENCE,
  claimFor,
  holderOf,
  idOf,
  isManaged,
  withHolders,
  withReservation,
} from './addressclaim.ts';
import type { AddressClaim } from './addressclaim.ts';
import { ClaimTable } from './claimtable.ts';
import type { ClaimAct, ClaimEntry } from './claimtable.ts';

const RETRY_FIRST: Millis = 100;
const RETRY_MOST: Millis = 30_000;
const LOOK_AGAIN: Millis = 2000;

/** A Service as far as claims go. */
export interface Claimant {
  readonly metadata: Meta;
  /** Of its version that is known. */
  readonly seen: number;
  readonly shows: readonly Ip[];
}

export class Claims {
  readonly #namespace: string | undefined;
  readonly #table = new ClaimTable();
  #underWay = 0;
  #mode: 'unknown' | 'off' | 'on' = 'unknown';

  /** `namespace`: where claims are made; undefined: they are only read. */
  constructor(namespace?: string) {
    this.#namespace = namespace;
  }

  /** Whether addresses are taken by claims here. */
  get isOn(): boolean {
    return this.#mode === 'on' && this.#namespace !== undefined;
  }

  get underWay(): number {
    return this.#underWay;
  }

  get size(): number {
    return this.#table.entries.size;
  }

  /** The kind can be read; once it could, that stays: without claims none is given. */
  begin(): void {
    this.#mode = 'on';
  }

  /** There are none here. */
  refuse(): void {
    if (this.#mode === 'unknown') this.#mode = 'off';
  }

  /** Whether it says anything that was not known. */
  watched(event: WatchEvent, turn: number): boolean {
    return this.#table.watched(event, turn);
  }

  /** Addresses that claims say a Service has. */
  of(service: { readonly metadata: Meta }): readonly Ip[] {
    return this.#table.of(service);
  }

  /** A Service came, or went for good. */
  met(service: { readonly metadata: Meta }): void {
    this.#table.met(service);
  }

  gone(service: { readonly metadata: Meta }): void {
    this.#table.gone(service);
  }

  /**
   * What keeps an address from being put on that Service: `ready` nothing, `busy` something that
   * will pass; or what has to be done first. `isGranted`: another holder may have it, too.
   */
  take(
    { metadata, seen, shows }: Claimant,
    ip: Ip,
    isGranted: (id: string) => boolean,
  ): 'ready' | 'busy' | ClaimAct {
    const entry = this.#table.entryOf(ip);
    const holder = holderOf(metadata);
    const id = idOf(holder);
    const place = entry.places.get(id);
    if (place !== undefined) {
      const isShown = shows.some((each) => sameIp(each, ip));
      if (isShown || place.vouched >= seen) return 'ready';
    }
    if (entry.act !== undefined || this.#table.retries.has(formatIp(ip))) return 'busy';
    const common = { ip: formatIp(ip), service: id };
    const { claim } = entry;
    if (claim === undefined) {
      const made = claimFor(ip, this.#namespace ?? '');
      const own = withReservation(withHolders(made, [holder]), metadata);
      return { ...common, kind: 'create', claim: own };
    }
    const others = [...entry.places.values()].filter((each) => idOf(each.holder) !== id);
    if (others.some((each) => !isGranted(idOf(each.holder)))) return 'busy';
    const holders = [...others.map((each) => each.holder), holder];
    const confirmed = { [CONFIRMED]: metadata.resourceVersion ?? '' };
    const next = withReservation(withHolders(claim, holders, confirmed), metadata);
    return { ...common, kind: 'replace', claim: next };
  }

  /**
   * What is left to be done about a Service's claims when its status is as it should be: addresses
   * it has no more, and reservations. `fence`: it must be written once more, first.
   */
  tidy(
    { metadata, shows }: Claimant,
    wanted: readonly Ip[],
    fencedAt: number,
  ): { readonly acts: readonly ClaimAct[]; readonly fence?: string } {
    const id = idOf(holderOf(metadata));
    const acts: ClaimAct[] = [];
    let fence: string | undefined;
    for (const entry of this.#table.ofId(id)) {
      const { ip, claim, act } = entry;
      const place = entry.places.get(id);
      if (claim === undefined || place === undefined) continue;
      if (act !== undefined || this.#table.retries.has(formatIp(ip))) continue;
      const has = (list: readonly Ip[]): boolean => list.some((each) => sameIp(each, ip));
      if (has(wanted)) {
        const reserved = withReservation(claim, metadata);
        if (reserved !== claim) {
          acts.push({ ip: formatIp(ip), service: id, kind: 'replace', claim: reserved });
        }
      } else if (!has(shows)) {
        const mark = `${formatIp(ip)}@${claim.metadata.resourceVersion ?? ''}`;
        // Whoever wrote it, it was after that version of the claim was seen.
        const isFenced = fencedAt >= place.since || metadata.annotations?.[FENCE] === mark;
        if (isFenced) acts.push(this.#without(entry, claim, id));
        else fence = mark;
      }
    }
    return fence === undefined ? { acts } : { acts, fence };
  }

  /** Of Services that are gone, or not known. */
  orphans(isKnown: (id: string) => boolean): readonly ClaimAct[] {
    const acts: ClaimAct[] = [];
    for (const [ip, entry] of this.#table.entries) {
      const { claim, places, act } = entry;
      if (claim === undefined || act !== undefined) continue;
      for (const [id, { isGone, holder }] of places) {
        if ((!isGone && isKnown(id)) || this.#table.retries.has(ip)) continue;
        const service = `${holder.namespace}/${holder.name}`;
        const look = { ip, service, kind: 'look', uid: id } as const;
        acts.push(isGone ? this.#without(entry, claim, id) : look);
        break;
      }
    }
    return acts;
  }

  #without({ ip, places }: ClaimEntry, claim: AddressClaim, id: string): ClaimAct {
    const common = { ip: formatIp(ip), service: id };
    const rest = [...places.values()].map(({ holder }) => holder);
    const holders = rest.filter((holder) => idOf(holder) !== id);
    if (holders.length > 0 || !isManaged(claim) || claim.spec.reservedFor !== undefined) {
      return { ...common, kind: 'replace', claim: withHolders(claim, holders) };
    }
    const version = claim.metadata.resourceVersion ?? '';
    return { ...common, kind: 'delete', key: keyOf(claim), version };
  }

  /** For the allocator: what claims keep from Services that are not their holders. */
  taken(isKnown: (id: string) => boolean): ReadonlyMap<string, Taken> {
    const taken = new Map<string, Taken>();
    for (const [text, { claim, places }] of this.#table.entries) {
      if (claim === undefined) continue;
      const { reservedFor } = claim.spec;
      const stays = places.size === 0 || [...places.keys()].some((id) => !isKnown(id));
      if (!stays && reservedFor === undefined) continue;
      const by = `AddressClaim "${claim.metadata.name}"`;
      const whom = reservedFor && `${reservedFor.namespace}/${reservedFor.name}`;
      taken.set(text, { by, for: whom === undefined ? [] : [whom], firm: false });
    }
    return taken;
  }

  /** Addresses of Services that are gone, whose claims are still to be taken away. */
  leaving(): ReadonlyMap<string, readonly Ip[]> {
    const leaving = new Map<string, Ip[]>();
    for (const { ip, places } of this.#table.entries.values()) {
      for (const { isGone, holder } of places.values()) {
        if (!isGone) continue;
        const key = `${holder.namespace}/${holder.name} (${holder.uid})`;
        leaving.set(key, [...(leaving.get(key) ?? []), ip]);
      }
    }
    return leaving;
  }

  /** The last thing that was done about it, if any, went well. */
  isSound({ ip }: ClaimAct): boolean {
    return (this.#table.entries.get(ip)?.failures ?? 0) === 0;
  }

  /** It is being done. */
  sent(act: ClaimAct, turn: number): void {
    const entry = this.#table.entries.get(act.ip);
    if (entry === undefined) return;
    entry.act = { act, turn };
    this.#underWay += 1;
  }

  /** undefined: not ours. */
  answered(
    act: ClaimAct,
    result: Result<unknown, KubeFailure>,
    turn: number,
    now: Instant,
  ): 'done' | 'failed' | undefined {
    const entry = this.#table.entries.get(act.ip);
    if (entry?.act?.act !== act) return undefined;
    const sentAt = entry.act.turn;
    entry.act = undefined;
    this.#underWay -= 1;
    if (act.kind === 'look') return this.#looked(entry, act, result, now);
    const isGone = !result.ok && result.error.kind === 'not-found' && act.kind !== 'create';
    if (isGone || (result.ok && act.kind === 'delete')) {
      this.#table.removed(entry, versionOf(act), turn);
      return act.kind === 'delete' ? 'done' : 'failed';
    }
    if (!result.ok) {
      const wait = Math.min(RETRY_MOST, RETRY_FIRST * 2 ** entry.failures);
      this.#table.retries.set(act.ip, now + wait);
      entry.failures += 1;
      return 'failed';
    }
    entry.failures = 0;
    this.#table.made(entry, result.value as AddressClaim, act.service, turn);
    const place = entry.places.get(act.service);
    if (place !== undefined) place.vouched = sentAt;
    return 'done';
  }

  #looked(
    entry: ClaimEntry,
    { uid }: Extract<ClaimAct, { kind: 'look' }>,
    result: Result<unknown, KubeFailure>,
    now: Instant,
  ): 'done' | 'failed' {
    const place = entry.places.get(uid);
    const isOther = result.ok && (result.value as KubeObject).metadata.uid !== uid;
    if (place === undefined) return 'done';
    if (isOther || (!result.ok && result.error.kind === 'not-found')) place.isGone = true;
    if (place.isGone) return 'done';
    this.#table.retries.set(formatIp(entry.ip), now + LOOK_AGAIN);
    return 'failed';
  }

  /** A decision begins. */
  wake(now: Instant): void {
    this.#table.wake(now);
  }

  /** When something that waits can go on. */
  deadline(): Instant | undefined {
    return this.#table.deadline();
  }
}

/** Of the claim that it is about. */
function versionOf(act: ClaimAct): string {
  if (act.kind === 'delete') return act.version;
  return act.kind === 'look' ? '' : (act.claim.metadata.resourceVersion ?? '');
}
