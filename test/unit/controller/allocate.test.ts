/** Who gets which address: one rule, one example. */
import { describe, expect, test } from '@jest/globals';
import type { Claim } from '../../../config/claim.ts';
import type { Pool } from '../../../config/model.ts';
import { allocate } from '../../../controller/allocate.ts';
import type { Decision } from '../../../controller/allocate.ts';
import { formatIp, parseIp } from '../../../net/ip.ts';
import { apart, claim, mapOf, pool } from './claims.ts';
import type { Wish } from './claims.ts';

function inWords(decision: Decision | undefined): string {
  if (decision === undefined) return 'no decision';
  if (decision.kind === 'untouched') return 'untouched';
  if (decision.kind === 'denied') return decision.reason;
  return `${decision.addresses.map(formatIp).join(' ')} of ${decision.pool}`;
}

function decide(pools: readonly Pool[], wishes: Record<string, Wish>, more = {}): string[] {
  const entrants = Object.entries(wishes).map(([name, wish]) => ({ claim: claim(name, wish) }));
  const decisions = allocate({ entrants, pools: mapOf(pools), ...more });
  return Object.keys(wishes).map((name) => inWords(decisions.get(`d/${name}`)));
}

function sentence(pools: readonly Pool[], wish: Wish, others: Record<string, Wish> = {}): string {
  const entrants = Object.entries({ ...others, web: wish }).map(([name, each]) => ({
    claim: claim(name, each),
  }));
  const decision = allocate({ entrants, pools: mapOf(pools) }).get('d/web');
  return decision?.kind === 'denied' ? decision.message : inWords(decision);
}

const LAN = pool('lan', '192.0.2.240-192.0.2.249');
const SIX = pool('six', '2001:db8::240-2001:db8::249');
const DUAL = pool('dual', '192.0.2.16-192.0.2.17 2001:db8::16-2001:db8::17');
const REQUIRE = { ipFamilyPolicy: 'RequireDualStack' } as const;
const tcp = (port: number) => ({ ports: [{ port }] });
const PREFER = { ipFamilyPolicy: 'PreferDualStack' } as const;

describe('free choice', () => {
  test('the lowest address first, by name', () => {
    expect(decide([LAN], { b: {}, a: {} })).toEqual(['192.0.2.241 of lan', '192.0.2.240 of lan']);
  });

  test('in declared order of ranges, gaps first', () => {
    const pools = [pool('p', '192.0.2.8/31 192.0.2.0/31')];
    expect(decide(pools, { a: {}, b: { held: '192.0.2.8' }, c: {}, d: {}, e: {} })).toEqual([
      '192.0.2.9 of p',
      '192.0.2.8 of p',
      '192.0.2.0 of p',
      '192.0.2.1 of p',
      'NoAddressLeft',
    ]);
  });

  test('family: as the Service says, else IPv4 where there is one', () => {
    expect(decide([SIX, LAN], { a: {}, b: { spec: { ipFamilies: ['IPv6'] } } })).toEqual([
      '192.0.2.240 of lan',
      '2001:db8::240 of six',
    ]);
    expect(decide([SIX], { a: {}, b: { spec: { ipFamilies: ['IPv4'] } } })).toEqual([
      '2001:db8::240 of six',
      'NoPoolFits',
    ]);
  });

  test('general pools by name; not those with autoAssign off', () => {
    const [b, a] = [pool('b', '192.0.2.0/32'), pool('a', '192.0.2.1/32')];
    const off = pool('A', '192.0.2.2/32', { autoAssign: false });
    expect(decide([b, a, off], { x: {}, y: {}, z: {} })).toEqual([
      '192.0.2.1 of a',
      '192.0.2.0 of b',
      'NoAddressLeft',
    ]);
  });

  test('avoidBuggyIPs leaves out .0 and .255 of IPv4', () => {
    const pools = [pool('p', '192.0.2.255-192.0.3.1 2001:db8::/127', { avoidBuggyIPs: true })];
    expect(decide(pools, { a: {}, b: { spec: { ipFamilies: ['IPv6'] } }, c: {} })).toEqual([
      '192.0.3.1 of p',
      '2001:db8:: of p',
      '2001:db8::1 of p',
    ]);
    expect(decide(pools, { a: { ips: '192.0.3.0' } })).toEqual(['AddressAvoided']);
  });

  test('a pool as large as IPv6 allows costs nothing', () => {
    expect(decide([pool('p', '::/0')], { a: {}, b: {} })).toEqual([':: of p', '::1 of p']);
  });
});

