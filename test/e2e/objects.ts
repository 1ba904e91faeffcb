/**
 * The objects of the class lab that everyone starts from, as `kubectl apply` takes them: the pool
 * 192.168.100.240-249, its advertisement, and Services of type LoadBalancer before pods.
 */
import { SYSTEM } from './installation.ts';

export const VIP4 = '192.168.100.240';
export const VIP6 = 'fd00:100::240';

export const POOLS: readonly object[] = [
  pool('pool-v4', '192.168.100.240-192.168.100.249'),
  pool('pool-v6', 'fd00:100::240-fd00:100::249'),
  {
    apiVersion: 'metallb.io/v1beta1',
    kind: 'L2Advertisement',
    metadata: { name: 'everywhere', namespace: SYSTEM },
    spec: { ipAddressPools: ['pool-v4', 'pool-v6'] },
  },
];

function pool(name: string, range: string): object {
  return {
    apiVersion: 'metallb.io/v1beta1',
    kind: 'IPAddressPool',
    metadata: { name, namespace: SYSTEM },
    spec: { addresses: [range] },
  };
}

/** `more` goes into the spec, over what is there. */
export function service(name: string, app: string, more: object = {}): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: {
      type: 'LoadBalancer',
      selector: { app },
      ports: [{ port: 80, targetPort: 8080 }],
      ...more,
    },
  };
}

/** The Service of the class lab. */
export const MYWEB = service('myweb-svc-lb', 'myweb', {
  ports: [{ port: 80, targetPort: 8080, nodePort: 31_313 }],
});
