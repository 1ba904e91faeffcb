/**
 * Network interfaces as the speaker sees them, by kernel index; rtnetlink feeds them. MetalLB's
 * rules say which ones may carry an announcement: not by excluded name, not down, not enslaved
 * (the bridge or bond answers for its ports), not without ARP.
 */
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
