/** What a Service asks for and holds, from what is written on it. */
import { describe, expect, test } from '@jest/globals';
import { claimOf, heldAddresses, holdingOf } from '../../../config/claim.ts';
import type { Claim } from '../../../config/claim.ts';
import type { Service } from '../../../kube/objects.ts';
import { formatIp } from '../../../net/ip.ts';

function service(spec: Partial<Service['spec']>, annotations = {}, held: string[] = []): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'shop', annotations, labels: { app: 'web' } },
    spec: { type: 'LoadBalancer', ports: [{ port: 80 }], ...spec },
    status: { loadBalancer: { ingress: held.map((ip) => ({ ip })) } },
  };
}

function claim(made: Service): Claim {
  const result = claimOf(made);
  if (result?.ok !== true) throw new Error(JSON.stringify(result));
  return result.value;
}

function problems(made: Service): unknown {
  const result = claimOf(made);
  return result?.ok === false ? result.error.map(({ path, message }) => [path, message]) : [];
}

describe('whose Service it is', () => {
  test('other types and other classes are not ours', () => {
    expect(claimOf(service({ type: 'NodePort' }))).toBe(undefined);
    expect(claimOf(service({ loadBalancerClass: 'example.org/x' }))).toBe(undefined);
    expect(claimOf(service({}), 'example.org/x')).toBe(undefined);
    expect(claimOf(service({ loadBalancerClass: 'example.org/x' }), 'example.org/x')?.ok).toBe(
      true,
    );
  });
});

describe('families', () => {
  test.each<[Partial<Service['spec']>, Claim['families']]>([
    [{}, { want: 'first', order: [4, 6] }],
    [{ ipFamilies: ['IPv6'] }, { want: 'first', order: [6] }],
    [{ ipFamilies: ['IPv6', 'IPv4'] }, { want: 'both', order: [6, 4] }],
    [
      { ipFamilies: ['IPv6'], ipFamilyPolicy: 'PreferDualStack' },
      { want: 'prefer', order: [6, 4] },
    ],
    [{ ipFamilyPolicy: 'RequireDualStack' }, { want: 'both', order: [4, 6] }],
    [{ loadBalancerIP: '2001:db8::1' }, { want: 'first', order: [6] }],
    [{ clusterIPs: ['10.0.0.1'] }, { want: 'first', order: [4] }],
    [{ clusterIP: 'fd00::1' }, { want: 'first', order: [6] }],
    [
      { clusterIPs: ['10.0.0.1'], ipFamilyPolicy: 'PreferDualStack' },
      { want: 'first', order: [4] },
    ],
    [{ clusterIPs: ['fd00::1', '10.0.0.1'] }, { want: 'both', order: [6, 4] }],
    [
      { clusterIPs: ['fd00::1', '10.0.0.1'], ipFamilyPolicy: 'PreferDualStack' },
      { want: 'prefer', order: [6, 4] },
    ],
  ])('%j', (spec, families) => {
    expect(claim(service(spec)).families).toEqual(families);
  });

  test('RequireDualStack on a single-stack cluster is a problem', () => {
    const made = service({ clusterIPs: ['10.0.0.1'], ipFamilyPolicy: 'RequireDualStack' });
    expect(problems(made)).toEqual([
      ['spec.ipFamilyPolicy', expect.stringContaining('needs two cluster IPs')],
    ]);
  });

  test('SingleStack with two families is a problem', () => {
    const made = service({ ipFamilies: ['IPv4', 'IPv6'], ipFamilyPolicy: 'SingleStack' });
    expect(problems(made)).toEqual([['spec.ipFamilies', expect.stringContaining('one family')]]);
  });
});

describe('requests', () => {
  test('annotation of either prefix, the new one first', () => {
    const made = claim(
      service(
        { ipFamilyPolicy: 'RequireDualStack' },
        {
          'metallb.io/loadBalancerIPs': '192.0.2.7, 2001:db8::7',
          'metallb.universe.tf/loadBalancerIPs': '192.0.2.8',
          'metallb.universe.tf/address-pool': 'lan',
        },
      ),
    );
    expect(made.requested.map(formatIp)).toEqual(['192.0.2.7', '2001:db8::7']);
    expect(made.pool).toBe('lan');
    expect(made.deprecated).toEqual(['metallb.universe.tf/address-pool']);
  });

  const at = 'metadata.annotations["metallb.io/loadBalancerIPs"]';
  test.each<[Partial<Service['spec']>, string | undefined, string, string]>([
    [{ loadBalancerIP: '192.0.2.1' }, '192.0.2.1', at, 'requested twice'],
    [{}, '192.0.2.1,192.0.2.1', at, 'is requested twice'],
    [{}, '192.0.2.300', at, '"192.0.2.300" is not an IP address'],
    [{ ipFamilies: ['IPv6'] }, '192.0.2.1', at, 'the Service is IPv6 only'],
    [
      { ipFamilyPolicy: 'RequireDualStack' },
      '192.0.2.1',
      at,
      'needs both families (RequireDualStack)',
    ],
    [{ loadBalancerIP: 'web.example' }, undefined, 'spec.loadBalancerIP', 'not an IP address'],
    [
      { ipFamilyPolicy: 'SingleStack' },
      '192.0.2.1,2001:db8::1',
      'spec.ipFamilyPolicy',
      'SingleStack allows one family',
    ],
  ])('%j %s', (spec, annotation, path, message) => {
    const annotations =
      annotation === undefined ? {} : { 'metallb.io/loadBalancerIPs': annotation };
    expect(problems(service(spec, annotations))).toEqual([
      [path, expect.stringContaining(message)],
    ]);
  });

  test('half a character is no part of a sentence: sources cannot keep it', () => {
    const annotations = { 'metallb.io/loadBalancerIPs': `a${'\u{1f600}'.repeat(60)}` };
    const said = problems(service({ loadBalancerIP: '192.0.2.1' }, annotations));
    expect(said).toEqual([[at, expect.stringContaining('requested twice')]]);
    expect(said).not.toEqual([[at, expect.stringMatching(/\p{Surrogate}/u)]]);
  });

  test('a Service that cannot be understood goes on holding what it has', () => {
    const made = service({ loadBalancerIP: 'x' }, { 'metallb.io/address-pool': 'p' }, [
      '2001:db8::1',
      '192.0.2.1',
    ]);
    expect(problems(made)).toHaveLength(1);
    const holding = holdingOf(made);
    expect(holding.held.map(formatIp)).toEqual(['2001:db8::1', '192.0.2.1']);
    expect(holding.families).toEqual({ want: 'both', order: [6, 4] });
    expect([holding.requested, holding.pool]).toEqual([[], undefined]);
  });
});

