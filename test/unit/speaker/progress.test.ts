/**
 * No Machine of the speaker keeps its driver busy: whatever came, and at the very instant of a
 * deadline, a few ticks later the next deadline lies ahead. Instants have fractions, as the clock's
 * have, so that a sum and a difference that round differently are found.
 */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Machine } from '../../../lib/machine.ts';
import { seeded } from '../../../lib/random.ts';
import type { Instant } from '../../../lib/time.ts';
import type { Ip } from '../../../net/ip.ts';
import { GatewayCheck } from '../../../speaker/gateway.ts';
import type { GatewayInput } from '../../../speaker/gateway.ts';
import { nodeId } from '../../../speaker/heartbeat.ts';
import type { Beat } from '../../../speaker/heartbeat.ts';
import type { Link } from '../../../speaker/links.ts';
import { LinkWatch } from '../../../speaker/linkwatch.ts';
import type { LinkWatchInput } from '../../../speaker/linkwatch.ts';
import { Reflex } from '../../../speaker/reflex.ts';
import type { ReflexInput, ReflexOutput } from '../../../speaker/reflexport.ts';
import { Reporter } from '../../../speaker/reporter.ts';
import type { ReporterInput } from '../../../speaker/reporter.ts';
import { PROFILES } from '../../../speaker/timing.ts';
import { Verify } from '../../../speaker/verify.ts';
import type { VerifyInput } from '../../../speaker/verify.ts';
import type { Order } from '../../../speaker/vip.ts';

/** What is done in portions may take some. */
const MOST_TICKS = 50;
const RUNS = { numRuns: 150 };

interface Step<I> {
  readonly input: I | undefined;
  /** Until the next step; undefined: to the deadline, at most a second. */
  readonly wait: number | undefined;
}

function stepsOf<I>(input: fc.Arbitrary<I>): fc.Arbitrary<readonly Step<I>[]> {
  const wait = fc.option(fc.double({ min: 0, max: 700, noNaN: true }), { nil: undefined });
  const step = fc.record({ input: fc.option(input, { nil: undefined }), wait });
  return fc.array(step, { minLength: 5, maxLength: 80 });
}

/**
 * The most ticks that one deadline took. `react`: what the world says at once to an output.
 */
function runs<I, O>(
  machine: Machine<I, O>,
  steps: readonly Step<I>[],
  react: (output: O) => I | undefined = () => undefined,
): number {
  let most = 0;
  let now: Instant = 1234.5678;
  const settle = (): void => {
    for (let ticks = 0; ; ticks++) {
      for (let out = machine.poll(); out !== undefined; out = machine.poll()) {
        const answer = react(out);
        if (answer !== undefined) machine.handle(answer, now);
      }
      const at = machine.deadline();
      if (at === undefined || at > now) return;
      most = Math.max(most, ticks + 1);
      if (most > MOST_TICKS) return;
      machine.tick(now);
    }
  };
  for (const { input, wait } of steps) {
    if (input !== undefined) machine.handle(input, now);
    settle();
    const next = machine.deadline() ?? Infinity;
    now = wait === undefined ? Math.min(next, now + 1000) : now + wait;
    settle();
  }
  return most;
}

const ips = Array.from({ length: 6 }, (_, i): Ip => ({
  family: 4,
  value: 0xc0000201n + BigInt(i),
}));
const [anIp, mac] = [
  fc.constantFrom(...ips),
  fc.constantFrom('02:00:5e:10:00:01', '02:00:5e:10:00:02', '02:00:5e:10:00:03'),
];

function link(up: boolean, last: number): Link {
  const own = { family: 4, value: 0xc00002f0n } as const;
  return {
    index: 1,
    name: 'eth0',
    mac: `02:64:00:00:00:0${last}`,
    up,
    noarp: false,
    loopback: false,
    broadcast: true,
    master: undefined,
    addresses: [own],
  };
}

