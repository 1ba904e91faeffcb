/** From Services and EndpointSlices to forwards, by Kubernetes' own rules. */
import { describe, expect, test } from '@jest/globals';
import type { Endpoint, EndpointSlice, Service } from '../../../kube/objects.ts';
import { formatIp } from '../../../net/ip.ts';
import { forwardsOf } from '../../../speaker/forward.ts';
import type { Forward } from '../../../speaker/forward.ts';

const held = (): boolean => true;
const VIEW = { node: 'n1', dead: new Set<string>(), held };

function service(spec: Partial<Service['spec']> = {}, vips = ['192.0.2.240']): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'shop' },
    spec: { type: 'LoadBalancer', ports: [{ port: 80, targetPort: 8080 }], ...spec },
    status: { loadBalancer: { ingress: vips.map((vip) => ({ ip: vip })) } },
  };
}

function slice(endpoints: readonly Endpoint[], more: Partial<EndpointSlice> = {}): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: 'web-1',
      namespace: 'shop',
      labels: { 'kubernetes.io/service-name': 'web' },
    },
    addressType: 'IPv4',
    ports: [{ port: 8080, protocol: 'TCP' }],
    endpoints,
    ...more,
  };
}

/** Each forward as `vip:port/protocol -> endpoints`. */
function shown(forwards: readonly Forward[]): string[] {
  return forwards.map(({ vip, port, protocol, endpoints }) => {
    const targets = endpoints.map((endpoint) => `${formatIp(endpoint.ip)}:${endpoint.port}`);
    return `${formatIp(vip)}:${port}/${protocol} -> ${targets.join(' ')}`.trimEnd();
  });
}

const on = (address: string, nodeName?: string, conditions?: Endpoint['conditions']): Endpoint => ({
  addresses: [address],
  ...(nodeName === undefined ? {} : { nodeName }),
  ...(conditions === undefined ? {} : { conditions }),
});

describe('which endpoints a connection may reach', () => {
  const cases: readonly (readonly [string, readonly Endpoint[], string])[] = [
    ['no conditions at all mean ready', [on('198.51.100.1')], '198.51.100.1:8080'],
    ['ready null means ready', [on('198.51.100.1', 'n1', {})], '198.51.100.1:8080'],
    ['not ready is left out', [on('198.51.100.1', 'n1', { ready: false })], ''],
    [
      'serving counts when nothing is ready',
      [
        on('198.51.100.1', 'n1', { ready: false, serving: true, terminating: true }),
        on('198.51.100.2', 'n1', { ready: false, serving: false }),
      ],
      '198.51.100.1:8080',
    ],
    [
      'serving does not count beside a ready one',
      [on('198.51.100.1', 'n1', { ready: false, serving: true }), on('198.51.100.2')],
      '198.51.100.2:8080',
    ],
    [
      'only the first address of an endpoint counts',
      [{ addresses: ['198.51.100.1', '198.51.100.9'] }],
      '198.51.100.1:8080',
    ],
    [
      'the same endpoint in two places counts once, in order of addresses',
      [on('198.51.100.2'), on('198.51.100.1'), on('198.51.100.2')],
      '198.51.100.1:8080 198.51.100.2:8080',
    ],
    ['what is no address is left out', [on('db.example')], ''],
  ];
  test.each(cases)('%s', (_name, endpoints, expected) => {
    const forwards = forwardsOf(service(), [slice(endpoints)], VIEW);
    expect(shown(forwards)).toEqual([`192.0.2.240:80/TCP -> ${expected}`.trimEnd()]);
  });

  test('an endpoint on a dead node is left out, and a serving one elsewhere takes over', () => {
    const endpoints = [
      on('198.51.100.1', 'n1'),
      on('198.51.100.2', 'n2', { ready: false, serving: true }),
    ];
    const view = { node: 'n3', dead: new Set(['n1']), held };
    const forwards = forwardsOf(service(), [slice(endpoints)], view);
    expect(shown(forwards)).toEqual(['192.0.2.240:80/TCP -> 198.51.100.2:8080']);
  });

  test('where all are on dead nodes none is left out: it may be this node that is cut off', () => {
    const endpoints = [
      on('198.51.100.1', 'n1'),
      on('198.51.100.2', 'n2', { ready: false, serving: true }),
    ];
    const view = { node: 'n3', dead: new Set(['n1', 'n2']), held };
    const forwards = forwardsOf(service(), [slice(endpoints)], view);
    expect(shown(forwards)).toEqual(['192.0.2.240:80/TCP -> 198.51.100.1:8080']);
  });

  test('externalTrafficPolicy Local keeps this node and the client address', () => {
    const endpoints = [on('198.51.100.1', 'n1'), on('198.51.100.2', 'n2'), on('198.51.100.3')];
    const forwards = forwardsOf(
      service({ externalTrafficPolicy: 'Local' }),
      [slice(endpoints)],
      VIEW,
    );
    expect(shown(forwards)).toEqual(['192.0.2.240:80/TCP -> 198.51.100.1:8080']);
    expect(forwards[0]?.keepSource).toBe(true);
  });
});

