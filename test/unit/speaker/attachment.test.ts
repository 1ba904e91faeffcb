/** Which links are attached, and what changes of them are worth telling. */
import { beforeEach, expect, test } from '@jest/globals';
import { parseIp } from '../../../net/ip.ts';
import type { Ip } from '../../../net/ip.ts';
import { Attachment } from '../../../speaker/attachment.ts';
import type { Change } from '../../../speaker/attachment.ts';
import type { Link } from '../../../speaker/links.ts';

function ip(text: string): Ip {
  const parsed = parseIp(text);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}

function link(index: number, change: Partial<Link> & { readonly at?: string } = {}): Link {
  const { at = `192.0.2.${index}`, ...rest } = change;
  return {
    index,
    name: `eth${index}`,
    mac: `02:64:00:00:00:0${index}`,
    up: true,
    noarp: false,
    loopback: false,
    broadcast: true,
    master: undefined,
    addresses: [ip(at)],
    prefixes: [{ ip: ip(at), length: 24 }],
    ...rest,
  };
}

/** `+2` attach, `-2` detach, `~2` altered; `!`: the first ever. */
function said(change: Change): string {
  if (change === undefined) return 'nothing';
  const { attach, detach, altered, isFirst } = change;
  const words = [
    ...attach.map(({ index }) => `+${index}`),
    ...detach.map((index) => `-${index}`),
    ...altered.map((index) => `~${index}`),
  ];
  return `${words.join(' ')}${isFirst ? '!' : ''}`;
}

let attachment: Attachment;

beforeEach(() => {
  attachment = new Attachment();
  attachment.put(link(3));
  attachment.put(link(2));
});

test('in order of their indexes, with the IPv4 address that is not link-local', () => {
  expect([...attachment.links.keys()]).toEqual([2, 3]);
  const addresses = ['169.254.1.1', '192.0.2.9', '2001:db8::1'].map(ip);
  expect(said(attachment.put(link(2, { addresses })))).toBe('+2 ~2');
  expect(attachment.links.get(2)?.ip4).toEqual(ip('192.0.2.9'));
  attachment.put(link(2, { addresses: addresses.slice(0, 1) }));
  expect(attachment.links.get(2)?.ip4).toEqual(ip('169.254.1.1'));
  attachment.put(link(2, { addresses: addresses.slice(2) }));
  expect(attachment.links.get(2)?.ip4).toBeUndefined();
});

test.each<[string, Partial<Link> & { readonly at?: string }, string]>([
  ['the same again', {}, 'nothing'],
  ['another name', { name: 'wan0' }, '~2'],
  ['another MAC', { mac: '02:64:00:00:00:99' }, '+2'],
  ['another IPv4 address', { at: '192.0.2.77' }, '+2 ~2'],
  ['another IPv6 address', { addresses: [ip('192.0.2.2'), ip('2001:db8::2')] }, '~2'],
  ['a link-local address', { addresses: [ip('192.0.2.2'), ip('fe80::2')] }, 'nothing'],
  ['another length', { prefixes: [{ ip: ip('192.0.2.2'), length: 25 }] }, '~2'],
  ['no carrier', { up: false }, '-2'],
  ['a master', { master: 7 }, '-2'],
  ['a name that is left out', { name: 'cali2' }, '-2'],
])('%s', (_, change, expected) => {
  expect(said(attachment.put(link(2, change)))).toBe(expected);
});

test('a link that comes back is attached; after none at all it is the first', () => {
  attachment.put(link(2, { up: false }));
  expect(said(attachment.put(link(2)))).toBe('+2');
  expect(said(attachment.remove(2))).toBe('-2');
  expect(said(attachment.remove(3))).toBe('-3');
  expect(said(attachment.put(link(4)))).toBe('+4!');
});

test('a bridge is told of again when it gets a port that is up, or that comes back', () => {
  const port = (change: Partial<Link> = {}): string =>
    said(attachment.put(link(4, { master: 2, ...change })));
  expect(port()).toBe('~2');
  expect(port()).toBe('nothing');
  expect(port({ up: false })).toBe('~2');
  expect(port()).toBe('~2');
  expect(said(attachment.put(link(3, { master: 2 })))).toBe('-3 ~2');
  expect(said(attachment.remove(4))).toBe('~2');
  expect(said(attachment.put(link(5, { master: 2, name: 'cali5' })))).toBe('nothing');
});

test('what is left out may change as it likes', () => {
  const ipvs = { name: 'kube-ipvs0', up: false, noarp: true };
  expect(said(attachment.put(link(9, { ...ipvs, at: '192.0.2.240' })))).toBe('nothing');
  expect(said(attachment.put(link(9, { ...ipvs, at: '192.0.2.241' })))).toBe('nothing');
  expect(said(attachment.remove(9))).toBe('nothing');
});

test('one that could not be attached is asked for again', () => {
  attachment.failed(2);
  expect([...attachment.links.keys()]).toEqual([3]);
  expect(said(attachment.sync())).toBe('+2');
  expect(said(attachment.sync())).toBe('nothing');
});

test('subnets are told only where one link of each is enough', () => {
  expect(attachment.links.get(2)).not.toHaveProperty('subnets');
  const single = new Attachment({ onePerSubnet: true });
  single.put(link(2));
  expect(single.links.get(2)?.subnets).toEqual(['192.0.2.0/24']);
});