describe('pools set apart', () => {
  const mine = apart({ namespaces: new Set(['d']) });
  test('come first, by priority, 0 last; then the general ones', () => {
    const pools = [
      pool('a', '192.0.2.1/32'),
      pool('b', '192.0.2.2/32', mine),
      pool('c', '192.0.2.3/32', apart({ priority: 20 })),
      pool('d', '192.0.2.4/32', apart({ priority: 5 })),
    ];
    expect(decide(pools, { s: {}, t: {}, u: {}, v: {} })).toEqual([
      '192.0.2.4 of d',
      '192.0.2.3 of c',
      '192.0.2.2 of b',
      '192.0.2.1 of a',
    ]);
  });

  test('are for nobody else, even on request', () => {
    const other = pool('p', '192.0.2.0/30', apart({ namespaces: new Set(['shop']) }));
    const labelled = pool(
      'q',
      '192.0.2.4/30',
      apart({ serviceSelectors: [{ matchLabels: { a: 'b' } }] }),
    );
    const closed = pool('r', '192.0.2.8/30', apart({ closed: 'it is closed' }));
    expect(
      decide([other, labelled, closed], {
        s: {},
        t: { ips: '192.0.2.1' },
        u: { pool: 'p' },
        v: { labels: { a: 'b' } },
        w: { pool: 'r' },
      }),
    ).toEqual([
      'NoPoolFits',
      'PoolNotForService',
      'PoolNotForService',
      '192.0.2.4 of q',
      'PoolNotForService',
    ]);
  });
});

describe('requests', () => {
  test('an address, also where autoAssign is off; before those who take any', () => {
    const off = pool('off', '192.0.2.1/32', { autoAssign: false });
    expect(
      decide([LAN, off], { a: {}, z: { ips: '192.0.2.240' }, y: { ips: '192.0.2.1' } }),
    ).toEqual(['192.0.2.241 of lan', '192.0.2.240 of lan', '192.0.2.1 of off']);
  });

  test('a pool, also where autoAssign is off, and no other', () => {
    const off = pool('off', '192.0.2.1/32', { autoAssign: false });
    expect(
      decide([LAN, off], { a: { pool: 'off' }, b: { pool: 'off' }, c: { pool: 'gone' } }),
    ).toEqual(['192.0.2.1 of off', 'NoAddressLeft', 'NoSuchPool']);
  });

  test.each<[Wish, string]>([
    [{ ips: '198.51.100.1' }, 'AddressOutsidePools'],
    [{ ips: '192.0.2.240', pool: 'dual' }, 'AddressInOtherPool'],
    [{ ips: '192.0.2.240,2001:db8::16' }, 'AddressesInDifferentPools'],
    [{ ips: '192.0.2.240' }, 'AddressInUse'],
    [{ ips: '192.0.2.16,2001:db8::17' }, '192.0.2.16 2001:db8::17 of dual'],
    [{ ips: '2001:db8::17', spec: PREFER }, '2001:db8::17 of dual'],
  ])('%j: %s', (wish, expected) => {
    const others = { a: { held: '192.0.2.240' } };
    expect(decide([LAN, DUAL], { ...others, web: wish })[1]).toBe(expected);
  });

  test('a new request moves a Service', () => {
    const held = '192.0.2.240';
    expect(decide([LAN], { a: { held, ips: '192.0.2.249' } })).toEqual(['192.0.2.249 of lan']);
    expect(decide([LAN, DUAL], { a: { held, pool: 'dual' } })).toEqual(['192.0.2.16 of dual']);
  });
});

