/** Is the gateway reached: what is asked, how soon a loss is found, how late it is forgiven. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Instant } from '../../../lib/time.ts';
import { parseIp } from '../../../net/ip.ts';
import type { Ip } from '../../../net/ip.ts';
import { BEAT, GOOD_FOR, GatewayCheck, MISSES } from '../../../speaker/gateway.ts';
import type { Reach } from '../../../speaker/gateway.ts';
import type { Gateway } from '../../../speaker/routes.ts';

function ip(text: string): Ip {
  const parsed = parseIp(text);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}

const V4: Gateway = { ip: ip('192.0.2.1'), link: 2 };
const OTHER: Gateway = { ip: ip('192.0.2.2'), link: 2 };
const V6: Gateway = { ip: ip('fe80::1'), link: 2 };

/** A node in virtual time; who answers is a question of the instant. */
class Node {
  now: Instant = 1000;
  readonly told: { at: Instant; reach: Reach }[] = [];
  asked = 0;
  readonly #check = new GatewayCheck();
  #answers: (gateway: Gateway, now: Instant) => boolean;

  constructor(answers: (gateway: Gateway, now: Instant) => boolean, ...gateways: Gateway[]) {
    this.#answers = answers;
    this.route(...gateways);
  }

  get impaired(): boolean | undefined {
    return this.told.at(-1)?.reach.reach === 'missed';
  }

  route(...gateways: Gateway[]): void {
    this.#check.handle({ kind: 'gateways', gateways }, this.now);
    this.#settle();
  }

  answer(answers: (gateway: Gateway, now: Instant) => boolean): void {
    this.#answers = answers;
  }

  run(duration: number): void {
    const end = this.now + duration;
    for (;;) {
      const next = this.#check.deadline() ?? Infinity;
      if (next > end) break;
      this.now = Math.max(next, this.now);
      this.#check.tick(this.now);
      this.#settle();
    }
    this.now = end;
  }

  /** Nothing runs for so long, then all that is due at once: timers before sockets. */
  stall(duration: number): void {
    this.now += duration;
    this.#check.tick(this.now);
    this.#settle();
  }

  #settle(): void {
    for (let out = this.#check.poll(); out !== undefined; out = this.#check.poll()) {
      if (out.kind === 'reach') {
        this.told.push({ at: this.now, reach: out.reach });
        continue;
      }
      this.asked += 1;
      const { gateway, number } = out;
      if (!this.#answers(gateway, this.now)) continue;
      this.#check.handle({ kind: 'echo', from: gateway.ip, number }, this.now);
    }
  }
}

const always = (): boolean => true;
const never = (): boolean => false;

describe('a gateway', () => {
  test('is asked once a second', () => {
    const node = new Node(always, V4);
    node.run(10 * BEAT);
    expect(node.asked).toBe(11);
  });

  test('that answers at the start is reached at once; until then the node is impaired', () => {
    const node = new Node(always, V4);
    expect(node.told.map(({ reach }) => reach.reach)).toEqual(['missed', 'reached']);
    const silent = new Node(never, V4);
    expect(silent.told.map(({ reach }) => reach)).toMatchObject([{ reach: 'missed' }]);
    expect(silent.told[0]?.reach.sentence).toBeUndefined();
    silent.run(5 * BEAT);
    expect(silent.told.at(-1)?.reach.sentence).toContain('192.0.2.1');
    silent.answer(always);
    silent.run(5 * BEAT);
    expect(silent.impaired).toBe(true);
  });

  test('is lost after three beats without an answer, not after two', () => {
    const node = new Node(always, V4);
    node.run(5 * BEAT);
    node.answer(never);
    node.run(MISSES * BEAT);
    expect(node.impaired).toBe(false);
    node.run(BEAT);
    expect(node.impaired).toBe(true);
    expect(node.told.at(-1)?.reach.sentence).toBe(
      'no answer to ICMP echo from the default gateway 192.0.2.1: other nodes answer for the ' +
        'addresses if they reach theirs',
    );
  });

  test('is reached again after ten seconds without a gap', () => {
    const node = new Node(always, V4);
    node.answer(never);
    node.run(5 * BEAT);
    node.answer(always);
    node.run(GOOD_FOR - BEAT);
    expect(node.impaired).toBe(true);
    node.run(2 * BEAT);
    expect(node.impaired).toBe(false);
  });

  test('a gap on the way back counts from the beginning', () => {
    const node = new Node(always, V4);
    node.answer(never);
    node.run(5 * BEAT);
    const back = node.now;
    node.answer((_, now) => Math.round((now - back) / BEAT) % 9 !== 8);
    node.run(60 * BEAT);
    expect(node.impaired).toBe(true);
  });

  test('that gets lost again and again is trusted later and later', () => {
    const node = new Node(always, V4);
    const waits: number[] = [];
    for (let n = 0; n < 7; n++) {
      node.answer(never);
      node.run(5 * BEAT);
      expect(node.impaired).toBe(true);
      node.answer(always);
      const begin = node.now;
      while (node.impaired === true) node.run(BEAT);
      waits.push(Math.round((node.now - begin) / 1000));
    }
    expect(waits).toEqual([11, 21, 41, 81, 161, 301, 301]);
    node.run(4_000_000);
    node.answer(never);
    node.run(5 * BEAT);
    node.answer(always);
    node.run(GOOD_FOR + 2 * BEAT);
    expect(node.impaired).toBe(false);
  });
});

