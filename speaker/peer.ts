/** What a node knows of another one, by its beats; `membership.ts` judges it. */
import type { Instant, Millis } from '../lib/time.ts';
import type { BootId, NodeId } from './heartbeat.ts';

export interface Peer {
  /** Of the life we have a two-way exchange with; undefined before the first. */
  boot: BootId | undefined;
  number: number;
  heardAt: Instant;
  /** When this life's first counted beat came: its reports need `dead` of listening. */
  since: Instant;
  ready: boolean;
  /** Said by its newest beat. */
  impaired: boolean;
  reaches: boolean;
  inView: boolean;
  /** Left the view by a majority's word, not by its own. */
  dead: boolean;
  /** When it said goodbye. */
  leftAt: Instant;
  /** Newest of our own beats it has acknowledged. */
  acked: number;
  /** How long ago it had heard the others, by its newest beat. */
  reports: Pick<ReadonlyMap<NodeId, Millis>, 'get'>;
  /** An earlier life of it may hold addresses until then. */
  holdsUntil: Instant;
  /** Earlier lives: their beats are replays. */
  readonly retired: Set<BootId>;
  /** A life that has not named our boot id yet. */
  candidate: { boot: BootId; number: number; at: Instant; ready: boolean } | undefined;
  /** Since when candidates have come and none finished its first exchange. */
  knockingSince: Instant;
}

export function newPeer(): Peer {
  return {
    boot: undefined,
    number: 0,
    heardAt: -Infinity,
    since: -Infinity,
    ready: false,
    impaired: false,
    reaches: false,
    inView: false,
    dead: false,
    leftAt: -Infinity,
    acked: 0,
    reports: new Map(),
    holdsUntil: -Infinity,
    retired: new Set(),
    candidate: undefined,
    knockingSince: -Infinity,
  };
}
