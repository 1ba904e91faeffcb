/**
 * What a data plane does with one frame: the executable specification of responder.h, and the
 * heart of the `model` plane. Same checks, same order, same verdicts (a test compares the names),
 * same bytes (tests compare the answers with those of both native planes).
 *
 * RFC 826 and RFC 4861 7.2.3, 7.2.4 for addresses that no interface has. Probes are answered too
 * (RFC 5227 2.1.1, RFC 4862 5.4.3): the prober must learn that the address is taken.
 */
import type { Instant } from '../lib/time.ts';
import { arpReply, emitArp, parseArp } from '../net/arp.ts';
import { ETHERTYPE, parseEthernet } from '../net/ethernet.ts';
import { formatIp, sameIp } from '../net/ip.ts';
import type { Ip } from '../net/ip.ts';
import type { Mac } from '../net/mac.ts';
import { emitNdp, neighborAdvertisement, parseNdp } from '../net/ndp.ts';
import type { Announcement, PlaneLink } from './dataplane.ts';
import type { LinkIndex } from './links.ts';

/** In the order of responder.h, where each has its explanation; `other` is never counted. */
export const VERDICTS = [
  'other',
  'otherhost',
  'oversized',
  'malformed',
  'reply',
  'gratuitous',
  'unknown',
  'unattached',
  'restricted',
  'lapsed',
  'stale',
  'failed',
  'answered',
] as const;

export type Verdict = (typeof VERDICTS)[number];

export interface PlaneState {
  /** Answers end here. */
  readonly until: Instant;
  /** By `formatIp`. */
  readonly announcements: ReadonlyMap<string, Announcement>;
  /** Links in use, and the MAC that answers carry. */
  readonly links: ReadonlyMap<LinkIndex, Mac>;
}

export interface Response {
  readonly verdict: Verdict;
  /** The address that was answered, by `formatIp`. */
  readonly target?: string;
  /** Leaves on the link that the question came from. */
  readonly reply?: Uint8Array;
}

/** The IPv6 payload that the program looks at: a solicitation and 40 bytes of options. */
const MOST_BYTES = 64;
const ICMPV6 = 58;
const SOLICITATION = 135;

/** `link` is the receiving link with the MAC it has, whether the plane uses it or not. */
export function respond(
  state: PlaneState,
  link: PlaneLink,
  frame: Uint8Array,
  now: Instant,
): Response {
  const ethernet = parseEthernet(frame);
  if (!ethernet.ok || ethernet.value.header.tag !== undefined) return { verdict: 'other' };
  const { type, destination } = ethernet.value.header;
  const packet = ethernet.value.payload;
  const solicits = type === ETHERTYPE.ipv6 && packet[6] === ICMPV6 && packet[40] === SOLICITATION;
  if (type !== ETHERTYPE.arp && !solicits) return { verdict: 'other' };
  if (!isGroup(destination) && destination !== link.mac) return { verdict: 'otherhost' };
  return solicits
    ? respondNdp(state, link.index, frame, packet, now)
    : respondArp(state, link.index, frame, now);
}

function respondArp(state: PlaneState, link: LinkIndex, frame: Uint8Array, now: Instant): Response {
  const asked = parseArp(frame);
  if (!asked.ok) return { verdict: 'malformed' };
  if (asked.value.kind === 'reply') return { verdict: 'reply' };
  if (sameIp(asked.value.senderIp, asked.value.targetIp)) return { verdict: 'gratuitous' };
  const decision = decide(state, link, asked.value.targetIp, now);
  if (typeof decision === 'string') return { verdict: decision };
  // The question is turned into the answer in place, so its padding stays.
  const reply = frame.slice();
  reply.set(emitArp(arpReply(asked.value, decision.mac)));
  return { verdict: 'answered', target: formatIp(asked.value.targetIp), reply };
}

function respondNdp(
  state: PlaneState,
  link: LinkIndex,
  frame: Uint8Array,
  packet: Uint8Array,
  now: Instant,
): Response {
  const length = ((packet[4] ?? 0) << 8) | (packet[5] ?? 0);
  if (length > MOST_BYTES) return { verdict: 'oversized' };
  const asked = parseNdp(frame);
  if (!asked.ok || asked.value.kind !== 'solicitation') return { verdict: 'malformed' };
  const decision = decide(state, link, asked.value.target, now);
  if (typeof decision === 'string') return { verdict: decision };
  const reply = emitNdp(neighborAdvertisement(asked.value, decision.mac));
  return { verdict: 'answered', target: formatIp(asked.value.target), reply };
}

/** The same for both families: the MAC to answer with, or why not. */
function decide(
  { until, announcements, links }: PlaneState,
  link: LinkIndex,
  target: Ip,
  now: Instant,
): { readonly mac: Mac } | Verdict {
  const announcement = announcements.get(formatIp(target));
  if (announcement === undefined) return 'unknown';
  const mac = links.get(link);
  if (mac === undefined) return 'unattached';
  if (announcement.links !== 'all' && !announcement.links.includes(link)) return 'restricted';
  return now < until ? { mac } : 'lapsed';
}

/** Broadcast or multicast: the lowest bit of the first byte. */
function isGroup(mac: Mac): boolean {
  return (Number.parseInt(mac.slice(0, 2), 16) & 1) === 1;
}
