/**
 * The program in the kernel and its specification in respond.ts agree on any frame: same verdict,
 * same bytes. The frames are well-formed questions, such with some bytes changed or cut off, and
 * noise; the program runs on them by BPF_PROG_TEST_RUN, on the real maps.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { arpRequest, emitArp } from '../../net/arp.ts';
import { formatIp, ipFromBytes } from '../../net/ip.ts';
import type { Ip } from '../../net/ip.ts';
import { macFromBytes } from '../../net/mac.ts';
import { UNSPECIFIED_V6, emitNdp, neighborSolicitation } from '../../net/ndp.ts';
import { icmp6Checksum } from '../../net/checksum.ts';
import type { Announcement } from '../../speaker/dataplane.ts';
import { respond } from '../../speaker/respond.ts';
import type { PlaneState } from '../../speaker/respond.ts';
import { ip } from '../contract/questions.ts';
import { Cable, PlaneProcess } from './cable.ts';
import type { DryRun } from './planehost.ts';

const FOREVER = 1e12;

/** One address for every fate; three families of questions meet all of them. */
const ADDRESSES: readonly string[] = ['192.0.2.240', '2001:db8::240'];
const RESTRICTED: readonly string[] = ['192.0.2.241', '2001:db8::241'];
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

/** Sent to the group, to the link itself, or to another host. */
const delivered = fc
  .tuple(fc.oneof(arpFrame, arpFrame, ndpFrame, ndpFrame, damaged, noise), fc.nat({ max: 4 }))
  .map(([frame, to]) => ({ frame, to }));

describe('the program in the kernel and respond.ts', () => {
  let cable: Cable;
  let host: PlaneProcess;

  beforeAll(() => {
    cable = new Cable('differ');
    host = new PlaneProcess(cable.node, 'dry');
  });
  afterAll(async () => {
    host.signal('SIGKILL');
    await host.exited;
    cable.close();
  });

  test.each([
    ['while the lease runs', FOREVER],
    ['after the lease', 1],
  ])(
    'agree on every frame %s',
    async (_, until) => {
      const [near, far] = cable.links;
      const announcements = new Map<string, Announcement>();
      for (const one of ADDRESSES.map(ip))
        announcements.set(formatIp(one), { ip: one, links: 'all' });
      for (const one of RESTRICTED.map(ip)) {
        announcements.set(formatIp(one), { ip: one, links: [far.index] });
      }
      await host.call('attach', near);
      await host.call('apply', { put: announcements, remove: [] });
      await host.call('renew', until);
      const state: PlaneState = { until, announcements, links: new Map([[near.index, near.mac]]) };
      const met = new Map<string, number>();

      await fc.assert(
        fc.asyncProperty(delivered, fc.boolean(), async ({ frame, to }, onFar) => {
          const link = onFar ? far : near;
          const sent = frame.slice();
          if (to === 0) sent.set(link.mac.split(':').map((byte) => Number.parseInt(byte, 16)));
          if (to === 1) sent.set([2, 0, 0, 0, 0, 9]);
          const { verdict, reply } = respond(state, link, sent, cable.now());
          const kernel = await host.call<DryRun | undefined>('ask', link.index, sent);
          fc.pre(kernel !== undefined);
          met.set(verdict, (met.get(verdict) ?? 0) + 1);
          expect(kernel).toEqual({ verdict, reply });
        }),
        { numRuns: 4000 },
      );
      const ended = until === FOREVER ? 'answered' : 'lapsed';
      const every = ['other', 'otherhost', 'oversized', 'malformed', 'reply', 'gratuitous'];
      every.push('unknown', 'unattached', 'restricted', ended);
      expect([...met.keys()].toSorted()).toEqual(every.toSorted());
    },
    60_000,
  );
});
