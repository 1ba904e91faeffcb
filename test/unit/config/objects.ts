/** Objects of the configuration, in one line each. */
import type { KubeObject } from '../../../kube/objects.ts';

export const object =
  (kind: string, apiVersion = 'metallb.io/v1beta1') =>
  (name: string, spec: unknown, labels = {}): KubeObject =>
    ({
      apiVersion,
      kind,
      metadata: { name, namespace: 'metallb-system', labels },
      spec,
    }) as KubeObject;

export const pool = object('IPAddressPool');
export const ad = object('L2Advertisement');
export const bgpAd = object('BGPAdvertisement');
export const bfd = object('BFDProfile');
export const peer = object('BGPPeer', 'metallb.io/v1beta2');

export function community(
  name: string,
  values: readonly (readonly [name: string, value: string])[],
): KubeObject {
  const communities = values.map(([alias, value]) => ({ name: alias, value }));
  return object('Community')(name, { communities });
}

export function node(name: string, labels: Readonly<Record<string, string>>): KubeObject {
  return { apiVersion: 'v1', kind: 'Node', metadata: { name, labels } };
}

export function namespace(name: string, labels: Readonly<Record<string, string>>): KubeObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } };
}
