/** Reviews as an API server sends them, and what is answered. */
import { describe, expect, test } from '@jest/globals';
import { IP_ADDRESS_POOL, NODE } from '../../../kube/kube.ts';
import type { KubeObject } from '../../../kube/objects.ts';
import { COMPARED, Present } from '../../../controller/present.ts';
import { convert, isAdmissionPath, reviewAdmission } from '../../../controller/review.ts';

const SYSTEM = 'metallb-system';

function object(kind: string, name: string, spec: object, namespace = SYSTEM): KubeObject {
  const apiVersion = `metallb.io/${kind === 'BGPPeer' ? 'v1beta2' : 'v1beta1'}`;
  return { apiVersion, kind, metadata: { name, namespace }, spec } as KubeObject;
}

const POOL = object('IPAddressPool', 'main', { addresses: ['192.0.2.0/28'] });
const SECOND = object('IPAddressPool', 'second', { addresses: ['192.0.2.8-192.0.2.20'] });

function ask(operation: string, asked: KubeObject, ...pools: KubeObject[]): unknown {
  const side = operation === 'DELETE' ? { oldObject: asked } : { object: asked };
  const request = { uid: 'u-1', operation, ...side };
  const question = { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request };
  const answer = reviewAdmission(question, SYSTEM, { pools, advertisements: [] });
  return answer.ok ? answer.value : answer.error;
}

describe('an admission', () => {
  test('of something good', () => {
    expect(ask('CREATE', POOL)).toEqual({
      apiVersion: 'admission.k8s.io/v1',
      kind: 'AdmissionReview',
      response: { uid: 'u-1', allowed: true },
    });
  });

  test.each([
    ['CREATE', SECOND, /^spec\.addresses\[0\]: .*overlaps with already defined CIDR/],
    ['CREATE', { ...POOL, metadata: { name: 'main', namespace: 'default' } }, /metallb-system/],
    ['UPDATE', { ...POOL, spec: { addresses: ['192.0.2.300/28'] } }, /spec\.addresses\[0\]/],
  ] as const)('%s of something bad', (operation, asked, message) => {
    expect(ask(operation, asked, POOL)).toMatchObject({
      response: {
        uid: 'u-1',
        allowed: false,
        status: { code: 403, message: expect.stringMatching(message) },
      },
    });
  });

  test('a kind that went away passes, with a warning', () => {
    expect(ask('CREATE', object('AddressPool', 'old', { protocol: 'layer2' }))).toMatchObject({
      response: { allowed: true, warnings: [expect.stringContaining('IPAddressPool')] },
    });
  });

  test.each([undefined, null, 'text', {}, { request: { uid: 'u', operation: 'CONNECT' } }])(
    '%j is none',
    (question) => {
      const answer = reviewAdmission(question, SYSTEM, { pools: [], advertisements: [] });
      expect(answer).toEqual({ ok: false, error: expect.stringContaining('AdmissionReview') });
    },
  );
});

test("MetalLB's paths", () => {
  expect(isAdmissionPath('/validate-metallb-io-v1beta2-bgppeer')).toBe(true);
  expect(isAdmissionPath('/validate-metallb-io-v1beta1-addresspool')).toBe(true);
  expect(isAdmissionPath('/validate-metallb-io-v1beta1-service')).toBe(false);
});

test('a conversion changes the name of the version', () => {
  const peer = object('BGPPeer', 'p', { peerAddress: '192.0.2.1', myASN: 1, peerASN: 2 });
  const desiredAPIVersion = 'metallb.io/v1beta1';
  const request = { uid: 'u-2', desiredAPIVersion, objects: [peer] };
  expect(convert({ apiVersion: 'apiextensions.k8s.io/v1', request })).toEqual({
    ok: true,
    value: {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'ConversionReview',
      response: {
        uid: 'u-2',
        result: { status: 'Success' },
        convertedObjects: [{ ...peer, apiVersion: desiredAPIVersion }],
      },
    },
  });
  expect(convert({ request: { uid: 'u' } }).ok).toBe(false);
});

describe('what there is to compare with', () => {
  function heard(): Present {
    const present = new Present();
    for (const resource of COMPARED) {
      if (resource !== NODE) present.show(resource, { type: 'synced' });
    }
    return present;
  }
  const away = { place: 'Node', path: '', message: 'the API server is away' };
  const problem = { ...away, message: 'forbidden', refusal: 'forbidden' } as const;

  test('nothing before every kind was heard of', () => {
    expect(heard().sources()).toBe(undefined);
  });

  test('a kind that may not be read is not compared with', () => {
    const present = heard();
    present.show(NODE, { type: 'problem', problem });
    expect(present.sources()).toMatchObject({ pools: [], bgpPeers: [] });
    expect(present.sources()).not.toHaveProperty('nodes');
  });

  test('a break before a kind was heard of is no refusal: it is waited for', () => {
    const present = heard();
    present.show(NODE, { type: 'problem', problem: away });
    expect(present.sources()).toBe(undefined);
    present.show(NODE, { type: 'synced' });
    expect(present.sources()).toMatchObject({ nodes: [] });
  });

  test('what was known stays through a break', () => {
    const present = heard();
    present.show(NODE, { type: 'synced' });
    present.show(IP_ADDRESS_POOL, { type: 'put', object: POOL });
    present.show(IP_ADDRESS_POOL, { type: 'problem', problem });
    expect(present.sources()).toMatchObject({ pools: [POOL], nodes: [] });
    present.show(IP_ADDRESS_POOL, { type: 'delete', key: 'metallb-system/main' });
    expect(present.sources()).toMatchObject({ pools: [] });
  });
});
