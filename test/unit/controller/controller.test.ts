/** The Machine in conversation with a source of truth in memory. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import { ADDRESS_CLAIM, IP_ADDRESS_POOL, NAMESPACE, SERVICE } from '../../../kube/kube.ts';
import type { Service } from '../../../kube/objects.ts';
import { Source } from './source.ts';

let source: Source;

beforeEach(() => {
  source = new Source();
});

/** A running controller with one pool of ten. */
function running(): void {
  source.pool('lan', ['192.0.2.240-192.0.2.249']);
  source.synced();
  source.settle();
  source.heard = [];
}

describe('start', () => {
  test('nothing is written before every kind is known', () => {
    source.service('a');
    source.pool('lan', ['192.0.2.240-192.0.2.249']);
    source.tell({ type: 'watched', resource: SERVICE, event: { type: 'synced' } });
    source.settle();
    expect([source.heard, source.machine.deadline()]).toEqual([[], undefined]);
    source.tell({ type: 'watched', resource: IP_ADDRESS_POOL, event: { type: 'synced' } });
    source.tell({ type: 'watched', resource: NAMESPACE, event: { type: 'synced' } });
    source.settle();
    expect(source.ips('a')).toBe('');
    // That there are no claims is to be known, too.
    const problem = { place: 'AddressClaim', path: '', message: 'not granted' };
    const event = { type: 'problem', problem: { ...problem, refusal: 'forbidden' } } as const;
    source.tell({ type: 'watched', resource: ADDRESS_CLAIM, event });
    source.settle();
    expect(source.ips('a')).toBe('192.0.2.240');
    expect(source.heard).toContain('info NotRead AddressClaim: not granted');
  });

  test('without a valid configuration nothing is cleared', () => {
    running();
    source.service('a');
    source.settle();
    source.pool('lan', ['192.0.2.249-192.0.2.240']);
    source.restart();
    source.settle();
    expect([source.ips('a'), source.machine.report().configured]).toEqual(['192.0.2.240', false]);
    expect(source.heard).toContainEqual(expect.stringMatching(/^error ConfigProblem spec.addr/));
  });

  test('a restart changes nothing and says nothing', () => {
    running();
    for (const name of ['c', 'a', 'b']) source.service(name);
    source.settle();
    source.heard = [];
    source.restart();
    source.settle();
    expect(source.heard).toEqual([]);
  });
});

describe('work', () => {
  beforeEach(running);

  test('one write, then the event; and then silence', () => {
    source.service('a');
    source.settle();
    expect(source.heard).toEqual([
      'write d/a',
      'record d/a IPAllocated',
      'info IPAllocated Assigned IP ["192.0.2.240"]',
    ]);
    expect(source.machine.deadline()).toBe(undefined);
    source.heard = [];
    source.machine.tick(1e9);
    source.put(SERVICE, source.services.get('d/a') as never);
    source.settle();
    expect(source.heard).toEqual([]);
  });

  test('a deleted Service frees its address for who waits', () => {
    source.pool('lan', ['192.0.2.240/32']);
    source.service('a');
    source.service('b');
    source.settle();
    expect([source.ips('a'), source.ips('b'), source.reason('b')]).toEqual([
      '192.0.2.240',
      '',
      'NoAddressLeft',
    ]);
    source.remove(SERVICE, 'd/a');
    source.settle();
    expect([source.ips('b'), source.reason('b')]).toEqual(['192.0.2.240', 'Allocated']);
  });

  test('another type gives the address back before somebody else gets it', () => {
    source.pool('lan', ['192.0.2.240/32']);
    source.service('a');
    source.settle();
    source.service('b', {}, { 'metallb.io/loadBalancerIPs': '192.0.2.240' });
    source.service('a', { type: 'ClusterIP' });
    source.deliver();
    expect(source.writes.map(({ key }) => key)).toEqual(['d/a']);
    source.settle();
    expect([source.ips('a'), source.ips('b')]).toEqual(['', '192.0.2.240']);
    expect(source.heard.filter((word) => word.includes('AllocationFailed'))).toEqual([]);
  });

  test('two that ask for each other’s address both get it', () => {
    source.service('a');
    source.service('b');
    source.settle();
    source.service('a', {}, { 'metallb.io/loadBalancerIPs': '192.0.2.241' });
    source.service('b', {}, { 'metallb.io/loadBalancerIPs': '192.0.2.240' });
    source.settle();
    expect([source.ips('a'), source.ips('b')]).toEqual(['192.0.2.241', '192.0.2.240']);
  });

  test('a write under way is a promise that nobody else gets', () => {
    source.service('b');
    source.deliver();
    source.service('a');
    source.deliver();
    expect(source.writes).toHaveLength(2);
    source.settle();
    expect([source.ips('a'), source.ips('b')]).toEqual(['192.0.2.241', '192.0.2.240']);
  });

  test('an acknowledged write is a promise until it is shown', () => {
    source.service('b');
    source.deliver();
    source.write();
    // The result overtakes the watch.
    source.inbox.reverse();
    source.deliver(1);
    source.tell({ type: 'watched', resource: SERVICE, event: { type: 'synced' } });
    const shown = source.inbox.splice(0, 1);
    source.service('a');
    source.deliver();
    expect(source.heard.filter((word) => word === 'write d/b')).toHaveLength(1);
    source.inbox.push(...shown);
    source.settle();
    expect([source.ips('a'), source.ips('b')]).toEqual(['192.0.2.241', '192.0.2.240']);
  });

  test('a status that somebody takes away is written again', () => {
    source.service('a');
    source.deliver();
    source.write();
    source.inbox.reverse();
    source.deliver(1);
    source.settle();
    const { status: _, ...blank } = source.services.get('d/a') as Service;
    source.put(SERVICE, blank);
    source.settle();
    expect(source.ips('a')).toBe('192.0.2.240');
  });

  test('a pool that goes takes its addresses; one that comes gives its own', () => {
    source.service('a');
    source.settle();
    source.remove(IP_ADDRESS_POOL, 'metallb-system/lan');
    source.settle();
    expect([source.ips('a'), source.reason('a')]).toEqual(['', 'NoPools']);
    source.pool('new', ['198.51.100.7/32']);
    source.settle();
    expect(source.ips('a')).toBe('198.51.100.7');
  });
});

