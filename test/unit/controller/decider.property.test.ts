/**
 * The Decider decides as `allocate` would from the same facts, whatever the facts were before; and
 * who makes a conflict by its own change is the one that moves.
 */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Pool } from '../../../config/model.ts';
import { allocate } from '../../../controller/allocate.ts';
import type { Decision, Taken } from '../../../controller/allocate.ts';
import { Decider } from '../../../controller/decider.ts';
import type { Fact, Facts } from '../../../controller/decider.ts';
import { formatIp, parseIp } from '../../../net/ip.ts';
import type { Ip } from '../../../net/ip.ts';
import { apart, claim, mapOf, pool } from './claims.ts';

function ip(text: string): Ip {
  const parsed = parseIp(text);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}

const POOLS: readonly (readonly Pool[])[] = [
  [pool('p0', '192.0.2.0-192.0.2.3'), pool('p1', '192.0.2.4-192.0.2.5 2001:db8::0-2001:db8::2')],
  [pool('p0', '192.0.2.0-192.0.2.1')],
  [
    pool('p0', '192.0.2.0-192.0.2.1', apart({ namespaces: new Set(['n']) })),
    pool('p1', '192.0.2.2-192.0.2.4'),
  ],
  [],
];

const someIp = fc.oneof(
  fc.nat(5).map((n) => ip(`192.0.2.${n}`)),
  fc.nat(2).map((n) => ip(`2001:db8::${n}`)),
);

const someService = fc.record({
  held: fc.array(someIp, { maxLength: 2 }),
  occupied: fc.array(someIp, { maxLength: 1 }),
  wish: fc.constantFrom('none', 'ip', 'pool'),
  policy: fc.constantFrom(undefined, 'PreferDualStack' as const, 'RequireDualStack' as const),
  isOurs: fc.constantFrom(true, true, true, true, false),
  keepOnly: fc.constantFrom(false, false, false, true),
});

type Drawn = typeof someService extends fc.Arbitrary<infer D> ? D : never;

/** Of a name, ports and sharing are always the same: nobody makes a conflict by changing them. */
function factOf(name: number, drawn: Drawn): Fact {
  const { held, occupied, wish, policy, isOurs, keepOnly } = drawn;
  const key = `n/s${name}`;
  if (!isOurs) return { key, entrant: undefined, occupied: [...held, ...occupied] };
  const made = claim(`s${name}`, {
    ...(wish === 'ip' && policy !== 'RequireDualStack' ? { ips: '192.0.2.2' } : {}),
    ...(wish === 'pool' ? { pool: 'p1' } : {}),
    ...(name < 3 ? { share: 'k' } : {}),
    spec: {
      ports: [{ port: 80 + (name % 2) }],
      ...(policy === undefined ? {} : { ipFamilyPolicy: policy }),
    },
  });
  return { key, entrant: { claim: { ...made, key, held }, keepOnly }, occupied };
}

const someTaken = fc.record({
  by: fc.constantFrom('A', 'B'),
  for: fc.array(
    fc.nat(4).map((n) => `n/s${n}`),
    { maxLength: 2 },
  ),
  firm: fc.boolean(),
});

const someAddresses = fc.array(someIp, { minLength: 1, maxLength: 2 });

const someMove = fc.record({
  /** Undefined: it is gone. */
  services: fc.array(fc.tuple(fc.nat(4), fc.option(someService, { freq: 6 })), { maxLength: 3 }),
  /** Those hold what was decided for them. */
  kept: fc.array(fc.nat(4), { maxLength: 5 }),
  pools: fc.option(fc.nat(POOLS.length - 1), { nil: undefined, freq: 1 }),
  quota: fc.constantFrom(undefined, undefined, 2),
  incomplete: fc.constantFrom(false, false, false, true),
  reserved: fc.dictionary(fc.constantFrom('n/r1', 'n/r2'), someAddresses, { maxKeys: 1 }),
  leaving: fc.dictionary(fc.constantFrom('n/g (1)', 'n/g (2)'), someAddresses, { maxKeys: 1 }),
  taken: fc.array(fc.tuple(someIp, someTaken), { maxLength: 2 }),
  quarantined: fc.array(fc.tuple(someIp, fc.boolean()), { maxLength: 1 }),
});

