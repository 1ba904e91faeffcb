/**
 * What is known of AddressClaims: what the watch shows, and what our own writes are known to have
 * made of them, which the watch shows later. Versions tell which is newer; an object that was
 * deleted and made again has a newer one, too.
 *
 * Times here are turns: numbers of the controller's inputs.
 */
import type { WatchEvent } from '../kube/kube.ts';
import type { Meta } from '../kube/objects.ts';
import { isOlder } from '../kube/version.ts';
import { earlier } from '../lib/time.ts';
import type { Instant } from '../lib/time.ts';
import { formatIp, parseIp } from '../net/ip.ts';
import type { Ip } from '../net/ip.ts';
import { holderOf, idOf, saysTheSame } from './addressclaim.ts';
import type { AddressClaim, Holder } from './addressclaim.ts';

/** What is to be done about one claim, one thing at a time. */
export type ClaimAct = { readonly ip: string; readonly service: string } & (
  | { readonly kind: 'create' | 'replace'; readonly claim: AddressClaim }
  | { readonly kind: 'delete'; readonly key: string; readonly version: string }
  /** Whether the Service that a claim names is still there: our watch may be late. */
  | { readonly kind: 'look'; readonly uid: string }
);

export interface Place {
  readonly holder: Holder;
  /** Since when it is known to us as a holder, in that version or one that we made of it. */
  since: number;
  /** When the newest own write with it was sent. */
  vouched: number;
  isGone: boolean;
}

export interface ClaimEntry {
  readonly ip: Ip;
  claim: AddressClaim | undefined;
  /** By id of the Service. */
  places: Map<string, Place>;
  /** Own version that the watch has not shown yet. */
  awaited: string | undefined;
  /** Version that we deleted: what is not newer is of the past. */
  buried: string | undefined;
  act: { readonly act: ClaimAct; readonly turn: number } | undefined;
  failures: number;
}

export class ClaimTable {
  readonly entries = new Map<string, ClaimEntry>();
  readonly #byService = new Map<string, Set<ClaimEntry>>();
  /** When something about an address may be tried again. */
  readonly retries = new Map<string, Instant>();

  /** Whether it says anything that was not known. */
  watched(event: WatchEvent, turn: number): boolean {
    if (event.type === 'put') return this.#put(event.object as AddressClaim, turn);
    if (event.type !== 'delete') return false;
    const ip = addressOf(event.key);
    const entry = ip === undefined ? undefined : this.entries.get(ip);
    return ip !== undefined && entry !== undefined && this.#forget(ip, entry);
  }

  #forget(text: string, entry: ClaimEntry): boolean {
    entry.buried = undefined;
    // Of an earlier claim of that name; ours comes after it.
    if (entry.awaited !== undefined) return false;
    const isNews = entry.claim !== undefined;
    this.#believe(entry, undefined, 0);
    if (entry.act !== undefined) return entry.act.act.kind !== 'delete';
    this.entries.delete(text);
    this.retries.delete(text);
    return isNews;
  }

  #put(claim: AddressClaim, turn: number): boolean {
    const parsed = parseIp(claim.spec.address);
    if (!parsed.ok) return false;
    const entry = this.entryOf(parsed.value);
    const { resourceVersion: version = '' } = claim.metadata;
    const { awaited, buried } = entry;
    if (buried !== undefined && (version === buried || isOlder(version, buried))) return false;
    if (awaited !== undefined) {
      if (version !== awaited && !isOlder(awaited, version)) return false;
      entry.awaited = undefined;
      if (version === awaited) return false;
    }
    if (entry.claim?.metadata.resourceVersion === version) return false;
    this.#believe(entry, claim, turn);
    this.retries.delete(formatIp(entry.ip));
    // Of what we are just doing the answer tells.
    const act = entry.act?.act;
    const isOwn = act?.kind === 'create' || act?.kind === 'replace';
    return !isOwn || !saysTheSame(act.claim, claim);
  }

  entryOf(ip: Ip): ClaimEntry {
    const text = formatIp(ip);
    const known = this.entries.get(text);
    if (known !== undefined) return known;
    const entry: ClaimEntry = {
      ip,
      claim: undefined,
      places: new Map(),
      awaited: undefined,
      buried: undefined,
      act: undefined,
      failures: 0,
    };
    this.entries.set(text, entry);
    return entry;
  }

  #believe(entry: ClaimEntry, claim: AddressClaim | undefined, turn: number, own?: string): void {
    const before = entry.places;
    for (const id of before.keys()) this.#byService.get(id)?.delete(entry);
    entry.claim = claim;
    entry.places = new Map();
    for (const holder of claim?.spec.holders ?? []) {
      const id = idOf(holder);
      const known = before.get(id);
      const isOld = known !== undefined && own !== undefined && own !== id;
      entry.places.set(id, {
        holder,
        since: isOld ? known.since : turn,
        vouched: known?.vouched ?? -1,
        isGone: known?.isGone ?? false,
      });
      const entries = this.#byService.get(id) ?? new Set();
      this.#byService.set(id, entries.add(entry));
    }
    for (const id of before.keys()) {
      if (this.#byService.get(id)?.size === 0) this.#byService.delete(id);
    }
  }

  ofId(id: string): Iterable<ClaimEntry> {
    return this.#byService.get(id) ?? [];
  }

  /** Addresses that claims say a Service has. */
  of(service: { readonly metadata: Meta }): readonly Ip[] {
    const entries = this.#byService.get(idOf(holderOf(service.metadata)));
    return entries === undefined ? [] : [...entries].map(({ ip }) => ip);
  }

  /** A Service came: what was looked for may be it. */
  met(service: { readonly metadata: Meta }): void {
    for (const ip of this.of(service)) this.retries.delete(formatIp(ip));
  }

  /** The Service of that id is gone; it will not come back. */
  gone(service: { readonly metadata: Meta }): void {
    const id = idOf(holderOf(service.metadata));
    for (const { places } of this.#byService.get(id) ?? []) {
      const place = places.get(id);
      if (place !== undefined) place.isGone = true;
    }
  }

  /** The watch may have shown it already, or something newer. */
  made(entry: ClaimEntry, claim: AddressClaim, service: string, turn: number): void {
    const { resourceVersion: version = '' } = claim.metadata;
    const known = entry.claim?.metadata.resourceVersion ?? '';
    if (known === version || (known !== '' && isOlder(version, known))) return;
    entry.awaited = version;
    this.#believe(entry, claim, turn, service);
  }

  /** That version is no more; the watch may have shown a later one. */
  removed(entry: ClaimEntry, version: string, turn: number): void {
    if (isOlder(version, entry.claim?.metadata.resourceVersion ?? '')) return;
    entry.buried = version;
    entry.awaited = undefined;
    this.#believe(entry, undefined, turn);
  }

  /** A decision begins. */
  wake(now: Instant): void {
    for (const [ip, at] of this.retries) if (at <= now) this.retries.delete(ip);
  }

  /** When something that waits can go on. */
  deadline(): Instant | undefined {
    let first: Instant | undefined;
    for (const at of this.retries.values()) first = earlier(first, at);
    return first;
  }
}

/** The address that an object of that name is about. */
function addressOf(key: string): string | undefined {
  const name = key.slice(key.indexOf('/') + 1);
  const parsed = parseIp(name.includes('-') ? name.replaceAll('-', ':') : name);
  return parsed.ok ? formatIp(parsed.value) : undefined;
}
