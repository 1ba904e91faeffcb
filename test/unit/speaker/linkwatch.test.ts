/** Watching links through whatever goes wrong; messages as the kernel lays them out. */
import { beforeEach, expect, test } from '@jest/globals';
import { LinkWatch } from '../../../speaker/linkwatch.ts';

const GETLINK = 18;
const GETADDR = 22;
const NEWLINK = 16;
const NEWADDR = 20;
const ERROR = 2;
const DONE = 3;
const DUMP_INTR = 0x10;
const EBUSY = 16;

/** nlmsghdr: length, type, flags, sequence, port; then words of 32 bits. */
function message(type: number, words: readonly number[], sequence = 0, flags = 0): Uint8Array {
  const whole = new Uint8Array(16 + 4 * words.length);
  const view = new DataView(whole.buffer);
  view.setUint32(0, whole.length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, flags, true);
  view.setUint32(8, sequence, true);
  for (const [n, word] of words.entries()) view.setInt32(16 + 4 * n, word, true);
  return whole;
}

/** A link without name and MAC. */
const link = (index: number): Uint8Array => message(NEWLINK, [0, index, 0x11043, 0]);
/** ifaddrmsg: IPv4, 24 bits; then the address 10.0.x.y as IFA_LOCAL. */
const address = (index: number, n: number): Uint8Array =>
  message(NEWADDR, [
    0x1802,
    index,
    (2 << 16) | 8,
    ((n & 255) << 24) | (((n >> 8) & 255) << 16) | 10,
  ]);
/** The refused request's header follows the error. */
const refusal = (sequence: number): Uint8Array =>
  message(ERROR, [-EBUSY, 16, 0, sequence, 0], sequence);
const done = (sequence: number, error = 0): Uint8Array => message(DONE, [error], sequence);

let watch: LinkWatch;
let now: number;

beforeEach(() => {
  watch = new LinkWatch();
  now = 0;
  watch.tick(now);
});

/** What came out: `links 3` for a dump with sequence 3, `put 7`, `delete 7`, `synced`. */
function said(): string[] {
  const outputs: string[] = [];
  for (let out = watch.poll(); out !== undefined; out = watch.poll()) {
    if (out.kind === 'put') outputs.push(`put ${out.link.index}`);
    else if (out.kind === 'delete') outputs.push(`delete ${out.index}`);
    else if (out.kind === 'synced') outputs.push('synced');
    else outputs.push(request(out.message));
  }
  return outputs;
}

function request(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const names = new Map([
    [GETLINK, 'links'],
    [GETADDR, 'addresses'],
  ]);
  return `${names.get(view.getUint16(4, true))} ${view.getUint32(8, true)}`;
}

function hear(...messages: readonly Uint8Array[]): string[] {
  for (const bytes of messages) watch.handle({ kind: 'datagram', bytes }, now);
  return said();
}

/** Lets time pass up to the deadline; returns for how long and what came of it. */
function wait(): readonly [number | undefined, string[]] {
  const at = watch.deadline();
  const waited = at === undefined ? undefined : at - now;
  now = at ?? now;
  watch.tick(now);
  return [waited, said()];
}

test('asks for links, then addresses, then tells all and every change', () => {
  expect(said()).toEqual(['links 1']);
  expect(hear(link(7), link(8), done(1))).toEqual(['addresses 2']);
  expect(hear(done(2))).toEqual(['put 7', 'put 8', 'synced']);
  expect(hear(link(9))).toEqual(['put 9']);
  expect(watch.deadline()).toBeUndefined();
});

test('addresses wait a moment for more of them, and are told together or with a link', () => {
  hear(link(7), done(1), done(2));
  expect(hear(address(7, 1))).toEqual([]);
  now += 1;
  expect(hear(address(7, 2))).toEqual([]);
  const [waited, told] = wait();
  expect(waited).toBeCloseTo(4, 1);
  expect(told).toEqual(['put 7']);
  expect(watch.deadline()).toBeUndefined();
  hear(address(7, 3));
  expect(hear(link(8))).toEqual(['put 7', 'put 8']);
  expect(watch.deadline()).toBeUndefined();
});

test('with many addresses they wait longer, and still take effect soon', () => {
  const many = Array.from({ length: 10_000 }, (_, n) => address(7, n));
  hear(link(7), ...many, done(1), done(2));
  hear(address(7, 10_001));
  const [waited] = wait();
  expect(waited).toBeGreaterThan(100);
  expect(waited).toBeLessThan(150);
});

test('addresses that wait while everything is asked for again are told with it', () => {
  hear(link(7), done(1), done(2));
  hear(address(7, 1));
  watch.handle({ kind: 'lost' }, now);
  expect(said()).toEqual(['links 3']);
  now += 5;
  watch.tick(now);
  expect(said()).toEqual([]);
  expect(hear(link(7), address(7, 1), done(3), done(4))).toEqual(['addresses 4', 'put 7']);
});

test.each([
  ['the request for links cannot be sent', [], 'unsent', 'links 2'],
  ['the kernel refuses the links', [refusal(1)], undefined, 'links 2'],
  ['the request for addresses cannot be sent', [done(1)], 'unsent', 'links 3'],
  ['the kernel refuses the addresses', [done(1), refusal(2)], undefined, 'links 3'],
  ['a dump ends with an error', [link(7), done(1, -EBUSY)], undefined, 'links 2'],
] as const)('%s: it is tried again, and told when it is whole', (_, before, failure, again) => {
  hear(...before);
  if (failure !== undefined) watch.handle({ kind: failure }, now);
  said();
  // Half a table is not told, whatever else is heard meanwhile.
  expect(hear(link(7))).toEqual([]);
  expect(wait()).toEqual([100, [again]]);
  const sequence = Number(again.split(' ')[1]);
  hear(link(8), done(sequence));
  expect(hear(done(sequence + 1))).toEqual(['put 8', 'synced']);
});

test('a refusal that comes again is waited for again', () => {
  said();
  hear(refusal(1));
  expect(wait()).toEqual([100, ['links 2']]);
  hear(refusal(2));
  expect(wait()).toEqual([100, ['links 3']]);
});

test('a dump that never ends is given up; its late end is not that of the next', () => {
  said();
  expect(wait()).toEqual([5000, ['links 2']]);
  expect(hear(link(7), done(1), refusal(1))).toEqual([]);
  expect(hear(link(7), done(2))).toEqual(['addresses 3']);
  expect(hear(done(3))).toEqual(['put 7', 'synced']);
});

test('what was missed during a dump is asked for when it has ended', () => {
  said();
  watch.handle({ kind: 'lost' }, now);
  expect(hear(link(7), done(1))).toEqual(['addresses 2']);
  expect(hear(done(2))).toEqual(['links 3']);
  expect(hear(message(NEWLINK, [0, 8, 0x11043, 0], 3, DUMP_INTR), done(3), done(4))).toEqual([
    'addresses 4',
    'links 5',
  ]);
  expect(hear(link(8), done(5), done(6))).toEqual(['addresses 6', 'put 8', 'synced']);
});

test('lost messages later: everything again, told as the difference', () => {
  hear(link(7), link(8), done(1), done(2));
  watch.handle({ kind: 'lost' }, now);
  expect(said()).toEqual(['links 3']);
  expect(hear(link(8), link(9), done(3), done(4))).toEqual(['addresses 4', 'delete 7', 'put 9']);
});
