/** Address text against node:net's strict parser and the RFC 5952 examples. */
import { isIP } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  compareIp,
  formatIp,
  ipFromBytes,
  ipToBytes,
  mappedBytes,
  parseIp,
  sameIp,
  solicitedNode,
} from '../../../net/ip.ts';
import type { Ip } from '../../../net/ip.ts';
import { anyIp, anyV6, ip } from './arbitrary.ts';

const parsed = (text: string): Ip | string => {
  const result = parseIp(text);
  return result.ok ? result.value : result.error;
};

describe('parseIp', () => {
  test.each<[string, Ip]>([
    ['192.0.2.1', { family: 4, value: 0xc0000201n }],
    ['0.0.0.0', { family: 4, value: 0n }],
    ['255.255.255.255', { family: 4, value: 0xffffffffn }],
    ['::', { family: 6, value: 0n }],
    ['2001:DB8::a', { family: 6, value: 0x20010db8_00000000_00000000_0000000an }],
    ['::ffff:192.0.2.1', { family: 6, value: 0xffff_c0000201n }],
    ['64:ff9b::192.0.2.33', { family: 6, value: 0x0064ff9b_00000000_00000000_c0000221n }],
    ['1:2:3:4:5:6:7::', { family: 6, value: 0x0001_0002_0003_0004_0005_0006_0007_0000n }],
  ])('%s', (text, expected) => {
    expect(parsed(text)).toEqual(expected);
  });

  test.each([
    '',
    ' ',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.',
    '01.2.3.4',
    '1.2.3.256',
    '0x1.2.3.4',
    ' 192.0.2.1',
    '192.0.2.1\n',
    '192.0.2.1/32',
    'fe80::1%eth0',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '12345::',
    '::1/128',
    '::ffff:192.0.2.01',
    '::192.0.2',
    'localhost',
  ])('refuses %j, and says which text', (text) => {
    expect(parsed(text)).toBe(`${JSON.stringify(text)} is not an IPv4 or IPv6 address`);
  });

  test('accepts exactly what node:net accepts without a zone', () => {
    const letters = fc.string({
      unit: fc.constantFrom(...'0123459afF:.:.% '.split('')),
      maxLength: 20,
    });
    const tuples = fc.array(fc.constantFrom('0', '1', 'ffff', '', '192.0.2.1'), { maxLength: 9 });
    const texts = fc.oneof(
      letters,
      tuples.map((parts) => parts.join(':')),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const family = text.includes('%') ? 0 : isIP(text);
        const result = parseIp(text);
        expect(result.ok ? result.value.family : 0).toBe(family);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('formatIp', () => {
  // RFC 5952 sections 4.1 to 4.3 and 5.
  test.each([
    ['2001:0db8::0001', '2001:db8::1'],
    ['2001:db8:0:0:0:0:2:1', '2001:db8::2:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:DB8::ABCD', '2001:db8::abcd'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['1:0:0:0:0:0:0:0', '1::'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['0:0:0:0:0:ffff:c000:201', '::ffff:192.0.2.1'],
    ['198.51.100.7', '198.51.100.7'],
  ])('%s is written %s', (text, canonical) => {
    expect(formatIp(ip(text))).toBe(canonical);
  });

  test('parses back', () => {
    fc.assert(fc.property(anyIp, (any) => expect(parsed(formatIp(any))).toEqual(any)));
  });
});

describe('bytes', () => {
  test('network order', () => {
    expect([...ipToBytes(ip('192.0.2.1'))]).toEqual([192, 0, 2, 1]);
    expect([...ipToBytes(ip('2001:db8::ff'))]).toEqual([
      0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff,
    ]);
    expect([...mappedBytes(ip('192.0.2.1'))]).toEqual([
      0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1,
    ]);
  });

  test('there and back, also from the middle of a buffer', () => {
    fc.assert(
      fc.property(anyIp, (any) => {
        const bytes = ipToBytes(any);
        const larger = Uint8Array.of(9, ...bytes, 9);
        expect(ipFromBytes(bytes)).toEqual(any);
        expect(ipFromBytes(larger.subarray(1, 1 + bytes.length))).toEqual(any);
      }),
    );
    fc.assert(fc.property(anyV6, (any) => expect(mappedBytes(any)).toEqual(ipToBytes(any))));
  });

  test('any other length is a broken invariant', () => {
    expect(() => ipFromBytes(new Uint8Array(6))).toThrow('4 or 16 bytes');
  });
});

test('order: IPv4 first, then by value', () => {
  const list = ['2001:db8::1', '198.51.100.1', '::', '192.0.2.10', '192.0.2.9'].map(ip);
  expect(list.toSorted(compareIp).map(formatIp)).toEqual([
    '192.0.2.9',
    '192.0.2.10',
    '198.51.100.1',
    '::',
    '2001:db8::1',
  ]);
  expect(sameIp(ip('0.0.0.0'), ip('::'))).toBe(false);
  expect(sameIp(ip('::1'), ip('0::1'))).toBe(true);
});

test('the solicited-node group keeps the low 24 bits (RFC 4291 2.7.1)', () => {
  expect(formatIp(solicitedNode(ip('4037::01:800:200E:8C6C')))).toBe('ff02::1:ff0e:8c6c');
  expect(formatIp(solicitedNode(ip('2001:db8::ffff:ffff')))).toBe('ff02::1:ffff:ffff');
  expect(() => solicitedNode(ip('192.0.2.1'))).toThrow('IPv6 only');
});
