/** What is written for a decision, and what is said about it. */
import { describe, expect, test } from '@jest/globals';
import { ANNOUNCED_BY, POOL_ANNOTATION } from '../../../config/claim.ts';
import type { Decision } from '../../../controller/allocate.ts';
import type { Announcement } from '../../../controller/announcement.ts';
import { deny } from '../../../controller/denial.ts';
import { ALLOCATED, ANNOUNCED, plan } from '../../../controller/plan.ts';
import type { Subject } from '../../../controller/plan.ts';
import { SERVICE } from '../../../kube/kube.ts';
import type { StatusUpdate } from '../../../kube/kube.ts';
import type { Condition, Service, ServiceStatus } from '../../../kube/objects.ts';
import { parseIp } from '../../../net/ip.ts';

const WALL = '2026-01-01T00:00:00Z';
const LATER = '2026-01-02T00:00:00Z';

function service(status?: ServiceStatus, annotations: Record<string, string> = {}): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'd', resourceVersion: '7', annotations },
    spec: { type: 'LoadBalancer' },
    ...(status === undefined ? {} : { status }),
  };
}

function give(pool: string, ...texts: string[]): Decision {
  const addresses = texts.map((text) => {
    const ip = parseIp(text);
    if (!ip.ok) throw new Error(ip.error);
    return ip.value;
  });
  return { kind: 'allocated', addresses, pool };
}

function made(subject: Partial<Subject> & Pick<Subject, 'service' | 'decision'>, wall = WALL) {
  return plan({ problems: [], deprecated: [], ...subject }, wall);
}

/** The Service as it is after the plan was carried out. */
function after(before: Service, decision: Decision, wall = WALL): Service {
  const planned = made({ service: before, decision }, wall);
  return planned === undefined ? before : applied(before, planned.update);
}

function applied(before: Service, update: StatusUpdate): Service {
  const annotations = { ...before.metadata.annotations };
  for (const [key, value] of Object.entries(update.annotations ?? {})) {
    if (value === undefined) delete annotations[key];
    else annotations[key] = value;
  }
  const status = update.status as ServiceStatus;
  return { ...before, metadata: { ...before.metadata, annotations }, status };
}

const says = (planned: ReturnType<typeof made>): unknown =>
  planned?.events.map(({ type, reason, message }) => `${type} ${reason} ${message}`);

const condition = (status: unknown): Condition | undefined =>
  (status as ServiceStatus).conditions?.find(({ type }) => type === ALLOCATED);

const NO_TRACE = { [POOL_ANNOTATION]: undefined, [ANNOUNCED_BY]: undefined };

const ONE = give('lan', '192.0.2.1');
const FULL = deny('NoAddressLeft', 'no IPv4 address is left in pool "lan"');

