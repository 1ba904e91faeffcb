/** What is owned is answered, or it is said why not. */
import { describe, expect, test } from '@jest/globals';
import { parseIp } from '../../../net/ip.ts';
import { missingOf, NOTHING_OWNED, ownedOf, tellOwned } from '../../../speaker/announced.ts';
import type { Plan } from '../../../speaker/plan.ts';
import type { ReflexState } from '../../../speaker/reflexport.ts';
import { statusOf } from '../../../speaker/status.ts';
import type { Order } from '../../../speaker/vip.ts';

const VIP = '192.0.2.240';
const KEY = 'default/web';

function planFor(interfaces: Order['interfaces'], silent: Plan['silent'] = new Map()): Plan {
  const ip = parseIp(VIP);
  if (!ip.ok) throw new Error(ip.error);
  const order = { ip: ip.value, owners: ['node1'], interfaces, isNew: false };
  return { orders: new Map([[VIP, order]]), silent, holders: new Map([[VIP, [KEY]]]) };
}

function reflexWith(...names: readonly string[]): ReflexState {
  const links = names.map((name) => ({ name, mac: '02:64:00:00:00:01' }));
  const peers = new Map();
  return { phase: 'serving', cause: 'confirmed', peers, held: [VIP], links, conflicts: [] };
}

/** Notes and events, shortened. */
function told(before: readonly string[], after: readonly string[], plan: Plan): string[] {
  const owned = (names: readonly string[]): typeof NOTHING_OWNED =>
    names.length === 0 ? NOTHING_OWNED : ownedOf(plan, reflexWith(...names));
  const { notes, events } = tellOwned(owned(before), owned(after), 'node1', plan);
  return [
    ...notes.map(({ level, event }) => `${level} ${event}`),
    ...events.map(({ type, reason, key }) => `${type} ${reason} ${key}`),
  ];
}

describe('an address that is answered on eth9 only', () => {
  const plan = planFor(['eth8', 'eth9']);

  test('there: it is announced, once', () => {
    const announced = ['info ServiceAnnounced', `Normal nodeAssigned ${KEY}`];
    expect(told([], ['eth0', 'eth9'], plan)).toEqual(announced);
    expect(told(['eth9'], ['eth0', 'eth9'], plan)).toEqual([]);
  });

  test('not there: it is said, once, with the words of MetalLB', () => {
    const missing = ['warn InterfaceMissing', `Warning announceFailed ${KEY}`];
    expect(told([], ['eth0'], plan)).toEqual(missing);
    expect(told(['eth0'], ['eth0', 'eth1'], plan)).toEqual([]);
    expect(told(['eth9'], ['eth0'], plan)).toEqual(['info ServiceWithdrawn', ...missing]);
    const { events } = tellOwned(NOTHING_OWNED, ownedOf(plan, reflexWith('eth0')), 'node1', plan);
    expect(events[0]?.message).toBe(
      `the interfaces specified by LB IP "${VIP}" doesn't exist in assigned node "node1" with ` +
        'protocol "layer2"',
    );
  });

  test('the report says it as the reason, and no address', () => {
    const known = { plan, plane: 'bpf', troubles: [] };
    const { addresses, silent } = statusOf({ ...known, reflex: reflexWith('eth0') });
    expect(addresses).toEqual([]);
    expect(silent).toEqual([
      {
        service: KEY,
        reason: 'InterfaceMissing',
        sentence:
          'the node that owns its address has no interface eth8 or eth9 that can answer: it is ' +
          'not there, down, excluded, or part of a bridge or bond',
      },
    ]);
    const there = statusOf({ ...known, reflex: reflexWith('eth0', 'eth9') });
    expect(there.addresses[0]?.interfaces.map(({ name }) => name)).toEqual(['eth9']);
    expect(there.silent).toEqual([]);
  });

  test('a Service that nobody may announce anyway has its own reason', () => {
    const silent = planFor(['eth9'], new Map([[KEY, 'NoServingEndpoint']]));
    expect(missingOf(silent, ownedOf(silent, reflexWith('eth0')))).toEqual([]);
  });
});

test('without names it is answered wherever there is a link', () => {
  expect(ownedOf(planFor('all'), reflexWith('eth0')).missing).toEqual([]);
});

test('of many names five are told', () => {
  const plan = planFor(Array.from({ length: 60 }, (_, n) => `eth${n}`));
  const [missing] = missingOf(plan, ownedOf(plan, reflexWith('lan0')));
  expect(missing?.sentence).toContain('interface eth0 or eth1 or eth2 or eth3 or eth4 or others');
});
