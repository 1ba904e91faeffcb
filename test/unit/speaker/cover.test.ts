/** A few prefixes that hold all given ones. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { cover, holds } from '../../../speaker/cover.ts';
import type { Prefix } from '../../../speaker/cover.ts';

const hosts = (...values: readonly bigint[]): Prefix[] =>
  values.map((value) => ({ value, length: 32 }));

describe('cover', () => {
  test('is exact while there is room', () => {
    expect(cover(hosts(9n, 7n, 8n, 7n), 3, 32)).toEqual(hosts(7n, 8n, 9n));
  });

  test('merges those that are closest', () => {
    const far = 0xc0000200n;
    expect(cover(hosts(0x0a000001n, far, far + 1n, far + 2n), 2, 32)).toEqual([
      { value: 0x0a000001n, length: 32 },
      { value: far, length: 30 },
    ]);
  });

  test('leaves out what another prefix holds', () => {
    const wide = { value: 0xc0000200n, length: 24 };
    expect(cover([...hosts(0xc0000205n), wide], 8, 32)).toEqual([wide]);
  });

  test('nothing is covered by nothing', () => {
    expect(cover([], 4, 128)).toEqual([]);
  });

  test('holds everything, in no more prefixes than allowed, each with zeros behind it', () => {
    const address = fc.bigInt({ min: 0n, max: 2n ** 128n - 1n });
    const near = fc.bigInt({ min: 0n, max: 40n });
    const addresses = fc.array(fc.oneof(address, near), { maxLength: 60 });
    fc.assert(
      fc.property(addresses, fc.integer({ min: 1, max: 8 }), (values, most) => {
        const covered = cover(
          values.map((value) => ({ value, length: 128 })),
          most,
          128,
        );
        expect(covered.length).toBeLessThanOrEqual(most);
        for (const value of values) {
          expect(covered.some((prefix) => holds(prefix, value, 128))).toBe(true);
        }
        for (const prefix of covered) expect(holds(prefix, prefix.value, 128)).toBe(true);
      }),
    );
  });
});
