/** Label selectors: what they match, and what is wrong with them. */
import { describe, expect, test } from '@jest/globals';
import { matches, matchesAny, selectorFaults, selectorText } from '../../../kube/selector.ts';

const labels = { app: 'web', 'example.org/tier': 'front' };

describe('matches', () => {
  test.each([
    [{}, true],
    [{ matchLabels: { app: 'web' } }, true],
    [{ matchLabels: { app: 'web', 'example.org/tier': 'back' } }, false],
    [{ matchLabels: { constructor: 'web' } }, false],
    [{ matchExpressions: [{ key: 'app', operator: 'In', values: ['db', 'web'] }] }, true],
    [{ matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['web'] }] }, false],
    [{ matchExpressions: [{ key: 'zone', operator: 'In', values: ['a'] }] }, false],
    [{ matchExpressions: [{ key: 'zone', operator: 'NotIn', values: ['a'] }] }, true],
    [{ matchExpressions: [{ key: 'zone', operator: 'Exists' }] }, false],
    [{ matchExpressions: [{ key: 'toString', operator: 'Exists' }] }, false],
    [{ matchExpressions: [{ key: 'zone', operator: 'DoesNotExist' }] }, true],
  ] as const)('%j: %s', (selector, expected) => {
    expect(matches(selector, labels)).toBe(expected);
  });

  test('a list is a list of alternatives, an empty one restricts nothing', () => {
    expect(matchesAny([], labels)).toBe(true);
    expect(matchesAny([{ matchLabels: { app: 'db' } }], labels)).toBe(false);
    expect(matchesAny([{ matchLabels: { app: 'db' } }, {}], labels)).toBe(true);
  });
});

test.each([
  [{ matchLabels: { '-a': 'b' } }, 'matchLabels["-a"]', '"-a" is not a label key'],
  [{ matchLabels: { a: 'b c' } }, 'matchLabels["a"]', '"b c" cannot be the value of a label'],
  [
    { matchExpressions: [{ key: 'a', operator: 'In' }] },
    'matchExpressions[0].values',
    'In needs at least one value',
  ],
  [
    { matchExpressions: [{ key: 'a', operator: 'Exists', values: ['b'] }] },
    'matchExpressions[0].values',
    'Exists takes no values; remove them',
  ],
  [
    { matchExpressions: [{ key: 'a', operator: 'In', values: ['b', 'b'] }] },
    'matchExpressions[0].values',
    'a value is listed twice; remove one',
  ],
  [
    {
      matchExpressions: [
        { key: 'a', operator: 'Exists' },
        { key: 'a', operator: 'Exists' },
      ],
    },
    'matchExpressions[1]',
    'this expression is there twice; remove one',
  ],
] as const)('selectorFaults %j', (selector, path, message) => {
  expect(selectorFaults(selector)).toEqual([[path, message]]);
});

test('selectorText ignores order and nothing else', () => {
  expect(selectorText({ matchLabels: { a: '1', b: '2' } })).toBe(
    selectorText({ matchLabels: { b: '2', a: '1' } }),
  );
  expect(selectorText({ matchLabels: { a: '1' } })).not.toBe(
    selectorText({ matchLabels: { a: '2' } }),
  );
});
