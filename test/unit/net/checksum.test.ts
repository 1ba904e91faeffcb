/** The sum of RFC 1071 section 3, and the property that receivers rely on. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { icmp6Checksum } from '../../../net/checksum.ts';
import { anyV6, hex, ip } from './arbitrary.ts';

test('RFC 1071 3: 0001 f203 f4f5 f6f7 sums to ddf2', () => {
  const message = hex('0001 f203 f4f5 f6f7');
  const pseudo = message.length + 58;
  expect(icmp6Checksum(ip('::'), ip('::'), message)).toBe(0xffff - (0xddf2 + pseudo));
});

test('an odd last byte is the high half of a word', () => {
  const even = icmp6Checksum(ip('::'), ip('::'), hex('0102 0300'));
  expect(icmp6Checksum(ip('::'), ip('::'), hex('0102 03'))).toBe(even + 1);
});

test('a message with its checksum in place sums to 0', () => {
  const body = fc.uint8Array({ minLength: 4, maxLength: 80 });
  fc.assert(
    fc.property(anyV6, anyV6, body, (from, to, bytes) => {
      const message = bytes.with(2, 0).with(3, 0);
      const sum = icmp6Checksum(from, to, message);
      expect(icmp6Checksum(from, to, message.with(2, sum >> 8).with(3, sum & 255))).toBe(0);
    }),
  );
});
