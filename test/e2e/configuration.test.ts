/**
 * MetalLB's rules of configuration and allocation, seen from outside: objects are written to a
 * real API server, and the addresses, reasons, events and counters that come of it are read there.
 */
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { join } from 'node:path';
import type { Resource } from '../../kube/kube.ts';
import { httpGet } from '../../lab/probe.ts';
import { monotonic } from '../../lib/io/clock.ts';
import { CASES } from './allocationcases.ts';
import { ADVERTISEMENT, Desk, POOL, STATE } from './desk.ts';
import type { Told } from './desk.ts';
import { Installation, ROOT, SYSTEM } from './installation.ts';

jest.setTimeout(60_000);

const PEER: Resource = { apiVersion: 'metallb.io/v1beta2', kind: 'BGPPeer' };

let cluster: Installation;
let desk: Desk;

beforeAll(async () => {
  cluster = await Installation.up('configuration');
  desk = new Desk(cluster);
  await cluster.startController();
  await Promise.all([
    cluster.startSpeakers(cluster.nodes.slice(0, 1)),
    desk.namespace('team'),
    desk.namespace('gold', { tier: 'gold' }),
  ]);
}, 90_000);

afterAll(() => cluster?.close());
afterEach(() => desk.clear());

/** What a Service shows once it shows that, or in the end: addresses, or why it has none. */
async function shown(name: string, wanted: string, withinMs = 5000): Promise<string> {
  let seen = '';
  const look = async (): Promise<boolean> => {
    const [ips, { reason = '' }] = [await desk.ips(name), await desk.allocated(name)];
    seen = ips === '-' ? reason : ips;
    return seen === wanted;
  };
  await cluster.until(`${name} to show ${wanted}`, look, withinMs).catch(() => false);
  return seen;
}

async function outcome(name: string, wanted: string, withinMs?: number): Promise<void> {
  expect(`${name} ${await shown(name, wanted, withinMs)}`).toBe(`${name} ${wanted}`);
}

describe('who gets what', () => {
  test.each(CASES)('$what', async ({ pools, services }) => {
    for (const [name, addresses, more] of pools) await desk.pool(name, addresses, more);
    const seen: string[] = [];
    for (const [name, wish, wanted] of services) {
      await desk.service(name, wish);
      seen.push(`${name} ${await shown(name, wanted)}`);
    }
    expect(seen).toEqual(services.map(([name, , wanted]) => `${name} ${wanted}`));
  });

  test('a class of somebody else, and no class', async () => {
    await desk.pool('a', ['192.0.2.0/29']);
    await desk.service('theirs', { spec: { loadBalancerClass: 'example.com/other' } });
    await desk.service('ours');
    await outcome('ours', '192.0.2.0');
    expect([await desk.ips('theirs'), await desk.allocated('theirs')]).toEqual(['-', {}]);
  });

  test('why there is none names what was tried', async () => {
    await desk.pool('a', ['192.0.2.0/32']);
    await desk.pool('b', ['192.0.2.16/29'], { autoAssign: false });
    await desk.service('one');
    await outcome('one', '192.0.2.0');
    await desk.service('two');
    await outcome('two', 'NoAddressLeft');
    const { message = '' } = await desk.allocated('two');
    expect(message).toMatch(/"a"/);
    expect(message).toMatch(/"b"/);
  });
});

