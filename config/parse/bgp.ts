/** The BGP kinds together; undefined if nobody asked for any of them. */
import { quote } from '../../lib/quote.ts';
import { BFD_PROFILE, BGP_PEER } from '../../kube/kube.ts';
import type { KubeObject } from '../../kube/objects.ts';
import type { BfdProfile, Bgp, BgpAd, BgpPeer } from '../bgp.ts';
import type { Problem } from '../problem.ts';
import { parseBfdProfiles } from './bfd.ts';
import { parseBgpAds } from './bgpads.ts';
import { parseCommunities } from './communities.ts';
import { parsePeers } from './peers.ts';
import type { Pools } from './pools.ts';
import { reporter } from './report.ts';
import type { Sources } from './sources.ts';

export function parseBgp(sources: Sources, pools: Pools): Bgp | undefined {
  const { bgpAdvertisements, bgpPeers, bfdProfiles, communities, nodes } = sources;
  const lists = [bgpAdvertisements, bgpPeers, bfdProfiles, communities];
  if (lists.every((list) => list === undefined)) return undefined;
  const problems: Problem[] = [];
  const values = communities && parseCommunities(communities, problems);
  const profiles = bfdProfiles && parseBfdProfiles(bfdProfiles, problems);
  const context = { pools, nodes, communities: values };
  const advertisements = parseBgpAds(bgpAdvertisements ?? [], context, problems);
  const peers = parsePeers(bgpPeers ?? [], nodes, profiles, problems);
  if (profiles !== undefined) {
    reportEcho(bgpPeers ?? [], { peers, advertisements, profiles, pools }, problems);
  }
  const plan = {
    advertisements,
    peers,
    bfdProfiles: profiles ?? new Map<string, BfdProfile>(),
    communities: values ?? new Map<string, never>(),
  };
  const objects = lists.reduce((count, list) => count + (list?.length ?? 0), 0);
  return { plan: problems.length === 0 ? plan : undefined, problems, objects };
}

interface Parsed {
  readonly peers: readonly BgpPeer[];
  readonly advertisements: readonly BgpAd[];
  readonly profiles: ReadonlyMap<string, BfdProfile>;
  readonly pools: Pools;
}

/** RFC 5881 has echo packets for IPv6 too, but FRR sends them for IPv4 only. */
function reportEcho(objects: readonly KubeObject[], parsed: Parsed, problems: Problem[]): void {
  const { peers, advertisements, profiles, pools } = parsed;
  const sixes = pools.entries.filter(({ range }) => range.family === 6);
  const announced = sixes.find(({ pool }) => advertisements.some((ad) => ad.pools.has(pool)));
  for (const peer of peers) {
    const profile = profiles.get(peer.bfdProfile ?? '');
    if (profile?.echoMode !== true) continue;
    const isSix = peer.peerAddress?.family === 6;
    if (!isSix && announced === undefined) continue;
    const object = objects.find(({ metadata }) => metadata.name === peer.name);
    if (object === undefined) continue;
    const report = reporter(BGP_PEER, object, problems);
    const what = isSix ? 'this peer has' : `pool ${quote(announced?.pool ?? '')} has`;
    const echo = `${BFD_PROFILE.kind} ${quote(profile.name)} has echoMode, which is for IPv4 only`;
    report('spec.bfdProfile', `${echo}, but ${what} an IPv6 address; turn echoMode off`);
  }
}
