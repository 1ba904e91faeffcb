/** One line for every frame, whatever its bytes. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  arpProbe,
  arpReply,
  arpRequest,
  emitArp,
  gratuitousReply,
  gratuitousRequest,
} from '../../../net/arp.ts';
import {
  UNSPECIFIED_V6,
  emitNdp,
  neighborAdvertisement,
  neighborSolicitation,
  unsolicitedAdvertisement,
} from '../../../net/ndp.ts';
import { pretty } from '../../../net/pretty.ts';
import { hex, ip } from './arbitrary.ts';

const vip = ip('192.0.2.240');
const vip6 = ip('2001:db8::f0');
const mac = '02:64:00:00:00:01';
const clientMac = '02:64:00:00:00:09';
const asked = arpRequest(vip, ip('192.0.2.9'), clientMac);
const asked6 = neighborSolicitation(vip6, ip('2001:db8::9'), clientMac);
const probe6 = neighborSolicitation(vip6, UNSPECIFIED_V6, clientMac, hex('a1a2a3a4a5a6'));

test.each<[string, Uint8Array]>([
  ['ARP who-has 192.0.2.240 tell 192.0.2.9 (02:64:00:00:00:09)', emitArp(asked)],
  [
    'ARP who-has 192.0.2.240 tell 192.0.2.9 (02:64:00:00:00:09) to 02:64:00:00:00:01',
    emitArp({ ...asked, destination: mac }),
  ],
  [
    'ARP reply 192.0.2.240 is-at 02:64:00:00:00:01 to 02:64:00:00:00:09',
    emitArp(arpReply(asked, mac)),
  ],
  ['ARP probe 192.0.2.240 (02:64:00:00:00:01)', emitArp(arpProbe(vip, mac))],
  ['ARP announce 192.0.2.240 (02:64:00:00:00:01)', emitArp(gratuitousRequest(vip, mac))],
  [
    'ARP reply 192.0.2.240 is-at 02:64:00:00:00:01 (gratuitous)',
    emitArp(gratuitousReply(vip, mac)),
  ],
  [
    'NDP who-has 2001:db8::f0 tell 2001:db8::9 (02:64:00:00:00:09) to ff02::1:ff00:f0',
    emitNdp(asked6),
  ],
  ['NDP probe 2001:db8::f0 (02:64:00:00:00:09) nonce to ff02::1:ff00:f0', emitNdp(probe6)],
  [
    'NDP advertise 2001:db8::f0 is-at 02:64:00:00:00:01 (S O) to 2001:db8::9',
    emitNdp(neighborAdvertisement(asked6, mac)),
  ],
  [
    'NDP advertise 2001:db8::f0 is-at 02:64:00:00:00:01 (O) to ff02::1',
    emitNdp(unsolicitedAdvertisement(vip6, mac)),
  ],
  ['(frame of 2 bytes is shorter than an Ethernet header)', hex('0102')],
  [
    '02:64:00:00:00:09 > 02:64:00:00:00:01 type 0x0800 15 bytes',
    hex('026400000001 026400000009 0800 45'),
  ],
  [
    '02:64:00:00:00:09 > ff:ff:ff:ff:ff:ff type 0x0806 42 bytes ' +
      '(ARP operation 9 is neither request nor reply)',
    emitArp(asked).with(21, 9),
  ],
  [
    '02:64:00:00:00:09 > ff:ff:ff:ff:ff:ff vlan 100 type 0x0806 18 bytes ' +
      '(frame is tagged for VLAN 100)',
    hex('ffffffffffff 026400000009 8100 0064 0806'),
  ],
])('%s', (line, frame) => {
  expect(pretty(frame)).toBe(line);
});

test('always one line', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      expect(pretty(bytes)).toMatch(/^[^\n]+$/);
    }),
  );
});
