/**
 * What the guard does with one frame that leaves this host: the executable specification of the
 * egress program in responder.h. It keeps the host's kernel from speaking for an address that is
 * another node's, where the address is also local here (kube-ipvs0, a stray `ip addr add`) and
 * arp_ignore and arp_announce are not set. Only ARP: Linux speaks for an IPv6 address only on the
 * link that has it.
 *
 * A question with such an address as sender must leave all the same, or the host could resolve
 * nothing for traffic from it; it leaves with the link's own address, as arp_announce=2 would do.
 */
import type { Instant } from '../lib/time.ts';
import { UNSPECIFIED_V4, parseArp } from '../net/arp.ts';
import { formatIp, ipToBytes, sameIp } from '../net/ip.ts';
import type { LinkIndex } from './links.ts';
import type { PlaneState } from './respond.ts';

/** Of an untagged frame: Ethernet header, ARP header, sender MAC. */
const SENDER_IP_AT = 28;

export interface Guarded {
  readonly deed?: 'rewritten' | 'suppressed';
  /** What leaves; undefined: nothing. */
  readonly frame: Uint8Array | undefined;
}

export function guard(
  state: PlaneState,
  index: LinkIndex,
  frame: Uint8Array,
  now: Instant,
): Guarded {
  const parsed = parseArp(frame);
  const link = state.links.get(index);
  if (!state.guard || !parsed.ok || link === undefined) return { frame };
  const { kind, senderIp, targetIp } = parsed.value;
  const announcement = state.announcements.get(formatIp(senderIp));
  if (announcement === undefined) return { frame };
  const { links, role } = announcement;
  const here = links === 'all' || links.includes(index);
  if (here && role === 'answer' && now < state.until) return { frame };
  if (kind === 'reply' || sameIp(senderIp, targetIp)) {
    return { deed: 'suppressed', frame: undefined };
  }
  const rewritten = frame.slice();
  rewritten.set(ipToBytes(link.ip4 ?? UNSPECIFIED_V4), SENDER_IP_AT);
  return { deed: 'rewritten', frame: rewritten };
}
