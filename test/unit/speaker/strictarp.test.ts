/** Which settings let the kernel answer for addresses of others, and what is said about it. */
import { describe, expect, test } from '@jest/globals';
import { parseIp } from '../../../net/ip.ts';
import type { Ip } from '../../../net/ip.ts';
import { EXCLUDED_LINKS } from '../../../speaker/links.ts';
import type { Link } from '../../../speaker/links.ts';
import { heldElsewhere, strictArpTrouble } from '../../../speaker/strictarp.ts';

function ip(text: string): Ip {
  const parsed = parseIp(text);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}

function link(name: string, ...addresses: readonly string[]): Link {
  return {
    index: name.length,
    name,
    mac: '02:64:00:00:00:01',
    up: true,
    noarp: false,
    loopback: name === 'lo',
    broadcast: true,
    master: undefined,
    addresses: addresses.map(ip),
  };
}

describe('an announced address that the kernel holds', () => {
  const vips = new Set(['192.0.2.240', '2001:db8::240']);
  const held = (...links: readonly Link[]): string | undefined =>
    heldElsewhere(links, vips, EXCLUDED_LINKS)?.on;

  test.each<[string, Link, string | undefined]>([
    ['on kube-ipvs0', link('kube-ipvs0', '10.96.0.1', '192.0.2.240'), 'kube-ipvs0'],
    ['on the loopback', link('lo', '127.0.0.1', '192.0.2.240'), 'lo'],
    ['on a port of a bridge', { ...link('eth9', '192.0.2.240'), master: 7 }, 'eth9'],
    ['that is down', { ...link('kube-ipvs0', '192.0.2.240'), up: false }, 'kube-ipvs0'],
    ['which is another', link('kube-ipvs0', '192.0.2.241'), undefined],
    ['in IPv6', link('kube-ipvs0', '2001:db8::240'), undefined],
    ['where it is announced', link('eth9', '192.0.2.240'), undefined],
  ])('%s', (_, holder, expected) => {
    expect(held(link('eth0', '192.0.2.1'), holder)).toBe(expected);
  });
});

describe('what the settings mean', () => {
  const held = { ip: ip('192.0.2.240'), on: 'kube-ipvs0' };
  const said = (ignore: number, announce: number): string | undefined =>
    strictArpTrouble(held, new Map([['eth0', { ignore, announce }]]))?.sentence;

  test.each([
    [1, 2],
    [2, 2],
    [8, 2],
  ])('arp_ignore %i, arp_announce %i: nothing', (ignore, announce) => {
    expect(said(ignore, announce)).toBeUndefined();
  });

  test.each([0, 3, 4, 7, 9])('arp_ignore %i answers', (ignore) => {
    expect(said(ignore, 2)).toBe(
      '192.0.2.240 is on kube-ipvs0, and the kernel answers ARP for it on eth0, whoever owns it: ' +
        'set net.ipv4.conf.all.arp_ignore=1, with kube-proxy by strictARP: true',
    );
  });

  test.each([0, 1, 3])('arp_announce %i leaks', (announce) => {
    expect(said(1, announce)).toBe(
      '192.0.2.240 is on kube-ipvs0, and the kernel names it as sender of requests on eth0, ' +
        'whoever owns it: set net.ipv4.conf.all.arp_announce=2, with kube-proxy by strictARP: true',
    );
  });

  test('both, on many links', () => {
    const names = ['eth4', 'eth1', 'eth2', 'eth3'];
    const loose = new Map(names.map((name) => [name, { ignore: 0, announce: 0 }]));
    const trouble = strictArpTrouble(held, loose);
    expect(trouble?.reason).toBe('StrictARPMissing');
    expect(trouble?.sentence).toContain('answers ARP for it on eth1, eth2, eth3 and 1 more and na');
    expect(trouble?.sentence).toContain(
      'set net.ipv4.conf.all.arp_ignore=1 and net.ipv4.conf.all.',
    );
  });

  test('without a link that announces there is nobody to confuse', () => {
    expect(strictArpTrouble(held, new Map())).toBeUndefined();
  });
});
