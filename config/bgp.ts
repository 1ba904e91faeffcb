/**
 * What the BGP kinds say, with defaults filled in and references resolved. It is judged and kept,
 * not announced yet. All or nothing like layer 2, but apart from it: whoever has an address
 * answered by ARP today must not lose it over a slip in a BGPPeer.
 */
import type { LabelSelector } from '../kube/objects.ts';
import type { Millis } from '../lib/time.ts';
import type { Ip } from '../net/ip.ts';
import type { Problem } from './problem.ts';

export interface Bgp {
  /** undefined: there are problems. */
  readonly plan: BgpPlan | undefined;
  readonly problems: readonly Problem[];
  /** How many objects of these kinds there are, for saying once that none is announced yet. */
  readonly objects: number;
}

export interface BgpPlan {
  readonly advertisements: readonly BgpAd[];
  readonly peers: readonly BgpPeer[];
  readonly bfdProfiles: ReadonlyMap<string, BfdProfile>;
  /** By alias. */
  readonly communities: ReadonlyMap<string, CommunityValue>;
}

/** `uint16:uint16` of RFC 1997, or `large:uint32:uint32:uint32` of RFC 8092. */
export type CommunityValue =
  | { readonly kind: 'standard'; readonly parts: readonly [number, number] }
  | { readonly kind: 'large'; readonly parts: readonly [number, number, number] };

/** BGPAdvertisement. */
export interface BgpAd {
  readonly name: string;
  /** Resolved: names and selector matches united; all pools when the object names none. */
  readonly pools: ReadonlySet<string>;
  /** Bits that are left of an IPv4 address when it is announced. */
  readonly aggregationLength: number;
  readonly aggregationLengthV6: number;
  readonly localPref: number | undefined;
  readonly communities: readonly CommunityValue[];
  /** Names of BGPPeers; empty: all. */
  readonly peers: readonly string[];
  /** Alternatives; empty: every node. */
  readonly nodeSelectors: readonly LabelSelector[];
  /** Alternatives; empty: every Service. */
  readonly serviceSelectors: readonly LabelSelector[];
}

/** BGPPeer. Names are the fields' own. */
export interface BgpPeer {
  readonly name: string;
  readonly myASN: number;
  /** Exactly one of `peerASN` and `dynamicASN` is given. */
  readonly peerASN: number | undefined;
  readonly dynamicASN: 'internal' | 'external' | undefined;
  readonly localASN: number | undefined;
  /** Exactly one of `peerAddress` and `interface` is given. */
  readonly peerAddress: Ip | undefined;
  readonly interface: string | undefined;
  readonly sourceAddress: Ip | undefined;
  readonly peerPort: number;
  /** undefined: what the speaker of BGP prefers. 0: the session never ends for lack of news. */
  readonly holdTime: Millis | undefined;
  readonly keepaliveTime: Millis | undefined;
  readonly connectTime: Millis | undefined;
  readonly routerID: Ip | undefined;
  /** Alternatives; empty: every node. */
  readonly nodeSelectors: readonly LabelSelector[];
  readonly password: string | undefined;
  /** Name of a Secret. */
  readonly passwordSecret: string | undefined;
  readonly bfdProfile: string | undefined;
  readonly enableGracefulRestart: boolean;
  readonly ebgpMultiHop: boolean;
  /** Empty: the default one. */
  readonly vrf: string;
  readonly dualStackAddressFamily: boolean;
  readonly disableMP: boolean;
}

/** BFDProfile; undefined: the default of whoever runs BFD. */
export interface BfdProfile {
  readonly name: string;
  readonly receiveInterval: Millis | undefined;
  readonly transmitInterval: Millis | undefined;
  readonly echoInterval: Millis | undefined;
  readonly detectMultiplier: number | undefined;
  readonly minimumTtl: number | undefined;
  readonly echoMode: boolean;
  readonly passiveMode: boolean;
}
