/**
 * Watching the links of a host: asks the kernel for all links, then for all addresses, and tells
 * differences from then on. Whatever goes wrong ends in asking for everything again: messages that
 * were lost, a dump that changed under way, one that the kernel refused (ENOMEM, EBUSY) or never
 * finished. Until a dump is complete nothing is told, because half a table reads like links gone.
 *
 * Links are told at once, addresses a moment later: kube-proxy's IPVS puts those of ten thousand
 * Services on one interface, one by one, and each time the whole link is looked at.
 *
 * Dumps go one after the other, each with a sequence number of its own, so that the end of one that
 * was given up is not taken for the end of the next.
 */
import type { Machine } from '../lib/machine.ts';
import { earlier } from '../lib/time.ts';
import type { Instant } from '../lib/time.ts';
import type { Link, LinkIndex } from './links.ts';
import { LinkTable } from './linktable.ts';
import { dumpAddresses, dumpLinks, parseRoute } from './rtnetlink.ts';
import type { RouteEvent } from './rtnetlink.ts';

export type LinkWatchInput =
  | { readonly kind: 'datagram'; readonly bytes: Uint8Array }
  /** The kernel dropped messages (ENOBUFS), or one was cut short. */
  | { readonly kind: 'lost' }
  /** A request could not be sent. */
  | { readonly kind: 'unsent' };

export type LinkEvent =
  | { readonly kind: 'put'; readonly link: Link }
  | { readonly kind: 'delete'; readonly index: LinkIndex }
  /** The first dump has been told: from now on only changes follow. */
  | { readonly kind: 'synced' };

export type LinkWatchOutput =
  { readonly kind: 'request'; readonly message: Uint8Array } | LinkEvent;

/** After a refusal: the kernel needs memory, or has to end another dump first. */
const RETRY = 100;

/** A dump that has not ended by then never will. */
const PATIENCE = 5000;

/** How long addresses wait for more of them; more to look at, more to wait for. */
const SETTLE = 5;
const SETTLE_EACH = 0.01;

export class LinkWatch implements Machine<LinkWatchInput, LinkWatchOutput> {
  readonly #out: LinkWatchOutput[] = [];
  readonly #table = new LinkTable();
  #sequence = 0;
  /** What the running dump is of; undefined: everything is known. */
  #dumping: 'links' | 'addresses' | 'nothing' | undefined = 'nothing';
  /** Something was missed during the running dump. */
  #again = false;
  #synced = false;
  /** When to begin anew unless the dump has ended. */
  #retryAt: Instant | undefined = -Infinity;
  /** When to tell of addresses that have changed. */
  #tellAt: Instant | undefined;

  handle(input: LinkWatchInput, now: Instant): void {
    if (input.kind === 'unsent') {
      this.#giveUp(now);
    } else if (input.kind === 'lost') {
      // A dump that runs has to end first, or the new one is refused with EBUSY.
      if (this.#dumping === undefined) this.#begin(now);
      else this.#again = true;
    } else {
      this.#read(parseRoute(input.bytes), now);
    }
  }

  tick(now: Instant): void {
    if (this.#retryAt !== undefined && now >= this.#retryAt) this.#begin(now);
    if (this.#tellAt !== undefined && now >= this.#tellAt) this.#tell();
  }

  poll(): LinkWatchOutput | undefined {
    return this.#out.shift();
  }

  deadline(): Instant | undefined {
    return earlier(this.#retryAt, this.#tellAt);
  }

  #read(events: readonly RouteEvent[], now: Instant): void {
    const wasDumping = this.#dumping !== undefined;
    for (const event of events) this.#take(event, now);
    if (this.#dumping !== undefined) return;
    const isAddress = ({ kind }: RouteEvent): boolean =>
      kind === 'address' || kind === 'address-gone';
    if (wasDumping || !events.every(isAddress)) this.#tell();
    else this.#tellAt ??= now + SETTLE + this.#table.addresses * SETTLE_EACH;
  }

  #take(event: RouteEvent, now: Instant): void {
    this.#table.handle(event);
    if (event.kind === 'interrupted') this.#again = true;
    if (event.kind !== 'done' && event.kind !== 'acknowledged') return;
    if (this.#dumping === undefined || event.sequence !== this.#sequence) return;
    // An acknowledgement is asked for by no dump: it can only be a refusal.
    if (event.kind === 'acknowledged') this.#giveUp(now);
    else if (this.#dumping === 'links') this.#ask('addresses', now);
    else if (this.#again) this.#begin(now);
    else this.#end();
  }

  #begin(now: Instant): void {
    this.#again = false;
    this.#table.clear();
    this.#ask('links', now);
  }

  #ask(what: 'links' | 'addresses', now: Instant): void {
    this.#dumping = what;
    this.#sequence += 1;
    this.#retryAt = now + PATIENCE;
    const message = (what === 'links' ? dumpLinks : dumpAddresses)(this.#sequence);
    this.#out.push({ kind: 'request', message });
  }

  #giveUp(now: Instant): void {
    this.#dumping = 'nothing';
    this.#retryAt = now + RETRY;
  }

  #end(): void {
    this.#dumping = undefined;
    this.#retryAt = undefined;
  }

  #tell(): void {
    this.#tellAt = undefined;
    if (this.#dumping !== undefined) return;
    const { put, remove } = this.#table.changes();
    for (const index of remove) this.#out.push({ kind: 'delete', index: Number(index) });
    for (const link of put.values()) this.#out.push({ kind: 'put', link });
    if (!this.#synced) this.#out.push({ kind: 'synced' });
    this.#synced = true;
  }
}
