/** Which interfaces carry announcements, and what follows for the table. */
import { describe, expect, test } from '@jest/globals';
import { formatIp, parseIp } from '../../../net/ip.ts';
import type { Ip } from '../../../net/ip.ts';
import { unusable } from '../../../speaker/links.ts';
import type { Link } from '../../../speaker/links.ts';
import { Table } from '../../../speaker/table.ts';
import type { Order } from '../../../speaker/vip.ts';

const ETH0: Link = {
  index: 2,
  name: 'eth0',
  mac: '02:64:00:00:00:64',
  up: true,
  noarp: false,
  loopback: false,
  broadcast: true,
  master: undefined,
  addresses: [],
};

test.each<[Partial<Link>, string | undefined]>([
  [{}, undefined],
  [{ name: 'br0' }, undefined],
  [{ name: 'lo', loopback: true }, 'loopback'],
  [{ name: 'docker0' }, 'excluded'],
  [{ name: 'cali123' }, 'excluded'],
  [{ name: 'kube-ipvs0' }, 'excluded'],
  [{ up: false }, 'down'],
  [{ master: 7 }, 'enslaved'],
  [{ noarp: true }, 'no-arp'],
  [{ broadcast: false }, 'no-arp'],
  [{ mac: '00:00:00:00:00:00' }, 'no-arp'],
])('%j: %s', (change, reason) => {
  expect(unusable({ ...ETH0, ...change })).toBe(reason);
});

describe('the table', () => {
  const links = new Map([
    [2, { index: 2, name: 'eth0', mac: ETH0.mac }],
    [3, { index: 3, name: 'eth1', mac: '02:64:00:00:00:65' }],
  ]);

  function order(text: string, interfaces: Order['interfaces'] = 'all'): [string, Order] {
    const ip = parseIp(text);
    if (!ip.ok) throw new Error(ip.error);
    return [text, { ip: ip.value, owners: ['a'], interfaces, isNew: false }];
  }

  const text = (ip: Ip): string => formatIp(ip);

  test('an address is announced on every link, its group joined on every link', () => {
    const { targets, groups, answers } = new Table().set(new Map([order('2001:db8::240')]), links);
    expect([...targets.keys()]).toEqual(['2001:db8::240%2', '2001:db8::240%3']);
    expect([...groups.put.values()].map(({ group, link }) => [text(group), link])).toEqual([
      ['ff02::1:ff00:240', 2],
      ['ff02::1:ff00:240', 3],
    ]);
    expect(answers.put.get('2001:db8::240')?.links).toBe('all');
  });

  test('named interfaces restrict it; a name that no link has gives none', () => {
    const table = new Table();
    const owned = new Map([order('192.0.2.1', ['eth1']), order('192.0.2.2', ['eth9'])]);
    const { targets, answers } = table.set(owned, links);
    expect([...targets.keys()]).toEqual(['192.0.2.1%3']);
    expect([...answers.put.values()].map((each) => each.links)).toEqual([[3], []]);
  });

  test('addresses that share a group join it once and leave it with the last', () => {
    const table = new Table();
    const both = new Map([order('2001:db8::240'), order('2001:db8:1::240')]);
    expect(table.set(both, links).groups.put.size).toBe(2);
    expect(table.set(new Map([order('2001:db8::240')]), links).groups.remove).toEqual([]);
    expect(table.set(new Map(), links).groups.remove).toHaveLength(2);
  });

  test('the same again changes nothing, and keeps the very same list of held addresses', () => {
    const table = new Table();
    const owned = new Map([order('192.0.2.1')]);
    table.set(owned, links);
    const { held } = table;
    const again = table.set(owned, links);
    expect([again.answers.put.size, again.groups.put.size]).toEqual([0, 0]);
    expect(table.held).toBe(held);
  });
});
