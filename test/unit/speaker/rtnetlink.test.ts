/**
 * rtnetlink as the kernel speaks it: messages captured from Linux 6.18, requests compared with the
 * layouts of linux/rtnetlink.h and pkt_cls.h, and damaged input.
 */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseIp } from '../../../net/ip.ts';
import type { Ip } from '../../../net/ip.ts';
import {
  dumpAddresses,
  dumpLinks,
  dumpNeighbours,
  parseRoute,
} from '../../../speaker/rtnetlink.ts';

function hex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text.replaceAll(/[\s|]/g, ''), 'hex'));
}

function ip(text: string): Ip {
  const parsed = parseIp(text);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}

/** nlmsghdr: length, type, flags, sequence, port. */
function message(type: number, body: string, flags = 0, sequence = 0): Uint8Array {
  const bytes = hex(body);
  const whole = new Uint8Array(16 + bytes.length);
  const view = new DataView(whole.buffer);
  view.setUint32(0, whole.length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, flags, true);
  view.setUint32(8, sequence, true);
  whole.set(bytes, 16);
  return whole;
}

const NEWLINK = 16;
const DELLINK = 17;
const NEWADDR = 20;
const DELADDR = 21;

/** ifinfomsg of link 4 with flags 0x11043 (up, broadcast, running, multicast, lower up). */
const ETH4 = '0000 0100 04000000 43100100 00000000';
const NAME = '0900 0300 6574683000 000000';
const MAC = '0a00 0100 026400000004 0000';
const MASTER = '0800 0a00 02000000';

describe('links', () => {
  test('a link that is up, with name, MAC and master', () => {
    expect(parseRoute(message(NEWLINK, ETH4 + NAME + MAC + MASTER))).toEqual([
      {
        kind: 'link',
        link: {
          index: 4,
          name: 'eth0',
          mac: '02:64:00:00:00:04',
          up: true,
          noarp: false,
          loopback: false,
          broadcast: true,
          master: 2,
        },
      },
    ]);
  });

  test.each([
    ['without carrier', '03100000', { up: false, broadcast: true }],
    ['administratively down', '02100100', { up: false, broadcast: true }],
    ['without ARP', 'c3100100', { up: true, noarp: true }],
    ['loopback', '49000100', { up: true, loopback: true, broadcast: false }],
  ])('a link %s', (_, flags, expected) => {
    const body = `0000 0100 04000000 ${flags} 00000000 ${NAME} ${MAC}`;
    expect(parseRoute(message(NEWLINK, body))).toMatchObject([
      { kind: 'link', link: { ...expected, master: undefined } },
    ]);
  });

  test('a tunnel has no Ethernet address', () => {
    const tunnel = `${ETH4} ${NAME} 0800 0100 c0000201`;
    expect(parseRoute(message(NEWLINK, tunnel))).toMatchObject([
      { link: { mac: '00:00:00:00:00:00' } },
    ]);
  });

  test('a link that is gone', () => {
    expect(parseRoute(message(DELLINK, ETH4 + NAME))).toEqual([{ kind: 'link-gone', index: 4 }]);
  });

  test('a port that leaves a bridge is not a link that is gone', () => {
    expect(parseRoute(message(DELLINK, `07${ETH4.slice(2)}${NAME}`))).toEqual([]);
  });
});

describe('addresses', () => {
  /** ifaddrmsg: family, prefix, flags, scope, index 4 */
  const four = '02 18 80 00 04000000';
  const six = '0a 40 80 00 04000000';

  test('an IPv4 address', () => {
    const body = `${four} 0800 0100 c0000201 0800 0200 c0000201`;
    expect(parseRoute(message(NEWADDR, body))).toEqual([
      { kind: 'address', index: 4, ip: ip('192.0.2.1'), length: 24 },
    ]);
    expect(parseRoute(message(DELADDR, body))).toEqual([
      { kind: 'address-gone', index: 4, ip: ip('192.0.2.1'), length: 24 },
    ]);
  });

  test('on a point-to-point link ours is the local one', () => {
    const body = `${four} 0800 0100 c0000209 0800 0200 c0000201`;
    expect(parseRoute(message(NEWADDR, body))).toMatchObject([{ ip: ip('192.0.2.1') }]);
  });

  test.each([
    ['usable', '80000000', 'address'],
    ['tentative', 'c0000000', 'address-gone'],
    ['a duplicate', '88000000', 'address-gone'],
  ])('an IPv6 address that is %s', (_, flags, kind) => {
    const address = '1400 0100 20010db8000000000000000000000001';
    const body = `${six} ${address} 0800 0800 ${flags}`;
    expect(parseRoute(message(NEWADDR, body))).toEqual([
      { kind, index: 4, ip: ip('2001:db8::1'), length: 64 },
    ]);
  });
});

