/**
 * The Allocator decides as `allocate` would from the same facts, whatever happened before, however
 * little of it it looks at.
 */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Claim } from '../../../config/claim.ts';
import type { Pool } from '../../../config/model.ts';
import { Allocator } from '../../../controller/allocator.ts';
import { allocate } from '../../../controller/allocate.ts';
import type { Decision, Entrant, Quarantine, Settings } from '../../../controller/allocate.ts';
import { formatIp, parseIp } from '../../../net/ip.ts';
import type { Ip } from '../../../net/ip.ts';
import { apart, claim, mapOf, pool } from './claims.ts';

function ip(written: string): Ip {
  const parsed = parseIp(written);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}

const someAddress = fc.oneof(
  fc.nat(5).map((n) => `192.0.2.${n}`),
  fc.nat(3).map((n) => `2001:db8::${n.toString(16)}`),
);

const someWish = fc.record({
  ips: fc.option(someAddress, { nil: undefined, freq: 5 }),
  pool: fc.option(fc.constantFrom('p0', 'p1', 'gone'), { nil: undefined, freq: 5 }),
  share: fc.option(fc.constantFrom('k', 'l'), { nil: undefined }),
  port: fc.nat(2),
  local: fc.boolean(),
  policy: fc.constantFrom(undefined, 'PreferDualStack' as const, 'RequireDualStack' as const),
  perFamily: fc.constantFrom(1, 1, 1, 2, 3),
  since: fc.constantFrom('', 'x', '~'),
  keepOnly: fc.integer({ min: 0, max: 7 }).map((n) => n === 7),
  headless: fc.integer({ min: 0, max: 9 }).map((n) => n === 9),
});

type Wish = typeof someWish extends fc.Arbitrary<infer W> ? W : never;

function entrant(name: number, wanted: Wish, held: readonly Ip[]): Entrant {
  const { port, policy, perFamily, since, keepOnly, ips, headless, local, ...rest } = wanted;
  const request = ips === undefined || policy === 'RequireDualStack' ? {} : { ips };
  const { pool: asked, share } = rest;
  const namespace = name % 2 === 0 ? 'd' : 'e';
  const made = claim(`s${name}`, {
    namespace,
    ...request,
    ...(asked === undefined ? {} : { pool: asked }),
    ...(share === undefined ? {} : { share }),
    spec: {
      ports: [{ port: port + 1 }],
      ...(local ? { externalTrafficPolicy: 'Local' as const } : {}),
      ...(policy === undefined ? {} : { ipFamilyPolicy: policy }),
      ...(headless ? { clusterIP: 'None' } : {}),
    },
  });
  const key = `n/s${name}`;
  return { claim: { ...made, key, held, since, perFamily } satisfies Claim, keepOnly };
}

const settings = fc
  .record({
    pools: fc.array(
      fc.record({
        four: fc.integer({ min: 1, max: 4 }),
        six: fc.nat(3),
        autoAssign: fc.constantFrom(true, true, true, false),
        avoidBuggyIPs: fc.boolean(),
        apart: fc.option(fc.constantFrom('d', 'e'), { nil: undefined, freq: 3 }),
      }),
      { minLength: 1, maxLength: 3 },
    ),
    quota: fc.option(fc.nat(4), { nil: undefined }),
    incomplete: fc.constantFrom(false, false, false, true),
  })
  .map(({ pools, quota, incomplete }): Settings => {
    const made = pools.flatMap(({ four, six, apart: namespace, ...rest }, index): Pool[] => {
      const v4 = four === 0 ? [] : [`192.0.2.${index * 6}-192.0.2.${index * 6 + four - 1}`];
      const v6 = six === 0 ? [] : [`2001:db8::${index * 3}-2001:db8::${index * 3 + six - 1}`];
      const ranges = [...v4, ...v6].join(' ');
      const own = namespace === undefined ? {} : apart({ namespaces: new Set([namespace]) });
      return ranges === '' ? [] : [pool(`p${index}`, ranges, { ...rest, ...own })];
    });
    const quotas = new Map(quota === undefined ? [] : [['d', quota]]);
    return { pools: mapOf(made), incomplete, quotas };
  });

const one = fc.nat(4);
const someHeld = fc.array(someAddress, { maxLength: 3 });
const oneStep = fc.oneof(
  {
    weight: 9,
    arbitrary: fc.record({ kind: fc.constant('wish' as const), name: one, wish: someWish }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('show' as const), name: one, held: someHeld }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('copy' as const), name: one, from: one }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('echo' as const), name: one }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('delete' as const), name: one }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('type' as const), name: one }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('remnant' as const), name: one, held: someHeld }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('claimed' as const),
      address: someAddress,
      taken: fc.option(
        fc.record({
          by: fc.constantFrom('A', 'B'),
          for: fc.array(
            one.map((n) => `n/s${n}`),
            { maxLength: 2 },
          ),
          firm: fc.boolean(),
        }),
        { nil: undefined },
      ),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('quarantine' as const),
      address: someAddress,
      quarantine: fc.constantFrom(
        { why: 'A claims it', isContested: true },
        { why: 'B claims it', isContested: true },
        { why: 'A claims it', isContested: false },
        undefined,
      ),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('configure' as const), settings }) },
);

