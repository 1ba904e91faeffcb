/**
 * The port `Kube` on a real etcd and kube-apiserver: the same contract as everywhere, and what
 * only a real one shows: certificates, tokens, rights, a new watch cache, kill -9.
 */
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { join } from 'node:path';
import { Api } from '../../kube/io/api.ts';
import { kubeconfigCredentials } from '../../kube/io/kubeconfig.ts';
import { IP_ADDRESS_POOL, SERVICE, SERVICE_L2_STATUS } from '../../kube/kube.ts';
import type { Resource } from '../../kube/kube.ts';
import { collectionPath, objectPath } from '../../kube/location.ts';
import { keyOf } from '../../kube/objects.ts';
import type { KubeObject, Service } from '../../kube/objects.ts';
import { KubeLab } from '../../lab/kube/kubelab.ts';
import { until } from '../../lab/until.ts';
import { Watching, kubeContract, service } from '../contract/kube.ts';

jest.setTimeout(60_000);

const CRDS = join(import.meta.dirname, '../../deploy/crds');

/** As an installation of MetalLB has it, as far as a client of it can tell. */
const L2_STATUSES = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'servicel2statuses.metallb.io' },
  spec: {
    group: 'metallb.io',
    scope: 'Namespaced',
    names: { kind: 'ServiceL2Status', plural: 'servicel2statuses', singular: 'servicel2status' },
    versions: [
      {
        name: 'v1beta1',
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
        },
      },
    ],
  },
};

let lab: KubeLab;
let clients: Api[] = [];

beforeAll(async () => {
  lab = await KubeLab.up({ purpose: 'api', extent: 'api' });
  const metadata = { name: 'metallb-system' };
  await lab.api.call('POST', '/api/v1/namespaces', { metadata });
  await lab.kubectl(['apply', '-k', CRDS]);
  await lab.api.ask('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', L2_STATUSES);
  // Established, and then still "(re)initializing" for a moment.
  await until(areServed, { withinMs: 20_000, what: 'our kinds' });
});

afterAll(async () => {
  for (const each of clients) await each.close();
  await lab?.close();
});

function clientOf(kubeconfig: string): Api {
  const credentials = kubeconfigCredentials(kubeconfig);
  if (!credentials.ok) throw new Error(credentials.error);
  const reporter = { component: 'arpeggio-test' };
  const api = new Api(credentials.value, { namespace: 'metallb-system', reporter });
  clients.push(api);
  return api;
}

/** What a user writes: created, or labels, annotations and spec replaced. */
async function put(object: KubeObject): Promise<void> {
  const { apiVersion, kind, metadata } = object;
  const resource = { apiVersion, kind };
  const path = objectPath(resource, keyOf(object));
  const { status } = await lab.api.ask('PATCH', path, object);
  if (status === 200) return;
  await lab.api.call('POST', collectionPath(resource, metadata.namespace), object);
}

async function remove(resource: Resource, key: string): Promise<void> {
  await lab.api.call('DELETE', objectPath(resource, key));
}

const KINDS = [SERVICE, IP_ADDRESS_POOL, SERVICE_L2_STATUS];

async function areServed(): Promise<boolean> {
  const lists = KINDS.map((kind) => lab.api.ask('GET', collectionPath(kind, undefined)));
  return (await Promise.all(lists)).every(({ status }) => status === 200);
}

async function removeAll(): Promise<void> {
  for (const resource of KINDS) {
    const list = await lab.api.call('GET', collectionPath(resource, undefined));
    for (const item of (list as { items: KubeObject[] }).items) {
      if (keyOf(item) !== 'default/kubernetes') await remove(resource, keyOf(item));
    }
  }
}

kubeContract('a real API server', async () => {
  return {
    kube: clientOf(lab.kubeconfig),
    put,
    remove,
    second: async () => clientOf(lab.kubeconfig),
    close: async () => {
      for (const each of clients) await each.close();
      clients = [];
      await removeAll();
    },
  };
});

