/**
 * What every data plane must do, as one suite of cases over one bench: a plane with two links, and
 * somebody at the other end of each cable. The model runs it in memory; the bpf and packet planes
 * run it in network namespaces (test/lab/dataplane.test.ts, test/lab/packet.test.ts).
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Delta } from '../../lib/diff.ts';
import type { Result } from '../../lib/result.ts';
import type { Instant } from '../../lib/time.ts';
import { arpReply, arpRequest, emitArp, gratuitousRequest } from '../../net/arp.ts';
import { formatIp } from '../../net/ip.ts';
import type { Ip } from '../../net/ip.ts';
import type { Mac } from '../../net/mac.ts';
import { emitNdp, unsolicitedAdvertisement } from '../../net/ndp.ts';
import type {
  Announcement,
  DataPlane,
  Mended,
  PlaneLink,
  Sighting,
} from '../../speaker/dataplane.ts';
import type { LinkIndex } from '../../speaker/links.ts';
import {
  CLIENT4,
  CLIENT_MAC,
  IGNORED,
  OTHER_MAC,
  QUESTIONS,
  REQUEST,
  SOLICITATION,
  VIP4,
  VIP6,
  changed,
} from './questions.ts';
import type { Question } from './questions.ts';

/** A plane whose calls may cross a process. */
export interface RemotePlane {
  attach(link: PlaneLink): Promise<Result<void, string>>;
  detach(index: LinkIndex): Promise<Result<void, string>>;
  apply(delta: Delta<Announcement>): Promise<Result<void, string>>;
  renew(until: Instant): Promise<Result<void, string>>;
  send(link: LinkIndex, frame: Uint8Array): Promise<Result<void, string>>;
  read(): Promise<Result<ReadonlyMap<string, Announcement>, string>>;
  sightings(): Promise<readonly Sighting[]>;
  asked(key: string): Promise<number>;
  mend(): Promise<ReadonlyMap<LinkIndex, Result<Mended, string>>>;
  counters(): Promise<ReadonlyMap<string, bigint>>;
}

export interface PlaneBench {
  readonly plane: RemotePlane;
  /** With the MACs that the links have; nothing is attached yet. */
  readonly links: readonly [PlaneLink, PlaneLink];
  now(): Instant;
  /** Puts a frame on the cable and returns what comes back because of it. */
  ask(link: LinkIndex, frame: Uint8Array): Promise<readonly Uint8Array[]>;
  /** What the plane sent on a link, unasked, since the last call. */
  heard(link: LinkIndex): Promise<readonly Uint8Array[]>;
  /** Takes the plane off a link behind its back; missing where that cannot be done. */
  readonly strip?: (link: LinkIndex) => void;
  /** Whether a frame gets to the plane at all; missing where every frame does. */
  readonly sees?: (frame: Uint8Array) => boolean;
  close(): Promise<void>;
}

export function remote(plane: DataPlane): RemotePlane {
  return {
    attach: async (link) => plane.attach(link),
    detach: async (index) => plane.detach(index),
    apply: async (delta) => plane.apply(delta),
    renew: async (until) => plane.renew(until),
    send: async (link, frame) => plane.send(link, frame),
    read: async () => plane.read(),
    sightings: async () => plane.sightings(),
    asked: async (key) => plane.asked(key),
    mend: async () => plane.mend(),
    counters: async () => plane.counters(),
  };
}

const HOUR = 3_600_000;

type Put = Omit<Announcement, 'role'> & Partial<Announcement>;

/** To be answered, unless told otherwise. */
function put(...announcements: readonly Put[]): Delta<Announcement> {
  const named = announcements.map((one) => [formatIp(one.ip), { role: 'answer', ...one }] as const);
  return { put: new Map(named), remove: [] };
}

function remove(...ips: readonly Ip[]): Delta<Announcement> {
  return { put: new Map(), remove: ips.map(formatIp) };
}

const BOTH = put({ ip: VIP4, links: 'all' }, { ip: VIP6, links: 'all' });
const EITHER = [QUESTIONS[0], QUESTIONS[3]] as readonly Question[];

/** The bench of the suite that runs. */
let bench: PlaneBench;
let plane: RemotePlane;
let near: PlaneLink;
let far: PlaneLink;

/** Every case begins here, whatever the one before it left. */
async function begin(delta: Delta<Announcement> = BOTH): Promise<void> {
  await done(plane.attach(near));
  await done(plane.attach(far));
  await done(plane.apply(remove(VIP4, VIP6)));
  await done(plane.apply(delta));
  await done(plane.renew(bench.now() + HOUR));
}

async function done(result: Promise<Result<void, string>>): Promise<void> {
  expect(await result).toEqual({ ok: true, value: undefined });
}

/** What comes back for a question of either family. */
async function asked(link: PlaneLink): Promise<readonly Uint8Array[]> {
  const answers = [];
  for (const { frame } of EITHER) answers.push(...(await bench.ask(link.index, frame)));
  return answers;
}

function bothFrom(mac: Mac): readonly Uint8Array[] {
  return EITHER.map((one) => one.answer(mac));
}