describe('dual stack', () => {
  test('both from one pool, IPv4 first', () => {
    const spec = { ...REQUIRE, ipFamilies: ['IPv6' as const, 'IPv4' as const] };
    expect(decide([LAN, SIX, DUAL], { a: { spec } })).toEqual(['192.0.2.16 2001:db8::16 of dual']);
    expect(decide([LAN, SIX], { a: { spec } })).toEqual(['NoPoolFits']);
  });

  test('PreferDualStack takes a pair before a single, else the first family', () => {
    expect(decide([LAN, SIX, DUAL], { a: { spec: PREFER } })).toEqual([
      '192.0.2.16 2001:db8::16 of dual',
    ]);
    expect(decide([SIX, LAN], { a: { spec: PREFER } })).toEqual(['192.0.2.240 of lan']);
    expect(decide([SIX], { a: { spec: PREFER } })).toEqual(['2001:db8::240 of six']);
  });

  test('PreferDualStack gains the second from its own pool, and jumps to no other', () => {
    expect(
      decide([LAN, DUAL], {
        a: { spec: PREFER, held: '2001:db8::17' },
        b: { spec: PREFER, held: '192.0.2.240' },
      }),
    ).toEqual(['192.0.2.16 2001:db8::17 of dual', '192.0.2.240 of lan']);
  });

  test('PreferDualStack whose pool lost a family moves to another dual pool, or keeps one', () => {
    const held = '192.0.2.240 2001:db8::240';
    expect(decide([LAN, DUAL], { a: { spec: PREFER, held } })).toEqual([
      '192.0.2.16 2001:db8::16 of dual',
    ]);
    expect(decide([LAN, SIX], { a: { spec: PREFER, held } })).toEqual(['192.0.2.240 of lan']);
  });

  test('from Prefer to Require: from its own pool, another, or none', () => {
    const wish = { spec: REQUIRE, held: '192.0.2.17' };
    expect(decide([DUAL], { a: wish })).toEqual(['192.0.2.17 2001:db8::16 of dual']);
    const single = pool('single', '192.0.2.17/32');
    const dual = pool('dual', '192.0.2.1/32 2001:db8::1/128');
    expect(decide([single, dual], { a: wish })).toEqual(['192.0.2.1 2001:db8::1 of dual']);
    expect(decide([single], { a: wish })).toEqual(['NoPoolFits']);
  });

  test('a Service that becomes single-stack keeps its address of that family', () => {
    const held = '192.0.2.17 2001:db8::17';
    expect(decide([DUAL], { a: { spec: { ipFamilies: ['IPv6'] }, held } })).toEqual([
      '2001:db8::17 of dual',
    ]);
  });
});

describe('holders', () => {
  test('keep before anybody asks, whatever their names', () => {
    expect(decide([LAN], { a: {}, b: { ips: '192.0.2.240' }, z: { held: '192.0.2.240' } })).toEqual(
      ['192.0.2.241 of lan', 'AddressInUse', '192.0.2.240 of lan'],
    );
  });

  test('of the same address: one by name keeps, the other moves', () => {
    const held = '192.0.2.240';
    expect(decide([LAN], { b: { held }, a: { held } })).toEqual([
      '192.0.2.241 of lan',
      '192.0.2.240 of lan',
    ]);
  });

  test('move when their pool shrinks; an address that leaves is given to nobody yet', () => {
    const small = pool('lan', '192.0.2.240/32');
    expect(decide([small], { a: { held: '192.0.2.249' }, b: {} })).toEqual([
      '192.0.2.240 of lan',
      'NoAddressLeft',
    ]);
    expect(
      decide([pool('p', '192.0.2.0/31')], {
        a: { held: '192.0.2.0', ips: '192.0.2.1' },
        b: { held: '192.0.2.1', ips: '192.0.2.0' },
      }),
    ).toEqual(['AddressBeingReleased', 'AddressBeingReleased']);
  });

  test('what other objects still show is not given out', () => {
    const ip = parseIp('192.0.2.240');
    if (!ip.ok) throw new Error(ip.error);
    const occupied = new Map([['d/gone', [ip.value]]]);
    expect(decide([LAN], { a: {} }, { occupied })).toEqual(['192.0.2.241 of lan']);
    expect(decide([pool('p', '192.0.2.240/32')], { a: {} }, { occupied })).toEqual([
      'AddressBeingReleased',
    ]);
  });

  test('are left alone while pools cannot be read', () => {
    const wishes = { a: { held: '198.51.100.1' }, b: {} };
    expect(decide([LAN], wishes, { incomplete: true })).toEqual([
      'untouched',
      '192.0.2.240 of lan',
    ]);
    expect(decide([LAN], wishes)).toEqual(['192.0.2.240 of lan', '192.0.2.241 of lan']);
    const half = { a: { held: '198.51.100.1 2001:db8::240' }, b: {} };
    expect(decide([SIX], half, { incomplete: true })).toEqual([
      'untouched',
      '2001:db8::241 of six',
    ]);
  });
});

