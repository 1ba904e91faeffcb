/** The counters in IPAddressPool.status. */
import { beforeEach, expect, test } from '@jest/globals';
import { check } from '../../../config/schema.ts';
import { PoolStatuses } from '../../../controller/poolstatus.ts';
import type { Usage } from '../../../controller/usage.ts';
import { IP_ADDRESS_POOL } from '../../../kube/kube.ts';
import type { KubeFailure } from '../../../kube/kube.ts';
import type { KubeObject } from '../../../kube/objects.ts';
import { Kept } from '../kube/kept.ts';

/** 2^63 - 1, as far as JavaScript can tell. */
const MOST = Number(2n ** 63n - 1n);
const LAN = 'metallb-system/lan';
const FORBIDDEN: KubeFailure = { kind: 'forbidden', message: 'may not update the status' };

let usage: Usage[] | undefined;
let kept: Kept;

beforeEach(() => {
  usage = undefined;
  kept = new Kept(() => new PoolStatuses(() => usage));
});

function pool(name: string, status?: object): KubeObject {
  const metadata = { name, namespace: 'metallb-system' };
  return { ...IP_ADDRESS_POOL, metadata, ...(status === undefined ? {} : { status }) };
}

/** IPv4 first. */
function used(name: string, ...counts: readonly (readonly [number, bigint])[]): Usage[] {
  const families = [4, 6] as const;
  return counts.map(([count, total], at) => ({
    pool: name,
    family: families[at] ?? 6,
    total,
    used: count,
    services: count,
  }));
}

function counters(v4: [number, number], v6: [number, number] = [0, 0]): object {
  const [assignedIPv4, availableIPv4] = v4;
  const [assignedIPv6, availableIPv6] = v6;
  return { assignedIPv4, assignedIPv6, availableIPv4, availableIPv6 };
}

test('nothing is written before it is known; then every pool, once', () => {
  kept.put(pool('lan'));
  kept.put(pool('wan'));
  kept.pass(5000);
  expect(kept.asked).toEqual([]);
  usage = [...used('lan', [2, 10n], [1, 4n]), ...used('wan', [0, 6n])];
  kept.change();
  expect(kept.status(LAN)).toEqual(counters([2, 8], [1, 3]));
  expect(kept.status('metallb-system/wan')).toEqual(counters([0, 6]));
  kept.change();
  kept.pass(600_000);
  expect(kept.asked).toEqual([`update ${LAN}`, 'update metallb-system/wan']);
});

test('a burst of changes is one write', () => {
  kept.put(pool('lan'));
  for (let count = 1; count <= 100; count += 1) {
    usage = used('lan', [count, 200n]);
    kept.machine.handle({ kind: 'changed' }, kept.now);
    kept.pass(1);
  }
  kept.pass(2000);
  expect(kept.status(LAN)).toEqual(counters([100, 100]));
  expect(kept.asked).toHaveLength(1);
});

test('what somebody edits is made good; a pool that appears is counted', () => {
  usage = [...used('lan', [2, 10n]), ...used('wan', [0, 6n])];
  kept.put(pool('lan'));
  kept.change();
  kept.put(pool('lan', counters([9, 9])));
  kept.put(pool('wan'));
  kept.pass(2000);
  expect(kept.status(LAN)).toEqual(counters([2, 8]));
  expect(kept.status('metallb-system/wan')).toEqual(counters([0, 6]));
});

test('a pool that is not in force, or gone, is left alone', () => {
  usage = used('lan', [1, 10n]);
  kept.put(pool('new', counters([7, 7])));
  kept.put(pool('lan'));
  kept.change();
  kept.remove(LAN);
  kept.change();
  expect(kept.asked).toEqual([`update ${LAN}`]);
  expect(kept.status('metallb-system/new')).toEqual(counters([7, 7]));
});

test('more than 63 bits are left: clamped, and still a whole number for the API server', () => {
  kept.put(pool('lan'));
  usage = used('lan', [0, 0n], [3, 2n ** 64n]);
  kept.change();
  const { availableIPv6 } = kept.status(LAN) as { availableIPv6: number };
  expect(JSON.stringify(availableIPv6)).toBe('9223372036854775000');
  expect(BigInt(availableIPv6)).toBeLessThan(2n ** 63n);
  usage = used('lan', [5, 3n]);
  kept.change();
  expect(kept.status(LAN)).toEqual(counters([5, 0]));
});

test('what MetalLB wrote of a pool of IPv6 can be read', () => {
  const status = { assignedIPv4: 0, assignedIPv6: 0, availableIPv4: 0, availableIPv6: MOST };
  const written = { ...pool('lan', status), spec: { addresses: ['2001:db8::/64'] } };
  expect(check(written, true)).toEqual([]);
});

test('without the right to it: said once, tried once a minute', () => {
  kept.failure = FORBIDDEN;
  for (const name of ['a', 'b', 'c']) kept.put(pool(name));
  usage = ['a', 'b', 'c'].flatMap((name) => used(name, [1, 10n]));
  kept.change();
  kept.pass(599_000);
  expect(kept.said).toEqual(['cannot keep IPAddressPool up to date: may not update the status']);
  expect(kept.asked.length).toBeLessThanOrEqual(33);
  kept.failure = undefined;
  kept.pass(60_000);
  expect(kept.status('metallb-system/c')).toEqual(counters([1, 9]));
});

test('another one writes from now on, while our writes fail: nothing spins', () => {
  kept.put(pool('lan'));
  kept.failure = { kind: 'unavailable', message: 'nobody answers' };
  usage = used('lan', [2, 10n]);
  kept.change();
  const tried = kept.asked.length;
  usage = undefined;
  kept.change();
  kept.pass(600_000);
  expect(kept.asked).toHaveLength(tried);
  [kept.failure, usage] = [undefined, used('lan', [3, 10n])];
  kept.change();
  kept.pass(60_000);
  expect(kept.status(LAN)).toEqual(counters([3, 7]));
});
