/**
 * What a data plane does with one frame that arrives: the executable specification of responder.h,
 * and the heart of the `model` plane. Same checks, same order, same verdicts (a test compares the
 * names), same bytes and same sightings (tests compare them with those of both native planes).
 * Frames that leave are guard.ts's business.
 *
 * RFC 826 and RFC 4861 7.2.3, 7.2.4 for addresses that no interface has. Probes are answered too
 * (RFC 5227 2.1.1, RFC 4862 5.4.3): the prober must learn that the address is taken.
 */
import type { Instant } from '../lib/time.ts';
import { arpReply, emitArp, parseArp } from '../net/arp.ts';
import { ETHERTYPE, parseEthernet } from '../net/ethernet.ts';
import type { EthernetFrame } from '../net/ethernet.ts';
import { formatIp, sameIp } from '../net/ip.ts';
import type { Ip } from '../net/ip.ts';
import type { Mac } from '../net/mac.ts';
import { emitNdp, neighborAdvertisement, parseNdp } from '../net/ndp.ts';
import type { Announcement, Form, PlaneLink, Sighting } from './dataplane.ts';
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
  'watched',
  'lapsed',
  'stale',
  'failed',
  'answered',
] as const;

export type Verdict = (typeof VERDICTS)[number];

/** What the guard did: counted beside the verdicts, in the order of responder.h. */
export const DEEDS = ['silenced', 'rewritten', 'suppressed'] as const;

export interface PlaneState {
  /** Answers end here. */
  readonly until: Instant;
  /** By `formatIp`. */
  readonly announcements: ReadonlyMap<string, Announcement>;
  /** Links in use, by index; answers carry their MAC. */
  readonly links: ReadonlyMap<LinkIndex, PlaneLink>;
  /** Whether this host's kernel is kept from speaking for addresses of the table. */
  readonly guard: boolean;
}

/** A claim that a frame makes; `direct`: a reply to one of our links alone. */
export interface Claim {
  readonly sighting: Sighting;
  readonly direct: boolean;
}

export interface Response {
  readonly verdict: Verdict;
  /** The guard takes the frame away from this host's kernel. */
  readonly drops?: true;
  /** The address of the table that was asked for, by `formatIp`. */
  readonly asked?: string;
  /** Leaves on the link that the question came from. */
  readonly reply?: Uint8Array;
  readonly claim?: Claim;
}

/** The IPv6 payload that the program looks at: a neighbor message and 40 bytes of options. */
const MOST_BYTES = 64;
const ICMPV6 = 58;
const SOLICITATION = 135;
const ADVERTISEMENT = 136;
const VLAN_ID = 0xfff;

/** What is known of a frame before it is taken apart. */
interface Arrival {
  readonly link: LinkIndex;
  readonly frame: Uint8Array;
  readonly now: Instant;
  readonly direct: boolean;
}

/** `link` is the receiving link with the MAC it has, whether the plane uses it or not. */
export function respond(
  state: PlaneState,
  link: PlaneLink,
  bytes: Uint8Array,
  now: Instant,
): Response {
  const frame = withoutPriority(bytes);
  const ethernet = parseEthernet(frame);
  if (!ethernet.ok || ethernet.value.header.tag !== undefined) return { verdict: 'other' };
  const isNeighbor = isNeighborMessage(ethernet.value);
  const { type, destination } = ethernet.value.header;
  if (type !== ETHERTYPE.arp && !isNeighbor) return { verdict: 'other' };
  const direct = !isGroup(destination);
  if (direct && destination !== link.mac) return { verdict: 'otherhost' };
  const arrival = { link: link.index, frame, now, direct };
  return isNeighbor ? respondNdp(state, arrival) : respondArp(state, arrival);
}

/** VLAN 0 is no VLAN (IEEE 802.1Q): the kernel's own ARP answers such frames, untagged. */
function withoutPriority(frame: Uint8Array): Uint8Array {
  const parsed = parseEthernet(frame);
  if (!parsed.ok || parsed.value.header.tag === undefined) return frame;
  const { tag } = parsed.value.header;
  if (tag.protocol !== ETHERTYPE.vlan || (tag.control & VLAN_ID) !== 0) return frame;
  return Uint8Array.of(...frame.subarray(0, 12), ...frame.subarray(16));
}

