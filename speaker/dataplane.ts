/**
 * The port to whatever answers on the wire. Three implementations, one contract suite: `bpf`
 * (tcx or clsact), `packet` (AF_PACKET) and `model` (the executable specification).
 *
 * The plane answers an ARP request or a Neighbor Solicitation for an address it has with the role
 * `answer`, on an attached link, and only before the instant given to `renew`: one store serves
 * all addresses, and a plane whose process died or froze falls silent by itself. Of every address
 * it has, also those with the role `watch`, it tells who else claims it. Roles, sightings and the
 * guard: docs/decisions/0012-watching-and-guarding.md.
 */
import type { Delta } from '../lib/diff.ts';
import type { Result } from '../lib/result.ts';
import type { Instant } from '../lib/time.ts';
import type { Ip } from '../net/ip.ts';
import type { Mac } from '../net/mac.ts';
import type { LinkIndex } from './links.ts';

/** `watch`: another node's address, or nobody's. Never answered. */
export type Role = 'answer' | 'watch';

export interface Announcement {
  readonly ip: Ip;
  /** On which attached links to answer and to watch; 'all' includes links attached later. */
  readonly links: 'all' | readonly LinkIndex[];
  readonly role: Role;
}

export interface PlaneLink {
  readonly index: LinkIndex;
  /** Answers carry this as sender; attaching again with another one replaces it. */
  readonly mac: Mac;
  /** The link's own IPv4 address: the sender of the kernel's guarded requests, else 0.0.0.0. */
  readonly ip4?: Ip | undefined;
}

/**
 * How a claim was made. `request`: an ARP request, also an announcement, or a Neighbor
 * Solicitation, with the address as sender. `reply`: an ARP reply with it as sender, a Neighbor
 * Advertisement with it as target. `probe`: an ARP request from 0.0.0.0 or a solicitation from ::
 * (duplicate address detection) for it.
 */
export type Form = 'request' | 'reply' | 'probe';

/** Somebody else, not one of our attached links, claims an address of the table. */
export interface Sighting {
  readonly at: Instant;
  readonly link: LinkIndex;
  readonly ip: Ip;
  /** The ARP sender, or the link-layer option, or else the Ethernet source. */
  readonly mac: Mac;
  readonly form: Form;
}

/** What a plane found wrong on a link and put right. */
export type Mended = 'gone' | 'displaced';

export interface DataPlane {
  readonly name: 'bpf' | 'packet' | 'model';
  /** Begins to answer on a link, or refreshes its addresses. Idempotent. */
  attach(link: PlaneLink): Result<void, string>;
  /** Ends answering on a link; a link that is gone is no error. */
  detach(index: LinkIndex): Result<void, string>;
  /** Changes the set of addresses, keyed by `formatIp`. Idempotent. */
  apply(delta: Delta<Announcement>): Result<void, string>;
  /** Answer until then, even if this process dies. An instant in the past silences at once. */
  renew(until: Instant): Result<void, string>;
  /** Sends one whole Ethernet frame out of an attached link. */
  send(link: LinkIndex, frame: Uint8Array): Result<void, string>;
  /**
   * Who claimed an address since the last call, oldest first. At most forty a second for each
   * address (nodes that ask about it at once must all be heard), and forty more for replies that
   * were sent to us alone: those answer our questions.
   */
  sightings(): readonly Sighting[];
  /** How often anybody asked for an address of the table (by `formatIp`), answered or not. */
  asked(key: string): number;
  /**
   * Puts back what others took off attached links or hung before it, and says which of the two.
   * Cheap enough for once a second.
   */
  mend(): ReadonlyMap<LinkIndex, Result<Mended, string>>;
  /** What the plane believes, keyed by `formatIp`; for the diff after a restart, and for tests. */
  read(): Result<ReadonlyMap<string, Announcement>, string>;
  /**
   * Frames by verdict and by deed of the guard (the names of `respond.ts`); `answered <ip>` of
   * each address with that role; and `seen <ip>` of each that others claimed, as often as they did:
   * also beyond the limit of sightings.
   */
  counters(): ReadonlyMap<string, bigint>;
  close(): void;
}
