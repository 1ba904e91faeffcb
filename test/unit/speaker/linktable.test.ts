/** The table of links tells differences only. */
import { describe, expect, test } from '@jest/globals';
import { parseIp } from '../../../net/ip.ts';
import type { Ip } from '../../../net/ip.ts';
import { LinkTable } from '../../../speaker/linktable.ts';
import type { AddressEvent, LinkFacts } from '../../../speaker/rtnetlink.ts';

function ip(text: string): Ip {
  const parsed = parseIp(text);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}

const ETH0: LinkFacts = {
  index: 2,
  name: 'eth0',
  mac: '02:64:00:00:00:02',
  up: true,
  noarp: false,
  loopback: false,
  broadcast: true,
  master: undefined,
};
/** What is heard of an address on link 2. */
function heard(kind: AddressEvent['kind'], text: string, length = 24): AddressEvent {
  return { kind, index: 2, ip: ip(text), length };
}

const NOTHING = { put: new Map(), remove: [] };

describe('LinkTable', () => {
  test('joins a link with its addresses, in whichever order they come', () => {
    const table = new LinkTable();
    table.handle(heard('address', '2001:db8::2', 64));
    expect(table.changes()).toEqual(NOTHING);
    table.handle({ kind: 'link', link: ETH0 });
    table.handle(heard('address', '192.0.2.2'));
    expect(table.changes().put.get('2')).toEqual({
      ...ETH0,
      addresses: [ip('192.0.2.2'), ip('2001:db8::2')],
      prefixes: [
        { ip: ip('192.0.2.2'), length: 24 },
        { ip: ip('2001:db8::2'), length: 64 },
      ],
    });
  });

  test('says nothing when nothing changed', () => {
    const table = new LinkTable();
    table.handle({ kind: 'link', link: ETH0 });
    table.changes();
    table.handle({ kind: 'link', link: { ...ETH0 } });
    table.handle(heard('address-gone', '192.0.2.9'));
    table.handle({ kind: 'link-gone', index: 9 });
    expect(table.changes()).toEqual(NOTHING);
  });

  test.each([
    ['name', { name: 'wan0' }],
    ['MAC', { mac: '02:64:00:00:00:09' }],
    ['carrier', { up: false }],
    ['ARP', { noarp: true }],
    ['kind', { loopback: true }],
    ['broadcast', { broadcast: false }],
    ['master', { master: 7 }],
  ])('tells a new %s', (_, change) => {
    const table = new LinkTable();
    table.handle({ kind: 'link', link: ETH0 });
    table.changes();
    table.handle({ kind: 'link', link: { ...ETH0, ...change } });
    expect(table.changes().put.get('2')).toMatchObject({ ...ETH0, ...change, addresses: [] });
  });

  test('tells an address that is gone or replaced', () => {
    const table = new LinkTable();
    table.handle({ kind: 'link', link: ETH0 });
    table.handle(heard('address', '192.0.2.2'));
    table.changes();
    table.handle(heard('address-gone', '192.0.2.2'));
    table.handle(heard('address', '192.0.2.3'));
    expect(table.changes().put.get('2')?.addresses).toEqual([ip('192.0.2.3')]);
  });

  test('an address with two lengths is one address, and there until both are gone', () => {
    const table = new LinkTable();
    table.handle({ kind: 'link', link: ETH0 });
    table.handle(heard('address', '192.0.2.2', 24));
    table.handle(heard('address', '192.0.2.2', 32));
    const seen = (): readonly unknown[] => {
      const link = table.changes().put.get('2');
      return [link?.addresses.length, link?.prefixes?.map(({ length }) => length)];
    };
    expect(seen()).toEqual([1, [24, 32]]);
    table.handle(heard('address-gone', '192.0.2.2', 24));
    expect(seen()).toEqual([1, [32]]);
    table.handle(heard('address-gone', '192.0.2.2', 32));
    expect(seen()).toEqual([0, []]);
  });

  test('a prefix that changes its length is told', () => {
    const table = new LinkTable();
    table.handle({ kind: 'link', link: ETH0 });
    table.handle(heard('address', '192.0.2.2', 24));
    table.changes();
    table.handle(heard('address-gone', '192.0.2.2', 24));
    table.handle(heard('address', '192.0.2.2', 25));
    expect(table.changes().put.get('2')?.prefixes).toEqual([{ ip: ip('192.0.2.2'), length: 25 }]);
  });

  test('tells a link that is gone; its addresses do not come back with its number', () => {
    const table = new LinkTable();
    table.handle({ kind: 'link', link: ETH0 });
    table.handle(heard('address', '192.0.2.2'));
    table.changes();
    table.handle({ kind: 'link-gone', index: 2 });
    expect(table.changes()).toEqual({ put: new Map(), remove: ['2'] });
    table.handle({ kind: 'link', link: ETH0 });
    expect(table.changes().put.get('2')?.addresses).toEqual([]);
  });

  test('after messages were lost, a fresh dump tells only what differs', () => {
    const table = new LinkTable();
    table.handle({ kind: 'link', link: ETH0 });
    table.handle({ kind: 'link', link: { ...ETH0, index: 3, name: 'eth1' } });
    table.changes();
    table.clear();
    table.handle({ kind: 'link', link: ETH0 });
    table.handle({ kind: 'link', link: { ...ETH0, index: 4, name: 'eth2' } });
    const { put, remove } = table.changes();
    expect([...put.keys()]).toEqual(['4']);
    expect(remove).toEqual(['3']);
  });
});
