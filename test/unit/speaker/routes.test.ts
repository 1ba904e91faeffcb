/** Default gateways out of literal answers of the kernel. */
import { describe, expect, test } from '@jest/globals';
import { formatIp, ipToBytes, parseIp } from '../../../net/ip.ts';
import { attribute, concatenate, message, word } from '../../../speaker/netlinkmessage.ts';
import { askDefaultRoute, parseDefaultRoute } from '../../../speaker/routes.ts';

const NEWROUTE = 24;
const OIF = 4;
const GATEWAY = 5;
const MULTIPATH = 9;
const VIA = 18;

function bytesOf(text: string): Uint8Array {
  const parsed = parseIp(text);
  if (!parsed.ok) throw new Error(parsed.error);
  return ipToBytes(parsed.value);
}

/** struct rtmsg */
function route(length: number, type: number, ...attributes: Uint8Array[]): Uint8Array {
  const body = Uint8Array.of(2, length, 0, 0, 254, 3, 0, type, 0, 0, 0, 0);
  return message(NEWROUTE, 0, 7, concatenate([body, ...attributes]));
}

function hop(link: number, gateway: string): Uint8Array {
  const via = attribute(GATEWAY, bytesOf(gateway));
  const head = new Uint8Array(8);
  new DataView(head.buffer).setUint16(0, 8 + via.length, true);
  new DataView(head.buffer).setInt32(4, link, true);
  return concatenate([head, via]);
}

function read(datagram: Uint8Array, sequence = 7): string[] | undefined {
  return parseDefaultRoute(datagram, sequence)?.map(({ ip, link }) => `${formatIp(ip)}%${link}`);
}

const viaOne = [attribute(OIF, word(3)), attribute(GATEWAY, bytesOf('192.0.2.1'))];

describe('an answer', () => {
  test('with one gateway', () => {
    expect(read(route(0, 1, ...viaOne))).toEqual(['192.0.2.1%3']);
  });

  test('with several', () => {
    const hops = concatenate([hop(3, '192.0.2.1'), hop(4, '192.0.2.2')]);
    expect(read(route(0, 1, attribute(MULTIPATH, hops)))).toEqual(['192.0.2.1%3', '192.0.2.2%4']);
  });

  test('with an IPv6 gateway for IPv4 (RFC 8950)', () => {
    const via = attribute(VIA, Uint8Array.of(10, 0, ...bytesOf('fe80::1')));
    expect(read(route(0, 1, attribute(OIF, word(3)), via))).toEqual(['fe80::1%3']);
  });

  test('that names no gateway: a point-to-point link', () => {
    expect(read(route(0, 1, attribute(OIF, word(3))))).toEqual([]);
  });

  test('that is no default route, or one to nowhere', () => {
    expect(read(route(24, 1, ...viaOne))).toEqual([]);
    expect(read(route(0, 6, ...viaOne))).toEqual([]);
  });

  test('that refuses: there is none', () => {
    expect(read(message(2, 0, 7, concatenate([word(-101), new Uint8Array(16)])))).toEqual([]);
  });

  test('to another question, or cut short', () => {
    expect(read(route(0, 1, ...viaOne), 8)).toBeUndefined();
    expect(read(route(0, 1, ...viaOne).subarray(0, 20))).toBeUndefined();
    const broken = route(0, 1, ...viaOne);
    new DataView(broken.buffer).setUint16(28, 200, true);
    expect(read(broken)).toEqual([]);
  });
});

test('a question asks for the route itself, by an address of the documents', () => {
  const asked = askDefaultRoute(7, 4);
  const header = [2, 32, 0, 0, 0, 0, 0, 0, 0, 0x20, 0, 0];
  const destination = [8, 0, 1, 0, 203, 0, 113, 1];
  expect([...asked.subarray(16)]).toEqual(header.concat(destination));
  expect(askDefaultRoute(7, 6)).toHaveLength(16 + 12 + 20);
});
