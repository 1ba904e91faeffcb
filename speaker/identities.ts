/**
 * Whose MAC is that: a node's of the cluster, or a stranger's? A node's are those that its speaker
 * named in a beat, and those by which this host's kernel knows the InternalIP of a Node: so nodes
 * that run another speaker, or none, are no strangers either. The kernel is asked when somebody
 * turns up that nobody named, not more often than every ten seconds.
 */
import type { Instant, Millis } from '../lib/time.ts';
import type { Mac } from '../net/mac.ts';
import type { Neighbour, Peer } from './reflexport.ts';

export type Identity = { readonly node: string } | 'stranger' | 'unknown';

const RESOLVED_FOR: Millis = 10_000;

export class Identities {
  readonly #named: (mac: Mac) => string | undefined;
  #neighbours: ReadonlyMap<Mac, string> = new Map();
  #resolvedAt: Instant = -Infinity;

  /** `named`: the node whose speaker, one with our secret, named the MAC. */
  constructor(named: (mac: Mac) => string | undefined) {
    this.#named = named;
  }

  /** What the kernel said. */
  learn(entries: readonly Neighbour[], peers: readonly Peer[], now: Instant): void {
    const nodes = new Map(peers.map(({ name, address }) => [address, name]));
    const theirs = entries.map(({ address, mac }) => [mac, nodes.get(address)] as const);
    const isNode = (each: readonly [Mac, string | undefined]): each is [Mac, string] =>
      each[1] !== undefined;
    this.#neighbours = new Map(theirs.filter(isNode));
    this.#resolvedAt = now;
  }

  nodeOf(mac: Mac): string | undefined {
    return this.#named(mac) ?? this.#neighbours.get(mac);
  }

  /** `unknown`: the kernel is to be asked. */
  of(mac: Mac, now: Instant): Identity {
    const node = this.nodeOf(mac);
    if (node !== undefined) return { node };
    return now < this.#resolvedAt + RESOLVED_FOR ? 'stranger' : 'unknown';
  }
}
