/** RFC 826 packets byte by byte, and what RFC 5227 and Linux ask of their uses. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  arpProbe,
  arpReply,
  arpRequest,
  emitArp,
  gratuitousReply,
  gratuitousRequest,
  parseArp,
} from '../../../net/arp.ts';
import type { ArpFrame } from '../../../net/arp.ts';
import { anyMac, anyV4, hex, ip } from './arbitrary.ts';

const vip = ip('192.0.2.240');
const client = ip('192.0.2.9');
const vipMac = '02:64:00:00:00:01';
const clientMac = '02:64:00:00:00:09';

const whoHas = hex(`
  ffffffffffff 026400000009 0806
  0001 0800 06 04 0001
  026400000009 c0000209
  000000000000 c00002f0`);
const isAt = hex(`
  026400000009 026400000001 0806
  0001 0800 06 04 0002
  026400000001 c00002f0
  026400000009 c0000209`);

const anyFrame = fc.record<ArpFrame>({
  destination: anyMac,
  source: anyMac,
  kind: fc.constantFrom('request', 'reply'),
  senderMac: anyMac,
  senderIp: anyV4,
  targetMac: anyMac,
  targetIp: anyV4,
});

describe('layout', () => {
  test('request', () => {
    const frame = arpRequest(vip, client, clientMac);
    expect(emitArp(frame)).toEqual(whoHas);
    expect(parseArp(whoHas)).toEqual({ ok: true, value: frame });
  });

  test('reply, to the asker only', () => {
    const frame = arpReply(arpRequest(vip, client, clientMac), vipMac);
    expect(emitArp(frame)).toEqual(isAt);
    expect(parseArp(isAt)).toEqual({ ok: true, value: frame });
  });

  test('padded to the shortest frame of a wire', () => {
    const padded = emitArp(arpRequest(vip, client, clientMac), 'padded');
    expect(padded).toHaveLength(60);
    expect(padded.subarray(0, 42)).toEqual(whoHas);
    expect(parseArp(padded)).toEqual(parseArp(whoHas));
  });

  test('the reply goes where the packet says, whoever relayed the frame', () => {
    const relayed = { ...arpRequest(vip, client, clientMac), source: '02:64:00:00:00:99' };
    expect(arpReply(relayed, vipMac).destination).toBe(clientMac);
  });
});

describe('RFC 5227', () => {
  test('probe: sender 0.0.0.0, target MAC zero, broadcast', () => {
    expect(emitArp(arpProbe(vip, vipMac))).toEqual(
      hex(`ffffffffffff 026400000001 0806 0001 0800 06 04 0001
           026400000001 00000000 000000000000 c00002f0`),
    );
  });

  test('announcement: request form, sender and target the same address', () => {
    expect(emitArp(gratuitousRequest(vip, vipMac))).toEqual(
      hex(`ffffffffffff 026400000001 0806 0001 0800 06 04 0001
           026400000001 c00002f0 000000000000 c00002f0`),
    );
  });

  test('reply form: target MAC is the own MAC, or Linux waits out its locktime', () => {
    expect(emitArp(gratuitousReply(vip, vipMac))).toEqual(
      hex(`ffffffffffff 026400000001 0806 0001 0800 06 04 0002
           026400000001 c00002f0 026400000001 c00002f0`),
    );
  });
});

describe('refuses', () => {
  test.each<[string, Uint8Array, string]>([
    ['an empty frame', hex(''), 'frame of 0 bytes is shorter than an Ethernet header'],
    ['a cut packet', whoHas.subarray(0, 41), 'ARP packet of 27 bytes, needs 28'],
    ['another EtherType', whoHas.with(13, 0x00), 'EtherType is 0x0800, not 0x0806'],
    ['hardware other than Ethernet', whoHas.with(15, 6), 'ARP packet is not for Ethernet'],
    ['a protocol other than IPv4', whoHas.with(17, 1), 'ARP packet is not for Ethernet'],
    ['long hardware addresses', whoHas.with(18, 8), 'ARP packet is not for Ethernet'],
    ['long protocol addresses', whoHas.with(19, 16), 'ARP packet is not for Ethernet'],
    ['RARP', whoHas.with(21, 3), 'ARP operation 3 is neither request nor reply'],
    [
      'a tag of another VLAN',
      hex('ffffffffffff 026400000009 8100 0064 0806 0001'),
      'frame is tagged for VLAN 100',
    ],
  ])('%s', (_, frame, sentence) => {
    const result = parseArp(frame);
    expect(result.ok ? result.value : result.error).toContain(sentence);
  });

  test('IPv6 addresses, as a broken invariant', () => {
    expect(() => emitArp(arpRequest(ip('2001:db8::1'), client, clientMac))).toThrow('IPv4');
  });
});

test('parse gives back what emit was given', () => {
  fc.assert(
    fc.property(anyFrame, fc.constantFrom('bare', 'padded'), (frame, padding) => {
      expect(parseArp(emitArp(frame, padding))).toEqual({ ok: true, value: frame });
    }),
  );
});

/** Valid up to a random byte, random from there on. */
const nearly = fc
  .tuple(fc.uint8Array({ minLength: 42, maxLength: 42 }), fc.nat({ max: 42 }))
  .map(([bytes, from]) => Uint8Array.of(...whoHas.subarray(0, from), ...bytes.subarray(from)));

test('what parses is emitted byte for byte', () => {
  const frames = nearly.filter((bytes) => parseArp(bytes).ok);
  fc.assert(
    fc.property(frames, (bytes) => {
      const result = parseArp(bytes);
      expect(result.ok && emitArp(result.value)).toEqual(bytes);
    }),
  );
});

test('random bytes never throw', () => {
  fc.assert(
    fc.property(fc.oneof(nearly, fc.uint8Array({ maxLength: 64 })), (bytes) => {
      expect(() => parseArp(bytes)).not.toThrow();
    }),
  );
});
