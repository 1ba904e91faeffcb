/** What is announced, when, and how fast. */
import { describe, expect, test } from '@jest/globals';
import { parseArp } from '../../../net/arp.ts';
import { formatIp, parseIp } from '../../../net/ip.ts';
import { parseNdp } from '../../../net/ndp.ts';
import { Announcer } from '../../../speaker/announce.ts';
import type { Target } from '../../../speaker/announce.ts';
import { PACE, REFRESH_EVERY } from '../../../speaker/timing.ts';

const MAC = '02:64:00:00:00:64';
const half = (): number => 0.5;

function target(text: string, link = 1, mac = MAC): [string, Target] {
  const ip = parseIp(text);
  if (!ip.ok) throw new Error(ip.error);
  return [`${text}%${link}`, { ip: ip.value, link, mac }];
}

/** Lets time pass, returns when frames left and how many. */
function drain(announcer: Announcer, until: number): { at: number; frames: number }[] {
  const sent: { at: number; frames: number }[] = [];
  for (let at = announcer.deadline(); at !== undefined && at <= until; at = announcer.deadline()) {
    const frames = announcer.due(at).length;
    if (frames > 0) sent.push({ at, frames });
  }
  return sent;
}

describe('a new IPv4 address', () => {
  test('is announced at once in the request form, whose target MAC is not a broadcast', () => {
    const announcer = new Announcer({ random: half });
    announcer.change({ put: new Map([target('192.0.2.240')]), remove: [] }, 0);
    const [first, ...rest] = announcer.due(0);
    expect(rest).toEqual([]);
    const frame = parseArp(first?.frame ?? new Uint8Array());
    expect(frame.ok && frame.value).toMatchObject({
      kind: 'request',
      senderMac: MAC,
      targetMac: '00:00:00:00:00:00',
    });
    expect(frame.ok && formatIp(frame.value.senderIp)).toBe('192.0.2.240');
    expect(frame.ok && formatIp(frame.value.targetIp)).toBe('192.0.2.240');
  });

  test('later rounds add the reply form with target MAC = own MAC', () => {
    const announcer = new Announcer({ random: half });
    announcer.change({ put: new Map([target('192.0.2.240')]), remove: [] }, 0);
    announcer.due(0);
    const frames = announcer.due(200).map(({ frame }) => parseArp(frame));
    expect(frames.map((frame) => frame.ok && frame.value.kind)).toEqual(['request', 'reply']);
    expect(frames[1]?.ok === true && frames[1].value.targetMac).toBe(MAC);
  });

  test('is repeated with back-off, then refreshed below switch table ageing', () => {
    const announcer = new Announcer({ random: half });
    announcer.change({ put: new Map([target('192.0.2.240')]), remove: [] }, 0);
    const times = drain(announcer, 300_000).map(({ at }) => at);
    expect(times.slice(0, 6)).toEqual([0, 200, 1100, 3000, 10_000, 10_000 + REFRESH_EVERY]);
    for (let i = 5; i < times.length; i++) {
      expect((times[i] ?? 0) - (times[i - 1] ?? 0)).toBeLessThan(300_000);
    }
  });
});

test('a new IPv6 address: an unsolicited advertisement with Override to all nodes', () => {
  const announcer = new Announcer({ random: half });
  announcer.change({ put: new Map([target('2001:db8::240')]), remove: [] }, 0);
  const frame = parseNdp(announcer.due(0)[0]?.frame ?? new Uint8Array());
  expect(frame.ok && frame.value).toMatchObject({ solicited: false, override: true });
  const later = announcer.due(200).map((sent) => parseNdp(sent.frame));
  const shown = later.map((sent) => sent.ok && 'to' in sent.value && [formatIp(sent.value.to)]);
  expect(shown).toEqual([['ff02::1'], ['ff02::2']]);
  expect(later[1]?.ok === true && later[1].value).toMatchObject({ override: false });
});

test('ten thousand addresses leave within the pace, each once before any twice', () => {
  const announcer = new Announcer({ random: half });
  const many = Array.from({ length: 10_000 }, (_, i) => target(`10.0.${i >> 8}.${i & 255}`));
  announcer.change({ put: new Map(many), remove: [] }, 0);
  const sent = drain(announcer, 190);
  expect(sent.every(({ frames }) => frames <= PACE.frames)).toBe(true);
  const seconds = (10_000 / PACE.frames) * PACE.every;
  const all = drain(announcer, seconds * 10);
  const first = [...sent, ...all].slice(0, 10_000 / PACE.frames);
  expect(first.reduce((sum, { frames }) => sum + frames, 0)).toBe(10_000);
});

const MANY = Array.from({ length: 10_000 }, (_, i) => target(`10.0.${i >> 8}.${i & 255}`));

/** The last byte but one and the last of the address that an ARP frame is about. */
function about({ frame }: { frame: Uint8Array }): string {
  return frame.slice(28, 32).join('.');
}

