/**
 * The API server of the tests as a process of its own, with as many Services and EndpointSlices as
 * asked for, as large as real ones: `apihost.ts COUNT DIRECTORY [NODES]`. In the directory it
 * leaves the files of a service account and a kubeconfig. It prints its port, and `allocated` when
 * every Service has an address.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { KubeObject, Service } from '../kube/objects.ts';
import { Authority } from '../lab/kube/certificate.ts';
import { ApiServer } from '../test/contract/apiserver.ts';

const COUNT = Number(process.argv[2]);
const DIRECTORY = process.argv[3] ?? '';
const NODES = Number(process.argv[4] ?? 1);
const LOOK_MS = 100;

/** What kubectl and the endpoints controller leave in every object: half of its size. */
function managedFields(manager: string, fields: readonly string[]): unknown {
  const fieldsV1 = Object.fromEntries(fields.map((name) => [name, { '.': {}, 'f:a': {} }]));
  const time = '2026-01-02T03:04:05Z';
  return [
    { manager, operation: 'Update', apiVersion: 'v1', time, fieldsType: 'FieldsV1', fieldsV1 },
  ];
}

function service(at: number): Service {
  const name = `service-${at}`;
  const spec = {
    type: 'LoadBalancer' as const,
    clusterIP: `10.96.${at >> 8}.${at & 255}`,
    clusterIPs: [`10.96.${at >> 8}.${at & 255}`],
    ipFamilies: ['IPv4'] as const,
    ipFamilyPolicy: 'SingleStack' as const,
    internalTrafficPolicy: 'Cluster',
    sessionAffinity: 'None',
    allocateLoadBalancerNodePorts: true,
    externalTrafficPolicy: 'Cluster' as const,
    selector: { app: name, 'app.kubernetes.io/part-of': 'shop' },
    ports: [
      { name: 'http', protocol: 'TCP' as const, port: 80, targetPort: 8080, nodePort: 30_000 },
      { name: 'https', protocol: 'TCP' as const, port: 443, targetPort: 8443, nodePort: 30_001 },
    ],
  };
  const names = ['f:allocateLoadBalancerNodePorts', 'f:externalTrafficPolicy', 'f:ports', 'f:type'];
  const metadata = {
    name,
    namespace: `team-${at % 50}`,
    labels: { app: name, 'app.kubernetes.io/name': name, 'app.kubernetes.io/part-of': 'shop' },
    annotations: {
      'kubectl.kubernetes.io/last-applied-configuration': JSON.stringify({ name, spec }),
    },
    managedFields: managedFields('kubectl-client-side-apply', names),
  };
  return { apiVersion: 'v1', kind: 'Service', metadata, spec };
}

function slice(at: number): KubeObject {
  const name = `service-${at}`;
  const labels = {
    'app.kubernetes.io/name': name,
    'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
    'kubernetes.io/service-name': name,
  };
  const endpoints = [1, 2, 3].map((n) => ({
    addresses: [`10.244.${n}.${at & 255}`],
    conditions: { ready: true, serving: true, terminating: false },
    nodeName: `node${n}`,
    zone: 'a',
    targetRef: { kind: 'Pod', namespace: `team-${at % 50}`, name: `${name}-${n}`, uid: `pod-${n}` },
  }));
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${name}-abcde`,
      namespace: `team-${at % 50}`,
      labels,
      managedFields: managedFields('kube-controller-manager', ['f:endpoints', 'f:ports']),
    } as KubeObject['metadata'],
    addressType: 'IPv4',
    endpoints,
    ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
  } as KubeObject;
}

function settings(): readonly KubeObject[] {
  const own = (kind: string, name: string, spec: object): KubeObject => {
    const metadata = { name, namespace: 'metallb-system' };
    return { apiVersion: 'metallb.io/v1beta1', kind, metadata, spec } as KubeObject;
  };
  // Those of a Segment.
  const nodes = Array.from({ length: NODES }, (_, i): KubeObject => {
    const addresses = [{ type: 'InternalIP', address: `192.168.100.${100 + i}` }];
    const metadata = { name: `node${i + 1}` };
    return { apiVersion: 'v1', kind: 'Node', metadata, status: { addresses } } as KubeObject;
  });
  return [
    own('IPAddressPool', 'large', { addresses: ['198.18.0.0/15'] }),
    own('L2Advertisement', 'all', {}),
    ...nodes,
  ];
}

function writeAccount(server: ApiServer, authority: Authority, token: string): void {
  const folder = join(DIRECTORY, 'serviceaccount');
  mkdirSync(folder);
  writeFileSync(join(folder, 'ca.crt'), authority.certificate);
  writeFileSync(join(folder, 'token'), token);
  writeFileSync(join(folder, 'namespace'), 'metallb-system');
  const ca = Buffer.from(authority.certificate).toString('base64');
  const config = {
    clusters: [{ name: 'c', cluster: { server: server.url, 'certificate-authority-data': ca } }],
    users: [{ name: 'u', user: { token } }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x',
  };
  writeFileSync(join(DIRECTORY, 'kubeconfig'), JSON.stringify(config));
}

const authority = new Authority('bench');
const issued = authority.issue({ commonName: 'api', usages: ['server'], names: ['127.0.0.1'] });
const server = new ApiServer({ cert: issued.certificate, key: issued.key });
for (let at = 0; at < COUNT; at += 1) {
  server.put(service(at));
  server.put(slice(at));
}
for (const object of settings()) server.put(object);
await server.start();
server.token = 'bench';
writeAccount(server, authority, server.token);
console.log(`port ${server.port}`);
const timer = setInterval(() => {
  const services = server.store.list('/api/v1/services') as readonly Service[];
  if (!services.every(({ status }) => status?.loadBalancer?.ingress !== undefined)) return;
  clearInterval(timer);
  console.log('allocated');
}, LOOK_MS);
