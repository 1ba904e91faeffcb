/**
 * Pools and advertisements become one Config, or every problem they have: a user mends all of them
 * in one go. All or nothing, as in MetalLB (reference: its config parser's rejection rules), since
 * half a configuration could give an address to the wrong Service. Unknown pool names in an
 * advertisement are ignored, also as in MetalLB: the pool may come later.
 *
 * Objects are checked for their shape here too, so that any source may feed it.
 */
import { IP_ADDRESS_POOL, L2_ADVERTISEMENT } from '../kube/kube.ts';
import type { Resource } from '../kube/kube.ts';
import { keyOf } from '../kube/objects.ts';
import type { KubeObject, LabelSelector } from '../kube/objects.ts';
import { matches, selectorFaults, selectorText } from '../kube/selector.ts';
import { err, ok } from '../lib/result.ts';
import type { Result } from '../lib/result.ts';
import { overlaps, parseRange } from '../net/range.ts';
import type { Range } from '../net/range.ts';
import type { Config, L2Ad, Pool, PoolAllocation } from './model.ts';
import type { Sources } from './parse/sources.ts';
import type { Problem } from './problem.ts';
import { check } from './schema.ts';
import type { IPAddressPool, IPAddressPoolSpec, L2Advertisement } from './schema.ts';

/** Order of the input does not matter. */
export function parse(sources: Sources): Result<Config, readonly Problem[]> {
  const problems: Problem[] = [];
  const pools = wellFormed(sources.pools, IP_ADDRESS_POOL, problems) as readonly IPAddressPool[];
  const ads = wellFormed(
    sources.advertisements,
    L2_ADVERTISEMENT,
    problems,
  ) as readonly L2Advertisement[];
  const found = new Map<string, Pool>();
  const entries: Entry[] = [];
  for (const object of pools) {
    const { name } = object.metadata;
    const report = reporter(IP_ADDRESS_POOL, object, problems);
    if (found.has(name)) {
      report('metadata.name', `pool "${name}" is defined twice; rename or remove one`);
    }
    const ranges = rangesOf(object, entries, report);
    found.set(name, poolOf(object, ranges, report));
  }
  reportOverlaps(entries);
  const advertisements = ads.map((object) => {
    const report = reporter(L2_ADVERTISEMENT, object, problems);
    return advertisementOf(object, pools, report);
  });
  return problems.length === 0 ? ok({ pools: found, advertisements }) : err(problems);
}

type Report = (path: string, message: string) => void;

function reporter(resource: Resource, object: KubeObject, problems: Problem[]): Report {
  const key = keyOf(object);
  return (path, message) => problems.push({ resource, key, path, message });
}

/** Those that can be read at all, by key; the faults of the others are reported. */
function wellFormed(
  objects: readonly KubeObject[],
  resource: Resource,
  problems: Problem[],
): readonly KubeObject[] {
  const sorted = objects.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  return sorted.filter((object) => {
    const faults = check(object);
    const report = reporter(resource, object, problems);
    for (const fault of faults) report(fault.path, fault.message);
    return faults.length === 0;
  });
}

/** One entry of `spec.addresses`, with the way to report on it. */
interface Entry {
  readonly pool: string;
  readonly text: string;
  readonly path: string;
  readonly range: Range;
  readonly report: Report;
}

function rangesOf(object: IPAddressPool, entries: Entry[], report: Report): readonly Range[] {
  const ranges: Range[] = [];
  const { addresses } = object.spec;
  if (addresses.length === 0) {
    report('spec.addresses', 'the pool has no addresses; list a CIDR or a range a-b');
  }
  addresses.forEach((text, index) => {
    const path = `spec.addresses[${index}]`;
    const range = parseRange(text);
    if (!range.ok) {
      report(path, range.error);
      return;
    }
    ranges.push(range.value);
    entries.push({ pool: object.metadata.name, text, path, range: range.value, report });
  });
  return ranges;
}

/**
 * In the order of first addresses an overlap is always with the range that reaches furthest so
 * far, so one pass finds it. Of two, the one that comes later by pool and position is named.
 */
