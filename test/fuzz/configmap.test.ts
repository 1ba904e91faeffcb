/** The text of the old ConfigMap, nearly right: it is a configuration, or every fault is told. */
import { expect, test } from '@jest/globals';
import { readLegacy } from '../../config/compat/legacy.ts';
import { parse } from '../../config/parse.ts';
import { listOfKind } from '../../config/parse/sources.ts';
import type { Sources } from '../../config/parse/sources.ts';
import { writeYaml } from '../../kube/yaml.ts';
import { anything, expectSentence, nearly, wrong } from './fuzz.ts';

const KUBESPRAY = `peers:
address-pools:
- name: loadbalanced
  protocol: layer2
  addresses:
  - 192.0.2.240-192.0.2.249
  - 2001:db8::/120
  auto-assign: True
`;

const BGP = `peers:
- peer-address: 192.0.2.1
  peer-asn: 64501
  my-asn: 64500
  hold-time: 120s
  node-selectors:
  - match-expressions: [{key: kubernetes.io/hostname, operator: In, values: [a, b]}]
address-pools:
- {name: wan, protocol: bgp, addresses: [198.51.100.0/24],
   bgp-advertisements: [{aggregation-length: 32, localpref: 100, communities: [no-export]}]}
bgp-communities: {no-export: 65535:65281}
bfd-profiles:
- {name: fast, receive-interval: 100, echo-mode: yes}
`;

function check(text: string): void {
  const { made, faults, ...legacy } = readLegacy(text, { namespace: 'metallb-system' });
  const lines = text.split('\n').length;
  for (const { line, message } of faults) {
    expectSentence(message);
    expect(line).toBeGreaterThan(0);
    expect(line).toBeLessThanOrEqual(lines);
  }
  if (faults.length > 0) return;
  const lists: Record<string, unknown[]> = { pools: [], advertisements: [] };
  for (const { object } of made) (lists[listOfKind(object) ?? ''] ??= []).push(object);
  const parsed = parse(lists as unknown as Sources);
  expect(parsed.ok).toBe(true);
  for (const problem of parsed.ok ? (parsed.value.bgp?.problems ?? []) : []) {
    expectSentence(problem.message);
    const maker = made.find(({ object }) => problem.key.endsWith(`/${object.metadata.name}`));
    expect(legacy.lineOf(maker?.field(problem.path) ?? '')).toBeLessThanOrEqual(lines);
  }
}

const FIELDS = (
  'peers address-pools bgp-communities bfd-profiles name protocol addresses auto-assign layer2 ' +
  'bgp bgp-advertisements communities my-asn node-selectors match-labels match-expressions ' +
  'values key operator hold-time'
).split(' ');

test('texts that are nearly right', () => {
  expect(wrong(nearly(KUBESPRAY, BGP), check)).toBe(undefined);
});

test('fields of any shape', () => {
  expect(wrong(anything(FIELDS), (value) => check(writeYaml(value)))).toBe(undefined);
});
