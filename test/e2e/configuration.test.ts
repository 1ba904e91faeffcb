/**
 * MetalLB's rules of configuration and allocation, seen from outside: objects are written to a
 * real API server, and the addresses, reasons, events and counters that come of it are read there.
 */
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { Resource } from '../../kube/kube.ts';
import { httpGet } from '../../lab/probe.ts';
import { monotonic } from '../../lib/io/clock.ts';
import { CASES } from './allocationcases.ts';
import { Desk, POOL } from './desk.ts';
import { Installation, SYSTEM } from './installation.ts';

jest.setTimeout(60_000);

const CLAIM: Resource = { apiVersion: 'arpeggio.dev/v1alpha1', kind: 'AddressClaim' };

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

const shown = (name: string, wanted: string, withinMs?: number): Promise<string> =>
  desk.shown(name, wanted, withinMs);

async function outcome(name: string, wanted: string, withinMs?: number): Promise<void> {
  expect(`${name} ${await shown(name, wanted, withinMs)}`).toBe(`${name} ${wanted}`);
}

/** Events of a Service once there are so many; they come after its status. */
function toldOf(name: string, count: number): Promise<readonly string[]> {
  return cluster.until(`${count} events of ${name}`, async () => {
    const told = await desk.told(name);
    return told.length >= count && told;
  });
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
    const told = ['IPAllocated 1', 'ClearAssignment 1', 'IPAllocated 1'];
    expect(await toldOf('one', told.length)).toEqual(told);
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

describe('beyond MetalLB', () => {
  test('a Service that is made again gets its old address, if it asked for that', async () => {
    await desk.pool('a', ['192.0.2.0/29']);
    const annotations = { 'arpeggio.dev/reserve': 'true' };
    await desk.service('first');
    await outcome('first', '192.0.2.0');
    await desk.service('one', { annotations });
    await outcome('one', '192.0.2.1');
    await desk.removeService('one');
    await desk.removeService('first');
    for (const name of ['two', 'three']) await desk.service(name);
    await Promise.all([outcome('two', '192.0.2.0'), outcome('three', '192.0.2.2')]);
    await desk.service('one', { annotations });
    await outcome('one', '192.0.2.1');
    await desk.change('one', { metadata: { annotations: { 'arpeggio.dev/reserve': null } } });
    // The reservation is the claim's: it ends when the controller has seen the wish end.
    await cluster.until('the reservation to end', async () => {
      const claim = (await desk.find(CLAIM, `${SYSTEM}/192.0.2.1`)) as
        { spec?: object } | undefined;
      return claim?.spec !== undefined && !('reservedFor' in claim.spec);
    });
    await desk.removeService('one');
    await cluster.until('its claim to go', async () => {
      return (await desk.find(CLAIM, `${SYSTEM}/192.0.2.1`)) === undefined;
    });
    await desk.service('four');
    expect(await shown('four', '192.0.2.1')).toBe('192.0.2.1');
  });

  test('a claim made by hand keeps an address from everybody', async () => {
    const spec = { address: '192.0.2.0', holders: [] };
    await desk.create(CLAIM, SYSTEM, '192.0.2.0', { spec });
    await desk.pool('a', ['192.0.2.0/29']);
    await desk.service('one');
    await outcome('one', '192.0.2.1');
    await desk.service('two', { annotations: { 'metallb.io/loadBalancerIPs': '192.0.2.0' } });
    await outcome('two', 'AddressReserved');
    await desk.remove(CLAIM, `${SYSTEM}/192.0.2.0`);
    expect(await shown('two', '192.0.2.0', 1000)).toBe('192.0.2.0');
  });

  test('a pool with the address of a node is warned about, and in force', async () => {
    const { ip4 } = cluster.kube.segment.node('node1');
    await desk.pool('a', [`${ip4}/32`]);
    const told = await cluster.until('an event', async () => {
      const events = await desk.events(POOL, `${SYSTEM}/a`);
      return events.length > 0 && events.map(({ reason, message }) => `${reason}: ${message}`);
    });
    expect(told).toEqual([expect.stringMatching(/^PoolOverlaps: .* an address of node node1/)]);
  });

  test('a namespace has no more addresses than it may', async () => {
    await desk.pool('a', ['192.0.2.0/29']);
    const quota = (text: string | null): Promise<void> =>
      desk.annotate('team', { 'arpeggio.dev/address-quota': text });
    await quota('1');
    await desk.service('team/one');
    await outcome('team/one', '192.0.2.0');
    await desk.service('team/two');
    await outcome('team/two', 'QuotaExhausted');
    await quota(null);
    expect(await shown('team/two', '192.0.2.1', 1000)).toBe('192.0.2.1');
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
    const told = await toldOf('one', 3);
    expect(told.filter((each) => each.startsWith('IPAllocated'))).toEqual(['IPAllocated 1']);
    expect(told.every((each) => each.endsWith(' 1'))).toBe(true);
    expect(await toldOf('last', 1)).toEqual(['IPAllocated 1']);
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

test('no program was refused anything', () => {
  const names = ['controller', 'speaker-node1'];
  const lines = names.flatMap((name) => cluster.program(name).log().split('\n'));
  expect(lines.filter((line) => /forbidden|cannot (?:list|watch|get)/i.test(line))).toEqual([]);
});
