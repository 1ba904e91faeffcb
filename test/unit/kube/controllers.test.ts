/** Where a speaker finds the controllers of a cluster. */
import { describe, expect, test } from '@jest/globals';
import { findControllers } from '../../../kube/io/controllers.ts';
import type { KubeFailure } from '../../../kube/kube.ts';
import type { KubeObject } from '../../../kube/objects.ts';
import { err, ok } from '../../../lib/result.ts';

const MANIFEST = 'app=metallb,component=controller';
const CHART = 'app.kubernetes.io/name=metallb,app.kubernetes.io/component=controller';

function pod(podIP: string, phase = 'Running', port?: number, name = 'monitoring'): KubeObject {
  const ports = port === undefined ? [] : [{ name, containerPort: port }];
  const more = { spec: { containers: [{ ports }] }, status: { phase, podIP } };
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'x', namespace: 'm' }, ...more };
}

/** Pods by selector; whatever else is asked for is not there. */
const listing = (pods: Record<string, readonly KubeObject[]>) => ({
  list: (_: unknown, namespace: string, selector: string) =>
    Promise.resolve(ok(namespace === 'm' ? (pods[selector] ?? []) : [])),
});

describe('controllers', () => {
  test('running pods with an address, at the port that is named', async () => {
    const pods = [pod('2001:db8::1', 'Running', 9120), pod('192.0.2.1'), pod('', 'Running')];
    const api = listing({ [MANIFEST]: [...pods, pod('192.0.2.2', 'Succeeded')] });
    expect(await findControllers(api, 'm')).toEqual([
      'http://192.0.2.1:7472',
      'http://[2001:db8::1]:9120',
    ]);
  });

  test('by HTTPS where the port is called so, as from 0.16 on', async () => {
    const pods = [pod('192.0.2.1', 'Running', 9120, 'metricshttps')];
    const api = listing({ [MANIFEST]: pods });
    expect(await findControllers(api, 'm')).toEqual(['https://192.0.2.1:9120']);
  });

  test('by the labels of the chart, if there are none by those of the manifests', async () => {
    const api = listing({ [CHART]: [pod('192.0.2.3')] });
    expect(await findControllers(api, 'm')).toEqual(['http://192.0.2.3:7472']);
    expect(await findControllers(api, 'other')).toEqual([]);
  });

  test('an API server that does not say changes nothing', async () => {
    const failure: KubeFailure = { kind: 'unavailable', message: 'it is away' };
    const api = { list: () => Promise.resolve(err(failure)) };
    expect(await findControllers(api, 'm')).toBe(undefined);
  });
});
