/**
 * What every fuzz test shares: the same cases each time (`FUZZ_SEED`), few enough for every commit
 * (`FUZZ_RUNS` for a night of them), texts that are nearly right, because what is wrong throughout
 * is refused at the first letter, and what counts as a sentence.
 */
import { expect } from '@jest/globals';
import fc from 'fast-check';

const SEED = Number(process.env['FUZZ_SEED'] ?? 5);
const RUNS = Number(process.env['FUZZ_RUNS'] ?? 200);

/** The smallest case found that is treated wrongly, `check` throws for it; undefined: none. */
export function wrong<T>(cases: fc.Arbitrary<T>, check: (value: T) => void): string | undefined {
  const found = fc.check(fc.property(cases, check), { seed: SEED, numRuns: RUNS });
  return found.failed ? fc.defaultReportMessage(found) : undefined;
}

/** Something that a person can read: words, of bounded length, and no trace of our own types. */
export function expectSentence(text: string): void {
  expect(text.trim()).toMatch(/\S+\s+\S+/);
  expect(text).not.toMatch(/\[object |undefined|NaN|Infinity/);
  expect(text.length).toBeLessThan(1500);
}

/** What means something to one of the parsers. */
const SPICE = [
  ...'- : / . , [ ] { } | > # & * ? ~ !!int --- << %YAML null true yes'.split(' '),
  ...'0 1 255 256 4294967296 1e9 0x10 -1 :: ::ffff:192.0.2.1 ff02::1 192.0.2.0/24'.split(' '),
  ...'0.0.0.0/0 ::/0 192.0.2.1-192.0.2.255 __proto__ constructor é 😀'.split(' '),
  ...`"_'_ _\t_\0_\n_\n  _\n- _&a _<<: *a_\uD800_\u2028`.split('_'),
  'a'.repeat(300),
];

const spice = fc.oneof(fc.constantFrom(...SPICE), fc.string({ maxLength: 8 }));

/** One of the texts, with a few places cut out, doubled or overwritten. */
export function nearly(...texts: readonly string[]): fc.Arbitrary<string> {
  const edit = fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    cut: fc.nat(12),
    put: fc.oneof(spice, fc.constant('')),
  });
  return fc
    .tuple(fc.constantFrom(...texts), fc.array(edit, { maxLength: 4 }))
    .map(([text, edits]) => edits.reduce(edited, text));
}

function edited(text: string, { at, cut, put }: { at: number; cut: number; put: string }): string {
  const place = Math.floor(at * text.length);
  return text.slice(0, place) + put + text.slice(place + cut);
}

/** JSON of any shape, with names and texts that mean something. */
export function anything(names: readonly string[]): fc.Arbitrary<unknown> {
  const { tree } = fc.letrec<{ tree: unknown; leaf: unknown }>((tie) => ({
    leaf: fc.oneof(
      spice,
      fc.integer(),
      fc.double(),
      fc.boolean(),
      fc.constant(null),
      fc.constantFrom(...names),
    ),
    tree: fc.oneof(
      { maxDepth: 5, withCrossShrink: true },
      tie('leaf'),
      fc.array(tie('tree'), { maxLength: 4 }),
      fc.dictionary(fc.constantFrom(...names, ...SPICE), tie('tree'), { maxKeys: 5 }),
    ),
  }));
  return tree;
}
