/** Who may read the metrics: what the API server is asked, how often, and what its answers mean. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import { bearerGuard } from '../../kube/io/bearer.ts';
import type { Ask } from '../../kube/io/direct.ts';
import { err, ok } from '../../lib/result.ts';

const PERSON = { username: 'system:serviceaccount:monitoring:prometheus', groups: ['g'] };

let asked: unknown[];
let answers: Readonly<Record<string, unknown>>;

/** By kind of review; undefined: the API server is away. */
const ask: Ask = ({ body }) => {
  asked.push(body);
  const status = answers[(body as { readonly kind: string }).kind];
  if (status !== undefined) return Promise.resolve(ok({ status }));
  return Promise.resolve(err({ kind: 'unavailable', message: 'it is away' }));
};

beforeEach(() => {
  asked = [];
  answers = {
    TokenReview: { authenticated: true, user: PERSON },
    SubjectAccessReview: { allowed: true },
  };
});

describe('a bearer', () => {
  test('who may: two questions, and no more for the next minute', async () => {
    const guard = bearerGuard(ask, '/metrics');
    const both = await Promise.all([guard('Bearer t1'), guard('bearer t1')]);
    expect([...both, await guard('Bearer t1')]).toEqual([undefined, undefined, undefined]);
    expect(asked).toEqual([
      expect.objectContaining({ kind: 'TokenReview', spec: { token: 't1' } }),
      expect.objectContaining({
        kind: 'SubjectAccessReview',
        spec: {
          user: PERSON.username,
          groups: ['g'],
          nonResourceAttributes: { path: '/metrics', verb: 'get' },
        },
      }),
    ]);
    expect(await guard('Bearer t2')).toBe(undefined);
    expect(asked).toHaveLength(4);
  });

  test.each([
    ['unknown', { TokenReview: { authenticated: false } }, 401, /does not know this token/],
    ['without the right', { SubjectAccessReview: { allowed: false } }, 403, /prometheus may not/],
    ['nobody can be asked', { TokenReview: undefined }, 500, /it is away/],
    ['nobody knows the rights', { SubjectAccessReview: undefined }, 500, /it is away/],
  ])('%s: refused, and not asked about again at once', async (_, change, status, message) => {
    answers = { ...answers, ...change };
    const guard = bearerGuard(ask, '/metrics');
    const refusal = { status, message: expect.stringMatching(message) };
    expect(await guard('Bearer t')).toEqual(refusal);
    const { length } = asked;
    expect(await guard('Bearer t')).toEqual(refusal);
    expect(asked).toHaveLength(length);
  });

  test.each([undefined, '', 'Basic dTpw', 'Bearer ', 'Bearer a b'])(
    '"%s" is none, and nobody is asked',
    async (header) => {
      expect(await bearerGuard(ask, '/metrics')(header)).toMatchObject({ status: 401 });
      expect(asked).toEqual([]);
    },
  );
});