describe('plan', () => {
  test('an address: status, mode, annotation, condition and event in one update', () => {
    const planned = made({ service: service(), decision: ONE });
    expect(planned?.update).toEqual({
      resource: SERVICE,
      key: 'd/web',
      resourceVersion: '7',
      status: {
        loadBalancer: { ingress: [{ ip: '192.0.2.1', ipMode: 'VIP' }] },
        conditions: [
          {
            type: ALLOCATED,
            status: 'True',
            reason: 'Allocated',
            message: '192.0.2.1 from pool "lan"',
            lastTransitionTime: WALL,
          },
        ],
      },
      annotations: { [POOL_ANNOTATION]: 'lan' },
    });
    expect(says(planned)).toEqual(['Normal IPAllocated Assigned IP ["192.0.2.1"]']);
  });

  test('what is as it should be yields nothing', () => {
    for (const decision of [ONE, FULL, give('lan', '192.0.2.1', '2001:db8::1')]) {
      expect(made({ service: after(service(), decision), decision }, LATER)).toBe(undefined);
    }
    const untouched = { kind: 'untouched' } as const;
    expect(made({ service: service(), decision: untouched })).toBe(undefined);
  });

  test('an ingress without ipMode is as good', () => {
    const full = after(service(), ONE);
    const ingress = [{ ip: '192.0.2.1' }];
    const old = { ...full, status: { ...full.status, loadBalancer: { ingress } } };
    expect(made({ service: old, decision: ONE })).toBe(undefined);
  });

  test('the time of a condition is that of its last change of status', () => {
    const first = after(service(), ONE);
    const second = after(first, give('lan', '192.0.2.2'), LATER);
    expect(condition(second.status)?.lastTransitionTime).toBe(WALL);
    const third = after(second, FULL, LATER);
    expect(condition(third.status)).toMatchObject({ status: 'False', lastTransitionTime: LATER });
  });

  test('conditions and fields of others stay', () => {
    const other = {
      type: 'x',
      status: 'True',
      reason: 'r',
      message: 'm',
      lastTransitionTime: WALL,
    };
    const status = { conditions: [other], more: 1 } as unknown as ServiceStatus;
    const planned = made({ service: service(status), decision: ONE });
    expect(planned?.update.status).toMatchObject({ more: 1, conditions: [other, {}] });
  });

  test('a refusal says why, and is an event once', () => {
    const planned = made({ service: service(), decision: FULL });
    expect(planned?.update.status).toMatchObject({ loadBalancer: {} });
    expect(says(planned)).toEqual([
      `Warning AllocationFailed Failed to allocate IP for "d/web": ${FULL.message}`,
    ]);
    const moved = { service: after(service(), ONE), decision: FULL };
    expect(says(made(moved))).toEqual([
      `Normal ClearAssignment IP ["192.0.2.1"] is taken away: ${FULL.message}`,
      `Warning AllocationFailed Failed to allocate IP for "d/web": ${FULL.message}`,
    ]);
    expect(made(moved)?.update.annotations).toEqual(NO_TRACE);
  });

  test('a move and an addition', () => {
    const before = after(service(), ONE);
    expect(says(made({ service: before, decision: give('b', '198.51.100.1') }))).toEqual([
      'Normal ClearAssignment IP ["192.0.2.1"] is taken away: ' +
        'the configuration or the request changed',
      'Normal IPAllocated Assigned IP ["198.51.100.1"]',
    ]);
    const both = give('lan', '192.0.2.1', '2001:db8::1');
    expect(says(made({ service: before, decision: both }))).toEqual([
      'Normal IPAllocated Assigned additional IP ["2001:db8::1"]',
    ]);
  });

  test('another pool over the same address changes the annotation only', () => {
    const planned = made({ service: after(service(), ONE), decision: give('new', '192.0.2.1') });
    expect(planned?.update.annotations).toEqual({ [POOL_ANNOTATION]: 'new' });
    expect(planned?.events).toEqual([]);
  });

  test('a wait for somebody to give back is not worth a word, unless it gives back, too', () => {
    const decision = deny('AddressBeingReleased', '192.0.2.1 is being given back by d/other');
    expect(made({ service: service(), decision })).toBe(undefined);
    expect(says(made({ service: after(service(), ONE), decision }))).toEqual([
      expect.stringContaining('ClearAssignment'),
    ]);
  });

  test('a request nobody understands: what is held stays; the condition says why', () => {
    const problem = { resource: SERVICE, key: 'd/web', path: 'spec.x', message: 'is wrong' };
    const before = after(service(), ONE);
    const kept = made({ service: before, decision: ONE, problems: [problem] });
    expect(kept?.update.status).toMatchObject({ loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } });
    expect(condition(kept?.update.status)).toMatchObject({
      status: 'True',
      reason: 'InvalidRequest',
      message: 'keeps 192.0.2.1 from pool "lan" until this is mended: spec.x: is wrong',
    });
    expect(says(kept)).toEqual([expect.stringContaining('Warning LoadBalancerFailed keeps')]);
    const none = deny('InvalidRequest', 'it holds no address');
    const refused = made({ service: service(), decision: none, problems: [problem] });
    expect(condition(refused?.update.status)).toMatchObject({
      status: 'False',
      reason: 'InvalidRequest',
      message: 'spec.x: is wrong',
    });
  });

  test('deprecated annotations are told of when something else is written', () => {
    const deprecated = ['metallb.universe.tf/address-pool'];
    const planned = made({ service: service(), decision: ONE, deprecated });
    expect(says(planned)).toContain(
      'Warning deprecatedAnnotation Service uses deprecated annotation ' + deprecated[0],
    );
    const same = { service: after(service(), ONE), decision: ONE, deprecated };
    expect(made(same)).toBe(undefined);
    const [status, nodes] = ['False', [] as string[]] as const;
    const announcement = { status, reason: 'NoServingEndpoint', message: 'none', nodes };
    expect(made({ ...same, announcement })?.events).toEqual([]);
  });

  test('another type: our traces go; without traces nothing is touched', () => {
    const before = after(service(), ONE);
    const other = { ...before, spec: { type: 'NodePort' as const } };
    const planned = made({ service: other, decision: undefined });
    expect(planned?.update.status).toEqual({ loadBalancer: {} });
    expect(planned?.update.annotations).toEqual(NO_TRACE);
    const foreign = service({ loadBalancer: { ingress: [{ ip: '192.0.2.9' }] } });
    const plain = { ...foreign, spec: { type: 'NodePort' as const } };
    expect(made({ service: plain, decision: undefined })).toBe(undefined);
    const classed = { ...before, spec: { ...before.spec, loadBalancerClass: 'x' } };
    expect(made({ service: classed, decision: undefined })).toBe(undefined);
  });
});

