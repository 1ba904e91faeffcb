/** The Machine and strangers that claim its addresses, as speakers report them. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Quarantine } from '../../../controller/allocate.ts';
import { Conflicts, FADING, QUARANTINE } from '../../../controller/conflicts.ts';
import { ADDRESS_CONFLICT, ALLOCATED, ANNOUNCED } from '../../../controller/plan.ts';
import { PATIENCE, SILENCE } from '../../../controller/reports.ts';
import { SERVICE } from '../../../kube/kube.ts';
import type { Condition } from '../../../kube/objects.ts';
import type { ReportedConflict } from '../../../owners/report.ts';
import { Source } from './source.ts';
import { NODES } from './speakers.ts';

const FIRST = '192.0.2.240';
const SECOND = '192.0.2.241';
const MAC = '02:00:5e:00:53:01';
const REFRESH = 10_000;

let source: Source;

beforeEach(() => {
  source = new Source(true);
  source.pool('lan', ['192.0.2.240-192.0.2.249']);
  source.synced();
  for (const node of NODES) source.report(node, {});
  source.pass(SILENCE - 1);
  source.heard = [];
});

function claimed(ip: string, withheld: boolean, mac = MAC): readonly ReportedConflict[] {
  return [{ ip, mac, interface: 'eth0', services: ['d/web'], withheld }];
}

function condition(type: string, name = 'web'): Condition | undefined {
  const { conditions = [] } = source.services.get(`d/${name}`)?.status ?? {};
  return conditions.find((each) => each.type === type);
}

const told = (reason: string): readonly string[] =>
  source.heard.filter((word) => word.startsWith('record') && word.endsWith(` ${reason}`));

/** All speakers report again and again, and say the same. */
function goOn(ms: number, reports: Partial<Record<string, Parameters<Source['report']>[1]>>): void {
  for (let passed = 0; passed < ms; passed += REFRESH) {
    for (const node of NODES) source.report(node, reports[node] ?? {});
    source.pass(Math.min(REFRESH, ms - passed));
  }
}

describe('an address that was never announced', () => {
  let first = '';

  beforeEach(() => {
    source.service('web');
    source.pass(10);
    first = source.ips('web');
    source.heard = [];
    source.report('node2', { conflicts: claimed(FIRST, true) });
    source.pass(10);
  });

  test('is left for the next one, in one write, and the stranger is named', () => {
    expect([first, source.ips('web')]).toEqual([FIRST, SECOND]);
    expect(source.heard.filter((word) => word.startsWith('write'))).toEqual(['write d/web']);
    expect(condition(ADDRESS_CONFLICT)).toMatchObject({
      status: 'False',
      reason: 'AddressGivenUp',
      message:
        `${MAC} on eth0 of node2 claims ${FIRST} and is no node of the cluster, so it was given ` +
        'up; give that host another address, or take this one out of its pool',
    });
    expect(condition(ALLOCATED)).toMatchObject({ status: 'True', reason: 'Allocated' });
    expect(source.heard.filter((word) => word.startsWith('record'))).toEqual([
      'record d/web AddressConflict',
      'record d/web ClearAssignment',
      'record d/web IPAllocated',
    ]);
    expect(source.machine.report().conflicts).toEqual({ present: 1, quarantined: 1 });
  });

  test('is said once, whatever is reported again', () => {
    goOn(60_000, { node2: { holds: [SECOND] } });
    expect(told('AddressConflict')).toHaveLength(1);
    expect(condition(ADDRESS_CONFLICT)?.reason).toBe('AddressGivenUp');
    source.heard = [];
    goOn(60_000, { node2: { holds: [SECOND] } });
    expect(source.heard).toEqual([]);
  });

  test('is given to nobody for ten minutes after the last report of it', () => {
    goOn(60_000, { node2: { conflicts: claimed(FIRST, true) } });
    goOn(QUARANTINE - 20_000, {});
    source.service('next');
    source.pass(10);
    expect(source.ips('next')).toBe('192.0.2.242');
    goOn(20_000, {});
    source.service('later');
    source.pass(10);
    expect([source.ips('web'), source.ips('later')]).toEqual([SECOND, FIRST]);
    expect(source.machine.report().conflicts).toEqual({ present: 0, quarantined: 0 });
  });

  test('whoever asks for it meanwhile is told why not, and gets it afterwards', () => {
    source.service('asks', { loadBalancerIP: FIRST });
    source.pass(10);
    expect(condition(ALLOCATED, 'asks')).toMatchObject({
      reason: 'AddressQuarantined',
      message:
        `${FIRST} is in quarantine, because ${MAC} claims it on the network; ` +
        'ask for another address, or for none',
    });
    goOn(QUARANTINE, {});
    expect(source.ips('asks')).toBe(FIRST);
  });

  test('after a restart it is found out once more, and the Service stays where it is', () => {
    source.restart();
    source.pass(10);
    source.service('next');
    source.pass(10);
    expect([source.ips('web'), source.ips('next')]).toEqual([SECOND, FIRST]);
    source.report('node2', { conflicts: claimed(FIRST, true) });
    source.pass(10);
    expect([source.ips('web'), source.ips('next')]).toEqual([SECOND, '192.0.2.242']);
  });

  test('of a Service that is no LoadBalancer any more nothing is said', () => {
    source.service('web', { type: 'ClusterIP' });
    source.pass(10);
    expect(source.services.get('d/web')?.status?.conditions).toBe(undefined);
  });
});