describe('after a few ticks the deadline lies ahead', () => {
  const order = (ip: Ip, owners: readonly string[], isNew: boolean): Order => ({
    ip,
    owners,
    isNew,
    interfaces: 'all',
  });
  const owners = fc.constantFrom(['a'], ['b', 'a'], ['a', 'b'], ['b']);
  const orders = fc
    .array(fc.tuple(anIp, owners, fc.boolean()), { maxLength: 6 })
    .map((all): ReflexInput => {
      const put = new Map(all.map(([ip, names, isNew]) => [textOf(ip), order(ip, names, isNew)]));
      const remove = ips.map(textOf).filter((_, i) => all.length === 5 && i % 2 === 0);
      return { kind: 'orders', delta: { put, remove: remove.filter((key) => !put.has(key)) } };
    });
  /** More probes than the pace lets out at once. */
  const crowd = new Map(
    Array.from({ length: 150 }, (_, i): readonly [string, Order] => {
      const ip: Ip = { family: 4, value: 0xc6336400n + BigInt(i) };
      return [`198.51.100.${i}`, order(ip, ['a'], true)];
    }),
  );
  const crowds = fc.constantFrom<ReflexInput>(
    { kind: 'orders', delta: { put: crowd, remove: [] } },
    { kind: 'orders', delta: { put: new Map(), remove: [...crowd.keys()] } },
  );
  const beat = fc.record({
    number: fc.nat(1000),
    ready: fc.boolean(),
    leaving: fc.boolean(),
    asks: fc.boolean(),
    impaired: fc.boolean(),
    reaches: fc.boolean(),
    acked: fc.nat(1000),
  });
  const beats = beat.map(({ acked, ...says }): ReflexInput => {
    const ack = { id: nodeId('a'), boot: '0'.repeat(16), number: acked, ago: 5 };
    const from: Pick<Beat, 'sender' | 'boot'> = { sender: nodeId('b'), boot: '1'.repeat(16) };
    return { kind: 'beat', beat: { ...from, ...says, acks: [ack], macs: ['02:00:5e:10:00:02'] } };
  });
  const sightings = fc
    .tuple(anIp, mac, fc.constantFrom('request', 'reply', 'probe'), fc.constantFrom(1, 2))
    .map(([ip, claims, form, on]): ReflexInput => {
      const sighting = { at: 0, ip, mac: claims, form, link: on } as const;
      return { kind: 'sighting', sighting };
    });
  const others = fc.constantFrom<ReflexInput>(
    { kind: 'peers', peers: [], member: true },
    { kind: 'peers', peers: [{ name: 'b', address: '198.51.100.2' }], member: true },
    { kind: 'peers', peers: [], member: false },
    { kind: 'link', link: link(true, 1) },
    { kind: 'link', link: link(true, 2) },
    { kind: 'link', link: link(false, 1) },
    { kind: 'unlink', index: 1 },
    { kind: 'attach-failed', index: 1, message: 'no' },
    { kind: 'gateway', reach: 'missed' },
    { kind: 'gateway', reach: 'reached' },
  );
  const all = fc.oneof(orders, crowds, beats, { arbitrary: sightings, weight: 3 }, others);

  test.each(['keep', 'stop'] as const)('of the reflex (%s)', (isolation) => {
    const begun: Step<ReflexInput>[] = [
      { input: { kind: 'link', link: link(true, 1) }, wait: 0 },
      { input: { kind: 'peers', peers: [], member: true }, wait: 900.3 },
    ];
    let served = 0;
    const react = (out: ReflexOutput): ReflexInput | undefined => {
      if (out.kind === 'state' && out.state.held.length > 0) served += 1;
      return out.kind === 'resolve' ? { kind: 'neighbours', entries: [] } : undefined;
    };
    fc.assert(
      fc.property(stepsOf(all), fc.integer(), (steps, seed) => {
        const { default: timing } = PROFILES;
        const [node, boot, random] = ['a', '0'.repeat(16), seeded(seed)] as const;
        const reflex = new Reflex({ node, boot, timing, isolation, random });
        expect(runs(reflex, [...begun, ...steps], react)).toBeLessThan(MOST_TICKS);
      }),
      RUNS,
    );
    expect(served).toBeGreaterThan(0);
  });

  test('of a reflex that may not claim, and slept for a day', () => {
    const [boot, timing, random] = ['0'.repeat(16), PROFILES.default, seeded(1)] as const;
    const reflex = new Reflex({ node: 'a', boot, timing, isolation: 'keep', random });
    const day = { input: undefined, wait: 86_400_000 };
    const alone: ReflexInput = { kind: 'peers', peers: [], member: false };
    expect(runs(reflex, [{ input: alone, wait: 1000 }, day])).toBeLessThan(5);
  });

  test('of the check of gateways', () => {
    const gateway = { ip: ips[0] ?? fail(), link: 1 };
    const inputs = fc.oneof(
      fc.constantFrom<GatewayInput>(
        { kind: 'gateways', gateways: [] },
        { kind: 'gateways', gateways: [gateway] },
      ),
      fc.nat(90).map((number): GatewayInput => ({ kind: 'echo', from: gateway.ip, number })),
    );
    fc.assert(
      fc.property(stepsOf(inputs), (steps) => {
        expect(runs(new GatewayCheck(), steps)).toBeLessThan(MOST_TICKS);
      }),
      RUNS,
    );
  });

  test('of the watch of interfaces', () => {
    const inputs = fc.oneof(
      fc.constantFrom<LinkWatchInput>({ kind: 'lost' }, { kind: 'unsent' }),
      fc
        .uint8Array({ maxLength: 200 })
        .map((bytes): LinkWatchInput => ({ kind: 'datagram', bytes })),
    );
    fc.assert(
      fc.property(stepsOf(inputs), (steps) => {
        expect(runs(new LinkWatch(), steps)).toBeLessThan(MOST_TICKS);
      }),
      RUNS,
    );
  });

  test('of the reporter', () => {
    const url = 'http://192.0.2.9:7472';
    const answer = fc.constantFrom(
      { kind: 'taken' } as const,
      { kind: 'failed', why: 'no' } as const,
      { kind: 'challenged', challenge: 'ab'.repeat(8) } as const,
    );
    const inputs = fc.oneof(
      fc.constantFrom<ReporterInput>(
        { kind: 'changed' },
        { kind: 'controllers', urls: [] },
        { kind: 'controllers', urls: [url] },
      ),
      answer.map((each): ReporterInput => ({ kind: 'answered', url, answer: each })),
    );
    const peers = { alive: [], joining: [], absent: [], dead: [] };
    const none = { addresses: [], silent: [], conflicts: [], troubles: [] };
    const status = { phase: 'serving', plane: 'bpf', ...none, peers } as const;
    fc.assert(
      fc.property(stepsOf(inputs), (steps) => {
        const reporter = new Reporter({ node: 'a', boot: '0'.repeat(16), status: () => status });
        expect(runs(reporter, steps)).toBeLessThan(MOST_TICKS);
      }),
      RUNS,
    );
  });

  test('of a question who answers', () => {
    const frames = fc.uint8Array({ maxLength: 60 }) as fc.Arbitrary<VerifyInput>;
    fc.assert(
      fc.property(
        stepsOf(frames),
        fc.double({ min: 100, max: 5000, noNaN: true }),
        (steps, timeout) => {
          const [ip, random] = [ips[0] ?? fail(), (): number => 0.5];
          const verify = new Verify({ ip, link: link(true, 1), timeout, random });
          expect(runs(verify, steps)).toBeLessThan(MOST_TICKS);
        },
      ),
      RUNS,
    );
  });
});

function textOf({ value }: Ip): string {
  return `192.0.2.${value & 255n}`;
}

function fail(): never {
  throw new Error('there are addresses');
}
