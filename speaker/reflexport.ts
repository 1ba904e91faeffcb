/**
 * What goes into the reflex and what comes out of it: plain values, so that they cross the wall
 * between two threads, and so that a simulation can carry them.
 */
import type { Delta } from '../lib/diff.ts';
import type { Random } from '../lib/random.ts';
import type { Instant, Millis } from '../lib/time.ts';
import type { Mac } from '../net/mac.ts';
import type { Probe } from './asking.ts';
import type { Announcement, PlaneLink, Sighting } from './dataplane.ts';
import type { Beat, BootId } from './heartbeat.ts';
import type { Link, LinkIndex } from './links.ts';
import type { Reachability } from './impairment.ts';
import type { Isolation, Standing } from './membership.ts';
import type { Group } from './table.ts';
import type { Timing } from './timing.ts';
import type { Order } from './vip.ts';

export interface ReflexOptions {
  readonly node: string;
  readonly boot: BootId;
  readonly timing: Timing;
  readonly isolation: Isolation;
  readonly random: Random;
  /** Names of links left out; MetalLB's list unless told. */
  readonly excluded?: readonly RegExp[];
  /** Of links in one subnet only the first answers. */
  readonly onePerSubnet?: boolean;
  /** Between two refreshing announcements; 0: none. */
  readonly refresh?: Millis;
  /** Before the first announcement of an address; `optimistic` unless told. */
  readonly probe?: Probe;
  /** How often an address, by `formatIp`, was asked for; 0 unless told. */
  readonly asked?: (key: string) => number;
}

export interface Peer {
  readonly name: string;
  readonly address: string;
}

export interface Neighbour {
  /** By `formatIp`. */
  readonly address: string;
  readonly mac: Mac;
}

export type ReflexInput =
  /** `member`: this node is one of those that may own addresses; else it must not claim. */
  | { readonly kind: 'peers'; readonly peers: readonly Peer[]; readonly member: boolean }
  | { readonly kind: 'orders'; readonly delta: Delta<Order> }
  | { readonly kind: 'beat'; readonly beat: Beat }
  | { readonly kind: 'gateway'; readonly reach: Reachability }
  | { readonly kind: 'link'; readonly link: Link }
  | { readonly kind: 'unlink'; readonly index: LinkIndex }
  | { readonly kind: 'sighting'; readonly sighting: Sighting }
  /** In answer to `resolve`: whom this host's kernel knows by MAC. */
  | { readonly kind: 'neighbours'; readonly entries: readonly Neighbour[] }
  | { readonly kind: 'attach-failed'; readonly index: LinkIndex; readonly message: string }
  | { readonly kind: 'stop' };

export type Cause =
  'start' | 'listened' | 'confirmed' | 'lapse' | 'claim-unheard' | 'no-link' | 'no-member' | 'stop';

export type Phase = 'listening' | 'claiming' | 'serving' | 'stopped';

export interface ReflexState {
  readonly phase: Phase;
  /** Why the phase changed. */
  readonly cause: Cause;
  /** Nodes other than this one, by name. */
  readonly peers: ReadonlyMap<string, Standing>;
  /** Addresses answered here now. */
  readonly held: readonly string[];
  /** Interfaces that announcements go out of, and the MAC addresses they carry. */
  readonly links: readonly {
    readonly name: string;
    readonly mac: Mac;
    readonly subnets?: readonly string[];
  }[];
  /** Addresses of the orders that a stranger claims. */
  readonly conflicts: readonly Conflict[];
}

export interface Conflict {
  /** Canonical. */
  readonly ip: string;
  /** The stranger's. */
  readonly mac: Mac;
  /** Name of the interface it was heard on. */
  readonly link: string;
  /** true: never announced, so not answered. false: announced, and defended. */
  readonly withheld: boolean;
}

export type ReflexOutput =
  | { readonly kind: 'beat'; readonly beat: Beat; readonly to: readonly string[] }
  | { readonly kind: 'attach'; readonly link: PlaneLink }
  | { readonly kind: 'detach'; readonly index: LinkIndex }
  | { readonly kind: 'apply'; readonly delta: Delta<Announcement> }
  | { readonly kind: 'renew'; readonly until: Instant }
  | { readonly kind: 'send'; readonly link: LinkIndex; readonly frame: Uint8Array }
  | { readonly kind: 'groups'; readonly delta: Delta<Group> }
  /** Whose is a MAC that no speaker named? */
  | { readonly kind: 'resolve' }
  | { readonly kind: 'state'; readonly state: ReflexState }
  | { readonly kind: 'stopped' };
