/** What a roster says is another is what a comparison of every key with every key finds. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { claimOf } from '../../../config/claim.ts';
import type { Fact } from '../../../controller/decider.ts';
import { Roster } from '../../../controller/roster.ts';

const KEYS = ['default/a', 'default/b', 'default/c', 'default/d', 'default/e'];
const VERSIONS = [0, 1, 2] as const;

/** Version 0 is no claim; every call makes another fact of the same claim. */
const claims = new Map(
  KEYS.flatMap((key) => VERSIONS.map((version) => [`${key} ${version}`, claimed(key, version)])),
);

function claimed(key: string, version: number): Fact['entrant'] {
  if (version === 0) return undefined;
  const [namespace = '', name = ''] = key.split('/');
  const spec = { type: 'LoadBalancer' as const, ports: [{ port: version }] };
  const claim = claimOf({ apiVersion: 'v1', kind: 'Service', metadata: { namespace, name }, spec });
  if (claim?.ok !== true) throw new Error('a Service without a claim');
  return { claim: claim.value, keepOnly: false };
}

function factOf(key: string, version: number): Fact {
  const entrant = claims.get(`${key} ${version}`);
  return { key, entrant: entrant && { ...entrant }, occupied: [] };
}

type Said = readonly (readonly [key: string, version: number])[];

const said = fc
  .uniqueArray(fc.constantFrom(...KEYS))
  .chain((keys) => fc.tuple(...keys.map((key) => fc.tuple(fc.constant(key), anyVersion()))));

function anyVersion(): fc.Arbitrary<number> {
  return fc.constantFrom(...VERSIONS);
}

describe('a roster', () => {
  test('names what is another and what is gone, in whatever order it is told', () => {
    const check = (times: readonly Said[]): void => {
      const roster = new Roster();
      let before = new Map<string, number>();
      for (const time of times) {
        const { news, gone } = roster.update(time.map(([key, n]) => factOf(key, n)));
        const now = new Map(time);
        const changed = time.filter(([key, n]) => before.get(key) !== n).map(([key]) => key);
        expect(news.map(({ fact }) => fact.key)).toEqual(changed);
        const absent = [...before.keys()].filter((key) => !now.has(key));
        expect(gone.toSorted()).toEqual(absent.toSorted());
        for (const { fact, known } of news) expect(known !== undefined).toBe(before.has(fact.key));
        for (const key of KEYS) expect(roster.get(key) !== undefined).toBe(now.has(key));
        before = now;
      }
    };
    fc.assert(fc.property(fc.array(said, { maxLength: 6 }), check));
  });
});
