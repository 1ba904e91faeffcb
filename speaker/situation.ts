/**
 * How things stand with this node and the others, as far as it bears upon which addresses are
 * whose: what `holdings.ts` decides from.
 */
import { formatIp } from '../net/ip.ts';
import { isLinkLocal } from './links.ts';
import type { LinkIndex } from './links.ts';
import type { Path } from './question.ts';
import { chosen } from './table.ts';
import type { NamedLink } from './table.ts';
import type { Order } from './vip.ts';

/** How things stand with this node and the others. */
export interface Situation {
  readonly serving: boolean;
  readonly links: ReadonlyMap<LinkIndex, NamedLink>;
  readonly mayHold: (node: string) => boolean;
  readonly isImpaired: (node: string) => boolean;
  /** Nodes, of those that there are, of which nobody knows what they do. */
  readonly unaccounted: ReadonlySet<string>;
  readonly peers: { has(node: string): boolean };
}

/** Before the first `follow`. */
export const NOWHERE: Situation = {
  serving: false,
  links: new Map(),
  mayHold: () => false,
  isImpaired: () => false,
  unaccounted: new Set(),
  peers: new Set(),
};

/** The links that an order is announced on, to ask there. */
export function pathsOf(
  interfaces: Order['interfaces'],
  { links }: Pick<Situation, 'links'>,
): readonly Path[] {
  return chosen(interfaces, links).map(pathOf);
}

/** Does `node` come before `other` in the order, as in `ownerOf`? Not if it is not in it. */
export function precedes(
  node: string,
  other: string,
  owners: readonly string[],
  isImpaired: Situation['isImpaired'],
): boolean {
  const [place, others] = [owners.indexOf(node), owners.indexOf(other)];
  const isWorse = isImpaired(other);
  if (isImpaired(node) !== isWorse) return place >= 0 && isWorse;
  return place >= 0 && place < others;
}

function pathOf({ index, mac, addresses = [] }: NamedLink): Path {
  return { index, mac, linkLocal: addresses.find((ip) => ip.family === 6 && isLinkLocal(ip)) };
}

/** The host's own addresses, on links that we use; by `formatIp`. */
export function hostAddresses({ links }: Pick<Situation, 'links'>): ReadonlySet<string> {
  const all = [...links.values()].flatMap(({ addresses = [] }) => addresses);
  return new Set(all.map(formatIp));
}
