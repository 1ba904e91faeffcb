/** What is kept of an object as an API server sends it. */
import { expect, test } from '@jest/globals';
import { ADDRESS_CLAIM, LEASE, SERVICE } from '../../../kube/kube.ts';
import type { KubeObject } from '../../../kube/objects.ts';
import { project } from '../../../kube/project.ts';

const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

const metadata = {
  name: '192.0.2.1',
  namespace: 'metallb-system',
  resourceVersion: '7',
  annotations: { [LAST_APPLIED]: '{}', mine: 'x' },
  finalizers: ['example.org/ledger'],
  ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'plan', uid: '1' }],
  managedFields: [{ manager: 'kubectl' }],
};
const raw = { metadata, spec: { address: '192.0.2.1', holders: [] } } as unknown as KubeObject;

test.each([ADDRESS_CLAIM, LEASE])('$kind is replaced: nothing is taken from its owner', (kind) => {
  const { managedFields: _, ...kept } = metadata;
  expect(project(kind, raw)).toEqual({ ...kind, metadata: kept, spec: raw['spec' as never] });
});

test('of what is never replaced little is kept', () => {
  expect(project(SERVICE, raw).metadata).toEqual({
    name: '192.0.2.1',
    namespace: 'metallb-system',
    resourceVersion: '7',
    annotations: { mine: 'x' },
  });
});
