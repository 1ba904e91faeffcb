/**
 * Objects as the suite of the admission rules sends them, and what it reads of the answers.
 */
import { expect } from '@jest/globals';
import { objectPath } from '../../kube/location.ts';
import type { Answer } from '../../lab/kube/api.ts';
import type { Case } from './admissioncases.ts';
import { SYSTEM } from './installation.ts';

export const resourceOf = ({ apiVersion = 'metallb.io/v1beta1', kind }: Case) => ({
  apiVersion,
  kind,
});

export function body({ name = 'new', namespace = SYSTEM, spec, ...rest }: Case): object {
  return { ...resourceOf(rest), metadata: { name, namespace }, spec };
}

export const pathOf = (object: Case): string =>
  objectPath(resourceOf(object), `${SYSTEM}/${object.name ?? 'new'}`);

export const pool = (name: string, ...addresses: string[]): Case => ({
  kind: 'IPAddressPool',
  name,
  spec: { addresses },
});
export const peer = (name: string, spec: object, apiVersion = 'metallb.io/v1beta2'): Case => ({
  apiVersion,
  kind: 'BGPPeer',
  name,
  spec,
});

/** The error of a refusal; fails when it was taken. */
export function refusal({ status, text }: Answer): string {
  expect([status, text]).toEqual([422, expect.anything()]);
  return (JSON.parse(text) as { readonly message: string }).message;
}

/** Of `kubectl get -o wide`; a kind without columns of its own has its age. */
export const COLUMNS = {
  ipaddresspool: ['NAME', 'AUTO ASSIGN', 'AVOID BUGGY IPS', 'ADDRESSES'],
  l2advertisement: [
    'NAME',
    'IPADDRESSPOOLS',
    'IPADDRESSPOOL SELECTORS',
    'INTERFACES',
    'NODE SELECTORS',
  ],
  bgpadvertisement: [
    'NAME',
    'IPADDRESSPOOLS',
    'IPADDRESSPOOL SELECTORS',
    'PEERS',
    'NODE SELECTORS',
  ],
  bgppeer: ['NAME', 'ADDRESS', 'ASN', 'BFD PROFILE', 'MULTI HOPS'],
  bfdprofile: ['NAME', 'PASSIVE MODE', 'TRANSMIT INTERVAL', 'RECEIVE INTERVAL', 'MULTIPLIER'],
  community: ['NAME', 'AGE'],
  servicel2status: ['NAME', 'ALLOCATED NODE', 'SERVICE NAME', 'SERVICE NAMESPACE'],
  servicebgpstatus: ['NAME', 'NODE', 'SERVICE NAME', 'SERVICE NAMESPACE'],
  configurationstate: ['NAME', 'RESULT', 'ERRORSUMMARY', 'AGE'],
  addressclaim: ['NAME', 'ADDRESS', 'HOLDER', 'HOLDER NAMESPACE', 'AGE'],
};
