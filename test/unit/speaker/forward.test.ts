/**
 * From Services and EndpointSlices to forwards (Kubernetes' own rules for which endpoint counts),
 * and from forwards to the text of the table. What the kernel makes of the text is in
 * test/lab/forward.test.ts.
 */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Endpoint, EndpointSlice, Service } from '../../../kube/objects.ts';
import { formatIp, parseIp } from '../../../net/ip.ts';
import type { Ip } from '../../../net/ip.ts';
import { emptyRuleset, forwardsOf, rulesetOf } from '../../../speaker/forward.ts';
import type { Forward } from '../../../speaker/forward.ts';

const VIEW = { node: 'n1', dead: new Set<string>() };

function ip(text: string): Ip {
  const parsed = parseIp(text);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}

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
    const view = { node: 'n3', dead: new Set(['n1']) };
    const forwards = forwardsOf(service(), [slice(endpoints)], view);
    expect(shown(forwards)).toEqual(['192.0.2.240:80/TCP -> 198.51.100.2:8080']);
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

  test('no forward without an address, for another type, or with ipMode Proxy', () => {
    expect(forwardsOf(service({}, []), [slice(one)], VIEW)).toEqual([]);
    expect(forwardsOf(service({ type: 'NodePort' }), [slice(one)], VIEW)).toEqual([]);
    const ingress = [{ ip: '192.0.2.240', ipMode: 'Proxy' as const }];
    const proxied = { ...service(), status: { loadBalancer: { ingress } } };
    expect(forwardsOf(proxied, [slice(one)], VIEW)).toEqual([]);
  });
});

const endpoint = (address: string): Forward['endpoints'][number] => ({
  ip: ip(address),
  port: 8080,
});

describe('the text of the table', () => {
  test('one forward of each family', () => {
    const common = { service: 'shop/web', port: 80, protocol: 'TCP', keepSource: false } as const;
    const text = rulesetOf([
      { ...common, vip: ip('2001:db8::240'), endpoints: [endpoint('2001:db8::1')] },
      {
        ...common,
        vip: ip('192.0.2.240'),
        endpoints: [endpoint('198.51.100.1'), endpoint('198.51.100.2')],
      },
    ]);
    expect(text).toBe(`add table inet arpeggio
delete table inet arpeggio
table inet arpeggio {
  chain tcp-80-192.0.2.240 {
    meta l4proto tcp dnat ip to numgen random mod 2 map {
      0 : 198.51.100.1 . 8080,
      1 : 198.51.100.2 . 8080
    } comment "shop/web"
  }
  chain tcp-80-2001_db8__240 {
    meta l4proto tcp dnat ip6 to numgen random mod 1 map {
      0 : 2001:db8::1 . 8080
    } comment "shop/web"
  }
  chain translate {
    ip daddr . meta l4proto . th dport vmap {
      192.0.2.240 . tcp . 80 : goto tcp-80-192.0.2.240
    }
    ip6 daddr . meta l4proto . th dport vmap {
      2001:db8::240 . tcp . 80 : goto tcp-80-2001_db8__240
    }
  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    jump translate
  }
  chain output {
    type nat hook output priority -100; policy accept;
    jump translate
  }
  chain return-path {
    type nat hook postrouting priority srcnat; policy accept;
    meta l4proto tcp ct status dnat ct original ip daddr . ct original proto-dst {
      192.0.2.240 . 80
    } masquerade
    meta l4proto tcp ct status dnat ct original ip6 daddr . ct original proto-dst {
      2001:db8::240 . 80
    } masquerade
  }
  chain unserved {
    ip daddr {
      192.0.2.240
    } meta l4proto tcp reject with tcp reset
    ip daddr {
      192.0.2.240
    } reject
    ip6 daddr {
      2001:db8::240
    } meta l4proto tcp reject with tcp reset
    ip6 daddr {
      2001:db8::240
    } reject
  }
  chain refuse-forward {
    type filter hook forward priority filter; policy accept;
    jump unserved
  }
  chain refuse-output {
    type filter hook output priority filter; policy accept;
    jump unserved
  }
}
`);
  });

  test('without endpoints connections are refused, with Local nothing is masqueraded', () => {
    const vip = ip('192.0.2.240');
    const common = { service: 'a/b', vip, protocol: 'UDP' } as const;
    const text = rulesetOf([
      { ...common, port: 1, endpoints: [], keepSource: false },
      { ...common, port: 2, endpoints: [endpoint('198.51.100.1')], keepSource: true },
    ]);
    expect(text).not.toContain('udp-1-');
    expect(text).toContain('chain udp-2-192.0.2.240');
    expect(text).not.toContain('ct status dnat');
    expect(text).toContain('192.0.2.240\n    } reject');
  });

  test('the order of forwards does not matter, and a forward given twice counts once', () => {
    const some = fc.record({
      service: fc.constantFrom('a/b', 'c/d'),
      vip: fc
        .bigInt({ min: 0xc0000200n, max: 0xc00002ffn })
        .map((value): Ip => ({ family: 4, value })),
      port: fc.integer({ min: 1, max: 65535 }),
      protocol: fc.constantFrom('TCP' as const, 'UDP' as const),
      endpoints: fc.constant([endpoint('198.51.100.1')]),
      keepSource: fc.boolean(),
    });
    const distinct = fc.uniqueArray(some, {
      selector: ({ vip, port, protocol }) => `${vip.value} ${port} ${protocol}`,
    });
    fc.assert(
      fc.property(distinct, (forwards) => {
        const text = rulesetOf(forwards);
        expect(rulesetOf(forwards.toReversed())).toBe(text);
        expect(rulesetOf([...forwards, ...forwards])).toBe(text);
      }),
    );
  });

  test('the name of a Service cannot become a rule', () => {
    const text = rulesetOf([
      {
        service: 'a/b"\n  drop\n',
        vip: ip('192.0.2.240'),
        port: 80,
        protocol: 'TCP',
        endpoints: [endpoint('198.51.100.1')],
        keepSource: false,
      },
    ]);
    expect(text).toContain('} comment "a/b????drop?"\n');
  });

  test('nothing wanted takes the table away', () => {
    expect(emptyRuleset()).toBe('add table inet arpeggio\ndelete table inet arpeggio\n');
  });
});
