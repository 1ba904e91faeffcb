/** Who may make a speaker ask the wire. */
import { expect, test } from '@jest/globals';
import { tagOf } from '../../lib/io/secret.ts';
import { VERIFY_CONTEXT, VERIFY_PATH } from '../../speaker/finding.ts';
import { mayAsk } from '../../speaker/io/verifyroute.ts';

const secret = new Uint8Array(32).fill(7);
const url = `${VERIFY_PATH}?ip=192.0.2.240`;

test.each(['127.0.0.1', '127.1.2.3', '::1', '::ffff:127.0.0.1'])('%s may', (from) => {
  expect(mayAsk(from, url, undefined, secret)).toBe(true);
});

test.each(['192.0.2.1', '2001:db8::1', '::ffff:192.0.2.127', undefined])('%s may not', (from) => {
  expect(mayAsk(from, url, undefined, secret)).toBe(false);
});

test('whoever has the secret may ask what the tag is for', () => {
  const tag = tagOf(secret, VERIFY_CONTEXT, url);
  expect(mayAsk('192.0.2.1', url, tag, secret)).toBe(true);
  expect(mayAsk('192.0.2.1', `${url}1`, tag, secret)).toBe(false);
  expect(mayAsk('192.0.2.1', url, tag, new Uint8Array(32).fill(8))).toBe(false);
  expect(mayAsk('192.0.2.1', url, [tag], secret)).toBe(false);
  // A tag of a report is none of a question.
  expect(mayAsk('192.0.2.1', url, tagOf(secret, 'arpeggio report 1\n', url), secret)).toBe(false);
});
