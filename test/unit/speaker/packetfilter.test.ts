/**
 * The filter before the packet sockets, run by a small machine for classic BPF; that the kernel
 * takes it and agrees is shown in test/lab/packetframes.test.ts.
 */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { arpRequest, emitArp, gratuitousReply, gratuitousRequest } from '../../../net/arp.ts';
import { ipFromBytes } from '../../../net/ip.ts';
import type { Ip } from '../../../net/ip.ts';
import { emitNdp, neighborSolicitation, unsolicitedAdvertisement } from '../../../net/ndp.ts';
import { cover, holds } from '../../../speaker/cover.ts';
import { packetFilter } from '../../../speaker/packetfilter.ts';
import {
  CLIENT4,
  CLIENT6,
  CLIENT_MAC,
  REQUEST,
  SOLICITATION,
  VIP4,
  VIP6,
  changed,
  ip,
} from '../../contract/questions.ts';

/** How many bytes of the frame it gives. */
function run(program: Uint8Array, frame: Uint8Array): number {
  const code = new DataView(program.buffer);
  const scratch: number[] = [];
  let accumulator = 0;
  for (let at = 0; ; at += 8) {
    const k = code.getUint32(at + 4, true);
    const size = { 0x30: 1, 0x28: 2, 0x20: 4 }[code.getUint16(at, true)];
    if (size !== undefined) {
      if (k + size > frame.length) return 0;
      accumulator = [...frame.subarray(k, k + size)].reduce((sum, byte) => sum * 256 + byte, 0);
      continue;
    }
    switch (code.getUint16(at, true)) {
      case 0x60:
        accumulator = scratch[k] ?? 0;
        break;
      case 0x02:
        scratch[k] = accumulator;
        break;
      case 0x54:
        accumulator = (accumulator & k) >>> 0;
        break;
      case 0x05:
        at += k * 8;
        break;
      case 0x15:
        at += code.getUint8(at + (accumulator === k ? 2 : 3)) * 8;
        break;
      case 0x06:
        return k;
      default:
        throw new Error(`unknown instruction at ${at / 8}`);
    }
  }
}

const only4 = packetFilter(4, [{ value: VIP4.value, length: 32 }]);
const only6 = packetFilter(6, [{ value: VIP6.value, length: 128 }]);

function solicited(target: Ip, from: Ip): Uint8Array {
  return emitNdp(neighborSolicitation(target, from, CLIENT_MAC));
}

function advertised(target: Ip): Uint8Array {
  return emitNdp(unsolicitedAdvertisement(target, CLIENT_MAC));
}

function question(target: Ip): Uint8Array {
  return target.family === 4
    ? emitArp(arpRequest(target, CLIENT4, CLIENT_MAC))
    : solicited(target, ip('fe80::1'));
}

describe('packetFilter', () => {
  test('lets questions through, whole', () => {
    expect(run(only4, REQUEST)).toBeGreaterThanOrEqual(1518);
    expect(run(only6, SOLICITATION)).toBeGreaterThanOrEqual(1518);
  });

  test.each([
    ['another address', only4, question(ip('192.0.2.241'))],
    ['an ARP reply from another address', only4, changed(REQUEST, 21, 2)],
    ['a reverse ARP request', only4, changed(REQUEST, 21, 3)],
    ['an ARP frame cut short', only4, REQUEST.subarray(0, 41)],
    ['another address', only6, question(ip('2001:db8:0:1::240'))],
    ['an advertisement of another address', only6, advertised(ip('2001:db8:0:1::240'))],
    ['a redirect', only6, changed(SOLICITATION, 54, 137)],
    ['another protocol', only6, changed(SOLICITATION, 20, 6)],
    ['a solicitation cut short', only6, SOLICITATION.subarray(0, 77)],
  ])('drops %s', (_, program, frame) => {
    expect(run(program, frame)).toBe(0);
  });

  test.each([
    ['an ARP reply', only4, emitArp(gratuitousReply(VIP4, CLIENT_MAC))],
    ['an announcement', only4, emitArp(gratuitousRequest(VIP4, CLIENT_MAC))],
    ['a question from the address', only4, emitArp(arpRequest(CLIENT4, VIP4, CLIENT_MAC))],
    ['an advertisement', only6, advertised(VIP6)],
    ['a solicitation from the address', only6, solicited(CLIENT6, VIP6)],
  ])('lets through a claim: %s', (_, program, frame) => {
    expect(run(program, frame)).toBeGreaterThan(frame.length);
  });

  test('without addresses, drops everything', () => {
    expect(run(packetFilter(4, []), REQUEST)).toBe(0);
    expect(run(packetFilter(6, []), SOLICITATION)).toBe(0);
  });

  test.each([
    [4, 32],
    [6, 128],
  ] as const)('lets through what its prefixes hold: family %i', (family, width) => {
    const address = fc
      .uint8Array({ minLength: width / 8, maxLength: width / 8 })
      .map((bytes) => ipFromBytes(Uint8Array.of(0x20, ...bytes.subarray(1))));
    const flip = fc.integer({ min: 0, max: width - 9 });
    fc.assert(
      fc.property(
        fc.array(address, { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 1, max: 4 }),
        flip,
        (ips, most, bit) => {
          const exact = ips.map(({ value }) => ({ value, length: width }));
          const prefixes = cover(exact, most, width);
          const program = packetFilter(family, prefixes);
          for (const { value } of ips) {
            for (const asked of [value, value ^ (1n << BigInt(bit))]) {
              const held = prefixes.some((prefix) => holds(prefix, asked, width));
              const frame = question({ family, value: asked });
              expect(run(program, frame) > 0).toBe(held);
            }
          }
        },
      ),
    );
  });

  test('is small enough for the oldest limit with 32 addresses far apart', () => {
    const spread = Array.from({ length: 32 }, (_, n) => ({
      value: BigInt(n * n * n) << 90n,
      length: 128,
    }));
    const program = packetFilter(6, cover(spread, 32, 128));
    const code = new DataView(program.buffer);
    let kernel = 200;
    for (let at = 0; at < program.length; at += 8) {
      // The kernel's own form: some of the steps take more than one.
      const steps = { 0x30: 9, 0x28: 9, 0x20: 9, 0x15: 2, 0x06: 2 }[code.getUint16(at, true)];
      kernel += 8 * (steps ?? 1);
    }
    expect(kernel).toBeLessThan(20_480 / 2);
  });
});
