/**
 * Entries of pools at random, for comparing what the API server decides in CEL with what our own
 * arithmetic (net/range) says. Their addresses are few and far apart by powers of two, so that
 * entries often touch, overlap, and carry from one group of digits into the next.
 */
import fc from 'fast-check';
import { formatIp } from '../../net/ip.ts';
import type { Family } from '../../net/ip.ts';
import { overlaps, parseRange } from '../../net/range.ts';
import type { Range } from '../../net/range.ts';

interface Space {
  readonly family: Family;
  readonly base: bigint;
  /** So many bits apart. */
  readonly shifts: readonly number[];
}

const SPACES: readonly Space[] = [
  { family: 4, base: 0x0a_c8_fe_00n, shifts: [0, 5, 9] },
  { family: 6, base: 0xfd10_0000_0000_ffff_ffff_ffff_ffff_ff00n, shifts: [0, 7, 57, 61, 100] },
];
const STEPS = 511n;

function entryOf({ family, base }: Space, shift: number): fc.Arbitrary<string> {
  const step = fc.bigInt(0n, STEPS);
  const ip = (at: bigint): string => formatIp({ family, value: base + (at << BigInt(shift)) });
  const range = fc.tuple(step, step).map(([a, b]) => `${ip(a)}-${ip(b)}`);
  const cidr = fc
    .tuple(step, fc.integer({ min: 0, max: 9 }))
    .map(([a, free]) => `${ip(a)}/${(family === 4 ? 32 : 128) - shift - free}`);
  return fc.oneof({ arbitrary: range, weight: 2 }, cidr);
}

/** The entries of one pool, some of which end before they start. */
export const entries: fc.Arbitrary<readonly string[]> = fc
  .constantFrom(...SPACES)
  .chain((space) => fc.constantFrom(...space.shifts).map((shift) => entryOf(space, shift)))
  .chain((entry) => fc.array(entry, { minLength: 1, maxLength: 4 }));

/**
 * Any of these must be in the answer: of all overlaps one is named, later entry first; a range
 * that ends before it starts is named before any overlap. Empty: the pool must be taken.
 */
export function wanted(list: readonly string[]): readonly RegExp[] {
  const ranges = list.map((text) => parseRange(text));
  const reversed = ranges.findIndex(({ ok }) => !ok);
  if (reversed >= 0) return [new RegExp(`spec.addresses\\[${reversed}\\]: invalid IP range`)];
  const whole = ranges.map((range) => (range as { readonly value: Range }).value);
  return whole.flatMap((later, j) =>
    whole.slice(0, j).flatMap((earlier, i) => {
      const said = `spec.addresses\\[${j}\\]: .* overlaps .* in spec.addresses\\[${i}\\]`;
      return overlaps(later, earlier) ? [new RegExp(said)] : [];
    }),
  );
}

/** Whether a network of that length lies within an entry. */
export function holdsNetwork(entry: string, length: number): boolean {
  const parsed = parseRange(entry);
  if (!parsed.ok) throw new Error(parsed.error);
  const { family, first, last } = parsed.value;
  const size = 1n << BigInt((family === 4 ? 32 : 128) - length);
  const start = ((first + size - 1n) / size) * size;
  return start + size - 1n <= last;
}

/** For networks: edges on, before and behind borders of bits, digits and groups. */
export const EDGES: readonly string[] = [
  '10.1.0.10-10.1.0.20',
  '10.1.1.255-10.1.2.0',
  '10.1.3.1-10.1.5.254',
  '10.1.6.0/28',
  '10.1.7.0-10.1.8.255',
  'fd00::ff-fd00::1:1',
  'fd00:1::/64',
  'fd00:2:0:0:ffff:ffff:ffff:ffff-fd00:2:0:1::',
  'fd00:3::1-fd00:3:8::7fff',
];
