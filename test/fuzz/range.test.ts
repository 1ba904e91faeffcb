/** Ranges, addresses, durations and communities: any text, and texts that are nearly right. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseCommunity } from '../../config/parse/communities.ts';
import { parseDuration } from '../../config/parse/duration.ts';
import { parseIp } from '../../net/ip.ts';
import { formatRange, parseRange, size } from '../../net/range.ts';
import type { Result } from '../../lib/result.ts';
import { expectSentence, nearly, wrong } from './fuzz.ts';

const RANGES = [
  '192.0.2.1-192.0.2.9',
  '192.0.2.0/24',
  '0.0.0.0/0',
  '::/0',
  '2001:db8::1 - 2001:db8::ffff',
  '2001:db8::/127',
  '::ffff:192.0.2.1-::ffff:192.0.2.9',
];

function checkRange(text: string): void {
  const range = parseRange(text);
  if (!range.ok) return expectSentence(range.error);
  expect(range.value.first <= range.value.last).toBe(true);
  expect(size(range.value) > 0n).toBe(true);
  expect(parseRange(formatRange(range.value))).toEqual(range);
}

test('a range is understood, or there is a sentence', () => {
  expect(wrong(fc.oneof(nearly(...RANGES), fc.string()), checkRange)).toBe(undefined);
});

test.each<[string, (text: string) => Result<unknown, string>, readonly string[]]>([
  ['address', parseIp, ['192.0.2.1', '2001:db8::1', '::ffff:192.0.2.1']],
  ['duration', parseDuration, ['90s', '1m30s', '1.5h', '100ms', '0']],
  ['community', parseCommunity, ['64500:1', 'large:1:2:3']],
])('%s: understood, or there is a sentence', (_, parse, texts) => {
  const check = (text: string): void => {
    const parsed = parse(text);
    if (!parsed.ok) expectSentence(parsed.error);
  };
  expect(wrong(fc.oneof(nearly(...texts), fc.string()), check)).toBe(undefined);
});

test('long texts are refused as fast as short ones', () => {
  for (const part of ['1', '1.', '::', ':', 's', '1s', '-', '/', '65535:']) {
    const text = part.repeat(200_000);
    const began = process.cpuUsage();
    for (const parse of [parseRange, parseIp, parseDuration, parseCommunity]) {
      const parsed = parse(text);
      expectSentence(parsed.ok ? '' : parsed.error);
    }
    expect(process.cpuUsage(began).user / 1000).toBeLessThan(500);
  }
});
