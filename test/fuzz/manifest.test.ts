/** Manifests, nearly right: objects that keep their promises, or problems with file and line. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { admit } from '../../config/admit.ts';
import { parse } from '../../config/parse.ts';
import { listOfKind } from '../../config/parse/sources.ts';
import type { Sources } from '../../config/parse/sources.ts';
import { validate } from '../../config/schema.ts';
import { readManifests } from '../../kube/manifest.ts';
import type { KubeObject } from '../../kube/objects.ts';
import { writeYaml } from '../../kube/yaml.ts';
import { anything, expectSentence, nearly, wrong } from './fuzz.ts';

const MANIFESTS = `apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata: {name: lan, labels: {tier: front}}
spec:
  addresses: [192.0.2.0/28, "2001:db8::/120"]
  serviceAllocation:
    priority: 1
    namespaces: [a]
    namespaceSelectors: [{matchLabels: {team: x}}]
---
apiVersion: metallb.io/v1beta1
kind: L2Advertisement
metadata: {name: all}
spec: {preferredNodeSelectors: [{weight: 1, preference: {matchLabels: {a: b}}}]}
---
apiVersion: metallb.io/v1beta1
kind: BGPAdvertisement
metadata: {name: all}
spec: {aggregationLength: 32, communities: [away, "1:1"], localPref: 1, peers: [a]}
---
apiVersion: metallb.io/v1beta2
kind: BGPPeer
metadata: {name: a}
spec: {myASN: 64500, peerASN: 64501, peerAddress: 192.0.2.1, holdTime: 90s, bfdProfile: fast}
---
apiVersion: metallb.io/v1beta1
kind: BFDProfile
metadata: {name: fast}
spec: {echoMode: true, receiveInterval: 100}
---
apiVersion: metallb.io/v1beta1
kind: Community
metadata: {name: names}
spec: {communities: [{name: away, value: "65535:65282"}]}
---
apiVersion: v1
kind: Namespace
metadata: {name: a, labels: {team: x}}
`;

function judge(objects: readonly KubeObject[]): void {
  const lists: Record<string, unknown[]> = { pools: [], advertisements: [] };
  for (const each of objects) (lists[listOfKind(each) ?? ''] ??= []).push(each);
  const sources = lists as unknown as Sources;
  const parsed = parse(sources);
  const problems = parsed.ok ? (parsed.value.bgp?.problems ?? []) : parsed.error;
  for (const { message } of problems) expectSentence(message);
  const again = parse(
    Object.fromEntries(
      Object.entries(lists).map(([list, present]) => [list, present.toReversed()]),
    ) as unknown as Sources,
  );
  expect(again).toEqual(parsed);
  for (const operation of ['CREATE', 'UPDATE', 'DELETE'] as const) {
    for (const object of objects) {
      const verdict = admit({ operation, object, namespace: 'metallb-system' }, sources);
      for (const { message } of verdict.problems) expectSentence(message);
    }
  }
}

function read(text: string): void {
  const { manifests, problems } = readManifests('f.yaml', text, validate);
  const lines = text.split('\n').length;
  for (const { place, message } of problems) {
    expectSentence(message);
    const line = Number(/^f\.yaml:(\d+)$/.exec(place)?.[1]);
    expect(line).toBeGreaterThan(0);
    expect(line).toBeLessThanOrEqual(lines);
  }
  // Two manifests of one object are for the directory to report; here one of them counts.
  const objects = new Map(manifests.map((each) => [`${each.resource.kind} ${each.key}`, each]));
  judge([...objects.values()].map(({ object }) => object));
}

test('texts that are nearly right', () => {
  expect(wrong(nearly(MANIFESTS, ...MANIFESTS.split('---\n')), read)).toBe(undefined);
});

const KINDS = [
  ...['IPAddressPool', 'L2Advertisement', 'BGPAdvertisement', 'BFDProfile', 'Community'].map(
    (kind) => ({ apiVersion: 'metallb.io/v1beta1', kind }),
  ),
  { apiVersion: 'metallb.io/v1beta2', kind: 'BGPPeer' },
  { apiVersion: 'v1', kind: 'Service' },
  { apiVersion: 'v1', kind: 'List' },
];

const FIELDS = (
  'addresses autoAssign serviceAllocation namespaces namespaceSelectors items matchLabels key ' +
  'matchExpressions operator In values ipAddressPools communities name value myASN peerASN ' +
  'peerAddress holdTime weight preference preferredNodeSelectors nodeSelectors peers ' +
  'aggregationLength'
).split(' ');

const shapes = fc
  .tuple(fc.constantFrom(...KINDS), anything(FIELDS), anything(FIELDS))
  .map(([{ apiVersion, kind }, spec, labels]) => ({ apiVersion, kind, spec, labels }));

test('objects of any shape, as a source that checks nothing might give them', () => {
  const few = fc.array(shapes, { maxLength: 3 }).map((list) =>
    list.map(({ labels, ...rest }, index): KubeObject => {
      const metadata = { name: `a${index}`, namespace: 'b', labels: labels as object };
      return Object.assign(rest, { metadata }) as KubeObject;
    }),
  );
  expect(wrong(few, judge)).toBe(undefined);
});

test('objects of any shape, as texts', () => {
  const check = (value: object): void => read(writeYaml({ metadata: { name: 'a' }, ...value }));
  expect(wrong(shapes, check)).toBe(undefined);
});
