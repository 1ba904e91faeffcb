/**
 * Who owns an address: the first node in its order that may be answering. A pure lookup, so that
 * it can be asked again for ten thousand addresses at every change of membership.
 */
import type { Ip } from '../net/ip.ts';

/** What the brain hands down for one address; complete, so the reflex needs no API server. */
export interface Order {
  readonly ip: Ip;
  /** Names of the nodes that may own it, best first. */
  readonly owners: readonly string[];
  /** Names of this node's interfaces to answer on. */
  readonly interfaces: 'all' | readonly string[];
  /**
   * Nobody has announced it yet, as far as its Services say. Counts when the order first appears:
   * it changes with the first announcement, which is no reason to tell the reflex anything.
   */
  readonly isNew: boolean;
}

/**
 * The owner by name; undefined when no node of the order can own. Impaired nodes come after all
 * others; where all are impaired, that changes nothing.
 */
export function ownerOf(
  { owners }: Order,
  mayHold: (node: string) => boolean,
  isImpaired: (node: string) => boolean = () => false,
): string | undefined {
  return owners.find((node) => mayHold(node) && !isImpaired(node)) ?? owners.find(mayHold);
}

/** `isNew` aside. */
export function sameOrder(a: Order, b: Order): boolean {
  return sameList(a.owners, b.owners) && sameInterfaces(a.interfaces, b.interfaces);
}

function sameInterfaces(a: Order['interfaces'], b: Order['interfaces']): boolean {
  if (a === 'all' || b === 'all') return a === b;
  return sameList(a, b);
}

export function sameList<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}
