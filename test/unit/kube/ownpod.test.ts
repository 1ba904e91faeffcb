/** Which pod a program is in, as far as it can know. */
import { describe, expect, test } from '@jest/globals';
import { ownPod } from '../../../kube/io/ownpod.ts';
import type { Kube } from '../../../kube/kube.ts';
import { err, ok } from '../../../lib/result.ts';

const ASKED: string[] = [];

/** An API server with that one pod. */
const cluster: Pick<Kube, 'read'> = {
  read: (resource, key) => {
    ASKED.push(`${resource.kind} ${key}`);
    const metadata = { name: 'speaker-abc', namespace: 'system', uid: 'read' };
    const pod = ok({ ...resource, metadata });
    const none = err({ kind: 'forbidden', message: 'may not get pods' } as const);
    return Promise.resolve(key === 'system/speaker-abc' ? pod : none);
  },
};

const POD = { apiVersion: 'v1', kind: 'Pod', name: 'speaker-abc' };

describe('its own pod', () => {
  test.each([
    ['named by a flag', 'speaker-abc', {}, { ...POD, uid: 'read' }],
    ['named by the container', '', { HOSTNAME: 'speaker-abc' }, { ...POD, uid: 'read' }],
    ['in the network of its node', '', { HOSTNAME: 'node1' }, undefined],
    ['not a pod', '', {}, undefined],
    ['with a name that is none', '../../x', {}, undefined],
  ])('%s', async (_, named, environment, pod) => {
    expect(await ownPod(cluster, 'system', named, environment)).toEqual(pod);
  });

  test('a uid in the environment needs no right', async () => {
    ASKED.length = 0;
    const pod = await ownPod(cluster, 'system', 'other', { METALLB_POD_UID: 'given' });
    expect([pod?.uid, ASKED]).toEqual(['given', []]);
  });
});
