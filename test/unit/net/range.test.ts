/** Pool entries: MetalLB's two forms, one clear sentence per mistake, and interval algebra. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { formatIp } from '../../../net/ip.ts';
import { contains, formatRange, overlaps, parseRange, size } from '../../../net/range.ts';
import type { Range } from '../../../net/range.ts';
import { anyIp, anyV4, anyV6, ip } from './arbitrary.ts';

function range(text: string): Range {
  const result = parseRange(text);
  if (!result.ok) throw new Error(result.error);
  return result.value;
}

const anyRange = fc.oneof(fc.tuple(anyV4, anyV4), fc.tuple(anyV6, anyV6)).map(([a, b]): Range => ({
  family: a.family,
  first: a.value < b.value ? a.value : b.value,
  last: a.value < b.value ? b.value : a.value,
}));

describe('parseRange', () => {
  test.each([
    ['192.0.2.240-192.0.2.249', '192.0.2.240-192.0.2.249', 10n],
    ['192.0.2.240 - 192.0.2.249', '192.0.2.240-192.0.2.249', 10n],
    ['192.0.2.7-192.0.2.7', '192.0.2.7/32', 1n],
    ['192.0.2.77/28', '192.0.2.64/28', 16n],
    ['192.0.2.0-192.0.2.255', '192.0.2.0/24', 256n],
    ['0.0.0.0/0', '0.0.0.0/0', 1n << 32n],
    ['2001:db8::240-2001:db8::249', '2001:db8::240-2001:db8::249', 10n],
    ['2001:db8::1/64', '2001:db8::/64', 1n << 64n],
    ['::/0', '::/0', 1n << 128n],
  ])('%s is %s, %d addresses', (text, canonical, count) => {
    expect(formatRange(range(text))).toBe(canonical);
    expect(size(range(text))).toBe(count);
  });

  test.each([
    ['', '"" is neither a range a-b nor a CIDR a/prefix'],
    ['pool', '"pool" is neither a range a-b nor a CIDR a/prefix'],
    ['192.0.2.1', '"192.0.2.1" is one address, not a range: write "192.0.2.1/32"'],
    ['2001:db8::1', '"2001:db8::1" is one address, not a range: write "2001:db8::1/128"'],
    ['192.0.2.9-192.0.2.1', 'range "192.0.2.9-192.0.2.1" starts after its end'],
    ['192.0.2.1-2001:db8::1', 'starts in IPv4 and ends in IPv6'],
    ['192.0.2.1-9', 'range "192.0.2.1-9": its end "9" is not an IPv4 or IPv6 address'],
    ['x-192.0.2.1', 'range "x-192.0.2.1": its start "x" is not an IPv4 or IPv6 address'],
    ['192.0.2.0/33', 'CIDR "192.0.2.0/33": an IPv4 prefix has at most 32 bits'],
    ['2001:db8::/129', 'CIDR "2001:db8::/129": an IPv6 prefix has at most 128 bits'],
    ['192.0.2.0/', 'CIDR "192.0.2.0/": its prefix is not a number from 0 to 32'],
    ['192.0.2.0/024', 'its prefix is not a number from 0 to 32'],
    ['192.0.2.0/24/8', 'its prefix is not a number from 0 to 32'],
    ['192.0.2/24', 'CIDR "192.0.2/24": "192.0.2" is not an IPv4 or IPv6 address'],
    ['192.0.2.0/24 ', 'its prefix is not a number from 0 to 32'],
  ])('refuses %j', (text, sentence) => {
    const result = parseRange(text);
    expect(result.ok ? result.value : result.error).toContain(sentence);
  });

  test('never throws, and its text parses back', () => {
    fc.assert(fc.property(fc.string(), (text) => expect(() => parseRange(text)).not.toThrow()));
    fc.assert(fc.property(anyRange, (any) => expect(range(formatRange(any))).toEqual(any)));
  });

  test('every CIDR contains the address it was written with', () => {
    fc.assert(
      fc.property(anyIp, fc.nat({ max: 32 }), (any, prefix) => {
        const cidr = range(`${formatIp(any)}/${prefix}`);
        expect(contains(cidr, any)).toBe(true);
        expect(formatRange(cidr)).toMatch(new RegExp(`/${prefix}$`));
      }),
    );
  });
});

describe('questions', () => {
  test('both ends are included, families never mix', () => {
    const pool = range('192.0.2.240-192.0.2.249');
    expect(contains(pool, ip('192.0.2.240'))).toBe(true);
    expect(contains(pool, ip('192.0.2.249'))).toBe(true);
    expect(contains(pool, ip('192.0.2.239'))).toBe(false);
    expect(contains(pool, ip('192.0.2.250'))).toBe(false);
    expect(contains(range('::/0'), ip('192.0.2.240'))).toBe(false);
    expect(overlaps(range('::/0'), range('0.0.0.0/0'))).toBe(false);
  });

  test('ranges that share one address overlap, neighbours do not', () => {
    const pool = range('192.0.2.240-192.0.2.249');
    expect(overlaps(pool, range('192.0.2.249-192.0.2.255'))).toBe(true);
    expect(overlaps(pool, range('192.0.2.200-192.0.2.240'))).toBe(true);
    expect(overlaps(pool, range('192.0.2.250-192.0.2.255'))).toBe(false);
    expect(overlaps(pool, range('192.0.2.200-192.0.2.239'))).toBe(false);
  });

  test('two ranges overlap when one contains an end of the other', () => {
    const ends = ({ family, first, last }: Range) =>
      [first, last].map((value) => ({ family, value }));
    fc.assert(
      fc.property(anyRange, anyRange, (a, b) => {
        const meet =
          ends(a).some((end) => contains(b, end)) || ends(b).some((end) => contains(a, end));
        expect(overlaps(a, b)).toBe(meet);
        expect(overlaps(b, a)).toBe(meet);
      }),
    );
  });
});
