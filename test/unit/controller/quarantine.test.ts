/** Addresses that strangers claim: who leaves them, who keeps them, and what who asks is told. */
import { describe, expect, test } from '@jest/globals';
import { Allocator } from '../../../controller/allocator.ts';
import { addressOf, allocate } from '../../../controller/allocate.ts';
import type { Allocation, Decision } from '../../../controller/allocate.ts';
import { formatIp } from '../../../net/ip.ts';
import { claim, mapOf, pool } from './claims.ts';

type Wish = NonNullable<Parameters<typeof claim>[1]>;

const STRANGER = { why: '02:00:5e:00:53:01 claims it', isContested: true };
const POOLS = mapOf([pool('lan', '192.0.2.240-192.0.2.249 2001:db8::240-2001:db8::249')]);

function holder(name: string, held: string, wish: Wish = {}): { readonly claim: never } {
  const addresses = held === '' ? [] : held.split(' ').map(addressOf);
  return { claim: { ...claim(name, wish), held: addresses } as never };
}

function words(decisions: ReadonlyMap<string, Decision>): Record<string, string> {
  const word = (decision: Decision): string => {
    if (decision.kind === 'allocated') return decision.addresses.map(formatIp).join(' ');
    return decision.kind === 'denied' ? `${decision.reason}: ${decision.message}` : 'untouched';
  };
  const all = [...decisions].map(([key, decision]) => [key.replace(/^.*\//, ''), word(decision)]);
  return Object.fromEntries(all) as Record<string, string>;
}

function decided(
  quarantined: readonly string[],
  entrants: Allocation['entrants'],
  pools = POOLS,
): Record<string, string> {
  const list = new Map(quarantined.map((text) => [text, STRANGER]));
  return words(allocate({ pools, entrants, quarantined: list }));
}

describe('an address in quarantine', () => {
  test('is left for the next free one, and given to nobody else', () => {
    const all = [holder('web', '192.0.2.240'), holder('api', '192.0.2.241'), holder('new', '')];
    expect(decided(['192.0.2.240'], all)).toEqual({
      web: '192.0.2.243',
      api: '192.0.2.241',
      new: '192.0.2.242',
    });
  });

  test('is left by all that share it, for one that they share', () => {
    const tcp = { share: 'dns', spec: { ports: [{ port: 53 }] } };
    const udp = { share: 'dns', spec: { ports: [{ port: 53, protocol: 'UDP' as const }] } };
    const all = [
      holder('one', '192.0.2.240', tcp),
      holder('two', '192.0.2.240', udp),
      // Only the second one could join this.
      holder('third', '192.0.2.241', tcp),
    ];
    expect(decided(['192.0.2.240'], all)).toEqual({
      one: '192.0.2.242',
      two: '192.0.2.242',
      third: '192.0.2.241',
    });
  });

  test('of two families only the one that is claimed is another', () => {
    const dual = { spec: { ipFamilyPolicy: 'RequireDualStack' as const } };
    const all = [holder('web', '192.0.2.240 2001:db8::240', dual)];
    expect(decided(['192.0.2.240'], all)).toEqual({ web: '192.0.2.241 2001:db8::240' });
    expect(decided(['2001:db8::240'], all)).toEqual({ web: '192.0.2.240 2001:db8::241' });
  });

  test('stays with who asked for it and has it; who asks now is told why not', () => {
    const wish = { ips: '192.0.2.240' };
    const all = [holder('had', '192.0.2.240', wish)];
    expect(decided(['192.0.2.240'], all)).toEqual({ had: '192.0.2.240' });
    expect(decided(['192.0.2.240'], [holder('asks', '', wish)])).toEqual({
      asks:
        'AddressQuarantined: 192.0.2.240 is in quarantine, because 02:00:5e:00:53:01 claims it; ' +
        'ask for another address, or for none',
    });
  });

  test('stays with who has it all the same, when nobody is heard to claim it any more', () => {
    const quarantined = new Map([['192.0.2.240', { ...STRANGER, isContested: false }]]);
    const entrants = [holder('web', '192.0.2.240'), holder('new', '')];
    expect(words(allocate({ pools: POOLS, entrants, quarantined }))).toEqual({
      web: '192.0.2.240',
      new: '192.0.2.241',
    });
  });

  test('is counted when there is no other', () => {
    const pools = mapOf([pool('lan', '192.0.2.240-192.0.2.241')]);
    const all = [holder('web', '192.0.2.240'), holder('api', '192.0.2.241')];
    expect(decided(['192.0.2.240'], all, pools)).toEqual({
      web:
        'NoAddressLeft: no IPv4 or IPv6 address is left in pool "lan": 1 IPv4 in use and 1 ' +
        'IPv4 in quarantine, claimed by strangers; free one or add addresses',
      api: '192.0.2.241',
    });
  });
});

describe('as time goes by', () => {
  const allocator = new Allocator();
  const put = (name: string, held: string, wish: Wish = {}): void => {
    const entrant = holder(name, held, wish) as Allocation['entrants'][number];
    allocator.put({ key: entrant.claim.key, entrant, shown: entrant.claim.held });
  };
  const decide = (): Record<string, string> => {
    allocator.decide();
    return words(allocator.decisions);
  };

  test('who moved stays where it is when the quarantine ends; the address is free then', () => {
    allocator.configure({ pools: POOLS });
    put('web', '192.0.2.240');
    allocator.quarantine(addressOf('192.0.2.240'), STRANGER);
    expect(decide()).toEqual({ web: '192.0.2.241' });
    put('web', '192.0.2.241');
    allocator.quarantine(addressOf('192.0.2.240'), undefined);
    put('new', '');
    expect(decide()).toEqual({ web: '192.0.2.241', new: '192.0.2.240' });
  });

  test('who asked for it loses it when it does not show it any more', () => {
    const wish = { ips: '192.0.2.245' };
    put('asks', '192.0.2.245', wish);
    allocator.quarantine(addressOf('192.0.2.245'), STRANGER);
    expect(decide()).toMatchObject({ asks: '192.0.2.245' });
    put('asks', '', wish);
    expect(decide()).toMatchObject({ asks: expect.stringContaining('AddressQuarantined') });
    allocator.quarantine(addressOf('192.0.2.245'), undefined);
    expect(decide()).toMatchObject({ asks: '192.0.2.245' });
  });
});
