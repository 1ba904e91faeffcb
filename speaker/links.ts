/**
 * Network interfaces as the speaker sees them, by kernel index. Rules of use (MetalLB's, see
 * reference: exclude patterns, down, enslaved, NOARP) are decided here; rtnetlink feeds it.
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
