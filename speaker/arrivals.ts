/**
 * Who comes back to life. It may have answered for our addresses on the other side of a partition,
 * so caches and switches there must hear from us.
 */
import type { NodeId } from './heartbeat.ts';
import type { Membership } from './membership.ts';

export class Arrivals {
  #alive: ReadonlySet<NodeId> = new Set();
  #version = -1;

  /** Is there a peer alive that was not at the last look? */
  look(membership: Membership): boolean {
    if (this.#version === membership.version) return false;
    this.#version = membership.version;
    const standings = [...membership.standings()];
    const alive = new Set(standings.filter(([, is]) => is === 'alive').map(([id]) => id));
    const before = this.#alive;
    this.#alive = alive;
    return [...alive].some((id) => !before.has(id));
  }
}
