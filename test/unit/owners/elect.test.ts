/**
 * MetalLB's order. The known values were computed with coreutils, not with this code:
 * printf '%s' 'node1#192.168.100.240' | sha256sum
 */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { elect } from '../../../owners/elect.ts';

test.each([
  // 37c93c75… 7bad8527… a36f2fc5…
  ['192.168.100.240', ['node1', 'node2', 'node3'], ['node3', 'node1', 'node2']],
  // 1b4a8e87… 486dd503… c1d09b4b…
  ['192.0.2.1', ['alpha', 'beta', 'gamma'], ['alpha', 'gamma', 'beta']],
  // 0226e9e3… 9fd02b82… d5996915…
  ['2001:db8::f0', ['alpha', 'beta', 'gamma'], ['gamma', 'beta', 'alpha']],
])('%s', (ip, nodes, order) => {
  expect(elect(nodes, ip)).toEqual(order);
});

test('preference comes before the hash', () => {
  const nodes = ['alpha', 'beta', 'gamma'];
  expect(elect(nodes, '192.0.2.1', new Map([['beta', 5]]))).toEqual(['beta', 'alpha', 'gamma']);
  const weights = new Map([
    ['beta', 5],
    ['gamma', 90],
    ['alpha', 5],
  ]);
  expect(elect(nodes, '192.0.2.1', weights)).toEqual(['gamma', 'alpha', 'beta']);
});

test('nobody is elected among nobody', () => {
  expect(elect([], '192.0.2.1')).toEqual([]);
});

const names = fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 12 });
const withShuffle = names.chain((nodes) =>
  fc.tuple(fc.constant(nodes), fc.shuffledSubarray(nodes, { minLength: nodes.length })),
);

test('the order does not depend on the order of the list, and leaves it alone', () => {
  fc.assert(
    fc.property(withShuffle, fc.ipV4(), ([nodes, shuffled], ip) => {
      const before = [...shuffled];
      expect(elect(shuffled, ip)).toEqual(elect(nodes, ip));
      expect(shuffled).toEqual(before);
      expect(elect(nodes, ip).toSorted()).toEqual(nodes.toSorted());
    }),
  );
});

test('without a node, the others keep their order', () => {
  fc.assert(
    fc.property(names, fc.ipV6(), fc.nat(), (nodes, ip, pick) => {
      const gone = nodes[pick % nodes.length];
      const others = nodes.filter((node) => node !== gone);
      expect(elect(others, ip)).toEqual(elect(nodes, ip).filter((node) => node !== gone));
    }),
  );
});
