/**
 * The part of the data-plane contract about watching: addresses that are not answered, questions
 * that are counted all the same, and who else claims an address.
 */
import { expect, test } from '@jest/globals';
import {
  arpProbe,
  arpReply,
  arpRequest,
  emitArp,
  gratuitousReply,
  gratuitousRequest,
} from '../../net/arp.ts';
import { formatIp } from '../../net/ip.ts';
import type { Ip } from '../../net/ip.ts';
import {
  UNSPECIFIED_V6,
  emitNdp,
  neighborAdvertisement,
  neighborSolicitation,
  unsolicitedAdvertisement,
} from '../../net/ndp.ts';
import type { Form, Role, Sighting } from '../../speaker/dataplane.ts';
import {
  asked,
  begin,
  bench,
  bothFrom,
  done,
  far,
  growth,
  near,
  plane,
  put,
  remove,
  silenced,
} from './planebench.ts';
import {
  CLIENT4,
  CLIENT6,
  CLIENT_MAC,
  OTHER_MAC,
  QUESTIONS,
  REQUEST,
  SOLICITATION,
  VIP4,
  VIP6,
  changed,
} from './questions.ts';

type Frame = () => Uint8Array;

interface Claim {
  readonly name: string;
  readonly ip: Ip;
  readonly form: Form;
  /** Made when it runs: some are sent to a link's own MAC. */
  readonly frame: Frame;
}

function arp(name: string, form: Form, frame: Frame): Claim {
  return { name, form, frame, ip: VIP4 };
}

function ndp(name: string, form: Form, frame: Frame): Claim {
  return { name, form, frame, ip: VIP6 };
}

const answer4: Frame = () => emitArp(arpReply(arpRequest(VIP4, CLIENT4, near.mac), OTHER_MAC));
const announcement = unsolicitedAdvertisement(VIP6, OTHER_MAC);
const solicitation = neighborSolicitation(CLIENT6, VIP6, OTHER_MAC);
const answer6: Frame = () =>
  emitNdp(neighborAdvertisement(neighborSolicitation(VIP6, CLIENT6, near.mac), OTHER_MAC));

/** Of OTHER_MAC. */
const CLAIMS: readonly Claim[] = [
  arp('an announcement', 'request', () => emitArp(gratuitousRequest(VIP4, OTHER_MAC))),
  arp('an announcement as a reply', 'reply', () => emitArp(gratuitousReply(VIP4, OTHER_MAC))),
  arp('a question', 'request', () => emitArp(arpRequest(CLIENT4, VIP4, OTHER_MAC))),
  arp('an answer to us', 'reply', answer4),
  arp('a probe', 'probe', () => emitArp(arpProbe(VIP4, OTHER_MAC))),
  arp('a frame that another host passes on', 'request', () =>
    emitArp({ ...gratuitousRequest(VIP4, OTHER_MAC), source: CLIENT_MAC }),
  ),
  ndp('an advertisement', 'reply', () => emitNdp(announcement)),
  ndp('an advertisement without option', 'reply', () =>
    emitNdp({ ...announcement, targetMac: undefined }),
  ),
  ndp('an advertisement that names another MAC', 'reply', () =>
    emitNdp({ ...announcement, source: CLIENT_MAC }),
  ),
  ndp('an answer to us', 'reply', answer6),
  ndp('a solicitation', 'request', () => emitNdp(solicitation)),
  ndp('a solicitation without option', 'request', () =>
    emitNdp({ ...solicitation, sourceMac: undefined }),
  ),
  ndp('a probe (DAD)', 'probe', () =>
    emitNdp(neighborSolicitation(VIP6, UNSPECIFIED_V6, OTHER_MAC)),
  ),
];

/** Frames that look like a claim. */
const NO_CLAIMS: readonly (readonly [name: string, frame: Frame])[] = [
  ['a claim of this very link', () => emitArp(gratuitousRequest(VIP4, near.mac))],
  ['a claim of another link of ours', () => emitArp(gratuitousRequest(VIP4, far.mac))],
  ['an advertisement of ours', () => emitNdp(unsolicitedAdvertisement(VIP6, far.mac))],
  ['a question', () => REQUEST],
  ['a solicitation', () => SOLICITATION],
  ['an answer from it to another host', () => changed(answer4(), 5, 0x98)],
  ['an announcement that is cut short', () => answer4().subarray(0, 41)],
  ['an advertisement through a router', () => changed(emitNdp(announcement), 21, 254)],
  ['an advertisement with a wrong checksum', () => changed(emitNdp(announcement), 57, 0)],
  ['an advertisement with an empty option', () => changed(emitNdp(announcement), 79, 0)],
  ['an answer to everybody', () => emitNdp({ ...announcement, solicited: true })],
  ['another address', () => emitArp(gratuitousRequest(CLIENT4, OTHER_MAC))],
];

function watched(role: Role, links: 'all' | readonly number[] = 'all'): ReturnType<typeof put> {
  return put({ ip: VIP4, links, role }, { ip: VIP6, links, role });
}

/** What is told of frames that come in on a link. */
async function told(...frames: readonly Uint8Array[]): Promise<readonly Sighting[]> {
  await plane.sightings();
  for (const frame of frames) await bench.ask(near.index, frame);
  return plane.sightings();
}