describe('an address that the Service asked for', () => {
  beforeEach(() => {
    source.service('web', { loadBalancerIP: FIRST });
    source.pass(10);
    source.heard = [];
    source.report('node2', { conflicts: claimed(FIRST, true) });
    source.pass(PATIENCE + 10);
  });

  test('stays, and both conditions say why nobody answers', () => {
    const message =
      `${MAC} on eth0 of node2 claims ${FIRST} and is no node of the cluster, so nobody answers ` +
      'for it here; give that host another address, or the Service';
    expect(source.ips('web')).toBe(FIRST);
    expect(condition(ADDRESS_CONFLICT)).toMatchObject({
      status: 'True',
      reason: 'AddressWithheld',
      message,
    });
    expect(condition(ANNOUNCED)).toMatchObject({
      status: 'False',
      reason: 'AddressConflict',
      message,
    });
    goOn(60_000, { node2: { conflicts: claimed(FIRST, true) } });
    expect(told('AddressConflict')).toHaveLength(1);
  });

  test('another node takes over, and asks itself: no word between the two', () => {
    const { lastTransitionTime } = condition(ADDRESS_CONFLICT) ?? {};
    source.report('node2', { phase: 'stopped' });
    source.pass(FADING / 2);
    source.report('node3', { dead: ['node2'], conflicts: claimed(FIRST, true) });
    source.pass(REFRESH - 10);
    const now = condition(ADDRESS_CONFLICT);
    expect([now?.reason, now?.lastTransitionTime]).toEqual(['AddressWithheld', lastTransitionTime]);
    expect(now?.message).toContain(`${MAC} on eth0 of node3 claims ${FIRST}`);
    expect(told('AddressConflict')).toHaveLength(1);
  });

  test('is announced when the stranger is gone', () => {
    goOn(30_000, { node2: { holds: [FIRST] } });
    expect(condition(ADDRESS_CONFLICT)).toMatchObject({ status: 'False', reason: 'ConflictOver' });
    expect(condition(ANNOUNCED)?.status).toBe('True');
  });

  test('a restarted controller says nothing else before it has heard everybody', () => {
    source.restart();
    source.heard = [];
    source.pass(SILENCE / 2);
    goOn(SILENCE, { node2: { conflicts: claimed(FIRST, true) } });
    expect(condition(ADDRESS_CONFLICT)).toMatchObject({ reason: 'AddressWithheld' });
    expect(source.heard).toEqual([]);
  });
});

describe('an address that is announced', () => {
  beforeEach(() => {
    source.service('web');
    source.report('node2', { holds: [FIRST] });
    source.pass(10);
    source.report('node2', { holds: [FIRST], conflicts: claimed(FIRST, false) });
    source.pass(10);
  });

  test('is kept and defended; the stranger is named', () => {
    expect(source.ips('web')).toBe(FIRST);
    expect(condition(ADDRESS_CONFLICT)).toMatchObject({
      status: 'True',
      reason: 'AddressDefended',
      message:
        `${MAC} on eth0 of node2 claims ${FIRST} and is no node of the cluster; it is defended, ` +
        'and clients may reach either of them: give that host another address, or the Service',
    });
    expect(condition(ANNOUNCED)?.status).toBe('True');
    expect(told('AddressConflict')).toHaveLength(1);
    expect(source.machine.report().conflicts).toEqual({ present: 1, quarantined: 0 });
  });

  test('another node that hears it is no event; another stranger is one', () => {
    const holds = [FIRST];
    source.report('node3', { conflicts: claimed(FIRST, false) });
    source.pass(10);
    expect(condition(ADDRESS_CONFLICT)?.message).toContain('on eth0 of node2, eth0 of node3 cl');
    expect(told('AddressConflict')).toHaveLength(1);
    const other = claimed(FIRST, false, '02:00:5e:00:53:02');
    source.report('node2', { holds, conflicts: [...claimed(FIRST, false), ...other] });
    source.pass(10);
    expect(told('AddressConflict')).toHaveLength(2);
  });

  test('whoever finds it withheld is wrong as long as somebody answers for it', () => {
    source.report('node3', { conflicts: claimed(FIRST, true) });
    source.pass(10);
    expect(source.ips('web')).toBe(FIRST);
    expect(source.machine.report().conflicts.quarantined).toBe(0);
    // The same report again, when nobody answers any more.
    goOn(20_000, { node3: { conflicts: claimed(FIRST, true) } });
    expect(source.ips('web')).toBe(SECOND);
  });

  test('when the node that reported it falls silent, it is over', () => {
    for (let passed = 0; passed < 2 * SILENCE; passed += REFRESH) {
      source.report('node1', { holds: [FIRST], dead: ['node2'] });
      source.pass(REFRESH);
    }
    expect(condition(ADDRESS_CONFLICT)).toMatchObject({ status: 'False', reason: 'ConflictOver' });
    expect(source.machine.report().conflicts.present).toBe(0);
  });
});

