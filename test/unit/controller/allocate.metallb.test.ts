/** The allocation rules of MetalLB one by one, where they are easily got wrong. */
import { describe, expect, test } from '@jest/globals';
import type { Pool } from '../../../config/model.ts';
import { Allocator } from '../../../controller/allocator.ts';
import type { Decision } from '../../../controller/allocate.ts';
import { formatIp } from '../../../net/ip.ts';
import { apart, claim, mapOf, pool } from './claims.ts';
import type { Wish } from './claims.ts';

function inWords(decision: Decision | undefined): string {
  if (decision?.kind === 'denied') return decision.reason;
  if (decision?.kind !== 'allocated') return decision?.kind ?? 'no decision';
  return `${decision.addresses.map(formatIp).join(' ')} of ${decision.pool}`;
}

/** Decisions over time: what is decided counts as held, as after the write. */
class Story {
  readonly #allocator = new Allocator();

  constructor(...pools: readonly Pool[]) {
    this.pools(...pools);
  }

  pools(...pools: readonly Pool[]): this {
    this.#allocator.configure({ pools: mapOf(pools) });
    return this;
  }

  /** A Service as it is now; what it shows is what was decided, unless `wish` says otherwise. */
  put(name: string, wish: Wish = {}): this {
    const made = claim(name, wish);
    this.#allocator.put({ key: made.key, entrant: { claim: made }, shown: made.held });
    return this;
  }

  delete(name: string): this {
    this.#allocator.delete(`d/${name}`);
    return this;
  }

  /** Decided, written, shown, and decided again, until nothing changes. */
  now(...names: readonly string[]): string[] {
    let rounds = 0;
    while (this.#allocator.decide().size > 0 && rounds < 9) {
      rounds += 1;
      for (const { claim: each } of this.#allocator.snapshot().entrants) {
        const decision = this.#allocator.decisions.get(each.key);
        const held = decision?.kind === 'allocated' ? decision.addresses : [];
        this.#allocator.put({
          key: each.key,
          entrant: { claim: { ...each, held, since: '' } },
          shown: held,
        });
      }
    }
    return names.map((name) => inWords(this.#allocator.decisions.get(`d/${name}`)));
  }
}

const LAN = pool('lan', '192.0.2.240-192.0.2.249');
const tcp = (port: number) => ({ ports: [{ port }] });
const PREFER = { ipFamilyPolicy: 'PreferDualStack' } as const;
const REQUIRE = { ipFamilyPolicy: 'RequireDualStack' } as const;

describe('order of pools', () => {
  test('pinned ones that are full give way to the general ones', () => {
    const pinned = pool('z', '192.0.2.1/32', apart({ namespaces: new Set(['d']), priority: 1 }));
    const story = new Story(pinned, pool('a', '192.0.2.2/31'));
    expect(story.put('s').put('t').now('s', 't')).toEqual(['192.0.2.1 of z', '192.0.2.2 of a']);
  });

  test('pinned ones with autoAssign off are not tried', () => {
    const off = { ...apart({ namespaces: new Set(['d']) }), autoAssign: false };
    const story = new Story(pool('a', '192.0.2.1/32', off), pool('b', '192.0.2.2/32'));
    expect(story.put('s').now('s')).toEqual(['192.0.2.2 of b']);
  });

  test('namespace and selector must both match; selectors are alternatives', () => {
    const serviceSelectors = [{ matchLabels: { a: '1' } }, { matchLabels: { b: '1' } }];
    const both = apart({ namespaces: new Set(['d']), serviceSelectors });
    const story = new Story(pool('p', '192.0.2.0/29', both));
    story.put('s', { labels: { b: '1' } }).put('t', { labels: { c: '1' } });
    story.put('u', { labels: { a: '1' }, namespace: 'other' });
    expect(story.now('s', 't')).toEqual(['192.0.2.0 of p', 'NoPoolFits']);
  });

  test('network and broadcast addresses of a CIDR are given out', () => {
    const story = new Story(pool('p', '192.0.2.0/30'));
    for (const name of ['a', 'b', 'c', 'd']) story.put(name);
    expect(story.now('a', 'd')).toEqual(['192.0.2.0 of p', '192.0.2.3 of p']);
  });

  test('a pool request falls back to no other pool', () => {
    const story = new Story(LAN, pool('one', '192.0.2.1/32'));
    story.put('s', { pool: 'one' }).put('t', { pool: 'one' });
    expect(story.now('s', 't')).toEqual(['192.0.2.1 of one', 'NoAddressLeft']);
  });

  test('a pool request of PreferDualStack is content with one family', () => {
    expect(new Story(LAN).put('s', { pool: 'lan', spec: PREFER }).now('s')).toEqual([
      '192.0.2.240 of lan',
    ]);
  });
});