test('held addresses: host names, nonsense and repetitions are left out', () => {
  const made = service({}, {}, ['192.0.2.1', 'nonsense', '192.0.2.1']);
  const more = { ...made.status, loadBalancer: { ingress: [{ hostname: 'web.example' }] } };
  expect(heldAddresses(made).map(formatIp)).toEqual(['192.0.2.1']);
  expect(heldAddresses({ ...made, status: more })).toEqual([]);
});

describe('sharing', () => {
  const key = { 'metallb.io/allow-shared-ip': 'k' };
  const selector = { b: '2', a: '1' };

  test('needs a key', () => {
    expect(claim(service({})).sharing).toBe(undefined);
    expect(claim(service({}, { 'metallb.io/allow-shared-ip': '' })).sharing).toBe(undefined);
  });

  test('under Local the endpoints count, under Cluster they do not', () => {
    expect(claim(service({ selector }, key)).sharing).toEqual({ key: 'k', backend: '' });
    expect(claim(service({ selector, externalTrafficPolicy: 'Local' }, key)).sharing).toEqual({
      key: 'k',
      backend: 'a=1,b=2',
    });
  });

  test('ports carry their protocol', () => {
    const ports = [{ port: 53, protocol: 'UDP' as const }, { port: 53 }];
    expect(claim(service({ ports })).ports).toEqual(['UDP/53', 'TCP/53']);
  });
});

describe('who can have no address', () => {
  const known = (spec: Partial<Service['spec']>): Service => {
    const made = service(spec);
    return { ...made, metadata: { ...made.metadata, uid: 'u' } };
  };

  test('headless; at an API server also one without a cluster IP', () => {
    expect(claim(service({ clusterIP: 'None' })).barred).toContain('headless');
    expect(claim(service({ clusterIPs: ['None'] })).barred).toContain('headless');
    expect(claim(service({})).barred).toBe(undefined);
    expect(claim(known({})).barred).toContain('no cluster IP');
    expect(claim(known({ clusterIP: '' })).barred).toContain('no cluster IP');
    expect(claim(known({ clusterIP: '10.0.0.1' })).barred).toBe(undefined);
  });
});

describe('several addresses of a family', () => {
  const per = (count: string) =>
    service({}, { 'arpeggio.dev/addresses-per-family': count, 'metallb.io/address-pool': 'p' });

  test('by number', () => {
    expect(claim(service({})).perFamily).toBe(1);
    expect([claim(per('1')).perFamily, claim(per(' 8 ')).perFamily]).toEqual([1, 8]);
  });

  test.each(['', '0', '9', '-1', '2.5', 'two'])('"%s" is a problem', (count) => {
    expect(problems(per(count))).toEqual([
      [
        'metadata.annotations["arpeggio.dev/addresses-per-family"]',
        `"${count}" is not a number of addresses; write one from 1 to 8`,
      ],
    ]);
  });

  test('by list, at most eight', () => {
    const list = (count: number) =>
      service({}, { 'metallb.io/loadBalancerIPs': Array.from({ length: count }, ip).join() });
    const ip = (_: unknown, n: number): string => `192.0.2.${n}`;
    expect(claim(list(8)).requested).toHaveLength(8);
    expect(problems(list(9))).toEqual([
      [expect.any(String), expect.stringContaining('192.0.2.8 is one IPv4 address too many')],
    ]);
  });
});

describe('since when it holds its addresses', () => {
  const since = (status: 'True' | 'False' | undefined, held: string[]): string => {
    const made = service({}, {}, held);
    const times = { lastTransitionTime: '2026-02-01T00:00:00.5Z', reason: '', message: '' };
    const conditions =
      status === undefined ? [] : [{ type: 'arpeggio.dev/Allocated', status, ...times }];
    const metadata = { ...made.metadata, creationTimestamp: '2026-01-01T00:00:00Z' };
    return claim({ ...made, metadata, status: { ...made.status, conditions } }).since;
  };

  test('written by MetalLB, by us, not yet: in this order', () => {
    const all = [
      since(undefined, ['192.0.2.1']),
      since('True', ['192.0.2.1']),
      since('False', ['192.0.2.1']),
    ];
    expect(all.toSorted()).toEqual(all);
    expect(new Set(all).size).toBe(3);
    expect(since('True', [])).toBe(since('False', ['192.0.2.1']));
    expect(all[1]).toBe('2026-02-01T00:00:00 2026-01-01T00:00:00');
  });
});