describe('what changes', () => {
  test('a pool shrinks, goes, comes back; whoever still fits keeps its address', async () => {
    await desk.pool('a', ['192.0.2.0-192.0.2.1']);
    for (const [at, name] of ['one', 'two'].entries()) {
      await desk.service(name);
      await outcome(name, `192.0.2.${at}`);
    }
    await desk.repool('a', { addresses: ['192.0.2.1-192.0.2.2'] });
    await outcome('one', '192.0.2.2');
    expect(await desk.ips('two')).toBe('192.0.2.1');
    expect(await desk.told('one')).toEqual(['IPAllocated 1', 'ClearAssignment 1', 'IPAllocated 1']);
    await desk.removePool('a');
    await Promise.all([outcome('one', 'NoPools'), outcome('two', 'NoPools')]);
    await desk.pool('a', ['192.0.2.0-192.0.2.2']);
    await cluster.until('both to have addresses again', async () => {
      const both = [await desk.ips('one'), await desk.ips('two')].toSorted();
      return both.join() === '192.0.2.0,192.0.2.1';
    });
  });

  test('a pool takes the place of another: addresses stay, the annotation follows', async () => {
    await desk.pool('old', ['192.0.2.0/29']);
    await desk.service('one', { annotations: { 'metallb.io/loadBalancerIPs': '192.0.2.5' } });
    await outcome('one', '192.0.2.5');
    await desk.repool('old', { addresses: ['192.0.2.16/29'] });
    await outcome('one', 'AddressOutsidePools');
    await desk.pool('new', ['192.0.2.0/29']);
    await outcome('one', '192.0.2.5');
    const pool = async (): Promise<boolean> =>
      (await desk.annotations('one'))['metallb.io/ip-allocated-from-pool'] === 'new';
    expect(await cluster.until('the annotation to name the new pool', pool)).toBe(true);
  });

  test('labels of a namespace, and of a Service', async () => {
    const gold = [{ matchLabels: { tier: 'gold' } }];
    await desk.pool('a', ['192.0.2.0/29'], { serviceAllocation: { namespaceSelectors: gold } });
    await desk.pool('b', ['192.0.2.16/29'], { serviceAllocation: { serviceSelectors: gold } });
    await desk.service('team/one');
    await outcome('team/one', 'NoPoolFits');
    await desk.label('team', { tier: 'gold' });
    await outcome('team/one', '192.0.2.0', 1000);
    await desk.label('team', { tier: null });
    await outcome('team/one', 'NoPoolFits', 1000);
    await desk.change('team/one', { metadata: { labels: { tier: 'gold' } } });
    expect(await shown('team/one', '192.0.2.16', 1000)).toBe('192.0.2.16');
  });

  test('families are gained and lost', async () => {
    await desk.pool('a', ['192.0.2.0/29']);
    await desk.service('one', { spec: { ipFamilyPolicy: 'PreferDualStack' } });
    await outcome('one', '192.0.2.0');
    await desk.service('two', { spec: { ipFamilyPolicy: 'RequireDualStack' } });
    await outcome('two', 'NoPoolFits');
    await desk.repool('a', { addresses: ['192.0.2.0/29', '2001:db8::/125'] });
    await cluster.until('both to have both families', async () => {
      const both = [await desk.ips('one'), await desk.ips('two')];
      return both.every((ips) => ips.includes(' '));
    });
    expect(await desk.ips('one')).toMatch(/^192\.0\.2\.0 2001:db8::1?$/);
    expect(await desk.ips('two')).toMatch(/^192\.0\.2\.1 2001:db8::1?$/);
    await desk.repool('a', { addresses: ['192.0.2.0/29'] });
    await outcome('two', 'NoPoolFits');
    await outcome('one', '192.0.2.0');
  });

  test('the type: an address is given back, and somebody who waits has it', async () => {
    await desk.pool('a', ['192.0.2.0/32']);
    await desk.service('one');
    await outcome('one', '192.0.2.0');
    await desk.service('two');
    await outcome('two', 'NoAddressLeft');
    await desk.change('one', { spec: { type: 'ClusterIP' } });
    await outcome('two', '192.0.2.0', 1000);
    expect([await desk.ips('one'), await desk.allocated('one')]).toEqual(['-', {}]);
  });

  test('who shares an address moves when it may not any more', async () => {
    await desk.pool('a', ['192.0.2.0/29']);
    const key = { 'metallb.io/allow-shared-ip': 'k' };
    await desk.service('one', { annotations: key });
    await desk.service('two', { annotations: key, spec: { ports: [{ port: 443 }] } });
    await Promise.all([outcome('one', '192.0.2.0'), outcome('two', '192.0.2.0')]);
    await desk.change('two', { metadata: { annotations: { 'metallb.io/allow-shared-ip': 'l' } } });
    await outcome('two', '192.0.2.1', 1000);
    expect(await desk.ips('one')).toBe('192.0.2.0');
  });

  test('two that hold one address: the older keeps it', async () => {
    await desk.pool('a', ['192.0.2.0/29']);
    for (const [at, name] of ['one', 'two'].entries()) {
      await desk.service(name);
      await outcome(name, `192.0.2.${at}`);
    }
    const status = { loadBalancer: { ingress: [{ ip: '192.0.2.0' }] } };
    await desk.patch({ apiVersion: 'v1', kind: 'Service' }, 'default/two', { status }, 'status');
    const from = monotonic();
    await cluster.until('each to have one of its own', async () => {
      const [one, two] = [await desk.ips('one'), await desk.ips('two')];
      return one === '192.0.2.0' && two !== '-' && two !== one;
    });
    expect(monotonic() - from).toBeLessThan(1000);
  });
});

