/** What a Service without an address is told, and what beyond MetalLB may keep it from one. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { allocate } from '../../../controller/allocate.ts';
import type { Decision, Taken } from '../../../controller/allocate.ts';
import type { Pool } from '../../../config/model.ts';
import { formatIp } from '../../../net/ip.ts';
import { apart, claim, mapOf, pool } from './claims.ts';
import type { Wish } from './claims.ts';

const LAN = pool('lan', '192.0.2.240-192.0.2.242');
const tcp = (port: number) => ({ ports: [{ port }] });
const REQUIRE = { ipFamilyPolicy: 'RequireDualStack' } as const;

function decide(pools: readonly Pool[], wishes: Record<string, Wish>, more = {}) {
  const entrants = Object.entries(wishes).map(([name, wish]) => ({ claim: claim(name, wish) }));
  return allocate({ entrants, pools: mapOf(pools), ...more });
}

function words(decision: Decision | undefined): string {
  if (decision?.kind === 'denied') return `${decision.reason}: ${decision.message}`;
  if (decision?.kind !== 'allocated') return decision?.kind ?? 'no decision';
  return decision.addresses.map(formatIp).join(' ');
}

describe('the sentence', () => {
  const web = (pools: readonly Pool[], wishes: Record<string, Wish>, more = {}): string =>
    words(decide(pools, wishes, more).get('d/web'));
  const one = pool('one', '192.0.2.1/32');
  const other = { other: { share: 'k', held: '192.0.2.1', spec: tcp(80) } };

  test.each<[string, Wish, string]>([
    ['a port', { share: 'k' }, 'is used by d/other, which has the same port TCP/80'],
    [
      'traffic policy',
      { share: 'k', spec: { ...tcp(1), externalTrafficPolicy: 'Local' } },
      'is used by d/other, which shares it only under externalTrafficPolicy Cluster',
    ],
  ])('names who is in the way of sharing: %s', (_, wish, why) => {
    expect(web([one], { ...other, web: wish })).toBe(
      `NoAddressLeft: no IPv4 or IPv6 address is left in pool "one": 1 IPv4 in use ` +
        `(192.0.2.1 ${why}); free one or add addresses`,
    );
  });

  test('names the selector that differs under Local', () => {
    const local = (app: string, port: number) => ({
      share: 'k',
      spec: { ...tcp(port), externalTrafficPolicy: 'Local' as const, selector: { app } },
    });
    const wishes = { other: { ...local('a', 1), held: '192.0.2.1' }, web: local('b', 2) };
    expect(web([one], wishes)).toContain('(192.0.2.1 is used by d/other, whose selector differs;');
  });

  test('of an address asked for, says which key its users have', () => {
    const asks = (share?: string): Wish => ({
      ips: '192.0.2.1',
      spec: tcp(1),
      ...(share === undefined ? {} : { share }),
    });
    expect(web([one], { ...other, web: asks('l') })).toContain('under another sharing key, "k"');
    const alone = { other: { held: '192.0.2.1' } };
    expect(web([one], { ...alone, web: asks('l') })).toContain('which has no sharing key');
    expect(web([one], { ...alone, web: asks() })).toBe(
      'AddressInUse: 192.0.2.1 is used by d/other; ask for another address, or for none',
    );
  });

  test('says only what is missing: a pair whose IPv6 is used up', () => {
    const dual = pool('dual', '192.0.2.0/30 2001:db8::1/128');
    const wishes = { other: { held: '2001:db8::1', spec: { ipFamilies: ['IPv6' as const] } } };
    expect(web([dual], { ...wishes, web: { spec: REQUIRE } })).toBe(
      'NoAddressLeft: no IPv4 and IPv6 address of one pool is left in pool "dual": ' +
        '1 IPv6 in use; free one or add addresses',
    );
  });

  test('names eight pools, first those that could have given one, and counts the rest', () => {
    const off = Array.from({ length: 9 }, (_, n) =>
      pool(`a${n}`, `192.0.2.${n}/32`, { autoAssign: false }),
    );
    const said = web([...off, pool('z', '198.51.100.1/32')], {
      other: { held: '198.51.100.1' },
      web: {},
    });
    expect(said).toContain('in pool "z": 1 IPv4 in use; "a0": autoAssign is off');
    expect(said).toContain('"a6": autoAssign is off, so it must be asked for by name; and 2 more;');
    expect(said).not.toContain('"a7"');
  });

  test('of a pool asked for and of a headless Service', () => {
    const shop = pool('shop', '192.0.2.2/32', apart({ namespaces: new Set(['shop', 'bar']) }));
    expect(web([shop], { web: { pool: 'shop' } })).toBe(
      'PoolNotForService: pool "shop" is not for it: it is set apart for namespaces bar, shop; ' +
        'ask for another, or change its serviceAllocation',
    );
    expect(web([LAN], { web: { pool: 'x' } })).toContain('there is no pool "x"; create it');
    expect(web([LAN], { web: { spec: { clusterIP: 'None' } } })).toBe(
      'NoClusterIP: a headless Service gets no address; remove spec.clusterIP: None',
    );
  });
});

describe('quotas', () => {
  const quotas = new Map([['d', 2]]);
  const all = (decisions: ReadonlyMap<string, Decision>) => [...decisions.values()].map(words);

  test('a namespace gets no more, and is told; others do', () => {
    const wishes = { a: {}, b: {}, c: {}, e: { namespace: 'other' } };
    expect(all(decide([LAN], wishes, { quotas })).toSorted()).toEqual([
      '192.0.2.240',
      '192.0.2.241',
      '192.0.2.242',
      'QuotaExhausted: namespace "d" uses 2 of the 2 addresses that it may, and one more is ' +
        'wanted, so no pool was tried; free one, or raise its annotation ' +
        'arpeggio.dev/address-quota',
    ]);
  });

  test('addresses are counted, not Services: a shared one counts once', () => {
    const wishes = {
      a: { share: 'k', spec: tcp(1) },
      b: { spec: tcp(1) },
      c: { share: 'k', spec: tcp(2) },
    };
    expect(all(decide([LAN], wishes, { quotas }))).toEqual([
      '192.0.2.240',
      '192.0.2.241',
      '192.0.2.240',
    ]);
  });

  test('joining an address of another namespace counts', () => {
    const wishes = { b: { share: 'k' }, c: { share: 'k', spec: tcp(2), namespace: 'other' } };
    const none = { quotas: new Map([['d', 0]]) };
    const held = { ...wishes, c: { ...wishes.c, held: '192.0.2.240' } };
    expect(words(decide([LAN], held, none).get('d/b'))).toContain('QuotaExhausted');
  });

  test('who holds addresses keeps them when the quota shrinks; nobody gains', () => {
    const dual = pool('dual', '192.0.2.240/30 2001:db8::/126');
    const wishes = {
      a: { held: '192.0.2.242' },
      b: { held: '192.0.2.241', spec: { ipFamilyPolicy: 'PreferDualStack' as const } },
      c: {},
    };
    const decided = all(decide([dual], wishes, { quotas: new Map([['d', 1]]) }));
    expect(decided.slice(0, 2)).toEqual(['192.0.2.242', '192.0.2.241']);
    expect(decided[2]).toContain('uses 2 of the 1 addresses');
  });

  test('a pair needs two; requests count, too', () => {
    const dual = pool('dual', '192.0.2.240/30 2001:db8::/126');
    const tight = { quotas: new Map([['d', 1]]) };
    expect(words(decide([dual], { a: { spec: REQUIRE } }, tight).get('d/a'))).toContain(
      'uses 0 of the 1 addresses that it may, and 2 more are wanted',
    );
    const asks = { a: { held: '192.0.2.240' }, b: { ips: '192.0.2.241' } };
    expect(words(decide([dual], asks, tight).get('d/b'))).toContain('QuotaExhausted');
  });
});

describe('what claim objects keep', () => {
  const by = 'AddressClaim "192.0.2.240"';
  const kept = (more: Partial<Taken> = {}) => ({
    taken: new Map([['192.0.2.240', { by, for: [], firm: false, ...more }]]),
  });

  test('is not given; asked for, it says by what', () => {
    const decisions = decide([LAN], { a: {}, b: { ips: '192.0.2.240' } }, kept());
    expect(words(decisions.get('d/a'))).toBe('192.0.2.241');
    expect(words(decisions.get('d/b'))).toBe(
      `AddressReserved: 192.0.2.240 is reserved by ${by}; ask for another address, or for none`,
    );
  });

  test('is what keeps a pool from giving one', () => {
    expect(words(decide([pool('p', '192.0.2.240/32')], { a: {} }, kept()).get('d/a'))).toContain(
      'in pool "p": 1 IPv4 reserved;',
    );
  });

  test('goes to the Service it is for, before any lower one, whoever asks earlier', () => {
    const { taken } = kept({ for: ['d/z'] });
    const high = new Map([['192.0.2.242', taken.get('192.0.2.240')]]);
    const decisions = decide([LAN], { a: {}, b: { ips: '192.0.2.242' }, z: {} }, { taken: high });
    expect(['a', 'b', 'z'].map((name) => words(decisions.get(`d/${name}`)).slice(0, 15))).toEqual([
      '192.0.2.240',
      'AddressInUse: 1',
      '192.0.2.242',
    ]);
  });

  test('also where its pool is not given out by itself', () => {
    const off = { ...LAN, autoAssign: false };
    expect(words(decide([off], { z: {} }, kept({ for: ['d/z'] })).get('d/z'))).toBe('192.0.2.240');
  });

  test('is left by a holder only where the claim is firm', () => {
    const wishes = { a: { held: '192.0.2.240' } };
    expect(words(decide([LAN], wishes, kept()).get('d/a'))).toBe('192.0.2.240');
    expect(words(decide([LAN], wishes, kept({ firm: true })).get('d/a'))).toBe('192.0.2.241');
  });
});

describe('several addresses of a family', () => {
  const wishing = (held: string, count = 2) => {
    const made = { ...claim('a', held === '' ? {} : { held }), perFamily: count };
    return (pools: readonly Pool[]) =>
      words(allocate({ entrants: [{ claim: made }], pools: mapOf(pools) }).get('d/a'));
  };

  test('from one pool, or none', () => {
    const small = pool('a', '192.0.2.1/32');
    expect(wishing('')([small, LAN])).toBe('192.0.2.240 192.0.2.241');
    expect(wishing('')([small])).toBe(
      'NoPoolFits: no pool gives an IPv4 or IPv6 address (2 of a family): pool "a": ' +
        'fewer than 2 IPv4 are free; change one of these pools or the Service, or add a pool',
    );
  });

  test('a holder gains what it can, and loses nothing', () => {
    expect(wishing('192.0.2.242')([LAN])).toBe('192.0.2.242 192.0.2.240');
    expect(wishing('192.0.2.242', 5)([LAN])).toBe('192.0.2.242 192.0.2.240 192.0.2.241');
    expect(wishing('192.0.2.242 192.0.2.240', 1)([LAN])).toBe('192.0.2.242');
  });

  test('asked for by list', () => {
    const decisions = decide([LAN], { a: { ips: '192.0.2.242, 192.0.2.240' } });
    expect(words(decisions.get('d/a'))).toBe('192.0.2.242 192.0.2.240');
  });

  test('of both families, each from the same pool', () => {
    const made = { ...claim('a', { spec: REQUIRE }), perFamily: 2 };
    const dual = pool('dual', '192.0.2.0/30 2001:db8::/126');
    const decisions = allocate({ entrants: [{ claim: made }], pools: mapOf([dual]) });
    expect(words(decisions.get('d/a'))).toBe('192.0.2.0 192.0.2.1 2001:db8:: 2001:db8::1');
  });
});

describe('for all pools', () => {
  const made = fc.array(
    fc.record({
      four: fc.nat(2),
      six: fc.nat(2),
      autoAssign: fc.boolean(),
      apart: fc.option(fc.constantFrom('d', 'e'), { nil: undefined }),
    }),
    { minLength: 1, maxLength: 10 },
  );
  const wishes = fc.array(
    fc.record({
      policy: fc.constantFrom(undefined, 'PreferDualStack' as const, 'RequireDualStack' as const),
      family: fc.constantFrom(undefined, 'IPv4' as const, 'IPv6' as const),
    }),
    { minLength: 1, maxLength: 30 },
  );

  test('the sentence names them, up to eight, and what it says is true', () => {
    fc.assert(
      fc.property(made, wishes, (pools, wanted) => {
        const all = pools.flatMap(({ four, six, apart: whom, autoAssign }, n) => {
          const v4 = Array.from({ length: four }, (_, i) => `192.0.2.${n * 4 + i}/32`);
          const v6 = Array.from({ length: six }, (_, i) => `2001:db8::${n}:${i}/128`);
          const own = whom === undefined ? {} : apart({ namespaces: new Set([whom]) });
          const ranges = [...v4, ...v6].join(' ');
          return ranges === '' ? [] : [pool(`p${n}`, ranges, { autoAssign, ...own })];
        });
        fc.pre(all.length > 0);
        const entries = wanted.map(({ policy, family }, n) => {
          const families = family === undefined || policy ? {} : { ipFamilies: [family] };
          const spec = { ...families, ...(policy === undefined ? {} : { ipFamilyPolicy: policy }) };
          return [`s${n}`, { spec }] as const;
        });
        const decisions = decide(all, Object.fromEntries(entries));
        const said = [...decisions.values()].flatMap((each) =>
          each.kind === 'denied' ? lies(each.message, all, decisions) : [],
        );
        expect(said).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });

  /** What the sentence says of pools and is not so, and pools that it leaves out. */
  function lies(
    message: string,
    pools: readonly Pool[],
    decisions: ReadonlyMap<string, Decision>,
  ): string[] {
    const named = new Map(
      [...message.matchAll(/"(p\d)": ([^;]*)/g)].map(([, name, why]) => [name ?? '', why ?? '']),
    );
    const wrong = [...named].filter(([name, why]) => !isTrue(name, why, pools, decisions));
    const missing = named.size === Math.min(8, pools.length) ? [] : ['not all pools are named'];
    return [...wrong.map(([name, why]) => `${name}: ${why} is not true`), ...missing];
  }

  function isTrue(
    name: string,
    why: string,
    pools: readonly Pool[],
    decisions: ReadonlyMap<string, Decision>,
  ): boolean {
    const { autoAssign, allocation, ranges = [] } = pools.find((each) => each.name === name) ?? {};
    if (why.startsWith('autoAssign is off')) return autoAssign === false;
    if (why === 'it is set apart for namespace e') return allocation?.namespaces.has('e') === true;
    return why.split(/, | and /).every((part) => {
      const none = /no IPv([46])/.exec(part)?.[1];
      if (none !== undefined) return !ranges.some(({ family }) => `${family}` === none);
      const [, count, family] = /^(\d+) IPv([46]) in use$/.exec(part) ?? [];
      const used = [...decisions.values()].flatMap((each) =>
        each.kind === 'allocated' && each.pool === name ? each.addresses : [],
      );
      const total = ranges.filter((range) => `${range.family}` === family).length;
      const inUse = used.filter((ip) => `${ip.family}` === family).length;
      return Number(count) === inUse && inUse === total;
    });
  }
});
