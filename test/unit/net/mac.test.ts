/** MAC text and bytes, and the multicast mapping of RFC 2464 section 7. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { macFromBytes, macToBytes, multicastMac, parseMac } from '../../../net/mac.ts';
import { anyMac, ip } from './arbitrary.ts';

test.each(['02:64:00:00:00:0A', '02-64-00-00-00-0a'])('%s is made canonical', (text) => {
  expect(parseMac(text)).toEqual({ ok: true, value: '02:64:00:00:00:0a' });
});

test.each(['', '02:64:00:00:00', '02:64:00:00:00:0a:0b', '2:64:0:0:0:a', '02-64:00:00:00:0a'])(
  'refuses %j',
  (text) => {
    const error = `${JSON.stringify(text)} is not a MAC address such as 02:64:00:00:00:01`;
    expect(parseMac(text)).toEqual({ ok: false, error });
  },
);

test('there and back', () => {
  expect([...macToBytes('02:64:00:00:00:ff')]).toEqual([2, 0x64, 0, 0, 0, 255]);
  fc.assert(
    fc.property(anyMac, (mac) => {
      expect(macFromBytes(macToBytes(mac))).toBe(mac);
      expect(parseMac(mac.toUpperCase())).toEqual({ ok: true, value: mac });
    }),
  );
  expect(() => macToBytes('02:64')).toThrow('6 bytes');
});

test('a group goes to 33:33 and its low 32 bits', () => {
  expect(multicastMac(ip('ff02::1'))).toBe('33:33:00:00:00:01');
  expect(multicastMac(ip('ff02::1:ff0e:8c6c'))).toBe('33:33:ff:0e:8c:6c');
  expect(() => multicastMac(ip('2001:db8::1'))).toThrow('not an IPv6 multicast group');
});
