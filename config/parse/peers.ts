/**
 * BGPPeers, by the rules that MetalLB has in all its BGP modes. What only one of its modes refuses
 * (native: BFD, VRFs, timers; FRR: differing AS numbers or router ids on a node) is a limit of
 * that mode and no slip of the user: it is taken. Two sessions from one node to one endpoint are
 * refused: no mode can run them.
 */
import { BGP_PEER } from '../../kube/kube.ts';
import type { KubeObject } from '../../kube/objects.ts';
import { matchesAny } from '../../kube/selector.ts';
import type { Millis } from '../../lib/time.ts';
import { quote } from '../../lib/quote.ts';
import { formatIp, parseIp } from '../../net/ip.ts';
import type { Ip } from '../../net/ip.ts';
import type { BgpPeer } from '../bgp.ts';
import type { Problem } from '../problem.ts';
import type { BGPPeer, BGPPeerSpec } from '../schema.ts';
import { parseDuration } from './duration.ts';
import { reporter, reportTwins, wellFormed } from './report.ts';
import type { Report } from './report.ts';
import { selectorsOf } from './selectors.ts';

type PeerSpec = Partial<BGPPeerSpec>;

const BGP_PORT = 179;
/** RFC 4271 4.2: zero, or at least three seconds. */
const LEAST_HOLD: Millis = 3000;
/** RFC 4271 10: a third is what it suggests. */
const HOLD_PER_KEEPALIVE = 3;

/** `profiles` undefined: references to BFD profiles are not looked at. */
export function parsePeers(
  present: readonly KubeObject[],
  nodes: readonly KubeObject[] | undefined,
  profiles: ReadonlyMap<string, unknown> | undefined,
  problems: Problem[],
): readonly BgpPeer[] {
  const objects = wellFormed(present, BGP_PEER, problems) as readonly BGPPeer[];
  reportTwins(objects, BGP_PEER, problems);
  const bySession = new Map<string, BgpPeer[]>();
  return objects.map((object) => {
    const report = reporter(BGP_PEER, object, problems);
    const peer = peerOf(object, report);
    const { bfdProfile } = peer;
    if (bfdProfile !== undefined && profiles?.has(bfdProfile) === false) {
      report(
        'spec.bfdProfile',
        `there is no BFDProfile ${quote(bfdProfile)}; create it, or take it out`,
      );
    }
    if (peer.peerAddress === undefined && peer.interface === undefined) return peer;
    const session = sessionOf(peer);
    const others = bySession.get(session) ?? [];
    const twin = others.find((other) => shareNodes(peer, other, nodes));
    if (twin !== undefined) {
      const path = peer.interface === undefined ? 'spec.peerAddress' : 'spec.interface';
      report(path, `a session to ${endpointOf(peer)} already exists: BGPPeer ${quote(twin.name)}`);
    }
    bySession.set(session, [...others, peer]);
    return peer;
  });
}

function peerOf(object: BGPPeer, report: Report): BgpPeer {
  const { metadata } = object;
  const spec: PeerSpec = object.spec ?? {};
  reportNumbers(spec, report);
  const address = (field: 'peerAddress' | 'sourceAddress' | 'routerID', what: string) => {
    const text = spec[field] ?? '';
    const parsed = text === '' ? undefined : parseIp(text);
    if (parsed?.ok === false) report(`spec.${field}`, `invalid ${what}: ${parsed.error}`);
    return parsed?.ok === true ? parsed.value : undefined;
  };
  const peerAddress = address('peerAddress', 'BGPPeer address');
  if (filled(spec.peerAddress) === filled(spec.interface)) {
    const found = filled(spec.interface) ? 'both are' : 'neither is';
    report('spec.peerAddress', `give either peerAddress or interface, but ${found} there`);
  }
  if (filled(spec.password) && filled(spec.passwordSecret?.name)) {
    report('spec.password', 'give either password or passwordSecret, but both are there');
  }
  return {
    name: metadata.name,
    myASN: spec.myASN ?? 0,
    peerASN: spec.peerASN === 0 ? undefined : spec.peerASN,
    dynamicASN: spec.dynamicASN,
    localASN: spec.localASN,
    peerAddress,
    interface: spec.interface || undefined,
    sourceAddress: address('sourceAddress', 'source address'),
    peerPort: spec.peerPort || BGP_PORT,
    ...timersOf(spec, report),
    routerID: address('routerID', 'router ID'),
    nodeSelectors: selectorsOf(spec.nodeSelectors, 'spec.nodeSelectors', report),
    password: spec.password || undefined,
    passwordSecret: spec.passwordSecret?.name || undefined,
    bfdProfile: spec.bfdProfile || undefined,
    enableGracefulRestart: spec.enableGracefulRestart ?? false,
    ebgpMultiHop: spec.ebgpMultiHop ?? false,
    vrf: spec.vrf ?? '',
    dualStackAddressFamily: spec.dualStackAddressFamily ?? false,
    disableMP: spec.disableMP ?? false,
  };
}

