/** MetalLB's `excludel2.yaml`: what it excludes, and what is said about a broken one. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseExcluded } from '../../../speaker/excluded.ts';
import { EXCLUDED_LINKS } from '../../../speaker/links.ts';

describe('the list of excluded interfaces', () => {
  test("is read as MetalLB's manifests write it", () => {
    const lines = EXCLUDED_LINKS.map(({ source }) => `- ${source}`);
    const text = ['announcedInterfacesToExclude:', ...lines].join('\n');
    expect(parseExcluded(text)).toEqual({
      ok: true,
      value: EXCLUDED_LINKS.map(({ source }) => source),
    });
  });

  test.each(['', '# nothing\n', 'announcedInterfacesToExclude: []', 'other: 1'])(
    'may be empty: %j',
    (text) => {
      expect(parseExcluded(text)).toEqual({ ok: true, value: [] });
    },
  );

  test.each([
    ['announcedInterfacesToExclude:\n- ^eth0$\n- "(["', 'line 3: "([" is not a regular expression'],
    ['announcedInterfacesToExclude:\n- 5', 'line 2: 5 is not a name; put it in quotes'],
    ['announcedInterfacesToExclude: eth0', 'is not a list'],
    ['announcedInterfacesToExclude: [', 'line 1: '],
  ])('%j is refused with its line', (text, message) => {
    const parsed = parseExcluded(text);
    expect(!parsed.ok && parsed.error).toContain(message);
  });

  test('whatever the text, there is an answer', () => {
    const answered = fc.property(fc.string(), (text) => {
      expect(typeof parseExcluded(text).ok).toBe('boolean');
    });
    fc.assert(answered);
  });
});