describe('which slice and port belong to a Service', () => {
  const one = [on('198.51.100.1')];
  const others: readonly (readonly [string, Partial<EndpointSlice>])[] = [
    ['another family', { addressType: 'IPv6' }],
    ['another port name', { ports: [{ name: 'admin', port: 8080 }] }],
    ['another protocol', { ports: [{ port: 8080, protocol: 'UDP' }] }],
    ['no port number', { ports: [{ protocol: 'TCP' }] }],
    ['another namespace', { metadata: { ...slice([]).metadata, namespace: 'else' } }],
    ['no label', { metadata: { name: 'web-1', namespace: 'shop' } }],
  ];
  test.each(others)('not with %s', (_name, more) => {
    expect(shown(forwardsOf(service(), [slice(one, more)], VIEW))).toEqual([
      '192.0.2.240:80/TCP ->',
    ]);
  });

  test('ports meet by name, each protocol for itself', () => {
    const ports = [
      { name: 'dns', port: 53, protocol: 'UDP' as const },
      { name: 'dns-tcp', port: 53, protocol: 'TCP' as const },
      { name: 'phone', port: 99, protocol: 'SCTP' as const },
    ];
    const target = [
      { name: 'dns-tcp', port: 5301, protocol: 'TCP' },
      { name: 'dns', port: 5302, protocol: 'UDP' },
    ];
    const forwards = forwardsOf(service({ ports }), [slice(one, { ports: target })], VIEW);
    expect(shown(forwards)).toEqual([
      '192.0.2.240:53/UDP -> 198.51.100.1:5302',
      '192.0.2.240:53/TCP -> 198.51.100.1:5301',
    ]);
  });

  test('dual stack: each address goes to endpoints of its own family', () => {
    const slices = [slice(one), slice([on('2001:db8::1')], { addressType: 'IPv6' })];
    const forwards = forwardsOf(service({}, ['192.0.2.240', '2001:db8::240']), slices, VIEW);
    expect(shown(forwards)).toEqual([
      '192.0.2.240:80/TCP -> 198.51.100.1:8080',
      '2001:db8::240:80/TCP -> 2001:db8::1:8080',
    ]);
  });

  test('no forward without an address, for another type or class, or with ipMode Proxy', () => {
    expect(forwardsOf(service({}, []), [slice(one)], VIEW)).toEqual([]);
    expect(forwardsOf(service({ type: 'NodePort' }), [slice(one)], VIEW)).toEqual([]);
    const foreign = service({ loadBalancerClass: 'example.com/other' });
    expect(forwardsOf(foreign, [slice(one)], VIEW)).toEqual([]);
    const ingress = [{ ip: '192.0.2.240', ipMode: 'Proxy' as const }];
    const proxied = { ...service(), status: { loadBalancer: { ingress } } };
    expect(forwardsOf(proxied, [slice(one)], VIEW)).toEqual([]);
  });

  test('only addresses that the plan knows: a status can be written by hand', () => {
    const gateway = service({}, ['192.0.2.1', '192.0.2.240', '2001:db8:0::240']);
    const known = new Set(['192.0.2.240 shop/web', '2001:db8::240 shop/web']);
    const view = { ...VIEW, held: (vip: string, key: string) => known.has(`${vip} ${key}`) };
    expect(shown(forwardsOf(gateway, [slice(one)], view))).toEqual([
      '192.0.2.240:80/TCP -> 198.51.100.1:8080',
      '2001:db8::240:80/TCP ->',
    ]);
  });
});