/** How much the counters grew while `run` ran; zeroes are left out. */
async function growth(run: () => Promise<void>): Promise<Record<string, bigint>> {
  const before = await plane.counters();
  await run();
  const after = [...(await plane.counters())];
  const grown = after.map(([key, n]) => [key, n - (before.get(key) ?? 0n)] as const);
  return Object.fromEntries(grown.filter(([, n]) => n !== 0n));
}

function answerTests(): void {
  test.each(QUESTIONS)('answers $name', async ({ frame, answer }) => {
    await begin();
    for (const link of bench.links) {
      expect(await bench.ask(link.index, frame)).toEqual([answer(link.mac)]);
    }
  });

  test.each(IGNORED)('counts as %s and ignores %s', async (verdict, _, frame) => {
    await begin();
    const grown = await growth(async () => {
      expect(await bench.ask(near.index, frame)).toEqual([]);
    });
    // What it claims is another matter (watching.ts).
    const verdicts = Object.entries(grown).filter(([key]) => !key.startsWith('seen '));
    expect(verdicts).toEqual(bench.sees?.(frame) === false ? [] : [[verdict, 1n]]);
  });

  test('leaves every other frame alone and does not count it', async () => {
    await begin();
    const echo = changed(SOLICITATION, 54, 128);
    const tagged = Uint8Array.of(...REQUEST.subarray(0, 12), 0x81, 0, 0, 5, 8, 6);
    const inVlan = Uint8Array.of(...tagged, ...REQUEST.subarray(14));
    const grown = await growth(async () => {
      for (const frame of [echo, inVlan]) {
        expect(await bench.ask(near.index, frame)).toEqual([]);
      }
    });
    expect(grown).toEqual({});
  });
}

function leaseTests(): void {
  test('answers nothing before the first renewal and after the lease', async () => {
    await begin();
    await done(plane.renew(bench.now() - 1));
    const grown = await growth(async () => {
      expect(await asked(near)).toEqual([]);
    });
    expect(grown).toEqual({ lapsed: 2n });
    await done(plane.renew(bench.now() + HOUR));
    expect(await asked(near)).toEqual(bothFrom(near.mac));
    await done(plane.renew(0));
    expect(await asked(near)).toEqual([]);
  });

  test('a lease ends by itself', async () => {
    await begin();
    const until = bench.now() + 30;
    await done(plane.renew(until));
    while (bench.now() < until) await bench.ask(near.index, REQUEST);
    expect(await asked(near)).toEqual([]);
  });
}

function linkTests(): void {
  test('answers only on the links of an announcement', async () => {
    await begin(put({ ip: VIP4, links: [far.index] }, { ip: VIP6, links: [far.index] }));
    const grown = await growth(async () => {
      expect(await asked(near)).toEqual([]);
    });
    expect(grown).toEqual({ restricted: 2n });
    expect(await asked(far)).toEqual(bothFrom(far.mac));
    await done(plane.apply(put({ ip: VIP4, links: [near.index, far.index] })));
    await done(plane.apply(put({ ip: VIP6, links: 'all' })));
    expect(await asked(near)).toEqual(bothFrom(near.mac));
    await done(plane.apply(put({ ip: VIP4, links: [] }, { ip: VIP6, links: [] })));
    expect(await asked(near)).toEqual([]);
    expect(await asked(far)).toEqual([]);
  });

  test('answers on a link that an announcement named before it was attached', async () => {
    await begin();
    await done(plane.detach(near.index));
    await done(plane.apply(put({ ip: VIP4, links: [near.index] })));
    await done(plane.apply(put({ ip: VIP6, links: [near.index] })));
    expect(await asked(near)).toEqual([]);
    await done(plane.attach(near));
    expect(await asked(near)).toEqual(bothFrom(near.mac));
    expect(await asked(far)).toEqual([]);
  });

  test('is silent on a detached link, and answers when it is attached again', async () => {
    await begin();
    await done(plane.detach(near.index));
    expect(await asked(near)).toEqual([]);
    expect(await asked(far)).toEqual(bothFrom(far.mac));
    await done(plane.detach(near.index));
    await done(plane.attach(near));
    await done(plane.attach(near));
    expect(await asked(near)).toEqual(bothFrom(near.mac));
  });

  test('puts back what somebody else took off a link', async () => {
    await begin();
    expect([...(await plane.mend())]).toEqual([]);
    if (bench.strip === undefined) return;
    bench.strip(near.index);
    expect(await asked(near)).toEqual([]);
    expect([...(await plane.mend())]).toEqual([[near.index, { ok: true, value: 'gone' }]]);
    expect(await asked(near)).toEqual(bothFrom(near.mac));
    expect([...(await plane.mend())]).toEqual([]);
  });

  test('answers with the MAC of the latest attach', async () => {
    await begin();
    await done(plane.attach({ index: near.index, mac: OTHER_MAC }));
    expect(await asked(near)).toEqual(bothFrom(OTHER_MAC));
    expect(await asked(far)).toEqual(bothFrom(far.mac));
  });
}