test('a Service that moves is not said to be announced by whoever announced it before', () => {
  source.service('web');
  source.report('node2', { holds: [FIRST] });
  source.pass(10);
  expect(source.announcedBy('web')).toBe('node2');
  source.pool('lan', ['192.0.2.245-192.0.2.249']);
  source.pass(10);
  expect([source.ips('web'), source.announcedBy('web')]).toEqual(['192.0.2.245', undefined]);
});

test('a report costs what is new in it, however many there are of others', () => {
  const conflicts = new Conflicts();
  const isAnswered = (): boolean => true;
  const say = (node: number, count: number): void => {
    const said = Array.from({ length: count }, (_, n) => claimed(`10.${node}.0.${n}`, false));
    conflicts.take(`node${node}`, said.flat(), isAnswered, 0);
  };
  for (let node = 0; node < 100; node++) say(node, 200);
  const since = performance.now();
  for (let turn = 0; turn < 300; turn++) say(0, 1 + (turn % 2));
  expect(performance.now() - since).toBeLessThan(1000);
  expect(conflicts.of('10.99.0.199')).toMatchObject([{ mac: MAC, places: ['eth0 of node99'] }]);
});

test('one host that answers every probe does not drain a pool', () => {
  source.service('web');
  source.pass(10);
  const claimedSoFar = new Set<string>();
  const seen: string[] = [];
  for (let turn = 0; turn < 8; turn++) {
    const at = source.ips('web');
    seen.push(at);
    claimedSoFar.add(at);
    const conflicts = [...claimedSoFar].flatMap((ip) => claimed(ip, true));
    source.report('node2', { conflicts });
    source.pass(PATIENCE + 10);
  }
  // Of ten addresses four are put away; the fifth stays, withheld.
  expect(new Set(seen).size).toBe(5);
  expect(source.ips('web')).toBe('192.0.2.244');
  expect(source.machine.report().conflicts.quarantined).toBe(4);
  expect(condition(ADDRESS_CONFLICT)?.reason).toBe('AddressWithheld');
  expect(condition(ADDRESS_CONFLICT)?.message).toContain(
    `${MAC} claims so many addresses that it looks like one host answering for everything`,
  );
});

test('no Service gets an address in quarantine, nor moves without need', () => {
  const texts = [240, 241, 242, 243].map((n) => `192.0.2.${n}`);
  const name = fc.constantFrom('a', 'b', 'c');
  const step = fc.oneof(
    fc.record({
      do: fc.constant('service' as const),
      name,
      asks: fc.option(fc.constantFrom(...texts), { nil: undefined, freq: 3 }),
      share: fc.constantFrom('', 'k'),
    }),
    fc.record({ do: fc.constant('remove' as const), name }),
    fc.record({
      do: fc.constant('report' as const),
      node: fc.constantFrom(...NODES),
      ips: fc.subarray(texts),
      holds: fc.subarray(texts),
    }),
    fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(10, 40_000, QUARANTINE) }),
  );
  type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;
  const quarantine = (ip: string): Quarantine | undefined =>
    source.reports?.conflicts.quarantined.get(ip);
  const asked = (each: string): unknown => source.services.get(`d/${each}`)?.spec.loadBalancerIP;
  const play = (each: Step): void => {
    if (each.do === 'service') {
      const wish = each.asks === undefined ? {} : { loadBalancerIP: each.asks };
      const ports = [{ port: 80 + each.name.charCodeAt(0) }];
      const annotations = { 'metallb.io/allow-shared-ip': each.share };
      source.service(each.name, { ...wish, ports }, annotations);
    } else if (each.do === 'remove') source.remove(SERVICE, `d/${each.name}`);
    else if (each.do === 'report') {
      const { node, ips, holds } = each;
      source.report(node, { holds, conflicts: ips.flatMap((ip) => claimed(ip, true)) });
    } else source.pass(each.ms);
  };
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25, size: 'max' }), (steps) => {
      source = new Source(true);
      source.pool('lan', ['192.0.2.240-192.0.2.243']);
      source.synced();
      source.pass(0);
      for (const each of steps) {
        const before = new Map([...source.services.keys()].map((key) => [key, key.slice(2)]));
        const shown = new Map([...before.values()].map((who) => [who, source.ips(who)]));
        play(each);
        source.pass(0);
        source.pass(5);
        for (const [key, who] of [...source.services.keys()].map((k) => [k, k.slice(2)] as const)) {
          const ip = source.ips(who);
          const bans = quarantine(ip);
          const isHeld = shown.get(who) === ip;
          const mayKeep = isHeld && (asked(who) === ip || bans?.isContested === false);
          expect(bans !== undefined && !mayKeep ? `${key} has ${ip}` : '').toBe('');
        }
        const had = each.do === 'pass' ? [...shown].filter(([, ip]) => ip !== '') : [];
        expect(had.map(([who]) => [who, source.ips(who)])).toEqual(had);
      }
    }),
    { numRuns: Number(process.env['RUNS'] ?? 150) },
  );
});
