/** The beat's layout, and what is refused. */
import { createSocket } from 'node:dgram';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { macFromBytes } from '../../../net/mac.ts';
import { emitBeat, mostBytes, nodeId, parseBeat } from '../../../speaker/heartbeat.ts';
import type { Beat } from '../../../speaker/heartbeat.ts';
import { Peers, hmacSeal } from '../../../speaker/io/peers.ts';

const seal = hmacSeal(new TextEncoder().encode('sixteen byte key'));
const other = hmacSeal(new TextEncoder().encode('another long key'));

const id = fc.stringMatching(/^[0-9a-f]{16}$/);
const number = fc.integer({ min: 0, max: 2 ** 48 - 1 });
const ack = fc.record({
  id,
  boot: id,
  number,
  ago: fc.oneof(fc.integer({ min: 0, max: 65534 }), fc.constant(Infinity)),
});
const beat: fc.Arbitrary<Beat> = fc.record({
  sender: id,
  boot: id,
  number,
  ready: fc.boolean(),
  leaving: fc.boolean(),
  asks: fc.boolean(),
  impaired: fc.boolean(),
  reaches: fc.boolean(),
  acks: fc.array(ack, { maxLength: 20 }),
  macs: fc.array(
    fc.uint8Array({ minLength: 6, maxLength: 6 }).map((bytes) => macFromBytes(bytes)),
    { maxLength: 4 },
  ),
});

test('a beat reads back as it was written', () => {
  fc.assert(
    fc.property(beat, (it) => {
      expect(parseBeat(emitBeat(it, seal), seal)).toEqual({ ok: true, value: it });
    }),
  );
});

test('the layout on the wire', () => {
  const bytes = emitBeat(
    {
      sender: '0011223344556677',
      boot: '8899aabbccddeeff',
      number: 0x010203040506,
      ready: true,
      leaving: false,
      asks: false,
      impaired: false,
      reaches: false,
      acks: [{ id: '1111111111111111', boot: '2222222222222222', number: 3, ago: 258 }],
      macs: ['02:64:00:00:00:64'],
    },
    { tag: () => new Uint8Array(16).fill(0xee), verify: () => true },
  );
  expect(Buffer.from(bytes).toString('hex')).toBe(
    [
      ['41525047', '01', '01', '0001'],
      ['0011223344556677', '8899aabbccddeeff', '010203040506', '0001'],
      ['1111111111111111', '2222222222222222', '000000000003', '0102'],
      ['026400000064'],
      ['ee'.repeat(16)],
    ]
      .flat()
      .join(''),
  );
});

const GOOD: Beat = {
  sender: nodeId('a'),
  boot: nodeId('b'),
  number: 1,
  ready: false,
  leaving: false,
  asks: false,
  impaired: false,
  reaches: false,
  acks: [],
  macs: [],
};

describe('refused', () => {
  const good = emitBeat(GOOD, seal);

  test('another secret', () => {
    expect(parseBeat(good, other)).toEqual({ ok: false, error: 'unauthenticated' });
  });

  test('any flipped bit, any cut, any random bytes; and never an exception', () => {
    fc.assert(
      fc.property(fc.nat(good.length * 8 - 1), (bit) => {
        const bad = Uint8Array.from(good);
        bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(parseBeat(bad, seal).ok).toBe(false);
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(parseBeat(bytes, seal).ok).toBe(false);
      }),
    );
    for (let length = 0; length < good.length; length++) {
      expect(parseBeat(good.subarray(0, length), seal).ok).toBe(false);
    }
  });

  test('a later version, by name, so that a rolling update can say so', () => {
    const body = good.slice(0, good.length - 16);
    body[4] = 2;
    const later = new Uint8Array([...body, ...seal.tag(body)]);
    expect(parseBeat(later, seal)).toEqual({ ok: false, error: 'version' });
  });

  test('a count of acknowledgements that does not fit the length', () => {
    const body = good.slice(0, good.length - 16);
    body[7] = 1;
    const wrong = new Uint8Array([...body, ...seal.tag(body)]);
    expect(parseBeat(wrong, seal)).toEqual({ ok: false, error: 'malformed' });
  });

  test('by its length before it costs a hash', () => {
    let hashed = 0;
    const verify = (): boolean => {
      hashed += 1;
      return true;
    };
    const counting = { ...seal, verify };
    const acks = (count: number): Beat => {
      const each = { id: nodeId('c'), boot: nodeId('d'), number: 1, ago: 0 };
      return { ...GOOD, acks: Array.from({ length: count }, () => each) };
    };
    const long = emitBeat(acks(2500), seal);
    expect(parseBeat(long, counting, mostBytes(100))).toEqual({ ok: false, error: 'malformed' });
    const padded = Uint8Array.of(...good, ...new Uint8Array(1000));
    expect(parseBeat(padded, counting)).toEqual({ ok: false, error: 'malformed' });
    expect(hashed).toBe(0);
    // Of each peer one life and one that may be the next.
    expect(parseBeat(emitBeat(acks(200), seal), counting, mostBytes(100)).ok).toBe(true);
  });
});

test('a node id is the start of the sha256 of its name', () => {
  // printf node1 | sha256sum
  expect(nodeId('node1')).toBe('ca12f31b8cbf5f29');
  expect(nodeId('node1')).not.toBe(nodeId('node2'));
});

test('the socket takes no beat that is longer than those of its peers can be', async () => {
  const sender = createSocket('udp4');
  await new Promise<void>((done) => sender.bind(0, '127.0.0.1', done));
  const free = createSocket('udp4');
  await new Promise<void>((done) => free.bind(0, done));
  const { port } = free.address();
  await new Promise<void>((done) => free.close(() => done()));
  const heard = Promise.withResolvers<Beat>();
  const secret = new TextEncoder().encode('sixteen byte key');
  const peers = await Peers.open(secret, port, (each) => heard.resolve(each));
  if (!peers.ok) throw new Error(peers.error);
  const each = { id: nodeId('c'), boot: nodeId('d'), number: 1, ago: 0 };
  const long = { ...GOOD, acks: Array.from({ length: 1000 }, () => each) };
  sender.send(emitBeat(long, seal), port, '127.0.0.1');
  sender.send(emitBeat(GOOD, seal), port, '127.0.0.1');
  const first = await heard.promise;
  peers.value.close();
  sender.close();
  expect(first.acks).toHaveLength(GOOD.acks.length);
  expect([...peers.value.faults]).toEqual([['malformed', 1]]);
});