describe('who announces', () => {
  const by = (...nodes: string[]): Announcement => ({
    status: nodes.length > 0 ? 'True' : 'False',
    reason: nodes.length > 0 ? 'Announced' : 'NobodyAnswers',
    message: `${nodes.join(' and ')} on eth0`,
    nodes,
  });
  /** What is shown, and whether there was anything to write. */
  const shown = (before: Service, announcement: Subject['announcement'], wall = WALL) => {
    const planned = made({ service: before, decision: ONE, announcement }, wall);
    const now = planned === undefined ? before : applied(before, planned.update);
    return {
      now,
      isWritten: planned !== undefined,
      events: planned?.events.length ?? 0,
      by: now.metadata.annotations?.[ANNOUNCED_BY],
      condition: now.status?.conditions?.find(({ type }) => type === ANNOUNCED),
    };
  };

  test('node names, sorted, and a condition, in the same write as the address', () => {
    const first = shown(service(), by('node1', 'node2'));
    expect(first.by).toBe('node1,node2');
    expect(first.condition).toEqual({
      type: ANNOUNCED,
      status: 'True',
      reason: 'Announced',
      message: 'node1 and node2 on eth0',
      lastTransitionTime: WALL,
    });
    expect(first.now.status?.loadBalancer?.ingress).toHaveLength(1);
    expect(shown(first.now, by('node1', 'node2'), LATER).isWritten).toBe(false);
  });

  test('another node: one write without an event; the time is that of the last status', () => {
    const before = shown(service(), by('node1')).now;
    const second = shown(before, by('node2'), LATER);
    expect([second.by, second.condition?.lastTransitionTime, second.events]).toEqual([
      'node2',
      WALL,
      0,
    ]);
    const nobody = shown(second.now, by(), LATER);
    expect([nobody.by, nobody.condition?.lastTransitionTime]).toEqual([undefined, LATER]);
  });

  test('while nothing can be said, what is shown stays', () => {
    const before = shown(service(), by('node1')).now;
    expect(shown(before, 'unchanged').isWritten).toBe(false);
    expect(shown(service(), 'unchanged')).toMatchObject({ by: undefined, condition: undefined });
  });

  test('without reports, without an address, or of another type: no trace stays', () => {
    const before = shown(service(), by('node1')).now;
    const gone = [
      made({ service: before, decision: ONE }),
      made({ service: before, decision: FULL, announcement: undefined }),
      made({
        service: { ...before, spec: { type: 'ClusterIP' as const } },
        decision: undefined,
      }),
    ];
    for (const planned of gone) {
      expect(planned?.update.annotations).toHaveProperty([ANNOUNCED_BY], undefined);
      const status = planned?.update.status as ServiceStatus | undefined;
      expect(status?.conditions?.map(({ type }) => type) ?? []).not.toContain(ANNOUNCED);
    }
  });
});