describe('a broken configuration', () => {
  beforeEach(running);

  test('is reported once; the last good one goes on giving addresses', () => {
    source.service('a');
    source.settle();
    source.heard = [];
    source.pool('bad', ['192.0.2.245/32']);
    source.settle();
    expect(source.heard).toEqual([
      expect.stringMatching(/^error ConfigProblem spec.addresses\[0\]/),
    ]);
    source.service('b');
    source.settle();
    expect([source.ips('a'), source.ips('b')]).toEqual(['192.0.2.240', '192.0.2.241']);
    expect(source.machine.report()).toMatchObject({ stale: true, problems: 1 });
    source.heard = [];
    source.remove(IP_ADDRESS_POOL, 'metallb-system/bad');
    source.settle();
    expect(source.heard).toEqual([expect.stringContaining('info ConfigSolved')]);
  });

  const problem = { place: 'm/pools.yaml:7', path: 'spec.addresses', message: 'is missing' };
  const trouble = (resource: typeof SERVICE, type: 'problem' | 'solved'): void =>
    source.tell({
      type: 'watched',
      resource,
      event: type === 'problem' ? { type, problem } : { type, place: problem.place },
    });

  test('a manifest of a pool that cannot be read at the start takes no address away', () => {
    source.service('a');
    source.settle();
    source.restart();
    source.inbox = source.inbox.filter(
      (input) =>
        input.type !== 'watched' || input.event.type !== 'put' || input.resource === SERVICE,
    );
    trouble(IP_ADDRESS_POOL, 'problem');
    source.settle();
    expect([source.ips('a'), source.reason('a')]).toEqual(['192.0.2.240', 'Allocated']);
    trouble(IP_ADDRESS_POOL, 'solved');
    source.settle();
    expect(source.ips('a')).toBe('');
  });

  test('one problem told to several watchers is one line, and solved when all say so', () => {
    for (const resource of [SERVICE, IP_ADDRESS_POOL]) trouble(resource, 'problem');
    source.settle();
    trouble(SERVICE, 'solved');
    source.settle();
    expect(source.heard).toEqual([
      'error ManifestProblem m/pools.yaml:7: spec.addresses: is missing',
    ]);
    trouble(IP_ADDRESS_POOL, 'solved');
    source.settle();
    expect(source.heard.at(-1)).toBe('info ManifestSolved m/pools.yaml:7: mended');
  });

  test('a request that cannot be understood keeps the address', () => {
    source.service('a');
    source.settle();
    source.service('a', { loadBalancerIP: 'nonsense' });
    source.settle();
    expect([source.ips('a'), source.reason('a')]).toEqual(['192.0.2.240', 'InvalidRequest']);
    source.service('b', { loadBalancerIP: 'nonsense' });
    source.settle();
    expect([source.ips('b'), source.reason('b')]).toEqual(['', 'InvalidRequest']);
  });
});

