/** Orders survive the way between the threads, and large sets of them fit the small heap. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { formatIp } from '../../../net/ip.ts';
import { packOrders, unpackOrders } from '../../../speaker/orderwire.ts';
import type { Order } from '../../../speaker/vip.ts';
import { anyIp } from '../net/arbitrary.ts';

const node = fc.constantFrom('node1', 'node2', 'a-node.with.dots', 'x');
const order: fc.Arbitrary<Order> = fc.record({
  ip: anyIp,
  owners: fc.uniqueArray(node),
  interfaces: fc.oneof(fc.constant('all' as const), fc.array(fc.constantFrom('eth0', 'br0'))),
  isNew: fc.boolean(),
});

test('what is unpacked is what was packed', () => {
  fc.assert(
    fc.property(fc.array(order), fc.array(fc.string()), (orders, remove) => {
      const put = new Map(orders.map((each) => [formatIp(each.ip), each]));
      const copy = structuredClone(packOrders({ put, remove }));
      expect(unpackOrders(copy)).toEqual({ put, remove });
    }),
  );
});

test('a name crosses once, however many orders name it', () => {
  const names = Array.from({ length: 100 }, (_, i) => `node${i}`);
  const put = new Map<string, Order>();
  for (let i = 0n; i < 1000n; i++) {
    const ip = { family: 4 as const, value: 0x0a000000n + i };
    put.set(formatIp(ip), { ip, owners: names, interfaces: 'all', isNew: false });
  }
  const packed = packOrders({ put, remove: [] });
  expect(packed.names).toEqual(names);
  expect(packed.owners.length).toBe(100_000);
});
