/** Ethernet II headers byte by byte, with and without an IEEE 802.1Q tag. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ETHERTYPE, emitEthernet, parseEthernet, untagged, vlanId } from '../../../net/ethernet.ts';
import type { EthernetHeader, VlanTag } from '../../../net/ethernet.ts';
import { anyMac, hex } from './arbitrary.ts';

const plain: EthernetHeader = {
  destination: 'ff:ff:ff:ff:ff:ff',
  source: '02:64:00:00:00:09',
  tag: undefined,
  type: ETHERTYPE.arp,
};
const tagged: EthernetHeader = { ...plain, tag: { protocol: ETHERTYPE.vlan, control: 0x6064 } };

const anyTag = fc.option(
  fc.record<VlanTag>({
    protocol: fc.constantFrom(ETHERTYPE.vlan, ETHERTYPE.serviceVlan),
    control: fc.nat({ max: 0xffff }),
  }),
  { nil: undefined },
);
const anyHeader = fc.record<EthernetHeader>({
  destination: anyMac,
  source: anyMac,
  tag: anyTag,
  type: fc.nat({ max: 0xffff }).filter((type) => type !== 0x8100 && type !== 0x88a8),
});

describe('layout', () => {
  test('untagged', () => {
    const frame = hex('ffffffffffff 026400000009 0806 0102');
    expect(emitEthernet(plain, hex('0102'))).toEqual(frame);
    expect(parseEthernet(frame)).toEqual({
      ok: true,
      value: { header: plain, payload: hex('0102') },
    });
  });

  test('tagged for VLAN 100 with priority 3', () => {
    const frame = hex('ffffffffffff 026400000009 8100 6064 0806 0102');
    expect(emitEthernet(tagged, hex('0102'))).toEqual(frame);
    expect(parseEthernet(frame)).toEqual({
      ok: true,
      value: { header: tagged, payload: hex('0102') },
    });
    expect(vlanId({ protocol: ETHERTYPE.vlan, control: 0x6064 })).toBe(100);
    expect(vlanId({ protocol: ETHERTYPE.vlan, control: 0xfffe })).toBe(4094);
  });

  test('padding is zeros', () => {
    expect(emitEthernet(plain, hex('0102'), 20)).toEqual(
      hex('ffffffffffff 026400000009 0806 0102 00000000'),
    );
  });
});

test.each([
  ['', 'frame of 0 bytes is shorter than an Ethernet header'],
  ['ffffffffffff 026400000009 08', 'frame of 13 bytes is shorter than an Ethernet header'],
  ['ffffffffffff 026400000009 8100 0064 08', 'frame of 17 bytes ends inside its VLAN tag'],
])('refuses %j', (dump, error) => {
  expect(parseEthernet(hex(dump))).toEqual({ ok: false, error });
});

test('a protocol gets only its own untagged payload', () => {
  const payload = hex('01');
  expect(untagged({ header: plain, payload }, ETHERTYPE.arp)).toEqual({ ok: true, value: payload });
  expect(untagged({ header: plain, payload }, ETHERTYPE.ipv6)).toEqual({
    ok: false,
    error: 'EtherType is 0x0806, not 0x86dd',
  });
  expect(untagged({ header: tagged, payload }, ETHERTYPE.arp)).toEqual({
    ok: false,
    error: 'frame is tagged for VLAN 100',
  });
});

test('parse gives back what emit was given, and never throws', () => {
  fc.assert(
    fc.property(anyHeader, fc.uint8Array({ maxLength: 64 }), (header, payload) => {
      const frame = emitEthernet(header, payload);
      expect(parseEthernet(frame)).toEqual({ ok: true, value: { header, payload } });
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      expect(() => parseEthernet(bytes)).not.toThrow();
    }),
  );
});