describe('routes', () => {
  test('without a default gateway nothing is asked, and nothing is wrong', () => {
    const node = new Node(never);
    node.run(60 * BEAT);
    expect(node.asked).toBe(0);
    expect(node.impaired).toBe(false);
  });

  test('of equal gateways one is enough', () => {
    const node = new Node(({ ip: one }) => one === OTHER.ip, V4, OTHER);
    node.run(20 * BEAT);
    expect(node.impaired).toBe(false);
    node.answer(never);
    node.run(5 * BEAT);
    expect(node.told.at(-1)?.reach.sentence).toContain('192.0.2.1 or 192.0.2.2');
  });

  test('each family needs its own', () => {
    const node = new Node(({ ip: { family } }) => family === 4, V4, V6);
    node.run(5 * BEAT);
    expect(node.told.at(-1)?.reach).toMatchObject({
      reach: 'missed',
      families: new Map([
        [4, true],
        [6, false],
      ]),
    });
  });

  test('a route that is replaced, or away for a moment, is no loss', () => {
    const node = new Node(always, V4);
    node.run(5 * BEAT);
    const before = node.told.length;
    node.route();
    node.route(OTHER);
    node.run(20 * BEAT);
    node.route(V4);
    node.run(20 * BEAT);
    expect(node.told.slice(before).every(({ reach }) => reach.reach !== 'missed')).toBe(true);
  });

  test('a route that goes while the gateway is lost is trusted as late as an answer', () => {
    const node = new Node(always, V4);
    node.answer(never);
    node.run(5 * BEAT);
    node.route();
    expect(node.impaired).toBe(true);
    node.run(GOOD_FOR + 2 * BEAT);
    expect(node.impaired).toBe(false);
    const { asked } = node;
    node.run(60 * BEAT);
    expect(node.asked).toBe(asked);
  });
});

describe('what proves nothing', () => {
  test('a process that stood still', () => {
    const node = new Node(always, V4);
    node.run(5 * BEAT);
    node.answer(never);
    for (let n = 0; n < 10; n++) node.stall(5 * BEAT);
    expect(node.impaired).toBe(false);
  });

  test('an answer to an older question, or from somebody else', () => {
    const check = new GatewayCheck();
    check.handle({ kind: 'gateways', gateways: [V4] }, 0);
    check.tick(BEAT);
    check.handle({ kind: 'echo', from: V4.ip, number: 1 }, BEAT);
    check.handle({ kind: 'echo', from: OTHER.ip, number: 2 }, BEAT);
    const told: string[] = [];
    for (let out = check.poll(); out !== undefined; out = check.poll()) {
      if (out.kind === 'reach') told.push(out.reach.reach);
    }
    expect(told).toEqual(['missed']);
  });
});

test('property: whatever is lost, an hour sees few changes', () => {
  const lossy = fc.record({ loss: fc.double({ min: 0, max: 1, noNaN: true }), seed: fc.nat() });
  fc.assert(
    fc.property(lossy, ({ loss, seed }) => {
      let state = seed + 1;
      const random = (): number => (state = (state * 48_271) % 0x7fffffff) / 0x7fffffff;
      const node = new Node(() => random() >= loss, V4);
      node.run(3600 * BEAT);
      // Every return takes at least ten seconds, twice as long after each: 10+20+40+80+160+300...
      expect(node.told.length).toBeLessThan(40);
    }),
    { numRuns: 40 },
  );
});

test('property: impaired means a loss of three beats, or a start without an answer', () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { minLength: 1, maxLength: 200 }), (pattern) => {
      let turn = -1;
      const node = new Node(() => pattern[(turn += 1)] ?? true, V4);
      node.run(pattern.length * BEAT);
      for (const { at, reach } of node.told.slice(1)) {
        if (reach.reach !== 'missed') continue;
        const end = Math.round((at - 1000) / BEAT);
        expect(pattern.slice(end - MISSES, end)).toEqual(Array(MISSES).fill(false));
      }
    }),
  );
});