function isNeighborMessage({ header, payload }: EthernetFrame): boolean {
  if (header.type !== ETHERTYPE.ipv6 || payload[6] !== ICMPV6) return false;
  return payload[40] === SOLICITATION || payload[40] === ADVERTISEMENT;
}

function respondArp(state: PlaneState, arrival: Arrival): Response {
  const parsed = parseArp(arrival.frame);
  if (!parsed.ok) return { verdict: 'malformed' };
  const { kind, senderIp, senderMac, targetIp } = parsed.value;
  const probes = kind === 'request' && senderIp.value === 0n;
  const claim = probes
    ? claimed(state, arrival, targetIp, senderMac, 'probe')
    : claimed(state, arrival, senderIp, senderMac, kind);
  if (kind === 'reply') return { verdict: 'reply', ...claim };
  if (sameIp(senderIp, targetIp)) return { verdict: 'gratuitous', ...claim };
  const decision = decide(state, arrival, targetIp);
  if (decision.mac === undefined) {
    return { ...decision.response, ...silences(state, decision.response), ...claim };
  }
  // The question is turned into the answer in place, so its padding stays.
  const reply = arrival.frame.slice();
  reply.set(emitArp(arpReply(parsed.value, decision.mac)));
  return { ...decision.response, reply, ...claim };
}

function respondNdp(state: PlaneState, arrival: Arrival): Response {
  const { frame } = arrival;
  const length = ((frame[18] ?? 0) << 8) | (frame[19] ?? 0);
  if (length > MOST_BYTES) return { verdict: 'oversized' };
  const parsed = parseNdp(frame);
  if (!parsed.ok) return { verdict: 'malformed' };
  const { source, from, target } = parsed.value;
  if (parsed.value.kind === 'advertisement') {
    const mac = parsed.value.targetMac ?? source;
    return { verdict: 'reply', ...claimed(state, arrival, target, mac, 'reply') };
  }
  const mac = parsed.value.sourceMac ?? source;
  const claim =
    from.value === 0n
      ? claimed(state, arrival, target, mac, 'probe')
      : claimed(state, arrival, from, mac, 'request');
  const decision = decide(state, arrival, target);
  if (decision.mac === undefined) return { ...decision.response, ...claim };
  const reply = emitNdp(neighborAdvertisement(parsed.value, decision.mac));
  return { ...decision.response, reply, ...claim };
}

interface Decision {
  readonly response: Response;
  /** The sender of the answer; missing: no answer. */
  readonly mac?: Mac;
}

/** The same for both families. */
function decide(state: PlaneState, { link, now }: Arrival, target: Ip): Decision {
  const asked = formatIp(target);
  const announcement = state.announcements.get(asked);
  if (announcement === undefined) return { response: { verdict: 'unknown' } };
  const used = state.links.get(link);
  if (used === undefined) return { response: { verdict: 'unattached' } };
  const { links, role } = announcement;
  if (links !== 'all' && !links.includes(link)) {
    return { response: { verdict: 'restricted', asked } };
  }
  if (role === 'watch') return { response: { verdict: 'watched', asked } };
  if (now >= state.until) return { response: { verdict: 'lapsed', asked } };
  return { response: { verdict: 'answered', asked }, mac: used.mac };
}

/**
 * An ARP question for an address of the table that we do not answer, our kernel shall not answer
 * either. IPv6 needs none of this: Linux answers for an address only on the link that has it.
 */
function silences({ guard }: PlaneState, { verdict }: Response): { readonly drops?: true } {
  const ours = verdict === 'restricted' || verdict === 'watched' || verdict === 'lapsed';
  return guard && ours ? { drops: true } : {};
}

/** Nothing, unless somebody else claims an address that is to be watched on this link. */
function claimed(
  { announcements, links }: PlaneState,
  { link, now, direct }: Arrival,
  ip: Ip,
  mac: Mac,
  form: Form,
): { readonly claim?: Claim } {
  const announcement = announcements.get(formatIp(ip));
  if (announcement === undefined || !links.has(link)) return {};
  if (announcement.links !== 'all' && !announcement.links.includes(link)) return {};
  if ([...links.values()].some((own) => own.mac === mac)) return {};
  const sighting = { at: now, link, ip, mac, form };
  return { claim: { sighting, direct: direct && form === 'reply' } };
}

/** Broadcast or multicast: the lowest bit of the first byte. */
function isGroup(mac: Mac): boolean {
  return (Number.parseInt(mac.slice(0, 2), 16) & 1) === 1;
}