describe('writes that fail', () => {
  beforeEach(running);
  const down = { kind: 'unavailable', message: 'the disk is full' } as const;

  test('are tried again, later and later; one line tells of it; nothing else waits', () => {
    source.service('a');
    source.deliver();
    const tries: number[] = [];
    for (let round = 0; round < 9; round += 1) {
      source.write(down);
      source.deliver();
      const at = source.machine.deadline() ?? 0;
      tries.push(at - source.now);
      source.now = at;
      source.deliver();
    }
    expect(tries).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
    expect(source.heard.filter((word) => word.startsWith('warn'))).toEqual([
      'warn WriteFailed the disk is full',
    ]);
    source.service('b');
    source.deliver();
    expect(source.writes.map(({ key }) => key)).toEqual(['d/a', 'd/b']);
    source.rest();
    expect([source.ips('a'), source.ips('b')]).toEqual(['192.0.2.240', '192.0.2.241']);
  });

  test('that have become pointless are not tried again', () => {
    source.remove(IP_ADDRESS_POOL, 'metallb-system/lan');
    source.service('a');
    source.settle();
    source.pool('lan', ['192.0.2.240/32']);
    source.deliver();
    source.write(down);
    source.deliver();
    source.remove(IP_ADDRESS_POOL, 'metallb-system/lan');
    source.rest();
    expect([source.reason('a'), source.machine.deadline()]).toEqual(['NoPools', undefined]);
  });

  test('a conflict is decided again on what came in between, at once', () => {
    source.service('a');
    source.deliver();
    source.service('a', {}, { 'metallb.io/loadBalancerIPs': '192.0.2.249' });
    source.settle();
    expect([source.ips('a'), source.now]).toEqual(['192.0.2.249', 0]);
  });

  test('an address that somebody else wrote meanwhile stays, if it may', () => {
    source.service('a');
    source.deliver();
    const service = source.services.get('d/a') as Service;
    const loadBalancer = { ingress: [{ ip: '192.0.2.245' }] };
    source.put(SERVICE, { ...service, status: { loadBalancer } } as Service);
    source.deliver();
    source.settle();
    expect(source.ips('a')).toBe('192.0.2.245');
  });

  test('a conflict whose cause is not here yet waits for it', () => {
    source.service('a');
    source.deliver();
    source.service('a', {}, { 'example.org/x': 'y' });
    const late = source.inbox.splice(0);
    source.write();
    source.deliver();
    expect(source.writes).toEqual([]);
    source.inbox.push(...late);
    source.settle();
    expect([source.ips('a'), source.now]).toEqual(['192.0.2.240', 0]);
  });

  test('a Service that goes while it is written is forgotten', () => {
    source.service('a');
    source.deliver();
    source.remove(SERVICE, 'd/a');
    source.rest();
    expect(source.heard).toEqual(['write d/a']);
    expect(source.machine.report().services.size).toBe(0);
  });
});

describe('many', () => {
  beforeEach(running);

  test('writes are under way in batches, and all get done', () => {
    source.pool('lan', ['192.0.2.0/24']);
    for (let index = 0; index < 200; index += 1) source.service(`s${index}`);
    source.deliver();
    expect(source.writes).toHaveLength(64);
    source.settle();
    expect(source.machine.report()).toMatchObject({ writes: { done: 200 } });
    expect(source.machine.deadline()).toBe(undefined);
  });

  test('what the watch shows as promised is no reason to decide again', () => {
    source.service('a');
    source.deliver();
    source.write();
    for (const input of source.inbox.splice(0)) {
      source.machine.handle(input, 0);
      expect(source.machine.deadline()).toBe(undefined);
    }
    source.service('a', {}, { 'metallb.io/loadBalancerIPs': '192.0.2.249' });
    source.settle();
    expect(source.ips('a')).toBe('192.0.2.249');
  });
});

test('report counts pools and Services', () => {
  source.pool('lan', ['192.0.2.254-192.0.3.1', '2001:db8::/127'], { avoidBuggyIPs: true });
  source.synced();
  source.service('a');
  source.service('b', { ipFamilies: ['IPv6'] });
  source.service('c', { loadBalancerIP: '198.51.100.1' });
  source.settle();
  expect(source.machine.report()).toMatchObject({
    synced: true,
    configured: true,
    stale: false,
    problems: 0,
    usage: [
      { pool: 'lan', family: 4, total: 2n, used: 1 },
      { pool: 'lan', family: 6, total: 2n, used: 1 },
    ],
    services: new Map([
      ['Allocated', 2],
      ['AddressOutsidePools', 1],
    ]),
    writes: { done: 3, failed: 0 },
  });
});
