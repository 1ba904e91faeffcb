/**
 * MetalLB's order of owners: who comes first, and who next, for one address among these nodes.
 *
 * Higher preference weight first, then ascending bytes of sha256(node name + "#" + address).
 * Every speaker computes it alone and all agree, as long as they see the same nodes; a mixed
 * cluster of MetalLB and this program agrees too, which is why the hash is not a better one.
 * Removing a node moves only its own addresses (rendezvous hashing).
 */
import { sha256Hex } from '../lib/sha256.ts';

/**
 * `ip` is the canonical text (`formatIp`): another spelling is another hash. Nodes without a
 * preference weigh 0.
 */
export function elect(
  nodes: readonly string[],
  ip: string,
  preference: ReadonlyMap<string, number> = new Map(),
): string[] {
  const ranked = nodes.map((node) => ({
    node,
    weight: preference.get(node) ?? 0,
    digest: sha256Hex(`${node}#${ip}`),
  }));
  ranked.sort((a, b) => b.weight - a.weight || (a.digest < b.digest ? -1 : 1));
  return ranked.map(({ node }) => node);
}
