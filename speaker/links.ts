/**
 * Network interfaces as the speaker sees them, by kernel index; rtnetlink feeds them. MetalLB's
 * rules say which ones may carry an announcement: not by excluded name, not down, not enslaved
 * (the bridge or bond answers for its ports), not without ARP.
 */
import { formatIp } from '../net/ip.ts';
import type { Ip } from '../net/ip.ts';
import type { Mac } from '../net/mac.ts';

/** The kernel's ifindex. */
export type LinkIndex = number;

export interface Link {
  readonly index: LinkIndex;
  readonly name: string;
  readonly mac: Mac;
  /** IFF_UP and carrier (IFF_LOWER_UP). */
  readonly up: boolean;
  readonly noarp: boolean;
  readonly loopback: boolean;
  readonly broadcast: boolean;
  /** ifindex of the bridge, bond or VRF that owns it. */
  readonly master: LinkIndex | undefined;
  readonly addresses: readonly Ip[];
  /** The same with the lengths of their networks; an address may have several. */
  readonly prefixes?: readonly LinkPrefix[];
}

export interface LinkPrefix {
  readonly ip: Ip;
  readonly length: number;
}

/** Names left out by MetalLB's shipped `excludel2.yaml`. */
export const EXCLUDED_LINKS: readonly RegExp[] = [
  /^docker.*/,
  /^cbr.*/,
  /^dummy.*/,
  /^virbr.*/,
  /^lxcbr.*/,
  /^veth.*/,
  /^lo$/,
  /^cali.*/,
  /^tunl.*/,
  /^flannel.*/,
  /^kube-ipvs.*/,
  /^cni.*/,
  /^nodelocaldns.*/,
  /^lxc.*/,
];

const NO_MAC = '00:00:00:00:00:00';

/** Why a link carries no announcements; undefined when it does. */
export function unusable(
  link: Link,
  excluded: readonly RegExp[] = EXCLUDED_LINKS,
): 'excluded' | 'loopback' | 'down' | 'enslaved' | 'no-arp' | undefined {
  if (link.loopback) return 'loopback';
  if (excluded.some((pattern) => pattern.test(link.name))) return 'excluded';
  if (!link.up) return 'down';
  if (link.master !== undefined) return 'enslaved';
  if (link.noarp || !link.broadcast || link.mac === NO_MAC) return 'no-arp';
  return undefined;
}

/**
 * The networks that a link is in, as `192.0.2.0/24`. Link-local ones are left out, as every link
 * has them, and those of a single address, which say nothing about who else is there.
 */
export function subnetsOf({ prefixes = [] }: Pick<Link, 'prefixes'>): readonly string[] {
  const subnets = new Set<string>();
  for (const { ip, length } of prefixes) {
    const { family } = ip;
    const beyond = BigInt((family === 4 ? 32 : 128) - length);
    if (beyond === 0n || isLinkLocal(ip)) continue;
    subnets.add(`${formatIp({ family, value: (ip.value >> beyond) << beyond })}/${length}`);
  }
  return [...subnets];
}

/** RFC 3927, RFC 4291 2.5.6. */
export function isLinkLocal({ family, value }: Ip): boolean {
  return family === 4 ? value >> 16n === 0xa9fen : value >> 118n === 0x3fan;
}

/**
 * Of links that share a subnet the first: for hosts with two interfaces on one segment, whose
 * neighbours would else learn now one MAC, now the other. With the same network but another
 * length, links are taken for being apart: a route to a part of a network is nothing unusual.
 */
export function firstOfSubnets<L extends { readonly subnets?: readonly string[] }>(
  links: readonly L[],
): readonly L[] {
  const taken = new Set<string>();
  return links.filter(({ subnets = [] }) => {
    if (subnets.some((subnet) => taken.has(subnet))) return false;
    for (const subnet of subnets) taken.add(subnet);
    return true;
  });
}
