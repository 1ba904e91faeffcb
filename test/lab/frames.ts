/**
 * Frames of all kinds for a data plane, as fast-check makes them: well-formed questions and claims,
 * such with some bytes changed or cut off, and noise. One address for every fate; the announcements
 * to go with them.
 */
import { expect } from '@jest/globals';
import fc from 'fast-check';
import { arpRequest, emitArp } from '../../net/arp.ts';
import { icmp6Checksum } from '../../net/checksum.ts';
import { formatIp, ipFromBytes } from '../../net/ip.ts';
import type { Ip } from '../../net/ip.ts';
import { macFromBytes, macToBytes } from '../../net/mac.ts';
import { UNSPECIFIED_V6, emitNdp, neighborSolicitation } from '../../net/ndp.ts';
import type { Announcement, PlaneLink, Sighting } from '../../speaker/dataplane.ts';
import type { Response } from '../../speaker/respond.ts';
import { ip } from '../contract/questions.ts';

export const ADDRESSES: readonly string[] = ['192.0.2.240', '2001:db8::240'];
export const RESTRICTED: readonly string[] = ['192.0.2.241', '2001:db8::241'];
export const WATCHED: readonly string[] = ['192.0.2.243', '2001:db8::243'];
const UNKNOWN: readonly string[] = ['192.0.2.242', '2001:db8::242', 'ff02::1'];

export const OURS: readonly Ip[] = [...ADDRESSES, ...RESTRICTED, ...WATCHED].map(ip);
const addresses = [...OURS, ...UNKNOWN.map(ip)];
const target4 = fc.constantFrom(...addresses.filter(({ family }) => family === 4));
const target6 = fc.constantFrom(...addresses.filter(({ family }) => family === 6));
const bytes = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length });
const mac = fc.oneof(
  bytes(6).map(macFromBytes),
  fc.constantFrom('ff:ff:ff:ff:ff:ff', '02:64:00:00:00:01'),
);
const source6: fc.Arbitrary<Ip> = fc.oneof(
  bytes(16).map(ipFromBytes),
  fc.constantFrom(UNSPECIFIED_V6, ip('2001:db8::1'), ip('fe80::1')),
  fc.constantFrom(...OURS.filter(({ family }) => family === 6)),
);
const source4: fc.Arbitrary<Ip> = fc.oneof(
  bytes(4).map(ipFromBytes),
  target4,
  fc.constant(ip('0.0.0.0')),
);

const arpFrame = fc
  .record({
    target: target4,
    from: source4,
    mac,
    same: fc.boolean(),
    operation: fc.constantFrom(1, 1, 1, 2, 2, 3),
    padding: fc.constantFrom('bare' as const, 'padded' as const),
  })
  .map(({ target, from, mac: sender, same, operation, padding }) => {
    const frame = emitArp(arpRequest(target, same ? target : from, sender), padding);
    frame[21] = operation;
    return frame;
  });

/** Options as the wire has them, sound or not; the checksum is right all the same. */
const option = fc
  .record({ type: fc.constantFrom(1, 2, 14, 5), length: fc.constantFrom(1, 1, 1, 1, 2, 0) })
  .chain(({ type, length }) =>
    bytes(Math.max(length, 1) * 8 - 2).map((data) => Uint8Array.of(type, length, ...data)),
  );
const ndpFrame = fc
  .record({
    target: target6,
    from: source6,
    mac,
    options: fc.array(option, { maxLength: 6 }),
    type: fc.constantFrom(135, 135, 136),
    flags: fc.constantFrom(0, 0x20, 0x60, 0xe0),
    toSender: fc.boolean(),
  })
  .map(({ target, from, mac: sender, options, type, flags, toSender }) => {
    const plain = target.value >> 120n === 0xffn ? ip('2001:db8::240') : target;
    const asked = neighborSolicitation(plain, from, sender);
    const to = toSender ? ip('2001:db8::1') : asked.to;
    const frame = emitNdp({ ...asked, to: type === 136 ? to : asked.to, sourceMac: undefined });
    frame.set([type], 54);
    if (type === 136) frame.set([flags], 58);
    return withOptions(frame, options);
  });

function withOptions(frame: Uint8Array, options: readonly Uint8Array[]): Uint8Array {
  const added = options.flatMap((one) => [...one]);
  const whole = Uint8Array.of(...frame, ...added);
  const view = new DataView(whole.buffer);
  view.setUint16(18, 24 + added.length);
  view.setUint16(56, 0);
  const [from, to] = [whole.slice(22, 38), whole.slice(38, 54)].map(ipFromBytes);
  view.setUint16(56, icmp6Checksum(from as Ip, to as Ip, whole.subarray(54)));
  return whole;
}

const damage = fc.array(fc.tuple(fc.nat({ max: 93 }), fc.nat({ max: 255 })), { maxLength: 3 });
const damaged = fc
  .tuple(fc.oneof(arpFrame, ndpFrame), damage, fc.nat({ max: 120 }))
  .map(([frame, changes, length]) => {
    const copy = frame.slice(0, Math.max(14, length));
    for (const [at, byte] of changes) copy[at] = byte;
    return copy;
  });
const noise = fc
  .tuple(fc.constantFrom([8, 6], [0x86, 0xdd], [8, 0]), fc.uint8Array({ maxLength: 120 }))
  .map(([type, rest]) =>
    Uint8Array.of(...new Uint8Array(6).fill(255), 2, 0, 0, 0, 0, 1, ...type, ...rest),
  );

/** Sent to the group, to the link itself, or to another host, or by the link: see `deliver`. */
export const delivered = fc
  .tuple(fc.oneof(arpFrame, arpFrame, ndpFrame, ndpFrame, damaged, noise), fc.nat({ max: 5 }))
  .map(([frame, to]) => ({ frame, to }));

export function deliver(frame: Uint8Array, to: number, link: PlaneLink): Uint8Array {
  const sent = frame.slice();
  if (to === 0) sent.set(macToBytes(link.mac));
  if (to === 1) sent.set([2, 0, 0, 0, 0, 9]);
  if (to === 2) {
    sent.set(macToBytes(link.mac), 6);
    // The ARP sender too; other frames have no checksum over this that would still be right.
    if (sent[13] === 6 && sent.length >= 28) sent.set(macToBytes(link.mac), 22);
  }
  return sent;
}

function answer(one: Ip, links: Announcement['links']): Announcement {
  return { ip: one, links, role: 'answer' };
}

/** ADDRESSES everywhere, RESTRICTED on one link only, WATCHED nowhere. */
export function announced(only: PlaneLink): ReadonlyMap<string, Announcement> {
  return new Map<string, Announcement>([
    ...ADDRESSES.map(ip).map((one) => [formatIp(one), answer(one, 'all')] as const),
    ...RESTRICTED.map(ip).map((one) => [formatIp(one), answer(one, [only.index])] as const),
    ...WATCHED.map(ip).map(
      (one) => [formatIp(one), { ...answer(one, 'all'), role: 'watch' }] as const,
    ),
  ]);
}

/** The sightings to be expected with a response; their times are the plane's own. */
export function toldWith({ claim }: Response): readonly Sighting[] {
  if (claim === undefined) return [];
  return [Object.assign({}, claim.sighting, { at: expect.any(Number) })];
}