type Step = typeof oneStep extends fc.Arbitrary<infer S> ? S : never;

/** What the source shows. */
interface Shown {
  readonly wish: Wish;
  readonly held: readonly Ip[];
}

class World {
  readonly allocator = new Allocator();
  readonly #shown = new Map<number, Shown>();

  play(step: Step): void {
    if (step.kind === 'configure') return this.allocator.configure(step.settings);
    if (step.kind === 'claimed') return this.allocator.claimed(ip(step.address), step.taken);
    if (step.kind === 'quarantine') return this.#quarantine(step.address, step.quarantine);
    const { name } = step;
    const shown = this.#shown.get(name);
    if (step.kind === 'remnant') return this.allocator.reserve(`r/${name}`, step.held.map(ip));
    if (step.kind === 'wish') return this.#put(name, { held: shown?.held ?? [], wish: step.wish });
    if (shown === undefined) return;
    if (step.kind === 'show') return this.#put(name, { ...shown, held: step.held.map(ip) });
    if (step.kind === 'type') {
      const key = `n/s${name}`;
      return this.allocator.put({ key, entrant: undefined, shown: shown.held });
    }
    if (step.kind === 'delete') {
      this.#shown.delete(name);
      return this.allocator.delete(`n/s${name}`);
    }
    const from = step.kind === 'copy' ? step.from : name;
    const decision = this.allocator.decisions.get(`n/s${from}`);
    const held = decision?.kind === 'allocated' ? decision.addresses : [];
    this.#put(name, { ...shown, held });
  }

  readonly #quarantined = new Map<string, Quarantine>();

  #quarantine(address: string, quarantine: Quarantine | undefined): void {
    this.allocator.quarantine(ip(address), quarantine);
    if (quarantine === undefined) this.#quarantined.delete(address);
    else this.#quarantined.set(address, quarantine);
  }

  /** Who has an address in quarantine and did not have it, or must leave it. */
  intruders(): string[] {
    return [...this.allocator.decisions].flatMap(([key, decision]) => {
      if (decision.kind !== 'allocated') return [];
      const { wish, held = [] } = this.#shown.get(Number(key.slice('n/s'.length))) ?? {};
      const got = decision.addresses.map(formatIp).filter((text) => this.#quarantined.has(text));
      const mayKeep = (text: string): boolean =>
        held.map(formatIp).includes(text) &&
        (wish?.ips === text || this.#quarantined.get(text)?.isContested === false);
      return got.filter((text) => !mayKeep(text)).map((text) => `${key}: ${text}`);
    });
  }

  #put(name: number, shown: Shown): void {
    this.#shown.set(name, shown);
    const { held } = shown;
    const key = `n/s${name}`;
    this.allocator.put({ key, entrant: entrant(name, shown.wish, held), shown: held });
  }

  /** What is decided, what is told to be new, and what both should be. */
  decide(): { readonly got: Outcome; readonly wanted: Outcome } {
    const before = new Map(this.allocator.decisions);
    const scratch = allocate(this.allocator.snapshot());
    const changed = this.allocator.decide();
    const isOther = ([key, decision]: [string, Decision]): boolean =>
      inWords(before.get(key)) !== inWords(decision);
    const others = [...scratch].filter(isOther).map(([key]) => key);
    return { got: outcome(this.allocator.decisions, changed), wanted: outcome(scratch, others) };
  }
}

interface Outcome {
  readonly decisions: unknown;
  readonly changed: readonly string[];
}

function outcome(decisions: ReadonlyMap<string, Decision>, changed: Iterable<string>): Outcome {
  const words = [...decisions].map(([key, decision]) => [key, inWords(decision)]);
  return { decisions: Object.fromEntries(words), changed: [...changed].toSorted() };
}

function inWords(decision: Decision | undefined): string {
  if (decision === undefined) return '';
  if (decision.kind === 'untouched') return decision.kind;
  if (decision.kind === 'denied') return `${decision.reason}: ${decision.message}`;
  return `${decision.addresses.map(formatIp).join()} of ${decision.pool}`;
}

describe('whatever happens', () => {
  const often = fc.constantFrom(true, true, false);

  test('each decision is that of all the facts at once, and heeds the quarantine', () => {
    fc.assert(
      fc.property(
        settings,
        fc.array(someWish, { minLength: 5, maxLength: 5 }),
        fc.array(fc.tuple(oneStep, often), { minLength: 12, maxLength: 40, size: 'max' }),
        (first, wishes, steps) => {
          const world = new World();
          world.allocator.configure(first);
          for (const [at, each] of wishes.entries())
            world.play({ kind: 'wish', name: at, wish: each });
          for (const [each, isDecided] of steps) {
            world.play(each);
            if (!isDecided) continue;
            const { got, wanted } = world.decide();
            expect(got).toEqual(wanted);
            expect(world.intruders()).toEqual([]);
          }
        },
      ),
      { numRuns: Number(process.env['RUNS'] ?? 300) },
    );
  });
});