describe('events and conditions', () => {
  test('one event for each change, none for what stays', async () => {
    await desk.service('one');
    await outcome('one', 'NoPools');
    for (const name of ['x', 'y', 'z']) {
      await desk.pool(name, [`198.51.100.${name.charCodeAt(0)}/32`], { autoAssign: false });
    }
    await outcome('one', 'NoPoolFits');
    await desk.pool('a', ['192.0.2.0/29']);
    await outcome('one', '192.0.2.0');
    for (const name of ['x', 'y', 'z']) await desk.removePool(name);
    await desk.service('last');
    await outcome('last', '192.0.2.1');
    const told = await desk.told('one');
    expect(told.filter((each) => each.startsWith('IPAllocated'))).toEqual(['IPAllocated 1']);
    expect(told.every((each) => each.endsWith(' 1'))).toBe(true);
    expect(await desk.told('last')).toEqual(['IPAllocated 1']);
  });

  test('the older prefix is pointed out, once', async () => {
    await desk.pool('a', ['192.0.2.0/29']);
    await desk.service('one', { annotations: { 'metallb.universe.tf/address-pool': 'a' } });
    await outcome('one', '192.0.2.0');
    await cluster.until('the event', async () => (await desk.told('one')).length === 2);
    expect((await desk.told('one')).toSorted()).toEqual([
      'IPAllocated 1',
      'deprecatedAnnotation 1',
    ]);
  });
});

describe('counters of pools', () => {
  const counters = (name: string): Promise<unknown> => desk.status(POOL, `${SYSTEM}/${name}`);
  const show = (name: string, wanted: object): Promise<unknown> =>
    cluster.until(`pool ${name} to count`, async () => {
      const count = (await counters(name)) as Record<string, number>;
      return Object.entries(wanted).every(([key, value]) => count[key] === value);
    });

  test('in its status, made good when edited; as metrics', async () => {
    await desk.pool('a', ['192.0.2.0/29', '2001:db8::/64']);
    await desk.service('one', { spec: { ipFamilyPolicy: 'RequireDualStack' } });
    await desk.service('two');
    const right = { assignedIPv4: 2, availableIPv4: 6, assignedIPv6: 1 };
    await show('a', right);
    const wrong = { assignedIPv4: 7, availableIPv4: 0, assignedIPv6: 7, availableIPv6: 0 };
    await desk.patch(POOL, `${SYSTEM}/a`, { status: wrong }, 'status');
    await show('a', right);
    const { control } = cluster.kube.segment;
    const text = (await httpGet(control, 'http://127.0.0.1:7472/metrics'))?.body ?? '';
    expect(text).toContain('metallb_allocator_ipv4_addresses_total{pool="a"} 8\n');
    expect(text).toContain('metallb_allocator_addresses_in_use_total{pool="a"} 3\n');
    expect(text).toContain('metallb_allocator_services_allocated_total{pool="a"} 2\n');
    expect(text).toContain('metallb_k8s_client_config_loaded_bool 1\n');
    expect(text).toContain('metallb_k8s_client_config_stale_bool 0\n');
    await desk.removeService('two');
    await show('a', { assignedIPv4: 1, availableIPv4: 7 });
  });
});