function inWords(decisions: ReadonlyMap<string, Decision>): unknown {
  const words = ([key, decision]: [string, Decision]): [string, string] => {
    if (decision.kind === 'untouched') return [key, decision.kind];
    if (decision.kind === 'denied') return [key, `${decision.reason}: ${decision.message}`];
    return [key, `${decision.addresses.map(formatIp).join()} of ${decision.pool}`];
  };
  return Object.fromEntries([...decisions].map(words).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function fromScratch({ services, reserved, leaving, ...settings }: Facts): unknown {
  const occupied = new Map(services.map((fact) => [fact.key, fact.occupied]));
  const entrants = services.flatMap(({ entrant }) => entrant ?? []);
  return inWords(
    allocate({
      ...settings,
      entrants,
      reserved,
      occupied: new Map([...occupied, ...leaving]),
    }),
  );
}

describe('the decider', () => {
  test('decides what all the facts say, and nothing that was decided before', () => {
    const moves = fc.array(someMove, { minLength: 2, maxLength: 12, size: 'max' });
    const pools = POOLS.map(mapOf);
    const quotas = new Map([[2, new Map([['n', 2]])]]);
    const none = new Map<string, number>();
    fc.assert(
      fc.property(moves, (all) => {
        const decider = new Decider();
        const present = new Map<number, Drawn>();
        const facts = new Map<number, Fact>();
        let inForce = pools[0];
        for (const move of all) {
          const set = (name: number, drawn: Drawn): void => {
            present.set(name, drawn);
            facts.set(name, factOf(name, drawn));
          };
          for (const [name, drawn] of move.services) {
            if (drawn !== null) set(name, drawn);
            else if (present.delete(name)) facts.delete(name);
          }
          if (move.pools !== undefined) inForce = pools[move.pools];
          const given: Facts = {
            services: [...facts.values()],
            pools: inForce ?? new Map(),
            quotas: move.quota === undefined ? none : (quotas.get(move.quota) ?? none),
            incomplete: move.incomplete,
            reserved: new Map(Object.entries(move.reserved)),
            leaving: new Map(Object.entries(move.leaving)),
            taken: new Map(move.taken.map(([at, taken]): [string, Taken] => [formatIp(at), taken])),
            quarantined: new Map(
              move.quarantined.map(([at, isContested]) => [
                formatIp(at),
                { why: 'A', isContested },
              ]),
            ),
          };
          const decisions = decider.decide(given);
          expect(inWords(decisions)).toEqual(fromScratch(given));
          for (const name of move.kept) {
            const drawn = present.get(name);
            const decision = decisions.get(`n/s${name}`);
            if (drawn === undefined || decision?.kind !== 'allocated') continue;
            set(name, { ...drawn, held: [...decision.addresses], occupied: [] });
          }
        }
      }),
      { numRuns: Number(process.env['RUNS'] ?? 400) },
    );
  });

  test('of two that share, the one that changes its ports moves, though it is the older', () => {
    const pools = mapOf([pool('p0', '192.0.2.0/30')]);
    const held = [ip('192.0.2.0')];
    const fact = (name: string, port: number, since: string): Fact => {
      const made = claim(name, { share: 'k', spec: { ports: [{ port }] } });
      return { key: made.key, entrant: { claim: { ...made, held, since } }, occupied: [] };
    };
    const common = { pools, quotas: new Map(), incomplete: false, reserved: new Map() };
    const none = { leaving: new Map(), taken: new Map(), quarantined: new Map() };
    const rest = { ...common, ...none };
    const decider = new Decider();
    const younger = fact('younger', 81, 'b');
    decider.decide({ ...rest, services: [fact('older', 80, 'a'), younger] });
    const clashing = [fact('older', 81, 'a'), younger];
    const words = inWords(decider.decide({ ...rest, services: clashing }));
    expect(words).toEqual({ [younger.key]: '192.0.2.0 of p0', 'd/older': '192.0.2.1 of p0' });
    // Also when it is looked at again before its new address is written.
    expect(inWords(decider.decide({ ...rest, services: clashing }))).toEqual(words);
  });
});