function filled(text: string | undefined): boolean {
  return text !== undefined && text !== '';
}

function reportNumbers(spec: PeerSpec, report: Report): void {
  const { myASN = 0, peerASN = 0, dynamicASN = '' } = spec;
  if (myASN === 0) report('spec.myASN', 'myASN is missing; give the AS number of this cluster');
  if ((peerASN !== 0) === (dynamicASN !== '')) {
    const found = peerASN === 0 ? 'neither is' : 'both are';
    report('spec.peerASN', `give either peerASN or dynamicASN, but ${found} there`);
  }
  const isInternal = dynamicASN === 'internal' || (peerASN !== 0 && peerASN === myASN);
  if (isInternal && spec.ebgpMultiHop === true) {
    report('spec.ebgpMultiHop', 'ebgpMultiHop is for peers of another AS, but this one is of ours');
  }
}

type Timers = Pick<BgpPeer, 'holdTime' | 'keepaliveTime' | 'connectTime'>;

/** Of hold and keepalive time one is enough: the other follows. */
function timersOf(spec: PeerSpec, report: Report): Timers {
  const time = (field: 'holdTime' | 'keepaliveTime' | 'connectTime'): Millis | undefined => {
    const text = spec[field];
    const parsed = text === undefined ? undefined : parseDuration(text);
    if (parsed?.ok === false) report(`spec.${field}`, parsed.error);
    return parsed?.ok === true ? parsed.value : undefined;
  };
  const connectTime = time('connectTime');
  const isWholeSeconds = (connectTime ?? 0) % 1000 === 0;
  if (connectTime !== undefined && (connectTime < 1000 || connectTime > 65_535_000)) {
    report('spec.connectTime', `connectTime is 1s to 65535s, not ${spec.connectTime}`);
  } else if (!isWholeSeconds) {
    report('spec.connectTime', `connectTime is in whole seconds, not ${spec.connectTime}`);
  }
  const hold = time('holdTime');
  const keepalive = time('keepaliveTime');
  const holdTime = hold ?? (keepalive === undefined ? undefined : keepalive * HOLD_PER_KEEPALIVE);
  const keepaliveTime = keepalive ?? (hold === undefined ? undefined : hold / HOLD_PER_KEEPALIVE);
  const path = hold === undefined ? 'spec.keepaliveTime' : 'spec.holdTime';
  if (holdTime !== undefined && holdTime !== 0 && holdTime < LEAST_HOLD) {
    const which = hold === undefined ? `three times ${spec.keepaliveTime}` : spec.holdTime;
    report(path, `the hold time must be 0 or at least 3s, not ${which}`);
  }
  if (keepaliveTime !== undefined && holdTime !== undefined && keepaliveTime > holdTime) {
    const shown = `${spec.keepaliveTime} is longer than holdTime ${spec.holdTime}`;
    report('spec.keepaliveTime', `keepaliveTime ${shown}; the session would end in between`);
  }
  return { holdTime, keepaliveTime, connectTime };
}

/** Of the peers of a node that have it in common only one can be up. */
function sessionOf({ peerPort, vrf, sourceAddress, ...peer }: BgpPeer): string {
  return JSON.stringify([endpointOf(peer), peerPort, vrf, textOf(sourceAddress)]);
}

function endpointOf(peer: Pick<BgpPeer, 'peerAddress' | 'interface'>): string {
  return peer.interface === undefined ? textOf(peer.peerAddress) : `interface ${peer.interface}`;
}

function textOf(ip: Ip | undefined): string {
  return ip === undefined ? '' : formatIp(ip);
}

/** Without Nodes: as far as the selectors alone say, in favour of the user. */
function shareNodes(
  { nodeSelectors: a }: BgpPeer,
  { nodeSelectors: b }: BgpPeer,
  nodes: readonly KubeObject[] | undefined,
): boolean {
  if (JSON.stringify(a) === JSON.stringify(b)) return true;
  if (nodes === undefined) return a.length === 0 || b.length === 0;
  const labels = nodes.map(({ metadata }) => metadata.labels ?? {});
  return labels.some((each) => matchesAny(a, each) && matchesAny(b, each));
}