describe('sharing', () => {
  const local = { externalTrafficPolicy: 'Local' as const };
  const held = '192.0.2.240';

  test('across namespaces', () => {
    const story = new Story(LAN).put('s', { share: 'k' });
    story.put('t', { share: 'k', namespace: 'other', spec: tcp(443), ips: held });
    story.put('u', { share: 'k', spec: tcp(444) });
    expect(story.now('s', 'u')).toEqual([`${held} of lan`, `${held} of lan`]);
  });

  test('a sole user changes its key in place', () => {
    const story = new Story(LAN).put('s', { share: 'k' });
    story.now();
    story.put('s', { share: 'l', held }).put('t', { share: 'l', spec: tcp(443) });
    expect(story.now('s', 't')).toEqual([`${held} of lan`, `${held} of lan`]);
  });

  test.each<[string, Wish]>([
    ['another key', { share: 'l', spec: tcp(80) }],
    ['no key', { spec: tcp(80) }],
    ["the other one's port", { share: 'k', spec: tcp(443) }],
    ['another traffic policy', { share: 'k', spec: { ...tcp(80), ...local } }],
  ])('of two, the one that changes moves, though it is older: %s', (_, changed) => {
    const story = new Story(LAN).put('a', { share: 'k', spec: tcp(80) });
    story.now();
    story.put('b', { share: 'k', spec: tcp(443) }).now();
    expect(story.put('a', { ...changed, held }).now('a', 'b')).toEqual([
      '192.0.2.241 of lan',
      `${held} of lan`,
    ]);
  });

  test('the one that changes stays without an address if it asks for that one', () => {
    const story = new Story(LAN).put('a', { share: 'k', spec: tcp(80), ips: held });
    story.put('b', { share: 'k', spec: tcp(443) }).now();
    story.put('a', { share: 'l', spec: tcp(80), ips: held, held });
    expect(story.now('a', 'b')).toEqual(['AddressInUse', `${held} of lan`]);
    story.delete('b');
    expect(story.now('a')).toEqual([`${held} of lan`]);
  });

  test('TCP, UDP and SCTP on one number do not clash', () => {
    const story = new Story(LAN);
    for (const protocol of ['TCP', 'UDP', 'SCTP'] as const) {
      const spec = { ports: [{ port: 53, protocol }] };
      story.put(protocol, { share: 'k', spec });
    }
    expect(new Set(story.now('TCP', 'UDP', 'SCTP'))).toEqual(new Set([`${held} of lan`]));
  });
});

describe('dual stack', () => {
  const dual = pool('dual', '192.0.2.16/31 2001:db8::16/127');
  const four = pool('dual', '192.0.2.16/31');

  test('Prefer gains the second family when its pool gains it, at once', () => {
    const story = new Story(four).put('s', { spec: PREFER });
    expect(story.now('s')).toEqual(['192.0.2.16 of dual']);
    expect(story.pools(dual).now('s')).toEqual(['192.0.2.16 2001:db8::16 of dual']);
  });

  test('Prefer to Require with one address: none until a pool has both; and back', () => {
    const story = new Story(four).put('s', { spec: PREFER });
    story.now();
    expect(story.put('s', { spec: REQUIRE, held: '192.0.2.16' }).now('s')).toEqual(['NoPoolFits']);
    expect(story.put('s', { spec: PREFER }).now('s')).toEqual(['192.0.2.16 of dual']);
    story.put('s', { spec: REQUIRE, held: '192.0.2.16' });
    expect(story.pools(dual).now('s')).toEqual(['192.0.2.16 2001:db8::16 of dual']);
  });

  test('Require whose pool becomes single-stack loses both', () => {
    const story = new Story(dual).put('s', { spec: REQUIRE });
    story.now();
    expect(story.pools(four).now('s')).toEqual(['NoPoolFits']);
    expect(story.pools(four, pool('other', '192.0.2.1/32 2001:db8::1/128')).now('s')).toEqual([
      '192.0.2.1 2001:db8::1 of other',
    ]);
  });

  test('a request for both must be in one pool', () => {
    const story = new Story(pool('a', '192.0.2.1/32'), pool('b', '2001:db8::1/128'));
    const wish = { ips: '192.0.2.1,2001:db8::1', spec: REQUIRE };
    expect(story.put('s', wish).now('s')).toEqual(['AddressesInDifferentPools']);
  });
});

