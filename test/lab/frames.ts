/**
 * Frames of all kinds for a data plane, as fast-check makes them: well-formed questions, such with
 * some bytes changed or cut off, and noise. One address for every fate; the announcements to go
 * with them.
 */
import fc from 'fast-check';
import { arpRequest, emitArp } from '../../net/arp.ts';
import { icmp6Checksum } from '../../net/checksum.ts';
import { formatIp, ipFromBytes } from '../../net/ip.ts';
import type { Ip } from '../../net/ip.ts';
import { macFromBytes, macToBytes } from '../../net/mac.ts';
import { UNSPECIFIED_V6, emitNdp, neighborSolicitation } from '../../net/ndp.ts';
import type { Announcement, PlaneLink } from '../../speaker/dataplane.ts';
import { ip } from '../contract/questions.ts';

export const ADDRESSES: readonly string[] = ['192.0.2.240', '2001:db8::240'];
export const RESTRICTED: readonly string[] = ['192.0.2.241', '2001:db8::241'];
const UNKNOWN: readonly string[] = ['192.0.2.242', '2001:db8::242', 'ff02::1'];

const addresses = [...ADDRESSES, ...RESTRICTED, ...UNKNOWN].map(ip);
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
);

const arpFrame = fc
  .record({
    target: target4,
    from: bytes(4).map(ipFromBytes),
    mac,
    same: fc.boolean(),
    operation: fc.constantFrom(1, 1, 1, 2, 3),
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
  .record({ target: target6, from: source6, mac, options: fc.array(option, { maxLength: 6 }) })
  .map(({ target, from, mac: sender, options }) => {
    const plain = target.value >> 120n === 0xffn ? ip('2001:db8::240') : target;
    const frame = emitNdp({ ...neighborSolicitation(plain, from, sender), sourceMac: undefined });
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

/** Sent to the group, to the link itself, or to another host: see `deliver`. */
export const delivered = fc
  .tuple(fc.oneof(arpFrame, arpFrame, ndpFrame, ndpFrame, damaged, noise), fc.nat({ max: 4 }))
  .map(([frame, to]) => ({ frame, to }));

export function deliver(frame: Uint8Array, to: number, link: PlaneLink): Uint8Array {
  const sent = frame.slice();
  if (to === 0) sent.set(macToBytes(link.mac));
  if (to === 1) sent.set([2, 0, 0, 0, 0, 9]);
  return sent;
}

function answer(one: Ip, links: Announcement['links']): Announcement {
  return { ip: one, links, role: 'answer' };
}

/** ADDRESSES everywhere, RESTRICTED on one link only. */
export function announced(only: PlaneLink): ReadonlyMap<string, Announcement> {
  return new Map<string, Announcement>([
    ...ADDRESSES.map(ip).map((one) => [formatIp(one), answer(one, 'all')] as const),
    ...RESTRICTED.map(ip).map((one) => [formatIp(one), answer(one, [only.index])] as const),
  ]);
}
