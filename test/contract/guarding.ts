/**
 * The part of the data-plane contract about the guard: what the kernel of the plane's host may hear
 * and say of addresses of the table. A plane without one (`packet`) leaves everything as it is.
 */
import { expect, test } from '@jest/globals';
import {
  arpReply,
  arpRequest,
  emitArp,
  gratuitousReply,
  gratuitousRequest,
} from '../../net/arp.ts';
import type { Ip } from '../../net/ip.ts';
import { emitNdp, neighborSolicitation, unsolicitedAdvertisement } from '../../net/ndp.ts';
import type { Announcement } from '../../speaker/dataplane.ts';
import { begin, bench, done, far, growth, near, plane, put } from './planebench.ts';
import {
  CLIENT4,
  CLIENT6,
  CLIENT_MAC,
  REQUEST,
  SOLICITATION,
  VIP4,
  VIP6,
  ip,
} from './questions.ts';

const OWN4 = ip('192.0.2.7');
const FOREIGN4 = ip('192.0.2.9');

/** A question of the plane's host, from this sender. */
function question(from: Ip): Uint8Array {
  return emitArp(arpRequest(CLIENT4, from, near.mac));
}

/** Why an address may not be held; each goes with a way to make it so. */
type Put = Omit<Announcement, 'ip'>;
const NOT_HELD: readonly (readonly [why: string, () => Put, lapsed?: true])[] = [
  ['is watched', () => ({ links: 'all', role: 'watch' })],
  ['is another link’s', () => ({ links: [far.index], role: 'answer' })],
  ['has lapsed', () => ({ links: 'all', role: 'answer' }), true],
];

async function prepare(announced: Put, lapsed = false): Promise<void> {
  await begin(put({ ip: VIP4, ...announced }, { ip: VIP6, ...announced }));
  if (lapsed) await done(plane.renew(bench.now() - 1));
}

/** What leaves, and what was counted. */
async function left(frame: Uint8Array): Promise<readonly [readonly Uint8Array[], object]> {
  let frames: readonly Uint8Array[] = [];
  const grown = await growth(async () => {
    frames = await bench.leave(near.index, frame);
  });
  return [frames, grown];
}

function ingressTests(): void {
  test.each(NOT_HELD)('an address that %s: questions do not get to the kernel', async (...row) => {
    const [, announced, lapsed] = row;
    await prepare(announced(), lapsed);
    const grown = await growth(async () => {
      expect(await bench.ask(near.index, REQUEST)).toEqual([]);
      expect(await bench.ask(near.index, emitArp(gratuitousRequest(VIP4, CLIENT_MAC)))).toEqual([]);
      expect(await bench.ask(near.index, SOLICITATION)).toEqual([]);
    });
    expect(grown['silenced']).toBe(bench.guards ? 1n : undefined);
  });

  test('an address that is held: nothing is taken away', async () => {
    await prepare({ links: 'all', role: 'answer' });
    const grown = await growth(async () => {
      expect(await bench.ask(near.index, REQUEST)).toHaveLength(1);
      await bench.ask(near.index, emitArp(arpRequest(FOREIGN4, CLIENT4, CLIENT_MAC)));
    });
    expect(grown).not.toHaveProperty('silenced');
  });
}

function egressTests(): void {
  test.each(NOT_HELD)('an address that %s: no question leaves with it', async (...row) => {
    const [, announced, lapsed] = row;
    await prepare(announced(), lapsed);
    await done(plane.attach({ ...near, ip4: OWN4 }));
    expect(await left(question(VIP4))).toEqual(
      bench.guards ? [[question(OWN4)], { rewritten: 1n }] : [[question(VIP4)], {}],
    );
    await done(plane.attach(near));
    expect(await left(question(VIP4))).toEqual(
      bench.guards ? [[question(ip('0.0.0.0'))], { rewritten: 1n }] : [[question(VIP4)], {}],
    );
  });

  test.each(NOT_HELD)('an address that %s: nothing claims it', async (...row) => {
    const [, announced, lapsed] = row;
    await prepare(announced(), lapsed);
    const claims = [
      gratuitousRequest(VIP4, near.mac),
      gratuitousReply(VIP4, near.mac),
      arpReply(arpRequest(VIP4, CLIENT4, CLIENT_MAC), near.mac),
    ];
    for (const claim of claims.map((one) => emitArp(one))) {
      expect(await left(claim)).toEqual(bench.guards ? [[], { suppressed: 1n }] : [[claim], {}]);
    }
  });

  test('an address that is held: everything leaves as it is', async () => {
    await prepare({ links: 'all', role: 'answer' });
    const frames = [question(VIP4), emitArp(gratuitousRequest(VIP4, near.mac))];
    for (const frame of frames) expect(await left(frame)).toEqual([[frame], {}]);
  });

  test('what speaks for no IPv4 address of the table leaves as it is', async () => {
    await prepare({ links: 'all', role: 'watch' });
    const frames = [
      question(FOREIGN4),
      question(ip('0.0.0.0')),
      emitArp(arpRequest(VIP4, FOREIGN4, near.mac)),
      emitArp(gratuitousRequest(FOREIGN4, near.mac)),
      emitNdp(unsolicitedAdvertisement(VIP6, near.mac)),
      emitNdp(neighborSolicitation(CLIENT6, VIP6, near.mac)),
    ];
    for (const frame of frames) expect(await left(frame)).toEqual([[frame], {}]);
  });
}

export function guardTests(): void {
  ingressTests();
  egressTests();
}
