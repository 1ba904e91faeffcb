/** What holds for all claims and all pools. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Claim } from '../../../config/claim.ts';
import type { Pool } from '../../../config/model.ts';
import { allocate } from '../../../controller/allocate.ts';
import type { Decision } from '../../../controller/allocate.ts';
import { compareIp, formatIp } from '../../../net/ip.ts';
import type { Ip } from '../../../net/ip.ts';
import { contains } from '../../../net/range.ts';
import { apart, claim, mapOf, pool } from './claims.ts';

describe('for all claims and pools', () => {
  const address = fc.oneof(
    fc.nat(19).map((n) => `192.0.2.${n}`),
    fc.nat(9).map((n) => `2001:db8::${n.toString(16)}`),
  );
  const someone = fc.record({
    held: fc.oneof(fc.constant(''), address, fc.constant('192.0.2.3 2001:db8::3')),
    ips: fc.option(address, { nil: undefined, freq: 4 }),
    pool: fc.option(fc.constantFrom('p0', 'p1', 'p2'), { nil: undefined, freq: 4 }),
    share: fc.option(fc.constantFrom('k', 'l'), { nil: undefined }),
    port: fc.nat(3),
    policy: fc.constantFrom(undefined, 'PreferDualStack' as const, 'RequireDualStack' as const),
    namespace: fc.constantFrom('d', 'e'),
  });
  const world = fc.record({
    services: fc.array(someone, { maxLength: 14 }),
    pools: fc.array(
      fc.record({
        four: fc.nat(5),
        six: fc.nat(3),
        autoAssign: fc.boolean(),
        avoidBuggyIPs: fc.boolean(),
        apart: fc.option(fc.constantFrom('d', 'e'), { nil: undefined }),
      }),
      { maxLength: 3 },
    ),
  });
  type World = typeof world extends fc.Arbitrary<infer W> ? W : never;

  const poolsOf = ({ pools }: World): ReadonlyMap<string, Pool> =>
    mapOf(
      pools.flatMap(({ four, six, apart: namespace, ...rest }, index) => {
        const v4 = four === 0 ? [] : [`192.0.2.${index * 6}-192.0.2.${index * 6 + four - 1}`];
        const v6 = six === 0 ? [] : [`2001:db8::${index * 3}-2001:db8::${index * 3 + six - 1}`];
        const ranges = [...v4, ...v6];
        const own = namespace === undefined ? {} : apart({ namespaces: new Set([namespace]) });
        return ranges.length === 0
          ? []
          : [pool(`p${index}`, ranges.join(' '), { ...rest, ...own })];
      }),
    );

  const claimsOf = ({ services }: World): Claim[] =>
    services.flatMap(({ port, policy, ...rest }, index) => {
      const spec = {
        ports: [{ port: port + 1 }],
        ...(policy === undefined ? {} : { ipFamilyPolicy: policy }),
      };
      const { ips, ...wish } = rest;
      const request = ips === undefined || policy === 'RequireDualStack' ? {} : { ips };
      const name = `s${String(index).padStart(2, '0')}`;
      const { pool: asked, share, ...plain } = wish;
      return [
        claim(name, {
          ...plain,
          ...request,
          ...(asked === undefined ? {} : { pool: asked }),
          ...(share === undefined ? {} : { share }),
          spec,
        }),
      ];
    });

  const run = (claims: readonly Claim[], pools: ReadonlyMap<string, Pool>) =>
    allocate({ entrants: claims.map((each) => ({ claim: each })), pools });

  const withHeld = (claims: readonly Claim[], decisions: ReadonlyMap<string, Decision>): Claim[] =>
    claims.map((each) => {
      const decision = decisions.get(each.key);
      return { ...each, held: decision?.kind === 'allocated' ? decision.addresses : [] };
    });

  /** As the world turns: decide, write, decide again, until nothing changes. */
  const settled = (claims: readonly Claim[], pools: ReadonlyMap<string, Pool>): Claim[] => {
    let now = [...claims];
    for (let round = 0; round < 20; round += 1) {
      const next = withHeld(now, run(now, pools));
      if (next.every((each, i) => sameList(each.held, now[i]?.held ?? []))) return next;
      now = next;
    }
    throw new Error('does not settle');
  };

  const sameList = (a: readonly Ip[], b: readonly Ip[]): boolean =>
    JSON.stringify(a.map(formatIp)) === JSON.stringify(b.map(formatIp));

  const addressesOf = (decisions: ReadonlyMap<string, Decision>, { key }: Claim): readonly Ip[] => {
    const decision = decisions.get(key);
    return decision?.kind === 'allocated' ? decision.addresses : [];
  };

  const has = (list: readonly Ip[], ip: Ip): boolean =>
    list.some((each) => compareIp(each, ip) === 0);

  const mayShare = (a: Claim, b: Claim): boolean =>
    a.sharing !== undefined &&
    a.sharing.key === b.sharing?.key &&
    !a.ports.some((port) => b.ports.includes(port));

  /** Addresses of `a` that `b` has, too, or still shows without `a` having held them before. */
  const doubles = (a: Claim, b: Claim, decisions: ReadonlyMap<string, Decision>): Ip[] =>
    addressesOf(decisions, a).filter((ip) => {
      const taken = has(addressesOf(decisions, b), ip);
      const early = has(b.held, ip) && !has(a.held, ip);
      return (taken || early) && !mayShare(a, b);
    });

  test('no address twice without sharing, and none that another still shows', () => {
    fc.assert(
      fc.property(world, (made) => {
        const claims = claimsOf(made);
        const decisions = run(claims, poolsOf(made));
        const pairs = claims.flatMap((a) => claims.filter((b) => b !== a).map((b) => [a, b]));
        const wrong = pairs.flatMap(([a, b]) => doubles(a as Claim, b as Claim, decisions));
        expect(wrong.map(formatIp)).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  /** What is wrong with the decision on one claim. */
  const faults = (
    each: Claim,
    decision: Decision | undefined,
    pools: ReadonlyMap<string, Pool>,
  ) => {
    if (decision === undefined || decision.kind === 'untouched') return ['no decision'];
    if (decision.kind === 'denied') return decision.message.length > 10 ? [] : ['no sentence'];
    const { addresses } = decision;
    const from = pools.get(decision.pool);
    const kept = addresses.some((ip) => has(each.held, ip));
    const named = each.pool === decision.pool || each.requested.length > 0;
    const families = addresses.map((ip) => ip.family);
    const rules: Record<string, boolean> = {
      'may be used without being named': from?.autoAssign === true || named || kept,
      'serves the namespace': from?.allocation?.namespaces.has(each.namespace) ?? true,
      'has the addresses': addresses.every((ip) =>
        from?.ranges.some((range) => contains(range, ip)),
      ),
      'gives no avoided address': !addresses.some(
        (ip) => from?.avoidBuggyIPs === true && ip.family === 4 && (ip.value & 0xffn) === 0n,
      ),
      'is the pool asked for': each.pool === undefined || each.pool === decision.pool,
      'are the addresses asked for':
        each.requested.length === 0 || sameList(addresses, each.requested),
      'has each family once': new Set(families).size === families.length,
      'has both where both are wanted': each.families.want !== 'both' || families.length === 2,
    };
    return Object.keys(rules).filter((rule) => rules[rule] !== true);
  };

  test('every claim gets addresses that its pool allows and it asked for, or a reason', () => {
    fc.assert(
      fc.property(world, (made) => {
        const pools = poolsOf(made);
        const claims = claimsOf(made);
        const decisions = run(claims, pools);
        expect(claims.flatMap((each) => faults(each, decisions.get(each.key), pools))).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  test('the order of the input changes nothing', () => {
    fc.assert(
      fc.property(world, fc.infiniteStream(fc.nat()), (made, stream) => {
        const pools = poolsOf(made);
        const claims = claimsOf(made);
        const keys = new Map(claims.map((each) => [each.key, stream.next().value as number]));
        const mixed = claims.toSorted((a, b) => (keys.get(a.key) ?? 0) - (keys.get(b.key) ?? 0));
        const reversed = new Map([...pools].toReversed());
        expect([...run(mixed, reversed)].toSorted(byName)).toEqual(
          [...run(claims, pools)].toSorted(byName),
        );
      }),
    );
  });

  const byName = (a: [string, unknown], b: [string, unknown]): number => (a[0] < b[0] ? -1 : 1);

  test('decisions settle, and then deciding again changes nothing', () => {
    fc.assert(
      fc.property(world, (made) => {
        const pools = poolsOf(made);
        const stable = settled(claimsOf(made), pools);
        const again = withHeld(stable, run(stable, pools));
        expect(again.every((each, i) => sameList(each.held, stable[i]?.held ?? []))).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test('newcomers take nothing from anybody', () => {
    fc.assert(
      fc.property(world, world, (made, more) => {
        const pools = poolsOf(made);
        const stable = settled(claimsOf(made), pools);
        const newcomers = claimsOf(more).map((each): Claim =>
          Object.assign({}, each, { key: each.key.replace('/s', '/a'), held: [] }),
        );
        const decisions = run([...newcomers, ...stable], pools);
        const moved = stable.filter(
          (each) => each.held.length > 0 && !sameList(addressesOf(decisions, each), each.held),
        );
        expect(moved).toEqual([]);
      }),
      { numRuns: 300 },
    );
  });
});