describe('neighbours', () => {
  /** ndmsg: family, link 4, state, flags, type; then address and MAC. */
  const entry = (state: string, mac = '0a00 0200 026400000001 0000'): Uint8Array =>
    message(28, `02 00 0000 04000000 ${state} 00 01 0800 0100 c0000201 ${mac}`);

  test.each([
    ['reachable', '0200'],
    ['stale', '0400'],
    ['delayed', '0800'],
    ['probed', '1000'],
    ['permanent', '8000'],
  ])('one that is %s', (_, state) => {
    expect(parseRoute(entry(state))).toEqual([
      { kind: 'neighbour', ip: ip('192.0.2.1'), mac: '02:64:00:00:00:01', link: 4 },
    ]);
  });

  test.each([
    ['is asked for', entry('0100', '')],
    ['has failed', entry('2000')],
    ['is multicast', entry('4000')],
    ['has no Ethernet address', entry('0200', '0800 0200 c0000201')],
  ])('one that %s is none', (_, bytes) => {
    expect(parseRoute(bytes)).toEqual([]);
  });

  test('an IPv6 one', () => {
    const address = '1400 0100 20010db8000000000000000000000001';
    const body = `0a 00 0000 04000000 0400 00 01 ${address} 0a00 0200 026400000001 0000`;
    expect(parseRoute(message(28, body))).toMatchObject([{ ip: ip('2001:db8::1'), link: 4 }]);
  });
});

describe('ends and answers', () => {
  const success = '00000000 28000000 1800 0506 07000000 00000000';

  test('several messages in one datagram', () => {
    const both = Uint8Array.of(...message(DELLINK, ETH4), ...message(3, '00000000', 2, 9));
    expect(parseRoute(both)).toEqual([
      { kind: 'link-gone', index: 4 },
      { kind: 'done', sequence: 9 },
    ]);
  });

  test('a dump during which something changed', () => {
    expect(parseRoute(message(3, '00000000', 0x12, 9))).toEqual([
      { kind: 'interrupted' },
      { kind: 'done', sequence: 9 },
    ]);
  });

  test('success', () => {
    expect(parseRoute(message(2, success, 0x100, 7))).toEqual([
      { kind: 'acknowledged', sequence: 7, errno: 0, text: '' },
    ]);
  });

  test("a refusal with the kernel's sentence", () => {
    // -ENOENT, the header of the request, NLMSGERR_ATTR_MSG "Nope".
    const body = 'feffffff 28000000 2c00 0504 08000000 00000000 0900 0100 4e6f706500 000000';
    expect(parseRoute(message(2, body, 0x300, 8))).toEqual([
      { kind: 'acknowledged', sequence: 8, errno: 2, text: 'Nope' },
    ]);
  });
});

describe('requests', () => {
  test('dumps', () => {
    expect(dumpLinks(1)).toEqual(hex('20000000 1200 0103 01000000 00000000' + '00'.repeat(16)));
    expect(dumpAddresses(2)).toEqual(hex('18000000 1600 0103 02000000 00000000' + '00'.repeat(8)));
    expect(dumpNeighbours(3)).toEqual(
      hex('1c000000 1e00 0103 03000000 00000000' + '00'.repeat(12)),
    );
  });
});

test('anything at all is parsed without failing, and nothing is read twice', () => {
  const whole = Uint8Array.of(
    ...message(NEWLINK, ETH4 + NAME + MAC + MASTER),
    ...message(NEWADDR, '02 18 80 00 04000000 0800 0200 c0000201'),
  );
  const damage = fc.array(fc.tuple(fc.nat({ max: whole.length - 1 }), fc.nat({ max: 255 })));
  fc.assert(
    fc.property(damage, fc.nat({ max: whole.length }), (changes, length) => {
      const copy = whole.slice(0, length);
      for (const [at, byte] of changes) copy[at] = byte;
      expect(parseRoute(copy).length).toBeLessThanOrEqual(4);
    }),
  );
});
