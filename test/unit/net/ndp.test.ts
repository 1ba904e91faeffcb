/** RFC 4861 messages byte by byte, what a receiver must refuse, and the answers to each form. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { icmp6Checksum } from '../../../net/checksum.ts';
import { ipFromBytes } from '../../../net/ip.ts';
import {
  UNSPECIFIED_V6,
  emitNdp,
  neighborAdvertisement,
  neighborSolicitation,
  parseNdp,
  unsolicitedAdvertisement,
} from '../../../net/ndp.ts';
import type { NdpFrame, NeighborSolicitation } from '../../../net/ndp.ts';
import { anyMac, anyV6, hex, ip } from './arbitrary.ts';

const vip = ip('2001:db8::f0');
const client = ip('2001:db8::9');
const vipMac = '02:64:00:00:00:01';
const clientMac = '02:64:00:00:00:09';

const whoHas = hex(`
  3333ff0000f0 026400000009 86dd
  60000000 0020 3a ff
  20010db8000000000000000000000009 ff0200000000000000000001ff0000f0
  87 00 19d7 00000000
  20010db80000000000000000000000f0
  01 01 026400000009`);
const isAt = hex(`
  026400000009 026400000001 86dd
  60000000 0020 3a ff
  20010db80000000000000000000000f0 20010db8000000000000000000000009
  88 00 882a 60000000
  20010db80000000000000000000000f0
  02 01 026400000001`);
const probe = hex(`
  3333ff0000f0 026400000009 86dd
  60000000 0020 3a ff
  00000000000000000000000000000000 ff0200000000000000000001ff0000f0
  87 00 5218 00000000
  20010db80000000000000000000000f0
  0e 01 a1a2a3a4a5a6`);
const announcement = hex(`
  333300000001 026400000001 86dd
  60000000 0020 3a ff
  20010db80000000000000000000000f0 ff020000000000000000000000000001
  88 00 f6e8 20000000
  20010db80000000000000000000000f0
  02 01 026400000001`);

/** A frame with bytes replaced from `offset` on, and the checksum made right again. */
function changed(frame: Uint8Array, offset: number, dump: string): Uint8Array {
  const copy = frame.slice();
  copy.set(hex(dump), offset);
  const message = copy.subarray(54);
  message.set([0, 0], 2);
  const from = ipFromBytes(copy.subarray(22, 38));
  const sum = icmp6Checksum(from, ipFromBytes(copy.subarray(38, 54)), message);
  message.set([sum >> 8, sum & 255], 2);
  return copy;
}

/** The solicitation with these bytes as its options. */
function withOptions(dump: string): Uint8Array {
  const options = hex(dump);
  const frame = Uint8Array.of(...whoHas.subarray(0, 78), ...options);
  return changed(frame, 19, (24 + options.length).toString(16).padStart(2, '0'));
}

function asked(frame: Uint8Array): NeighborSolicitation {
  const result = parseNdp(frame);
  if (!result.ok) throw new Error(result.error);
  if (result.value.kind !== 'solicitation') throw new Error('not a solicitation');
  return result.value;
}

function refusal(frame: Uint8Array): unknown {
  const result = parseNdp(frame);
  return result.ok ? result.value : result.error;
}

describe('layout', () => {
  test('solicitation, to the solicited-node group', () => {
    const frame = neighborSolicitation(vip, client, clientMac);
    expect(emitNdp(frame)).toEqual(whoHas);
    expect(parseNdp(whoHas)).toEqual({ ok: true, value: frame });
  });

  test('advertisement: solicited, Override, to the asker', () => {
    const frame = neighborAdvertisement(asked(whoHas), vipMac);
    expect(emitNdp(frame)).toEqual(isAt);
    expect(parseNdp(isAt)).toEqual({ ok: true, value: frame });
  });

  test('probe from ::, with a nonce and no link-layer address (RFC 4862, 7527)', () => {
    const nonce = hex('a1a2a3a4a5a6');
    const frame = neighborSolicitation(vip, UNSPECIFIED_V6, clientMac, nonce);
    expect(emitNdp(frame)).toEqual(probe);
    expect(parseNdp(probe)).toEqual({ ok: true, value: frame });
  });

  test('a probe is answered to all nodes, not solicited (RFC 4862 5.4.4)', () => {
    expect(emitNdp(neighborAdvertisement(asked(probe), vipMac))).toEqual(announcement);
  });

  test('announcement (RFC 4861 7.2.6)', () => {
    expect(emitNdp(unsolicitedAdvertisement(vip, vipMac))).toEqual(announcement);
  });
});

describe('options', () => {
  test('without a source link-layer option the Ethernet source is answered', () => {
    const bare = withOptions('');
    expect(asked(bare).sourceMac).toBeUndefined();
    expect(neighborAdvertisement(asked(bare), vipMac).destination).toBe(clientMac);
  });

  test('with one, it is answered, whoever relayed the frame', () => {
    const relayed = withOptions('0101 026400000077');
    expect(neighborAdvertisement(asked(relayed), vipMac).destination).toBe('02:64:00:00:00:77');
  });

  test('unknown ones are stepped over, the first of each kind counts', () => {
    const frame = withOptions(`fd02 ${'00'.repeat(14)} 0e01 a1a2a3a4a5a6
      0101 026400000077 0101 026400000088`);
    expect(asked(frame)).toMatchObject({
      sourceMac: '02:64:00:00:00:77',
      nonce: hex('a1a2a3a4a5a6'),
    });
  });

  test.each([
    ['length zero', '0e00 000000000000', 'neighbor option has length zero'],
    ['cut short', '0e02 000000000000', 'neighbor option is cut short'],
    ['one byte', '0e', 'neighbor option has length zero'],
    ['InfiniBand', `0102 ${'00'.repeat(14)}`, 'link-layer option is not for Ethernet'],
  ])('%s is malformed', (_, dump, sentence) => {
    expect(refusal(withOptions(dump))).toBe(sentence);
  });
});

