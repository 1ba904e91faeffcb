/**
 * What every data plane must do, as one suite of cases over one bench: a plane with two links, and
 * somebody at the other end of each cable. The model runs it in memory; the bpf and packet planes
 * run it in network namespaces (test/lab/dataplane.test.ts, test/lab/packet.test.ts).
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { arpReply, arpRequest, emitArp, gratuitousRequest } from '../../net/arp.ts';
import { emitNdp, unsolicitedAdvertisement } from '../../net/ndp.ts';
import {
  BOTH,
  asked,
  begin,
  bench,
  bothFrom,
  done,
  enter,
  far,
  growth,
  near,
  plane,
  put,
  remove,
  silenced,
} from './planebench.ts';
import type { PlaneBench } from './planebench.ts';
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
import { guardTests } from './guarding.ts';
import { watchingTests } from './watching.ts';

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

  test.each(QUESTIONS)('answers $name with a mere priority, untagged', async (question) => {
    await begin();
    const { frame, answer } = question;
    const tagged = Uint8Array.of(...frame.subarray(0, 12), 0x81, 0, 0xe0, 0, ...frame.subarray(12));
    expect(await bench.ask(near.index, tagged)).toEqual([answer(near.mac)]);
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
    expect(grown).toEqual({ lapsed: 2n, ...silenced(1n) });
    await done(plane.renew(bench.now() + 3_600_000));
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
    expect(grown).toEqual({ restricted: 2n, ...silenced(1n) });
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
      opened = await open();
      enter(opened);
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
    describe('watching', () => {
      watchingTests();
    });
    describe('the guard', () => {
      guardTests();
    });
    describe('many addresses', () => {
      sizeTests();
    });
  });
}