describe('a real API server', () => {
  test('killed and started again: nothing is lost, and readiness tells', async () => {
    const kube = clientOf(lab.kubeconfig);
    const watched = new Watching(kube, SERVICE);
    await put(service('before'));
    await watched.put('default/before');
    await lab.kill('kube-apiserver');
    await watched.until(({ type }) => type === 'problem');
    expect(kube.notReady()).toMatch(/cannot be reached/);
    await lab.start('kube-apiserver');
    await put(service('meanwhile'));
    await watched.put('default/meanwhile');
    await watched.until(({ type }) => type === 'solved');
    expect(kube.notReady()).toBe(undefined);
    expect(watched.events.filter(({ type }) => type === 'delete')).toEqual([]);
  });

  test('whose watch cache begins later: what went meanwhile is deleted', async () => {
    await put(service('before'));
    const kube = clientOf(lab.kubeconfig);
    const watched = new Watching(kube, SERVICE);
    await watched.put('default/before');
    await lab.kill('kube-apiserver');
    await watched.until(({ type }) => type === 'problem');
    await lab.start('kube-apiserver');
    await remove(SERVICE, 'default/before');
    await watched.until(({ type }) => type === 'delete');
    expect(watched.events.at(-1)).toMatchObject({ type: expect.stringMatching(/delete|solved/) });
  });

  test('tells kubectl what happened to a Service', async () => {
    await put(service('told'));
    const kube = clientOf(lab.kubeconfig);
    const event = {
      resource: SERVICE,
      key: 'default/told',
      type: 'Normal',
      reason: 'IPAllocated',
      message: 'Assigned IP ["192.0.2.1"]',
    } as const;
    for (let times = 0; times < 3; times += 1) await kube.record(event);
    const described = await lab.kubectl(['describe', 'service', 'told']);
    expect(described).toMatch(/Normal +IPAllocated .*\(x3 over .*\) +arpeggio-test +Assigned IP/);
  });

  test('takes a status with address, annotation and condition in one request', async () => {
    await put(service('whole'));
    const kube = clientOf(lab.kubeconfig);
    const watched = new Watching(kube, SERVICE);
    const before = await watched.put('default/whole');
    const written = await kube.updateStatus({
      resource: SERVICE,
      key: 'default/whole',
      resourceVersion: before.metadata.resourceVersion ?? '',
      status: {
        loadBalancer: { ingress: [{ ip: '192.0.2.1', ipMode: 'VIP' }] },
        conditions: [
          {
            type: 'arpeggio.dev/Allocated',
            status: 'True',
            reason: 'Allocated',
            message: '192.0.2.1 from pool "a"',
            lastTransitionTime: '2026-01-02T03:04:05Z',
          },
        ],
      },
      annotations: { 'metallb.io/ip-allocated-from-pool': 'a' },
    });
    expect(written.ok && (written.value as Service)).toMatchObject({
      metadata: { annotations: { 'metallb.io/ip-allocated-from-pool': 'a' } },
      status: { conditions: [{ type: 'arpeggio.dev/Allocated' }] },
    });
    const printed = await lab.kubectl(['get', 'service', 'whole']);
    expect(printed).toContain('192.0.2.1');
  });

  test('refuses what it must: a name that is none, rights that are not there', async () => {
    const kube = clientOf(lab.kubeconfig);
    const metadata = { name: 'Not_A_Name', namespace: 'metallb-system' };
    const invalid = await kube.create({ ...SERVICE_L2_STATUS, metadata });
    expect(invalid.ok ? '' : invalid.error.kind).toBe('invalid');
    const account = { metadata: { name: 'nobody' } };
    await lab.api.call('POST', '/api/v1/namespaces/default/serviceaccounts', account);
    const config = await lab.serviceAccountConfig('default', 'nobody', { from: 'outside' });
    const nobody = clientOf(config);
    const watched = new Watching(nobody, SERVICE);
    await watched.until(({ type }) => type === 'problem');
    expect(nobody.notReady()).toMatch(/403.*services is forbidden.*RBAC/);
  });
});
