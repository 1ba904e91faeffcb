/**
 * What the ServiceAccounts of the manifests may do at the API server, and what not. That they may
 * do everything the programs need show the other suites, where the programs run with them.
 */
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { join } from 'node:path';
import { KubeLab } from '../../lab/kube/kubelab.ts';
import { ROOT, SYSTEM } from './installation.ts';

jest.setTimeout(60_000);

let kube: KubeLab;

beforeAll(async () => {
  kube = await KubeLab.up({ purpose: 'rights', extent: 'api' });
  await kube.kubectl(['apply', '-f', join(ROOT, 'deploy/arpeggio.yaml')]);
});

afterAll(() => kube.close());

/** `services/status`, `ipaddresspools.metallb.io`. */
async function may(account: string, verb: string, what: string, where: string): Promise<boolean> {
  const [, resource, subresource, group] =
    /^([a-z0-9]+)(?:\/([a-z]+))?(?:\.(.+))?$/.exec(what) ?? [];
  const review = (await kube.api.call(
    'POST',
    '/apis/authorization.k8s.io/v1/subjectaccessreviews',
    {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      spec: {
        user: `system:serviceaccount:${SYSTEM}:${account}`,
        resourceAttributes: { verb, resource, subresource, group, namespace: where },
      },
    },
  )) as { readonly status: { readonly allowed: boolean } };
  return review.status.allowed;
}

const EVERYWHERE = '';

describe('may', () => {
  test.each([
    ['controller', 'watch', 'services', EVERYWHERE],
    ['controller', 'update', 'services/status', 'default'],
    ['controller', 'create', 'secrets', SYSTEM],
    ['controller', 'watch', 'namespaces', EVERYWHERE],
    ['controller', 'update', 'leases.coordination.k8s.io', SYSTEM],
    ['controller', 'delete', 'addressclaims.arpeggio.dev', SYSTEM],
    ['controller', 'update', 'ipaddresspools/status.metallb.io', SYSTEM],
    ['controller', 'watch', 'bgppeers.metallb.io', SYSTEM],
    ['controller', 'watch', 'nodes', EVERYWHERE],
    ['controller', 'watch', 'servicecidrs.networking.k8s.io', EVERYWHERE],
    ['controller', 'create', 'configurationstates.metallb.io', SYSTEM],
    ['speaker', 'update', 'configurationstates/status.metallb.io', SYSTEM],
    ['speaker', 'watch', 'services', EVERYWHERE],
    ['speaker', 'watch', 'endpointslices.discovery.k8s.io', EVERYWHERE],
    ['speaker', 'list', 'nodes', EVERYWHERE],
    ['speaker', 'list', 'pods', SYSTEM],
    ['speaker', 'create', 'servicel2statuses.metallb.io', SYSTEM],
  ])('the %s: %s %s in "%s"', async (account, verb, what, where) => {
    expect(await may(account, verb, what, where)).toBe(true);
  });
});

describe('may not', () => {
  test.each([
    ['controller', 'update', 'services', 'default'],
    ['controller', 'patch', 'services/status', 'default'],
    ['controller', 'get', 'secrets', SYSTEM],
    ['controller', 'list', 'secrets', SYSTEM],
    ['controller', 'create', 'secrets', 'default'],
    ['controller', 'update', 'nodes', EVERYWHERE],
    ['controller', 'update', 'namespaces', EVERYWHERE],
    ['controller', 'update', 'leases.coordination.k8s.io', 'kube-system'],
    ['controller', 'create', 'addressclaims.arpeggio.dev', 'default'],
    ['speaker', 'list', 'addressclaims.arpeggio.dev', SYSTEM],
    ['controller', 'update', 'ipaddresspools.metallb.io', SYSTEM],
    ['controller', 'list', 'ipaddresspools.metallb.io', EVERYWHERE],
    ['controller', 'create', 'configurationstates.metallb.io', 'default'],
    ['speaker', 'update', 'ipaddresspools/status.metallb.io', SYSTEM],
    ['speaker', 'update', 'services', 'default'],
    ['speaker', 'update', 'services/status', 'default'],
    ['speaker', 'get', 'secrets', SYSTEM],
    ['speaker', 'update', 'nodes', EVERYWHERE],
    ['speaker', 'list', 'pods', EVERYWHERE],
    ['speaker', 'delete', 'pods', SYSTEM],
    ['speaker', 'create', 'servicel2statuses.metallb.io', 'default'],
  ])('the %s: %s %s in "%s"', async (account, verb, what, where) => {
    expect(await may(account, verb, what, where)).toBe(false);
  });
});