function tableTests(): void {
  test('stops and starts with remove and put, each of them repeatable', async () => {
    await begin();
    await done(plane.apply(remove(VIP4)));
    await done(plane.apply(remove(VIP4)));
    expect(await bench.ask(near.index, REQUEST)).toEqual([]);
    expect(await bench.ask(near.index, SOLICITATION)).toHaveLength(1);
    await done(plane.apply(BOTH));
    await done(plane.apply(BOTH));
    expect(await asked(near)).toEqual(bothFrom(near.mac));
  });

  test('reads back what it announces', async () => {
    await begin(put({ ip: VIP4, links: 'all' }, { ip: VIP6, links: [far.index] }));
    const read = await plane.read();
    expect(read.ok && [...read.value].toSorted(([a], [b]) => (a < b ? -1 : 1))).toEqual([
      ['192.0.2.240', { ip: VIP4, links: 'all', role: 'answer' }],
      ['2001:db8::240', { ip: VIP6, links: [far.index], role: 'answer' }],
    ]);
    await done(plane.apply(remove(VIP4, VIP6)));
    expect(await plane.read()).toEqual({ ok: true, value: new Map() });
  });
}

function counterTests(): void {
  test('counts answers per address and by verdict', async () => {
    await begin();
    const grown = await growth(async () => {
      expect(await asked(near)).toEqual(bothFrom(near.mac));
      await bench.ask(far.index, REQUEST);
    });
    expect(grown).toEqual({
      answered: 3n,
      'answered 192.0.2.240': 2n,
      'answered 2001:db8::240': 1n,
    });
  });

  test('an address that returns begins to count from zero', async () => {
    await begin();
    expect(await asked(near)).toEqual(bothFrom(near.mac));
    await done(plane.apply(remove(VIP4)));
    expect((await plane.counters()).has('answered 192.0.2.240')).toBe(false);
    await done(plane.apply(BOTH));
    expect((await plane.counters()).get('answered 192.0.2.240')).toBe(0n);
    expect((await plane.counters()).get('answered 2001:db8::240')).toBe(1n);
  });
}

function sendTests(): void {
  test('sends frames as they are, on the link it was told', async () => {
    await begin();
    await bench.heard(near.index);
    await bench.heard(far.index);
    const frames = [
      emitArp(gratuitousRequest(VIP4, far.mac)),
      emitArp(gratuitousRequest(VIP4, far.mac), 'padded'),
      emitNdp(unsolicitedAdvertisement(VIP6, far.mac)),
    ];
    for (const frame of frames) await done(plane.send(far.index, frame));
    expect(await bench.heard(far.index)).toEqual(frames);
    expect(await bench.heard(near.index)).toEqual([]);
  });

  test('sends nothing on a link that is not attached', async () => {
    await begin();
    await done(plane.detach(near.index));
    const sent = await plane.send(near.index, emitArp(gratuitousRequest(VIP4, near.mac)));
    expect(sent).toEqual({
      ok: false,
      error: `link ${near.index} is not attached, so nothing is sent there`,
    });
  });
}

function sizeTests(): void {
  test('holds the addresses of a large cluster', async () => {
    await begin();
    const many = Array.from({ length: 10_000 }, (_, n) => ({
      ip: { family: 4, value: 0xc6330000n + BigInt(n) } as const,
      links: 'all' as const,
    }));
    await done(plane.apply(put(...many)));
    const [first, last] = [many[0], many.at(-1)];
    for (const one of [first, last]) {
      const question = arpRequest(one?.ip ?? VIP4, CLIENT4, CLIENT_MAC);
      const expected = emitArp(arpReply(question, near.mac));
      expect(await bench.ask(near.index, emitArp(question))).toEqual([expected]);
    }
    expect(await asked(near)).toEqual(bothFrom(near.mac));
    await done(plane.apply(remove(...many.map((one) => one.ip))));
    const read = await plane.read();
    expect(read.ok && read.value.size).toBe(2);
  });

  test('refuses more addresses than the table holds, and keeps the others', async () => {
    await begin();
    const many = Array.from({ length: 16_384 }, (_, n) => ({
      ip: { family: 4, value: 0xc6330000n + BigInt(n) } as const,
      links: 'all' as const,
    }));
    const result = await plane.apply(put(...many));
    expect(result.ok ? '' : result.error).toContain('more than 16384 addresses on one node');
    expect(await asked(near)).toEqual(bothFrom(near.mac));
    await done(plane.apply(remove(...many.map((one) => one.ip))));
  });
}

export function dataPlaneContract(name: string, open: () => Promise<PlaneBench>): void {
  describe(`data plane ${name}`, () => {
    let opened: PlaneBench | undefined;

    beforeAll(async () => {
      bench = opened = await open();
      plane = bench.plane;
      [near, far] = bench.links;
    }, 20_000);
    afterAll(async () => opened?.close());

    describe('frames', () => {
      answerTests();
    });
    describe('the lease', () => {
      leaseTests();
    });
    describe('links', () => {
      linkTests();
    });
    describe('the table', () => {
      tableTests();
    });
    describe('counters', () => {
      counterTests();
    });
    describe('sending', () => {
      sendTests();
    });
    describe('many addresses', () => {
      sizeTests();
    });
  });
}