function reportOverlaps(entries: readonly Entry[]): void {
  const position = new Map(entries.map((entry, index) => [entry, index]));
  const sorted = entries.toSorted(
    (a, b) => a.range.family - b.range.family || compare(a.range.first, b.range.first),
  );
  let furthest: Entry | undefined;
  for (const entry of sorted) {
    if (furthest !== undefined && overlaps(furthest.range, entry.range)) {
      const entryIsLater = (position.get(furthest) ?? 0) < (position.get(entry) ?? 0);
      const [earlier, later] = entryIsLater ? [furthest, entry] : [entry, furthest];
      const owner = earlier.pool === later.pool ? 'the same pool' : `pool "${earlier.pool}"`;
      later.report(
        later.path,
        `"${later.text}" in pool "${later.pool}" overlaps with already defined CIDR or range ` +
          `"${earlier.text}" in ${owner}; take the common addresses out of one of them`,
      );
    }
    if (furthest?.range.family !== entry.range.family || furthest.range.last < entry.range.last) {
      furthest = entry;
    }
  }
}

function compare(a: bigint, b: bigint): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function poolOf(object: IPAddressPool, ranges: readonly Range[], report: Report): Pool {
  const { name } = object.metadata;
  const { autoAssign = true, avoidBuggyIPs = false, serviceAllocation } = object.spec;
  const allocation =
    serviceAllocation === undefined ? undefined : allocationOf(serviceAllocation, report);
  return { name, ranges, autoAssign, avoidBuggyIPs, allocation };
}

function allocationOf(
  spec: NonNullable<IPAddressPoolSpec['serviceAllocation']>,
  report: Report,
): PoolAllocation {
  const path = 'spec.serviceAllocation';
  const { priority = 0, namespaces = [], namespaceSelectors = [] } = spec;
  const serviceSelectors = listOf(spec.serviceSelectors);
  reportTwice(namespaces, `${path}.namespaces`, report);
  reportSelectors(listOf(namespaceSelectors), `${path}.namespaceSelectors`, report);
  reportSelectors(serviceSelectors, `${path}.serviceSelectors`, report);
  const closed =
    namespaceSelectors.length === 0
      ? undefined
      : 'its serviceAllocation.namespaceSelectors are not supported yet; list namespaces instead';
  return { priority, namespaces: new Set(namespaces), serviceSelectors, closed };
}

function advertisementOf(
  object: L2Advertisement,
  pools: readonly IPAddressPool[],
  report: Report,
): L2Ad {
  const spec = object.spec ?? {};
  const names = spec.ipAddressPools ?? [];
  const poolSelectors = listOf(spec.ipAddressPoolSelectors);
  const nodeSelectors = listOf(spec.nodeSelectors);
  const serviceSelectors = listOf(spec.serviceSelectors);
  const preferredNodes = (spec.preferredNodeSelectors ?? []).map(({ weight, preference }) => ({
    weight,
    preference: preference as LabelSelector,
  }));
  reportTwice(names, 'spec.ipAddressPools', report);
  reportSelectors(poolSelectors, 'spec.ipAddressPoolSelectors', report);
  reportSelectors(nodeSelectors, 'spec.nodeSelectors', report);
  reportSelectors(serviceSelectors, 'spec.serviceSelectors', report);
  preferredNodes.forEach(({ preference }, index) => {
    for (const [inner, message] of selectorFaults(preference)) {
      report(`spec.preferredNodeSelectors[${index}].preference.${inner}`, message);
    }
  });
  const all = names.length === 0 && poolSelectors.length === 0;
  const chosen = pools.filter(
    ({ metadata }) =>
      all ||
      names.includes(metadata.name) ||
      poolSelectors.some((selector) => matches(selector, metadata.labels ?? {})),
  );
  return {
    name: object.metadata.name,
    pools: new Set(chosen.map((pool) => pool.metadata.name)),
    nodeSelectors,
    preferredNodes,
    serviceSelectors,
    interfaces: spec.interfaces ?? [],
  };
}

/** The schema's selector is the same shape; only its optional fields also admit undefined. */
function listOf(selectors: readonly unknown[] | undefined): readonly LabelSelector[] {
  return (selectors ?? []) as readonly LabelSelector[];
}

function reportTwice(names: readonly string[], path: string, report: Report): void {
  names.forEach((name, index) => {
    if (names.indexOf(name) < index) report(`${path}[${index}]`, `"${name}" is listed twice`);
  });
}

function reportSelectors(selectors: readonly LabelSelector[], path: string, report: Report): void {
  const seen = new Set<string>();
  selectors.forEach((selector, index) => {
    const here = `${path}[${index}]`;
    for (const [inner, message] of selectorFaults(selector)) report(`${here}.${inner}`, message);
    const text = selectorText(selector);
    if (seen.has(text)) report(here, 'this selector is there twice; remove one');
    seen.add(text);
  });
}