describe('refuses', () => {
  test.each<[string, Uint8Array, string]>([
    ['an empty frame', hex(''), 'frame of 0 bytes is shorter than an Ethernet header'],
    ['IPv4', whoHas.with(12, 0x08).with(13, 0), 'EtherType is 0x0800, not 0x86dd'],
    ['a cut header', whoHas.subarray(0, 53), 'IPv6 packet of 39 bytes, needs 40'],
    ['a cut packet', whoHas.subarray(0, 85), 'IPv6 packet is cut short'],
    ['version 4', changed(whoHas, 14, '40'), 'IP version is 4, not 6'],
    ['UDP', changed(whoHas, 20, '11'), 'IPv6 next header is 17, not ICMPv6'],
    ['a router', changed(whoHas, 21, 'fe'), 'hop limit is 254, not 255: not from this link'],
    ['a group that asks', changed(whoHas, 22, 'ff02'), 'IPv6 source is a multicast address'],
    ['an empty message', whoHas.with(19, 0), 'ICMPv6 type missing is no neighbor message'],
    ['a ping', changed(whoHas, 54, '80'), 'ICMPv6 type 128 is no neighbor message'],
    ['a code', changed(whoHas, 55, '01'), 'ICMPv6 code is 1, not 0'],
    ['a cut message', whoHas.with(19, 23), 'neighbor message of 23 bytes, needs 24'],
    ['a wrong sum', whoHas.with(57, 0xd8), 'ICMPv6 checksum is wrong'],
    [
      'a multicast target',
      changed(whoHas, 62, 'ff02'),
      'target of a neighbor message is a multicast address',
    ],
    [
      'a probe to a host',
      changed(probe, 38, '20010db80000000000000000000000f0'),
      'solicitation from :: is not sent to the solicited-node group of its target',
    ],
    [
      'a probe that tells its MAC',
      changed(probe, 78, '0101 026400000009'),
      'solicitation from :: has a source link-layer option',
    ],
    [
      'a solicited announcement',
      changed(announcement, 58, '60'),
      'advertisement to a multicast group claims to be solicited',
    ],
  ])('%s', (_, frame, sentence) => {
    expect(refusal(frame)).toBe(sentence);
  });

  test('IPv4 addresses, as a broken invariant', () => {
    expect(() => neighborSolicitation(ip('192.0.2.1'), client, clientMac)).toThrow('IPv6 only');
    const odd = neighborSolicitation(vip, client, clientMac, hex('a1a2'));
    expect(() => emitNdp(odd)).toThrow('a nonce fills its option');
  });
});

test('padding after the packet is no part of it', () => {
  expect(parseNdp(Uint8Array.of(...whoHas, 0, 0, 0))).toEqual(parseNdp(whoHas));
});

const anyUnicast = anyV6.filter((any) => any.value >> 120n !== 0xffn && any.value !== 0n);
const header = {
  destination: anyMac,
  source: anyMac,
  from: anyUnicast,
  to: anyUnicast,
  target: anyUnicast,
};
const anyFrame: fc.Arbitrary<NdpFrame> = fc.oneof(
  fc.record({
    ...header,
    kind: fc.constant('solicitation' as const),
    sourceMac: fc.option(anyMac, { nil: undefined }),
    nonce: fc.option(
      fc.constantFrom(6, 14).chain((n) => fc.uint8Array({ minLength: n, maxLength: n })),
      { nil: undefined },
    ),
  }),
  fc.record({
    ...header,
    kind: fc.constant('advertisement' as const),
    router: fc.boolean(),
    solicited: fc.boolean(),
    override: fc.boolean(),
    targetMac: fc.option(anyMac, { nil: undefined }),
  }),
);

test('parse gives back what emit was given', () => {
  fc.assert(
    fc.property(anyFrame, (frame) => {
      expect(parseNdp(emitNdp(frame))).toEqual({ ok: true, value: frame });
    }),
  );
});

const anyAsker = fc.oneof(anyUnicast, fc.constant(UNSPECIFIED_V6));

test('every answer is a valid message for the target', () => {
  fc.assert(
    fc.property(anyUnicast, anyAsker, anyMac, (target, from, mac) => {
      const question = neighborSolicitation(target, from, '02:64:00:00:00:09');
      const answer = parseNdp(emitNdp(neighborAdvertisement(question, mac)));
      expect(answer).toMatchObject({ ok: true, value: { target, from: target, targetMac: mac } });
    }),
  );
});

test('random bytes after a valid start never throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat({ max: 86 }), (bytes, keep) => {
      const frame = Uint8Array.of(...whoHas.subarray(0, keep), ...bytes);
      const summed = keep < 78 ? frame : changed(frame, 0, '');
      expect(() => [parseNdp(frame), parseNdp(summed)]).not.toThrow();
    }),
    { numRuns: 1000 },
  );
});