describe('a refused configuration', () => {
  /** Past admission: as on a server that cannot judge, or that did not know yet. */
  beforeAll(async () => {
    const policies = ['validatingadmissionpolicybinding', 'validatingadmissionpolicy'];
    await cluster.kube.kubectl(['delete', policies.join(), '--all']);
    await cluster.kube.kubectl(['apply', '-k', join(ROOT, 'deploy/crds-legacy')]);
    const tried = { ...POOL, metadata: { name: 'tried' }, spec: { addresses: ['nonsense'] } };
    const path = `/apis/metallb.io/v1beta1/namespaces/${SYSTEM}/ipaddresspools?dryRun=All`;
    await cluster.until('nothing to be refused at admission', async () => {
      const { status } = await cluster.kube.api.ask('POST', path, tried);
      return status === 201;
    });
  });

  const state = (name = 'controller'): Promise<Readonly<Record<string, unknown>>> =>
    desk.status(STATE, `${SYSTEM}/${name}`);
  const result = (wanted: string, name = 'controller'): Promise<unknown> =>
    cluster.until(`${name} to say ${wanted}`, async () => {
      return (await state(name))['result'] === wanted;
    });
  const eventsOf = async (resource: Resource, name: string): Promise<readonly string[]> => {
    const gist = ({ type, reason, count }: Told): string => `${type} ${reason} ${count}`;
    return (await desk.events(resource, `${SYSTEM}/${name}`)).map(gist);
  };

  test('is told within a second, by all means; the one before stays in force', async () => {
    await desk.pool('a', ['192.0.2.0/29']);
    await desk.service('one');
    await outcome('one', '192.0.2.0');
    const from = monotonic();
    await desk.pool('overlapping', ['192.0.2.4-192.0.2.20']);
    await Promise.all([
      result('Invalid'),
      result('Invalid', 'speaker-node1'),
      cluster.until('an event', async () => (await eventsOf(POOL, 'overlapping'))[0]),
    ]);
    expect(monotonic() - from).toBeLessThan(1000);
    expect((await state())['errorSummary']).toMatch(/overlaps with already defined CIDR/);
    expect((await state())['conditions']).toContainEqual(
      expect.objectContaining({ type: 'poolReconcilerValid', reason: 'ConfigurationError' }),
    );
    await desk.service('two');
    await outcome('two', '192.0.2.1');
    const { control } = cluster.kube.segment;
    const text = (await httpGet(control, 'http://127.0.0.1:7472/metrics'))?.body ?? '';
    expect(text).toContain('metallb_k8s_client_config_stale_bool 1\n');
    expect(cluster.program('controller').log()).toContain('overlaps with already defined CIDR');
    await desk.repool('overlapping', { addresses: ['192.0.2.8/29'] });
    await Promise.all([result('Valid'), result('Valid', 'speaker-node1')]);
    await desk.service('three', { annotations: { 'metallb.io/address-pool': 'overlapping' } });
    await outcome('three', '192.0.2.8');
    expect(await eventsOf(POOL, 'overlapping')).toEqual([
      'Warning ConfigurationError 1',
      'Normal Reconciled 1',
    ]);
  });

  test('a restart tells nothing again, and what was mended meanwhile it takes', async () => {
    await desk.pool('a', ['192.0.2.0/29']);
    await desk.pool('overlapping', ['192.0.2.4/32']);
    await result('Invalid');
    const told = await cluster.until('an event', async () => {
      const events = await eventsOf(POOL, 'overlapping');
      return events.length > 0 && events;
    });
    const before = await state();
    await cluster.forget('controller').stop();
    await cluster.startController();
    await cluster.until('it to have looked', async () => {
      const log = cluster.program('controller').log();
      return log.includes('overlaps with already defined CIDR');
    });
    await desk.pool('other', ['198.51.100.0/29']);
    await desk.repool('other', { addresses: ['192.0.2.5/32'] });
    await cluster.until('the next event', async () => (await eventsOf(POOL, 'other'))[0]);
    expect(await eventsOf(POOL, 'overlapping')).toEqual(told);
    expect((await state())['result']).toBe(before['result']);
    await Promise.all(['overlapping', 'other'].map((name) => desk.removePool(name)));
    await result('Valid');
  });

  test('an advertisement: speakers refuse it, the controller tells its owner, once', async () => {
    await desk.pool('a', ['192.0.2.0/29']);
    const spec = { ipAddressPools: ['a', 'a'] };
    await desk.create(ADVERTISEMENT, SYSTEM, 'twice', { spec });
    await result('Invalid', 'speaker-node1');
    await cluster.until('an event', async () => (await eventsOf(ADVERTISEMENT, 'twice'))[0]);
    expect((await state())['result']).toBe('Valid');
    await desk.patch(ADVERTISEMENT, `${SYSTEM}/twice`, { spec: { ipAddressPools: ['a'] } });
    await result('Valid', 'speaker-node1');
    await cluster.until('another event', async () => {
      return (await eventsOf(ADVERTISEMENT, 'twice')).length === 2;
    });
  });

  test('ConfigurationState comes back when it is deleted, with its labels', async () => {
    for (const name of ['controller', 'speaker-node1']) {
      await desk.remove(STATE, `${SYSTEM}/${name}`);
      await result('Valid', name);
    }
    const { metadata } = (await desk.find(STATE, `${SYSTEM}/speaker-node1`)) ?? {};
    expect(metadata?.labels).toEqual({
      'metallb.io/component-type': 'speaker',
      'metallb.io/node-name': 'node1',
    });
  });

  test('BGP is said to be not announced, once, and nothing is worse for it', async () => {
    const spec = { myASN: 64_512, peerASN: 64_513, peerAddress: '192.0.2.200' };
    await desk.create(PEER, SYSTEM, 'router', { spec });
    await cluster.until('an event', async () => (await eventsOf(PEER, 'router'))[0]);
    await desk.pool('a', ['192.0.2.0/29']);
    await desk.service('one');
    await outcome('one', '192.0.2.0');
    expect(await eventsOf(PEER, 'router')).toEqual(['Warning NotAnnounced 1']);
    const { result: said, conditions } = await state();
    expect(said).toBe('Valid');
    expect(conditions).toContainEqual(
      expect.objectContaining({ type: 'arpeggio.dev/BGPAnnounced', status: 'False' }),
    );
    await desk.remove(PEER, `${SYSTEM}/router`);
  });
});

test('no program was refused anything', () => {
  const names = ['controller', 'speaker-node1'];
  const lines = names.flatMap((name) => cluster.program(name).log().split('\n'));
  expect(lines.filter((line) => /forbidden|cannot (?:list|watch|get)/i.test(line))).toEqual([]);
});