function claimTests(): void {
  const roles: readonly Role[] = ['answer', 'watch'];
  const cases = roles.flatMap((role) => CLAIMS.map((claim) => ({ ...claim, role })));

  test.each(cases)('$role: $name of $ip.family is told as a $form', async (claim) => {
    await begin(watched(claim.role));
    const before = bench.now();
    const [sighting, ...others] = await told(claim.frame());
    expect(others).toEqual([]);
    const { ip, form } = claim;
    expect(sighting).toEqual({
      at: expect.any(Number),
      link: near.index,
      ip,
      mac: OTHER_MAC,
      form,
    });
    expect(sighting?.at).toBeGreaterThanOrEqual(before);
    expect(sighting?.at).toBeLessThanOrEqual(bench.now());
    expect((await plane.counters()).get(`seen ${formatIp(ip)}`)).toBe(1n);
    expect(await plane.sightings()).toEqual([]);
  });

  test.each(NO_CLAIMS)('%s is none', async (_, frame) => {
    await begin(watched('watch'));
    expect(await told(frame())).toEqual([]);
    expect((await plane.counters()).has('seen 192.0.2.240')).toBe(false);
  });

  test('nothing is told where the address does not belong, or on an unused link', async () => {
    await begin(watched('watch', [far.index]));
    const claims = CLAIMS.map(({ frame }) => frame());
    expect(await told(...claims)).toEqual([]);
    await begin(watched('watch'));
    await done(plane.detach(near.index));
    expect(await told(...claims)).toEqual([]);
  });

  test('the MAC of a link that is used no more, or has another one, is a stranger', async () => {
    await begin(watched('watch'));
    const claim = emitArp(gratuitousRequest(VIP4, far.mac));
    expect(await told(claim)).toEqual([]);
    await done(plane.attach({ ...far, mac: OTHER_MAC }));
    expect(await told(claim)).toMatchObject([{ mac: far.mac }]);
    await done(plane.attach(far));
    await done(plane.detach(far.index));
    expect(await told(claim)).toMatchObject([{ mac: far.mac }]);
  });
}

function limitTests(): void {
  test('a flood is counted, told forty times a second, and hides no answer to us', async () => {
    await begin(watched('watch'));
    const flood = Array.from({ length: 120 }, () => emitArp(gratuitousRequest(VIP4, OTHER_MAC)));
    const start = bench.now();
    const sightings = await told(...flood);
    // It may have lasted over the end of a period, or of several.
    const periods = Math.floor((bench.now() - start) / 1000) + 2;
    expect(sightings.length).toBeGreaterThanOrEqual(40);
    expect(sightings.length).toBeLessThanOrEqual(40 * periods);
    expect((await plane.counters()).get('seen 192.0.2.240')).toBe(120n);
    expect(await told(answer4())).toMatchObject([{ ip: VIP4, form: 'reply' }]);
    expect(await told(emitNdp(announcement))).toMatchObject([{ ip: VIP6, form: 'reply' }]);
  }, 20_000);

  test('they come oldest first', async () => {
    await begin(watched('answer'));
    const forms = CLAIMS.map(({ form }) => form);
    const sightings = await told(...CLAIMS.map(({ frame }) => frame()));
    expect(sightings.map(({ form }) => form)).toEqual(forms);
    const times = sightings.map(({ at }) => at);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
  });
}

function roleTests(): void {
  test('an address that is watched is never answered', async () => {
    await begin(watched('watch'));
    const grown = await growth(async () => {
      for (const { frame } of QUESTIONS) expect(await bench.ask(near.index, frame)).toEqual([]);
    });
    const probes = { 'seen 192.0.2.240': 1n, 'seen 2001:db8::240': 2n };
    expect(grown).toEqual({ watched: BigInt(QUESTIONS.length), ...silenced(3n), ...probes });
  });

  test('a role may change at any time, and is read back', async () => {
    await begin(watched('watch'));
    expect(await asked(near)).toEqual([]);
    expect((await plane.counters()).has('answered 192.0.2.240')).toBe(false);
    await done(plane.apply(watched('answer')));
    expect(await asked(near)).toEqual(bothFrom(near.mac));
    await done(plane.apply(put({ ip: VIP4, links: 'all', role: 'watch' })));
    expect(await bench.ask(near.index, REQUEST)).toEqual([]);
    const read = await plane.read();
    expect(read.ok && [...read.value].toSorted(([a], [b]) => (a < b ? -1 : 1))).toEqual([
      ['192.0.2.240', { ip: VIP4, links: 'all', role: 'watch' }],
      ['2001:db8::240', { ip: VIP6, links: 'all', role: 'answer' }],
    ]);
  });

  test('counts who asks for an address, whether it answers or not', async () => {
    await begin(watched('answer'));
    await asked(near);
    await done(plane.renew(0));
    await asked(near);
    await done(plane.apply(watched('answer', [far.index])));
    await asked(near);
    await done(plane.apply(watched('watch')));
    await asked(near);
    await bench.ask(near.index, emitArp(gratuitousRequest(VIP4, CLIENT_MAC)));
    expect(await plane.asked('192.0.2.240')).toBe(4);
    expect(await plane.asked('2001:db8::240')).toBe(4);
    expect(await plane.asked('192.0.2.241')).toBe(0);
    await done(plane.apply(remove(VIP4)));
    await done(plane.apply(watched('watch')));
    expect(await plane.asked('192.0.2.240')).toBe(0);
  });
}

export function watchingTests(): void {
  roleTests();
  claimTests();
  limitTests();
}
