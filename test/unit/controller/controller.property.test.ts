/**
 * The Machine against a world that does as it pleases: Services and pools come, change and go,
 * news are late, writes fail, overtake and collide, the controller restarts. At every moment no
 * address is on two Services that may not share it; in the end everything heals and falls silent.
 */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { claimOf, holdingOf } from '../../../config/claim.ts';
import { IP_ADDRESS_POOL, SERVICE } from '../../../kube/kube.ts';
import type { Service } from '../../../kube/objects.ts';
import { formatIp } from '../../../net/ip.ts';
import { Source } from './source.ts';

const NAMES = ['a', 'b', 'c', 'd', 'e'];
const name = fc.constantFrom(...NAMES);
const RANGES = ['192.0.2.0-192.0.2.2', '192.0.2.0/32', '2001:db8::/127', '192.0.2.2-192.0.2.3'];
const specs = fc.constantFrom(
  {},
  { type: 'ClusterIP' },
  { ipFamilies: ['IPv6'] },
  { ipFamilyPolicy: 'RequireDualStack' },
  { ipFamilyPolicy: 'PreferDualStack' },
  { loadBalancerIP: '192.0.2.1' },
  { loadBalancerIP: 'nonsense' },
  { ports: [{ port: 443 }] },
);
const share = fc.constantFrom('', '', 'k');

const often = 4;
const step = fc.oneof(
  {
    weight: often,
    arbitrary: fc.record({ do: fc.constant('service' as const), name, spec: specs, share }),
  },
  {
    weight: often,
    arbitrary: fc.record({ do: fc.constant('deliver' as const), count: fc.nat(9) }),
  },
  { weight: often, arbitrary: fc.record({ do: fc.constant('write' as const), index: fc.nat(2) }) },
  fc.record({ do: fc.constant('remove' as const), name }),
  fc.record({
    do: fc.constant('pool' as const),
    name: fc.constantFrom('p', 'q'),
    ranges: fc.subarray(RANGES, { minLength: 1, maxLength: 2 }),
  }),
  fc.record({ do: fc.constant('remove-pool' as const), name: fc.constantFrom('p', 'q') }),
  fc.record({ do: fc.constant('fail' as const) }),
  fc.record({ do: fc.constant('wait' as const) }),
  fc.record({ do: fc.constant('restart' as const) }),
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

function take(source: Source, each: Step): void {
  switch (each.do) {
    case 'service':
      return source.service(each.name, each.spec, { 'metallb.io/allow-shared-ip': each.share });
    case 'remove':
      return source.remove(SERVICE, `d/${each.name}`);
    case 'pool':
      return source.pool(each.name, each.ranges);
    case 'remove-pool':
      return source.remove(IP_ADDRESS_POOL, `metallb-system/${each.name}`);
    case 'deliver':
      return source.deliver(each.count);
    case 'write':
      return source.write(undefined, each.index);
    case 'fail':
      return source.write({ kind: 'unavailable', message: 'not now' });
    case 'wait':
      source.now = Math.max(source.now, source.machine.deadline() ?? source.now);
      return source.deliver(0);
    case 'restart':
      return source.restart();
    default:
      throw new Error('unheard of');
  }
}

/** `address: who and who`, for every pair that shows an address and may not share it. */
function doubles(source: Source): string[] {
  // Without any valid configuration nothing is decided, and what is there stays.
  if (!source.machine.report().configured) return [];
  const services = [...source.services.values()];
  return services.flatMap((a, index) =>
    services.slice(index + 1).flatMap((b) => {
      const common = shown(a).filter((ip) => shown(b).includes(ip));
      return common.length === 0 || mayShare(a, b)
        ? []
        : [`${common.join()}: ${a.metadata.name} ${b.metadata.name}`];
    }),
  );
}

function shown(service: Service): readonly string[] {
  return (service.status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip ?? '');
}

function mayShare(a: Service, b: Service): boolean {
  const [one, two] = [a, b].map(holdingOf);
  const key = one?.sharing?.key;
  if (key === undefined || key !== two?.sharing?.key) return false;
  return one?.ports.some((port) => two.ports.includes(port)) === false;
}

/** What is wrong in the end. */
function unhealed(source: Source): string[] {
  const { configured, stale } = source.machine.report();
  if (!configured || stale) return [];
  return [...source.services.values()].flatMap((service) => {
    const claim = claimOf(service);
    const { name: who } = service.metadata;
    const condition = service.status?.conditions?.[0];
    if (claim === undefined) return shown(service).length === 0 ? [] : [`${who} shows an address`];
    if (condition === undefined) return [`${who} has no reason`];
    const has = shown(service).length > 0;
    if (has !== (condition.status === 'True')) return [`${who} says ${condition.status}`];
    if (condition.reason === 'AddressBeingReleased') return [`${who} waits for ever`];
    const wish = claim.ok ? claim.value.requested.map(formatIp).join() : '';
    return has && wish !== '' && shown(service).join() !== wish ? [`${who} has another`] : [];
  });
}

test('without sharing no address is ever shown twice, whatever happens', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80, size: 'max' }), (steps) => {
      const source = new Source();
      source.pool('p', ['192.0.2.0-192.0.2.2']);
      source.synced();
      for (const each of steps) {
        take(source, each.do === 'service' ? { ...each, share: '' } : each);
        expect(doublesWithoutSharing(source)).toEqual([]);
      }
    }),
    { numRuns: 300 },
  );
});

function doublesWithoutSharing(source: Source): string[] {
  const all = [...source.services.values()].flatMap(shown);
  return all.filter((ip, index) => all.indexOf(ip) < index);
}

test('in the end everything heals and falls silent', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80, size: 'max' }), (steps) => {
      const source = new Source();
      source.pool('p', ['192.0.2.0-192.0.2.2']);
      source.synced();
      for (const each of steps) take(source, each);
      source.rest();
      expect([doubles(source), unhealed(source)]).toEqual([[], []]);
      const before = JSON.stringify([...source.services]);
      source.heard = [];
      source.restart();
      source.rest();
      expect(source.heard.filter((word) => !word.startsWith('error ConfigProblem'))).toEqual([]);
      expect(JSON.stringify([...source.services])).toBe(before);
    }),
    { numRuns: 300 },
  );
});

test('who waits for an address hears when it stays with another after all', () => {
  const source = new Source();
  source.pool('p', ['192.0.2.0-192.0.2.2']);
  source.synced();
  source.service('a');
  source.remove(IP_ADDRESS_POOL, 'metallb-system/p');
  source.pool('q', ['192.0.2.0/32']);
  source.deliver();
  // The address moves to another pool, and the write that says so fails at first.
  source.pool('p', ['192.0.2.0/32']);
  source.remove(IP_ADDRESS_POOL, 'metallb-system/q');
  source.write();
  source.deliver();
  source.write({ kind: 'unavailable', message: 'not now' });
  source.service('c');
  source.rest();
  expect([source.ips('a'), source.reason('c')]).toEqual(['192.0.2.0', 'NoAddressLeft']);
});
