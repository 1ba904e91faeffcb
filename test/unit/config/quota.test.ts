/** How many addresses a namespace may have. */
import { expect, test } from '@jest/globals';
import { quotasOf } from '../../../config/quota.ts';

function namespace(name: string, quota?: string) {
  const annotations = quota === undefined ? {} : { 'arpeggio.dev/address-quota': quota };
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, annotations } };
}

test('a number is a quota, none is none', () => {
  const { quotas, problems } = quotasOf([namespace('a', '3'), namespace('b'), namespace('c', '0')]);
  expect([...quotas]).toEqual([
    ['a', 3],
    ['c', 0],
  ]);
  expect(problems).toEqual([]);
});

test.each(['', 'three', '-1', '1.5', '99999999999'])('"%s" opens nothing, and is told', (text) => {
  const { quotas, problems } = quotasOf([namespace('a', text)]);
  expect(quotas.get('a')).toBe(0);
  expect(problems).toEqual([
    expect.objectContaining({
      key: 'a',
      path: 'metadata.annotations["arpeggio.dev/address-quota"]',
      message: `"${text}" is not a number of addresses; until it is, no more are given there`,
    }),
  ]);
});