describe('what is held', () => {
  test('avoidBuggyIPs switched on takes such an address away', () => {
    const story = new Story(pool('p', '192.0.2.0/30')).put('s');
    expect(story.now('s')).toEqual(['192.0.2.0 of p']);
    expect(story.pools(pool('p', '192.0.2.0/30', { avoidBuggyIPs: true })).now('s')).toEqual([
      '192.0.2.1 of p',
    ]);
  });

  test('a pool renamed or split: the address stays, its pool is the new one', () => {
    const story = new Story(LAN).put('s').put('t');
    story.now();
    expect(story.pools(pool('new', '192.0.2.240/31')).now('s', 't')).toEqual([
      '192.0.2.240 of new',
      '192.0.2.241 of new',
    ]);
  });

  test('a pool deleted and made again: by name, the lowest', () => {
    const story = new Story(LAN).put('s').put('t');
    story.now();
    expect(story.pools().now('s', 't')).toEqual(['NoPools', 'NoPools']);
    expect(story.pools(LAN).now('t', 's')).toEqual(['192.0.2.241 of lan', '192.0.2.240 of lan']);
  });

  test('an address of no pool is exchanged; more than one of a family are not kept', () => {
    const story = new Story(LAN).put('s', { held: '198.51.100.7' });
    story.put('t', { held: '192.0.2.243 192.0.2.242 192.0.2.241' });
    expect(story.now('s', 't')).toEqual(['192.0.2.240 of lan', '192.0.2.243 of lan']);
  });

  test('labels that no longer match take it away', () => {
    const serviceSelectors = [{ matchLabels: { a: '1' } }];
    const story = new Story(pool('p', '192.0.2.0/30', apart({ serviceSelectors })), LAN);
    story.put('s', { labels: { a: '1' } });
    expect(story.now('s')).toEqual(['192.0.2.0 of p']);
    story.put('s', { labels: { a: '2' }, held: '192.0.2.0' });
    expect(story.now('s')).toEqual(['192.0.2.240 of lan']);
  });

  test('autoAssign switched off takes nothing away', () => {
    const story = new Story(LAN).put('s');
    story.now();
    expect(
      story
        .pools({ ...LAN, autoAssign: false })
        .put('t')
        .now('s', 't'),
    ).toEqual(['192.0.2.240 of lan', 'NoPoolFits']);
  });

  test('deleted, its address goes to who waits', () => {
    const story = new Story(pool('p', '192.0.2.1/32')).put('s');
    story.now();
    expect(story.put('t').now('t')).toEqual(['NoAddressLeft']);
    expect(story.delete('s').now('t')).toEqual(['192.0.2.1 of p']);
  });

  test('of two holders of one address the older keeps it', () => {
    const story = new Allocator();
    story.configure({ pools: mapOf([LAN]) });
    for (const [name, since] of Object.entries({ a: '2026-02', b: '2026-01' })) {
      const made = { ...claim(name, { held: '192.0.2.240' }), since };
      story.put({ key: made.key, entrant: { claim: made }, shown: made.held });
    }
    story.decide();
    expect(['d/a', 'd/b'].map((key) => inWords(story.decisions.get(key)))).toEqual([
      '192.0.2.241 of lan',
      '192.0.2.240 of lan',
    ]);
  });
});

describe('who gets none', () => {
  test('headless Services; one that becomes headless gives its address back', () => {
    const story = new Story(LAN).put('s', { spec: { clusterIP: 'None' } }).put('t');
    expect(story.now('s', 't')).toEqual(['NoClusterIP', '192.0.2.240 of lan']);
    story.put('t', { spec: { clusterIPs: ['None'] }, held: '192.0.2.240' });
    expect(story.now('t')).toEqual(['NoClusterIP']);
  });
});