test('the pace counts frames, also in rounds of two for each address', () => {
  const announcer = new Announcer({ random: half });
  announcer.change({ put: new Map(MANY.slice(0, 2000)), remove: [] }, 0);
  const sent = drain(announcer, 120_000);
  expect(Math.max(...sent.map(({ frames }) => frames))).toBe(PACE.frames);
  for (let i = 1; i < sent.length; i++) {
    expect((sent[i]?.at ?? 0) - (sent[i - 1]?.at ?? 0)).toBeGreaterThanOrEqual(PACE.every);
  }
  // One, four times two, and the first refresh.
  const total = sent.reduce((sum, { frames }) => sum + frames, 0);
  expect(total).toBe(2000 * (1 + 4 * 2 + 2));
});

describe('what waits for the pace', () => {
  test('a takeover goes before repeats, repeats go before refreshes', () => {
    const announcer = new Announcer({ random: half });
    announcer.change({ put: new Map(MANY), remove: [] }, 0);
    drain(announcer, 99_000);
    const young = target('192.0.2.1');
    announcer.change({ put: new Map([...MANY, young]), remove: [] }, 100_700);
    expect(announcer.due(100_700).slice(0, 1).map(about)).toEqual(['192.0.2.1']);
    // The refreshes come from 101 s on; the repeat of the young one falls due among them.
    drain(announcer, 101_750);
    announcer.change({ put: new Map([...MANY, young, target('192.0.2.2')]), remove: [] }, 101_795);
    expect(announcer.due(101_795).slice(0, 1).map(about)).toEqual(['192.0.2.2']);
    expect(announcer.due(101_805).slice(0, 3).map(about)).toEqual([
      '192.0.2.1',
      '192.0.2.1',
      expect.stringMatching(/^10\./),
    ]);
  });

  test('an address keeps its turn, however often everything is announced again', () => {
    const announcer = new Announcer({ random: half });
    announcer.change({ put: new Map(MANY), remove: [] }, 0);
    const seen = new Set<string>();
    for (let at = 0; at < 1000; at += PACE.every) {
      announcer.again('all', at);
      for (const each of announcer.due(at)) seen.add(about(each));
    }
    expect(seen.size).toBe(10_000);
  });
});

test('ten thousand addresses that come one by one share their timers', () => {
  const announcer = new Announcer({ random: half });
  const targets = new Map<string, Target>();
  for (const [n, [key, each]] of MANY.slice(0, 2000).entries()) {
    targets.set(key, each);
    announcer.change({ put: targets, remove: [] }, 5 * n);
    announcer.due(5 * n);
  }
  // By now the third rounds are over; what is left of the first minute is the fourths and fifths.
  drain(announcer, 12_000);
  const wakes = drain(announcer, 60_000);
  expect(wakes.reduce((sum, { frames }) => sum + frames, 0)).toBeGreaterThan(3000);
  expect(wakes.length).toBeLessThan(200);
});

test('an address that is let go is not announced any more', () => {
  const announcer = new Announcer({ random: half });
  announcer.change({ put: new Map([target('192.0.2.240'), target('192.0.2.241')]), remove: [] }, 0);
  announcer.due(0);
  announcer.change({ put: new Map(), remove: ['192.0.2.240%1'] }, 100);
  expect(announcer.due(200).every(({ frame }) => frame[41] === 241)).toBe(true);
  announcer.change({ put: new Map(), remove: ['192.0.2.241%1'] }, 300);
  expect(drain(announcer, 1e6)).toEqual([]);
  expect(announcer.deadline()).toBeUndefined();
});

test('a new MAC, and a link that came back, are announced again, others are not', () => {
  const announcer = new Announcer({ random: half });
  announcer.change(
    { put: new Map([target('192.0.2.240', 1), target('192.0.2.240', 2)]), remove: [] },
    0,
  );
  drain(announcer, 20_000);
  announcer.change(
    {
      put: new Map([target('192.0.2.240', 1, '02:00:00:00:00:99'), target('192.0.2.240', 2)]),
      remove: [],
    },
    20_001,
  );
  expect(announcer.due(20_001).map(({ link }) => link)).toEqual([1]);
  announcer.again(2, 20_002);
  expect(announcer.due(20_002).map(({ link }) => link)).toEqual([2]);
});

test('without a refresh, an address is left alone after the rounds of its takeover', () => {
  const announcer = new Announcer({ random: half, refresh: 0 });
  announcer.change({ put: new Map([target('192.0.2.240')]), remove: [] }, 0);
  expect(drain(announcer, 300_000).map(({ at }) => at)).toEqual([0, 200, 1100, 3000, 10_000]);
  expect(announcer.deadline()).toBeUndefined();
  announcer.again('all', 400_000);
  expect(drain(announcer, 400_000)).toEqual([{ at: 400_000, frames: 1 }]);
});
