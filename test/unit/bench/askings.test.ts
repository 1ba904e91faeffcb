/** What a record of questions and answers says about voices. */
import { describe, expect, test } from '@jest/globals';
import { Askings, firstOther, staleAnswers, twoVoices } from '../../../bench/askings.ts';
import { quantile } from '../../../bench/median.ts';

const A = '02:64:00:00:00:64';
const B = '02:64:00:00:00:65';

function record(...lines: readonly string[]): Askings {
  const askings = new Askings();
  askings.take(`${lines.join('\n')}\n`);
  return askings;
}

describe('a record', () => {
  const askings = record(
    'ask 1 100.0',
    `reply 1 100.1 ${A}`,
    'ask 2 110.0',
    `reply 2 110.1 ${A}`,
    `claim 110.2 ${B}`,
    `reply 2 110.3 ${B}`,
    'ask 3 120.0',
    `reply 3 120.1 ${B}`,
    `reply 1 500.0 ${A}`,
    'not a line',
  );

  test('counts questions with two answerers', () => {
    expect(twoVoices(askings, 0, 10)).toBe(10);
    expect(twoVoices(askings, 115, 10)).toBe(0);
  });

  test('knows answers that come too late', () => {
    expect(staleAnswers(askings, 0, 200)).toBe(1);
    expect(staleAnswers(askings, 0, 500)).toBe(0);
  });

  test('says when another answered first, to a question asked since', () => {
    expect(firstOther(askings, 0, A)).toBe(110.3);
    expect(firstOther(askings, 115, A)).toBe(120.1);
    expect(firstOther(askings, 200, A)).toBeUndefined();
  });
});

test('a quantile is one of the values', () => {
  expect([0.5, 0.99, 1].map((share) => quantile([4, 1, 3, 2], share))).toEqual([2, 4, 4]);
});
