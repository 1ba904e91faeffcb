/**
 * Two judges, one verdict: what the API server refuses by CEL (test/e2e/admission.test.ts shows
 * it), `admit` refuses too, for webhooks and for API servers without those rules; and what the one
 * takes, the other takes. The rows are the same.
 */
import { describe, expect, test } from '@jest/globals';
import { admit } from '../../../config/admit.ts';
import { withoutNulls } from '../../../kube/manifest.ts';
import type { KubeObject } from '../../../kube/objects.ts';
import { ACCEPTED, REFUSED } from '../../e2e/admissioncases.ts';
import type { Case } from '../../e2e/admissioncases.ts';

const SYSTEM = 'metallb-system';

function problemsOf({ name = 'new', namespace = SYSTEM, kind, spec, ...rest }: Case) {
  const { apiVersion = 'metallb.io/v1beta1' } = rest;
  const sent = { apiVersion, kind, metadata: { name, namespace }, spec };
  const raw = JSON.parse(JSON.stringify(sent)) as unknown;
  const object = withoutNulls(raw) as KubeObject;
  const none = { pools: [], advertisements: [] };
  return admit({ operation: 'CREATE', object, namespace: SYSTEM }, none).problems;
}

/** Not a part of the configuration, a limit that only CEL needs, or what it does not know. */
const API_ONLY = new Set(['more than 128 entries', 'mapped addresses', 'a mapped address']);
const isJudged = ([what, { kind }]: readonly [string, Case, ...string[]]): boolean =>
  kind !== 'AddressClaim' && !API_ONLY.has(what);

describe('is refused', () => {
  test.each(REFUSED.filter(isJudged))('%s', (_, object) => {
    expect(problemsOf(object)).not.toEqual([]);
  });
});

describe('is taken', () => {
  test.each(ACCEPTED.filter(isJudged))('%s', (_, object) => {
    expect(problemsOf(object)).toEqual([]);
  });
});
