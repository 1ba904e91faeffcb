/**
 * A few prefixes that hold all given ones: what a socket filter asks for, where a table of every
 * address would not fit. Merges neighbours, those that are closest first, so what the cover holds
 * beyond is little, and nothing at all as long as `most` prefixes suffice.
 *
 * Ranges would hold contiguous pools exactly, but a comparison of 128 bits with two ends takes
 * three times the instructions of one with a prefix.
 */

export interface Prefix {
  /** The bits beyond `length` are zero. */
  readonly value: bigint;
  readonly length: number;
}

/** `width`: bits of an address, 32 or 128. */
export function cover(prefixes: readonly Prefix[], most: number, width: number): readonly Prefix[] {
  const sorted = disjoint(prefixes, width);
  if (sorted.length <= most) return sorted;
  const joints = sorted.slice(1).map((prefix, n) => ({
    at: n + 1,
    common: commonLength(sorted[n] ?? prefix, prefix, width),
  }));
  // Where neighbours have least in common, the groups part.
  const parted = joints.toSorted((a, b) => a.common - b.common).slice(0, most - 1);
  const starts = [0, ...parted.map(({ at }) => at).toSorted((a, b) => a - b), sorted.length];
  const merged: Prefix[] = [];
  for (const [n, start] of starts.slice(0, -1).entries()) {
    const first = sorted[start];
    const last = sorted[(starts[n + 1] ?? 0) - 1];
    if (first === undefined || last === undefined) continue;
    const length = commonLength(first, last, width);
    merged.push({ value: cut(first.value, length, width), length });
  }
  return disjoint(merged, width);
}

export function holds({ value, length }: Prefix, address: bigint, width: number): boolean {
  return cut(address, length, width) === value;
}

/** In order, and without those that another one holds. */
function disjoint(prefixes: readonly Prefix[], width: number): Prefix[] {
  const sorted = prefixes.toSorted((a, b) =>
    a.value === b.value ? a.length - b.length : a.value < b.value ? -1 : 1,
  );
  const kept: Prefix[] = [];
  for (const prefix of sorted) {
    const before = kept.at(-1);
    if (before === undefined || !holds(before, prefix.value, width)) kept.push(prefix);
  }
  return kept;
}

function commonLength(a: Prefix, b: Prefix, width: number): number {
  const differing = a.value ^ b.value;
  const common = differing === 0n ? width : width - differing.toString(2).length;
  return Math.min(common, a.length, b.length);
}

function cut(value: bigint, length: number, width: number): bigint {
  const beyond = BigInt(width - length);
  return (value >> beyond) << beyond;
}
