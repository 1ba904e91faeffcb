/**
 * The port to whatever answers on the wire. Three implementations, one contract suite: `bpf`
 * (tcx or clsact), `packet` (AF_PACKET, to come) and `model` (the executable specification).
 *
 * The plane answers an ARP request or a Neighbor Solicitation for an announced address on an
 * attached link, and only before the instant given to `renew`: one store serves all addresses,
 * and a plane whose process died or froze falls silent by itself.
 */
import type { Delta } from '../lib/diff.ts';
import type { Result } from '../lib/result.ts';
import type { Instant } from '../lib/time.ts';
import type { Ip } from '../net/ip.ts';
import type { Mac } from '../net/mac.ts';
import type { LinkIndex } from './links.ts';

export interface Announcement {
  readonly ip: Ip;
  /** On which attached links to answer; 'all' includes links attached later. */
  readonly links: 'all' | readonly LinkIndex[];
}

export interface PlaneLink {
  readonly index: LinkIndex;
  /** Answers carry this as sender; attaching again with another one replaces it. */
  readonly mac: Mac;
}

export interface DataPlane {
  readonly name: 'bpf' | 'packet' | 'model';
  /** Begins to answer on a link, or refreshes its MAC. Idempotent. */
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
   * Puts back what others took off attached links, and says where that was needed. Cheap enough
   * for once a second.
   */
  mend(): ReadonlyMap<LinkIndex, Result<void, string>>;
  /** What the plane believes, keyed by `formatIp`; for the diff after a restart, and for tests. */
  read(): Result<ReadonlyMap<string, Announcement>, string>;
  /** Frames by verdict (the names of `respond.ts`), and `answered <ip>` per address. */
  counters(): ReadonlyMap<string, bigint>;
  close(): void;
}
