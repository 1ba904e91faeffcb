/**
 * IPAddressPools. `namespaceSelectors` are resolved here, against the Namespaces that exist now, so
 * that whoever allocates compares names. They fail closed: in MetalLB a pool whose selectors match
 * no namespace serves every namespace.
 */
import { IP_ADDRESS_POOL } from '../../kube/kube.ts';
import type { KubeObject, LabelSelector } from '../../kube/objects.ts';
import { matches } from '../../kube/selector.ts';
import { parseRange } from '../../net/range.ts';
import type { Range } from '../../net/range.ts';
import type { Pool, PoolAllocation } from '../model.ts';
import type { Problem } from '../problem.ts';
import type { IPAddressPool, IPAddressPoolSpec } from '../schema.ts';
import { reportOverlaps } from './overlaps.ts';
import type { Entry } from './overlaps.ts';
import { reporter, reportTwins, wellFormed } from './report.ts';
import type { Report } from './report.ts';
import { namesOf, selectorsOf } from './selectors.ts';
import type { Sources } from './sources.ts';

export interface Pools {
  readonly byName: ReadonlyMap<string, Pool>;
  /** Those that are well-formed, in the order of their keys. */
  readonly objects: readonly IPAddressPool[];
  /** What the user wrote, by pool. */
  readonly entries: readonly Entry[];
}

export function parsePools({ pools, namespaces }: Sources, problems: Problem[]): Pools {
  const objects = wellFormed(pools, IP_ADDRESS_POOL, problems) as readonly IPAddressPool[];
  const byName = new Map<string, Pool>();
  const entries: Entry[] = [];
  reportTwins(objects, IP_ADDRESS_POOL, problems);
  for (const object of objects) {
    const { name } = object.metadata;
    const report = reporter(IP_ADDRESS_POOL, object, problems);
    const ranges = rangesOf(object, entries, report);
    const { autoAssign = true, avoidBuggyIPs = false, serviceAllocation } = object.spec;
    const allocation =
      serviceAllocation === undefined
        ? undefined
        : allocationOf(serviceAllocation, namespaces, report);
    byName.set(name, { name, ranges, autoAssign, avoidBuggyIPs, allocation });
  }
  reportOverlaps(entries);
  return { byName, objects, entries };
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

function allocationOf(
  spec: NonNullable<IPAddressPoolSpec['serviceAllocation']>,
  existing: readonly KubeObject[] | undefined,
  report: Report,
): PoolAllocation {
  const path = 'spec.serviceAllocation';
  const { priority = 0 } = spec;
  const names = namesOf(spec.namespaces, `${path}.namespaces`, report);
  const selectors = selectorsOf(spec.namespaceSelectors, `${path}.namespaceSelectors`, report);
  const serviceSelectors = selectorsOf(spec.serviceSelectors, `${path}.serviceSelectors`, report);
  const namespaces = new Set([...names, ...namesMatched(selectors, existing ?? [])]);
  const isOpen = selectors.length === 0 || namespaces.size > 0;
  const closed = isOpen ? undefined : closedBecause(existing);
  return { priority, namespaces, serviceSelectors, closed };
}

function namesMatched(
  selectors: readonly LabelSelector[],
  namespaces: readonly KubeObject[],
): readonly string[] {
  const matched = namespaces.filter(({ metadata }) =>
    selectors.some((selector) => matches(selector, metadata.labels ?? {})),
  );
  return matched.map(({ metadata }) => metadata.name);
}

function closedBecause(existing: readonly KubeObject[] | undefined): string {
  return existing === undefined
    ? 'its serviceAllocation.namespaceSelectors cannot be compared, as Namespaces cannot be ' +
        'read here; list namespaces by name instead'
    : 'its serviceAllocation.namespaceSelectors match no namespace; label one, or change them';
}
