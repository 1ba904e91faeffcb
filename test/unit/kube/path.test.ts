/** The notation of JSON paths, both ways. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { pathSteps, pathText } from '../../../kube/path.ts';

test.each([
  [[], ''],
  [['spec', 'ports', 0, 'port'], 'spec.ports[0].port'],
  [['metadata', 'labels', 'example.org/a'], 'metadata.labels["example.org/a"]'],
])('%j is %s', (steps, text) => {
  expect(pathText(steps)).toBe(text);
  expect(pathSteps(text)).toEqual(steps);
});

test('what is written can be read back', () => {
  const step = fc.oneof(fc.stringMatching(/^[a-z][a-zA-Z0-9./_-]{0,9}$/), fc.nat(99));
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      expect(pathSteps(pathText(steps))).toEqual(steps);
    }),
  );
});
