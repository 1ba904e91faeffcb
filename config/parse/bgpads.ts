/**
 * BGPAdvertisements. An aggregate that is wider than what was configured would attract addresses
 * that nobody gave to this cluster, and two advertisements that differ in preference only are a
 * question that has no answer; both are refused, with MetalLB's phrases where it has some.
 */
import { brief, quote } from '../../lib/quote.ts';
import { BGP_ADVERTISEMENT } from '../../kube/kube.ts';
import type { KubeObject } from '../../kube/objects.ts';
import { matchesAny, selectorText } from '../../kube/selector.ts';
import type { Range } from '../../net/range.ts';
import type { BgpAd, CommunityValue } from '../bgp.ts';
import type { Problem } from '../problem.ts';
import type { BGPAdvertisement } from '../schema.ts';
import { isLiteral, parseCommunity } from './communities.ts';
import type { Pools } from './pools.ts';
import { reporter, reportTwins, wellFormed } from './report.ts';
import type { Report } from './report.ts';
import { namesOf, poolsMeant, selectorsOf } from './selectors.ts';

export interface AdContext {
  readonly pools: Pools;
  /** undefined: advertisements are for the same nodes if their selectors are the same. */
  readonly nodes: readonly KubeObject[] | undefined;
  /** undefined: aliases are not looked at. */
  readonly communities: ReadonlyMap<string, CommunityValue> | undefined;
}

export function parseBgpAds(
  present: readonly KubeObject[],
  context: AdContext,
  problems: Problem[],
): readonly BgpAd[] {
  const objects = wellFormed(present, BGP_ADVERTISEMENT, problems) as readonly BGPAdvertisement[];
  reportTwins(objects, BGP_ADVERTISEMENT, problems);
  const contested = new Map<string, BgpAd>();
  return objects.map((object) => {
    const report = reporter(BGP_ADVERTISEMENT, object, problems);
    const ad = adOf(object, context, report);
    reportAggregation(ad, context.pools, report);
    reportContest(ad, contested, context.nodes, report);
    return ad;
  });
}

function adOf(
  { metadata, spec = {} }: BGPAdvertisement,
  context: AdContext,
  report: Report,
): BgpAd {
  const { aggregationLength = 32, aggregationLengthV6 = 128 } = spec;
  const texts = namesOf(spec.communities, 'spec.communities', report);
  const serviceSelectors = selectorsOf(spec.serviceSelectors, 'spec.serviceSelectors', report);
  if (serviceSelectors.length > 0 && (aggregationLength !== 32 || aggregationLengthV6 !== 128)) {
    const advice = 'leave one of them out';
    const message = 'serviceSelectors and aggregationLength are mutually exclusive';
    report('spec.serviceSelectors', `${message}; ${advice}`);
  }
  return {
    name: metadata.name,
    pools: poolsMeant(spec, context.pools.objects, report),
    aggregationLength,
    aggregationLengthV6,
    localPref: spec.localPref,
    communities: texts.flatMap((text, index) => communityOf(text, index, context, report)),
    peers: namesOf(spec.peers, 'spec.peers', report),
    nodeSelectors: selectorsOf(spec.nodeSelectors, 'spec.nodeSelectors', report),
    serviceSelectors,
  };
}

function communityOf(
  text: string,
  index: number,
  { communities }: AdContext,
  report: Report,
): readonly CommunityValue[] {
  const path = `spec.communities[${index}]`;
  if (isLiteral(text)) {
    const parsed = parseCommunity(text);
    if (parsed.ok) return [parsed.value];
    report(path, parsed.error);
    return [];
  }
  const value = communities?.get(text);
  if (value !== undefined) return [value];
  if (communities !== undefined) {
    const shown = quote(text);
    report(path, `no Community gives ${shown} a value; create one, or write the value itself`);
  }
  return [];
}

function reportAggregation(ad: BgpAd, { entries }: Pools, report: Report): void {
  const check = (family: 4 | 6, field: 'aggregationLength' | 'aggregationLengthV6'): void => {
    const length = ad[field];
    const most = family === 4 ? 32 : 128;
    const path = `spec.${field}`;
    if (length > most) {
      report(
        path,
        `invalid aggregation length ${length}: an IPv${family} address has ${most} bits`,
      );
      return;
    }
    // As nearly everywhere: each address by itself.
    if (length === most) return;
    for (const { pool, text, range } of entries) {
      if (range.family !== family || !ad.pools.has(pool)) continue;
      const prefix = broadestPrefix(range);
      if (length >= prefix) continue;
      const specific = 'is more specific than the aggregation length';
      report(
        path,
        `invalid aggregation length ${length}: prefix ${prefix} in this pool ${specific} ` +
          `for addresses ${brief(text)} (pool ${quote(pool)})`,
      );
    }
  };
  check(4, 'aggregationLength');
  check(6, 'aggregationLengthV6');
}

/** Of the fewest CIDRs that make up the range, the shortest prefix. */
function broadestPrefix({ family, first, last }: Range): number {
  const bits = family === 4 ? 32 : 128;
  // A range of that size has a block of a half or a quarter of it, wherever it begins.
  let host = (last - first + 1n).toString(2).length - 1;
  while (!hasBlock(first, last, 1n << BigInt(host))) host -= 1;
  return bits - host;
}

function hasBlock(first: bigint, last: bigint, size: bigint): boolean {
  const aligned = ((first + size - 1n) / size) * size;
  return aligned + size - 1n <= last;
}

/** Those with service selectors are told apart Service by Service, when they are announced. */
function reportContest(
  ad: BgpAd,
  contested: Map<string, BgpAd>,
  nodes: readonly KubeObject[] | undefined,
  report: Report,
): void {
  if (ad.serviceSelectors.length > 0) return;
  const peers = ad.peers.toSorted();
  const rest = [ad.aggregationLength, ad.aggregationLengthV6, peers, nodesOf(ad, nodes)];
  const rivals = new Set<BgpAd>();
  for (const pool of ad.pools) {
    const key = JSON.stringify([pool, ...rest]);
    const rival = contested.get(key);
    if (rival === undefined) contested.set(key, ad);
    else if ((rival.localPref ?? 0) !== (ad.localPref ?? 0) && !rivals.has(rival)) {
      rivals.add(rival);
      report(
        'spec.localPref',
        `BGPAdvertisement ${quote(rival.name)} says another localPref for pool ${quote(pool)}, ` +
          'the same peers and the same nodes; make them equal, or take the pool out of one of them',
      );
    }
  }
}

function nodesOf({ nodeSelectors }: BgpAd, nodes: readonly KubeObject[] | undefined): unknown {
  if (nodes === undefined) return nodeSelectors.map(selectorText).toSorted();
  const chosen = nodes.filter(({ metadata }) => matchesAny(nodeSelectors, metadata.labels ?? {}));
  return chosen.map(({ metadata }) => metadata.name).toSorted();
}
