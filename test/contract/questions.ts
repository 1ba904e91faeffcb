/**
 * Questions to a data plane as whole frames, with the one right answer, and frames that name an
 * announced address and still deserve none.
 */
import { arpProbe, arpReply, arpRequest, emitArp, gratuitousRequest } from '../../net/arp.ts';
import type { ArpFrame } from '../../net/arp.ts';
import { parseIp } from '../../net/ip.ts';
import type { Ip } from '../../net/ip.ts';
import type { Mac } from '../../net/mac.ts';
import {
  UNSPECIFIED_V6,
  emitNdp,
  neighborAdvertisement,
  neighborSolicitation,
  unsolicitedAdvertisement,
} from '../../net/ndp.ts';
import type { NeighborSolicitation } from '../../net/ndp.ts';

export function ip(text: string): Ip {
  const parsed = parseIp(text);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}

export const CLIENT_MAC = '02:64:00:00:00:01';
export const OTHER_MAC = '02:64:00:00:00:99';
export const CLIENT4 = ip('192.0.2.1');
export const CLIENT6 = ip('2001:db8::1');
export const VIP4 = ip('192.0.2.240');
export const VIP6 = ip('2001:db8::240');
const NONCE = Uint8Array.of(1, 2, 3, 4, 5, 6);

/** A question for either address, and the answer it must get from a link with this MAC. */
export interface Question {
  readonly name: string;
  readonly frame: Uint8Array;
  readonly answer: (mac: Mac) => Uint8Array;
}

function arp(name: string, asked: ArpFrame, padding: 'bare' | 'padded' = 'bare'): Question {
  return {
    name,
    frame: emitArp(asked, padding),
    answer: (mac) => emitArp(arpReply(asked, mac), padding),
  };
}

function ndp(name: string, asked: NeighborSolicitation): Question {
  return {
    name,
    frame: emitNdp(asked),
    answer: (mac) => emitNdp(neighborAdvertisement(asked, mac)),
  };
}

const solicitation = neighborSolicitation(VIP6, CLIENT6, CLIENT_MAC);

export const QUESTIONS: readonly Question[] = [
  arp('an ARP request', arpRequest(VIP4, CLIENT4, CLIENT_MAC)),
  arp('a padded ARP request', arpRequest(VIP4, CLIENT4, CLIENT_MAC), 'padded'),
  arp('an ARP probe', arpProbe(VIP4, CLIENT_MAC)),
  ndp('a solicitation', solicitation),
  ndp('a solicitation without link-layer option', { ...solicitation, sourceMac: undefined }),
  ndp('a solicitation with nonce', { ...solicitation, nonce: NONCE }),
  ndp('a solicitation with nonce only', { ...solicitation, sourceMac: undefined, nonce: NONCE }),
  ndp('a solicitation to the address itself', { ...solicitation, to: VIP6 }),
  ndp('a solicitation that names another MAC', { ...solicitation, sourceMac: OTHER_MAC }),
  ndp('a probe (DAD)', neighborSolicitation(VIP6, UNSPECIFIED_V6, CLIENT_MAC)),
  ndp('a probe with nonce', neighborSolicitation(VIP6, UNSPECIFIED_V6, CLIENT_MAC, NONCE)),
];

/** A copy with one byte replaced. */
export function changed(frame: Uint8Array, at: number, byte: number): Uint8Array {
  const copy = frame.slice();
  copy[at] = byte;
  return copy;
}

export const REQUEST = emitArp(arpRequest(VIP4, CLIENT4, CLIENT_MAC));
export const SOLICITATION = emitNdp(solicitation);
const advertisement = unsolicitedAdvertisement(VIP6, CLIENT_MAC);
export const ADVERTISEMENT = emitNdp(advertisement);

/** Frames that nobody may answer although they name an announced address. */
export const IGNORED: readonly (readonly [verdict: string, name: string, frame: Uint8Array])[] = [
  ['reply', 'an ARP reply', changed(REQUEST, 21, 2)],
  ['gratuitous', 'a gratuitous ARP request', emitArp(gratuitousRequest(VIP4, CLIENT_MAC))],
  ['malformed', 'a reverse ARP request', changed(REQUEST, 21, 3)],
  ['malformed', 'ARP for another hardware', changed(REQUEST, 15, 6)],
  ['malformed', 'ARP for another protocol', changed(REQUEST, 16, 9)],
  ['otherhost', 'ARP to another host', Uint8Array.of(2, 0, 0, 0, 0, 9, ...REQUEST.subarray(6))],
  ['unknown', 'ARP for another address', changed(REQUEST, 41, 241)],
  ['malformed', 'a solicitation through a router', changed(SOLICITATION, 21, 254)],
  ['malformed', 'a solicitation with a code', changed(SOLICITATION, 55, 1)],
  ['malformed', 'a solicitation with a wrong checksum', changed(SOLICITATION, 57, 0)],
  ['malformed', 'a solicitation with an empty option', changed(SOLICITATION, 79, 0)],
  ['malformed', 'a solicitation cut short', SOLICITATION.subarray(0, 70)],
  [
    'otherhost',
    'NDP to another host',
    Uint8Array.of(2, 0, 0, 0, 0, 9, ...SOLICITATION.subarray(6)),
  ],
  [
    'unknown',
    'a solicitation for another address',
    emitNdp(neighborSolicitation(ip('2001:db8::241'), CLIENT6, CLIENT_MAC)),
  ],
  ['reply', 'an advertisement', ADVERTISEMENT],
  ['malformed', 'an advertisement through a router', changed(ADVERTISEMENT, 21, 254)],
  ['malformed', 'an advertisement with a wrong checksum', changed(ADVERTISEMENT, 57, 0)],
  ['malformed', 'an advertisement cut short', ADVERTISEMENT.subarray(0, 85)],
  [
    'malformed',
    'an advertisement to all that claims to be an answer',
    emitNdp({ ...advertisement, solicited: true }),
  ],
  [
    'oversized',
    'a solicitation with many options',
    emitNdp({ ...solicitation, nonce: new Uint8Array(46) }),
  ],
];