describe('sharing', () => {
  const local = { externalTrafficPolicy: 'Local' as const };

  test('equal keys and different ports pack onto one address', () => {
    expect(
      decide([LAN], {
        a: { share: 'k', spec: tcp(80) },
        b: { share: 'k', spec: tcp(443) },
        c: { share: 'k', spec: tcp(80) },
        d: { share: 'other', spec: tcp(1) },
        e: { spec: tcp(2) },
      }),
    ).toEqual([
      '192.0.2.240 of lan',
      '192.0.2.240 of lan',
      '192.0.2.241 of lan',
      '192.0.2.242 of lan',
      '192.0.2.243 of lan',
    ]);
  });

  test('UDP and TCP of one number are different ports', () => {
    const udp = { ports: [{ port: 53, protocol: 'UDP' as const }] };
    expect(
      decide([LAN], { a: { share: 'k', spec: udp }, b: { share: 'k', spec: tcp(53) } }),
    ).toEqual(['192.0.2.240 of lan', '192.0.2.240 of lan']);
  });

  test('under Local the endpoints must be the same', () => {
    const wish = (app: string, port: number, more = {}) => ({
      share: 'k',
      spec: { ...tcp(port), selector: { app }, ...more },
    });
    expect(
      decide([LAN], {
        a: wish('x', 1, local),
        b: wish('x', 2, local),
        c: wish('y', 3, local),
        d: wish('x', 4),
      }),
    ).toEqual([
      '192.0.2.240 of lan',
      '192.0.2.240 of lan',
      '192.0.2.241 of lan',
      '192.0.2.242 of lan',
    ]);
  });

  test('who changes so that it conflicts loses the address', () => {
    const held = '192.0.2.240';
    expect(
      decide([LAN], { a: { share: 'k', held }, b: { share: 'k2', held, spec: tcp(443) } }),
    ).toEqual(['192.0.2.240 of lan', '192.0.2.241 of lan']);
  });

  test('a request says why it cannot share', () => {
    const held = '192.0.2.240';
    const other = { other: { share: 'k', held, spec: tcp(80) } };
    expect(sentence([LAN], { ips: held }, other)).toBe(
      '192.0.2.240 is used by d/other under the sharing key "k"; ' +
        'ask for another address, or for none',
    );
    expect(sentence([LAN], { ips: held, share: 'k' }, other)).toBe(
      '192.0.2.240 is used by d/other, which has the same port TCP/80; ' +
        'ask for another address, or for none',
    );
    expect(sentence([LAN], { ips: held, share: 'k', spec: local }, other)).toBe(
      '192.0.2.240 is used by d/other, which shares it only under externalTrafficPolicy Cluster; ' +
        'ask for another address, or for none',
    );
  });
});

describe('the sentence of a refusal names the pools and why', () => {
  test('used up, without the family, switched off, set apart', () => {
    const pools = [
      pool('full', '192.0.2.0/32'),
      pool('off', '192.0.2.1/32', { autoAssign: false }),
      pool('shop', '192.0.2.2/32', apart({ namespaces: new Set(['shop']) })),
      pool('six', '2001:db8::/127'),
    ];
    const spec = { ipFamilies: ['IPv4' as const] };
    expect(sentence(pools, { spec }, { a: { held: '192.0.2.0' } })).toBe(
      'no IPv4 address is left in pool "full": 1 IPv4 in use; ' +
        '"six": it has no IPv4 addresses; ' +
        '"off": autoAssign is off, so it must be asked for by name; ' +
        '"shop": it is set apart for namespace shop; free one or add addresses',
    );
  });

  test('nothing fits, or nothing is there', () => {
    expect(sentence([LAN], { spec: REQUIRE })).toBe(
      'no pool gives an IPv4 and IPv6 address of one pool: pool "lan": it has no IPv6 addresses; ' +
        'change one of these pools or the Service, or add a pool',
    );
    expect(sentence([], {})).toBe('no IPAddressPool exists; create one');
  });
});

describe('the work grows with the number of Services, not with its square', () => {
  /** How often the ports of a claim are looked at, for each of `count` claims on average. */
  function looks(count: number, wish: (n: number) => Wish): number {
    let sum = 0;
    const entrants = Array.from({ length: count }, (_, n) => {
      const { ports, ...rest } = claim(`s${n}`, wish(n));
      const counting = Object.defineProperty(rest, 'ports', {
        enumerable: true,
        get: () => {
          sum += 1;
          return ports;
        },
      });
      return { claim: counting as Claim };
    });
    const decisions = allocate({ entrants, pools: mapOf([pool('p', '2001:db8::/112')]) });
    expect([...decisions.values()].every(({ kind }) => kind === 'allocated')).toBe(true);
    return sum / count;
  }

  test.each([
    ['one sharing key and one port', () => ({ share: 'k' })],
    ['one sharing key and two ports', (n: number) => ({ share: 'k', spec: tcp(80 + (n % 2)) })],
    ['one sharing key and a port each', (n: number) => ({ share: 'k', spec: tcp(1 + n) })],
  ])('%s', (_, wish) => {
    expect(looks(2000, wish)).toBeLessThan(20);
  });
});
