/** Which interfaces carry announcements, and what follows for the table. */
import { describe, expect, test } from '@jest/globals';
import { formatIp, parseIp } from '../../../net/ip.ts';
import type { Ip } from '../../../net/ip.ts';
import { firstOfSubnets, subnetsOf, unusable } from '../../../speaker/links.ts';
import type { Link, LinkPrefix } from '../../../speaker/links.ts';
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

const prefix = (text: string): LinkPrefix => {
  const [address = '', length] = text.split('/');
  const ip = parseIp(address);
  if (!ip.ok) throw new Error(ip.error);
  return { ip: ip.value, length: Number(length) };
};

test.each<[string, readonly string[]]>([
  ['192.0.2.130/24', ['192.0.2.0/24']],
  ['192.0.2.130/25', ['192.0.2.128/25']],
  ['2001:db8::1:2/64', ['2001:db8::/64']],
  ['192.0.2.1/32', []],
  ['2001:db8::1/128', []],
  ['169.254.1.1/16', []],
  ['fe80::1/64', []],
  ['febf::1/64', []],
  ['fec0::1/64', ['fec0::/64']],
])('an address %s is in the subnets %j', (address, subnets) => {
  expect(subnetsOf({ prefixes: [prefix(address)] })).toEqual(subnets);
});

test.each<[string, readonly (readonly string[])[], readonly number[]]>([
  ['without addresses', [[], []], [0, 1]],
  ['on one segment', [['192.0.2.1/24'], ['192.0.2.2/24']], [0]],
  [
    'on one segment with a second address',
    [['192.0.2.1/24'], ['198.51.100.1/24', '192.0.2.2/24']],
    [0],
  ],
  ['of another length', [['192.0.2.1/24'], ['192.0.2.2/25']], [0, 1]],
  ['apart', [['192.0.2.1/24'], ['198.51.100.1/24'], ['192.0.2.3/24']], [0, 1]],
  [
    'of which one is left out',
    [['192.0.2.1/24'], ['192.0.2.2/24', '198.51.100.1/24'], ['198.51.100.2/24']],
    [0, 2],
  ],
])('of links %s, these answer', (_, links, first) => {
  const all = links.map((each, n) => ({ n, subnets: subnetsOf({ prefixes: each.map(prefix) }) }));
  expect(firstOfSubnets(all).map(({ n }) => n)).toEqual(first);
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

  type Links = Parameters<Table['put']>[2];

  /** All orders owned here, and nothing else. */
  function set(table: Table, orders: ReadonlyMap<string, Order>, on: Links = links) {
    for (const key of table.held) if (!orders.has(key)) table.put(key, undefined, on);
    for (const [key, each] of orders) table.put(key, { order: each, isAnswered: true }, on);
    const { targets, ...rest } = table.take();
    return { ...rest, targets: targets.put };
  }

  test('an address is announced on every link, its group joined on every link', () => {
    const { targets, groups, answers } = set(new Table(), new Map([order('2001:db8::240')]));
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
    const { targets, answers } = set(table, owned);
    expect([...targets.keys()]).toEqual(['192.0.2.1%3']);
    expect([...answers.put.values()].map((each) => each.links)).toEqual([[3], []]);
  });

  test('of one subnet the first link is announced on; a name chooses among those it names', () => {
    const subnets = ['192.0.2.0/24'];
    const twins = new Map([...links].map(([index, link]) => [index, { ...link, subnets }]));
    const owned = new Map([order('192.0.2.1'), order('192.0.2.2', ['eth1'])]);
    const table = new Table();
    const { targets, answers } = set(table, owned, twins);
    expect([...targets.keys()]).toEqual(['192.0.2.1%2', '192.0.2.2%3']);
    expect([...answers.put.values()].map((each) => each.links)).toEqual([[2], [3]]);
    const second = new Map([...twins].slice(1));
    expect([...set(table, owned, second).targets.keys()]).toEqual(['192.0.2.1%3']);
  });

  test('addresses that share a group join it once and leave it with the last', () => {
    const table = new Table();
    const both = new Map([order('2001:db8::240'), order('2001:db8:1::240')]);
    expect(set(table, both).groups.put.size).toBe(2);
    expect(set(table, new Map([order('2001:db8::240')])).groups.remove).toEqual([]);
    expect(set(table, new Map()).groups.remove).toHaveLength(2);
  });

  test('the same again changes nothing, and keeps the very same list of held addresses', () => {
    const table = new Table();
    const owned = new Map([order('192.0.2.1')]);
    set(table, owned);
    const { held } = table;
    const again = set(table, owned);
    expect([again.answers.put.size, again.groups.put.size]).toEqual([0, 0]);
    expect(table.held).toBe(held);
  });

  test("what is not answered is watched everywhere, unless it is really the host's", () => {
    const orders = new Map([order('192.0.2.1'), order('192.0.2.2', ['eth1']), order('192.0.2.3')]);
    const [bait, { ip }] = order('203.0.113.9');
    const table = new Table();
    table.watch(bait, ip);
    for (const [key, each] of orders) {
      const entry = { order: each, isAnswered: key === '192.0.2.1' };
      table.put(key, key === '192.0.2.3' ? undefined : entry, links);
    }
    const { answers, targets } = table.take();
    const roles = [...answers.put].map(([key, { role, links: where }]) => [key, role, where]);
    expect(roles).toEqual([
      ['203.0.113.9', 'watch', 'all'],
      ['192.0.2.1', 'answer', 'all'],
      ['192.0.2.2', 'watch', 'all'],
    ]);
    expect([...targets.put.keys()]).toEqual(['192.0.2.1%2', '192.0.2.1%3']);
  });
});
