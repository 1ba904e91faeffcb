/** Addresses that are in two places: each may be given out by one pool only, and once there. */
import { quote } from '../../lib/quote.ts';
import { compareIp } from '../../net/ip.ts';
import { overlaps } from '../../net/range.ts';
import type { Range } from '../../net/range.ts';
import type { Report } from './report.ts';

/** One entry of `spec.addresses`, with the way to report on it. */
export interface Entry {
  readonly pool: string;
  readonly text: string;
  readonly path: string;
  readonly range: Range;
  readonly report: Report;
}

/**
 * In the order of first addresses an overlap is always with the range that reaches furthest so
 * far, so one pass finds it. Of two, the one that comes later in the list is named.
 */
export function reportOverlaps(entries: readonly Entry[]): void {
  const position = new Map(entries.map((entry, index) => [entry, index]));
  const sorted = entries.toSorted((a, b) => compareIp(firstOf(a), firstOf(b)));
  let furthest: Entry | undefined;
  for (const entry of sorted) {
    if (furthest !== undefined && overlaps(furthest.range, entry.range)) {
      const entryIsLater = (position.get(furthest) ?? 0) < (position.get(entry) ?? 0);
      const [earlier, later] = entryIsLater ? [furthest, entry] : [entry, furthest];
      const owner = earlier.pool === later.pool ? 'the same pool' : `pool ${quote(earlier.pool)}`;
      const [what, already] = [quote(later.text), quote(earlier.text)];
      later.report(
        later.path,
        `${what} in pool ${quote(later.pool)} overlaps with already defined CIDR or range ` +
          `${already} in ${owner}; take the common addresses out of one of them`,
      );
    }
    if (furthest?.range.family !== entry.range.family || furthest.range.last < entry.range.last) {
      furthest = entry;
    }
  }
}

function firstOf({ range: { family, first } }: Entry): Parameters<typeof compareIp>[0] {
  return { family, value: first };
}
