/** What may happen to two controllers and their API server, as values that can be shrunk. */
import fc from 'fast-check';
import { ADDRESS_CLAIM, IP_ADDRESS_POOL, SERVICE } from '../../kube/kube.ts';
import type { KubeObject } from '../../kube/objects.ts';
import { NAMESPACE } from './controllers.ts';
import type { Simulation } from './controllers.ts';

const name = fc.constantFrom('a', 'b', 'c', 'd', 'e');
const replica = fc.nat(1);
const RANGES = ['192.0.2.0-192.0.2.1', '192.0.2.2-192.0.2.3', '2001:db8::/127', '192.0.2.4/32'];
const FOUR = { clusterIPs: ['10.0.0.1'] };
const specs = fc.constantFrom(
  FOUR,
  FOUR,
  { ...FOUR, type: 'ClusterIP' },
  { clusterIPs: ['fd00::1'], ipFamilies: ['IPv6'] },
  { clusterIPs: ['10.0.0.1', 'fd00::1'], ipFamilyPolicy: 'PreferDualStack' },
  { ...FOUR, loadBalancerIP: '192.0.2.1' },
  { ...FOUR, ports: [{ port: 443 }] },
);
const often = 5;

const what = fc.oneof(
  {
    weight: often,
    arbitrary: fc.record({
      do: fc.constant('service' as const),
      name,
      spec: specs,
      share: fc.constantFrom('', '', '', 'k'),
      reserve: fc.constantFrom(false, false, true),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('remove' as const), name }) },
  fc.record({
    do: fc.constant('pool' as const),
    name: fc.constantFrom('p', 'q'),
    ranges: fc.subarray(RANGES, { minLength: 1, maxLength: 2 }),
  }),
  fc.record({ do: fc.constant('reserve' as const), name: fc.option(name) }),
  fc.record({ do: fc.constant('crash' as const), replica }),
  fc.record({ do: fc.constant('start' as const), replica }),
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('stop' as const), replica, atWrite: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('resume' as const), replica }) },
  fc.record({ do: fc.constant('outage' as const), ms: fc.nat(6000) }),
);
/** Close together, or so far apart that a lease may expire in between. */
const pause = fc.oneof({ weight: 4, arbitrary: fc.nat(60) }, fc.nat(7000));

export const step = fc.record({ what, pause });
export type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;
export type What = typeof what extends fc.Arbitrary<infer S> ? S : never;

/** People have only this one claim; it reserves an address. */
const RESERVED = '192.0.2.2';

export function apply(each: What, simulation: Simulation): void {
  const { source } = simulation;
  switch (each.do) {
    case 'service':
      return simulation.act(() => source.apply(serviceOf(each)));
    case 'remove':
      return simulation.act(() => source.remove(SERVICE.kind, `d/${each.name}`));
    case 'pool':
      return simulation.act(() => source.apply(poolOf(each.name, each.ranges)));
    case 'reserve':
      return simulation.act(() => reserve(each.name, simulation));
    case 'crash':
      return simulation.replica(each.replica).kill();
    case 'start':
      return simulation.replica(each.replica).start();
    case 'stop':
      return simulation.replica(each.replica).stop(each.atWrite);
    case 'resume':
      return simulation.replica(each.replica).resume();
    case 'outage':
      simulation.outageUntil = Math.max(simulation.outageUntil, simulation.now + each.ms);
      return undefined;
    default:
      throw new Error('unheard of');
  }
}

function serviceOf(given: Extract<What, { do: 'service' }>): KubeObject {
  const annotations = {
    'metallb.io/allow-shared-ip': given.share,
    'arpeggio.dev/reserve': String(given.reserve),
  };
  return {
    ...SERVICE,
    metadata: { name: given.name, namespace: 'd', annotations },
    spec: { type: 'LoadBalancer', ports: [{ port: 80 }], ...given.spec },
  } as KubeObject;
}

function poolOf(pool: string, addresses: readonly string[]): KubeObject {
  const metadata = { name: pool, namespace: NAMESPACE };
  return { ...IP_ADDRESS_POOL, metadata, spec: { addresses } } as KubeObject;
}

/** A claim made by hand, or taken away again if nobody holds it. */
function reserve(whom: string | null, { source, circumstances }: Simulation): void {
  if (!circumstances.claims) return;
  const key = `${NAMESPACE}/${RESERVED}`;
  const present = source.all(ADDRESS_CLAIM.kind).get(key);
  if (present === undefined) {
    const metadata = { name: RESERVED, namespace: NAMESPACE };
    const reservedFor = whom === null ? {} : { reservedFor: { namespace: 'd', name: whom } };
    const spec = { address: RESERVED, holders: [], ...reservedFor };
    source.apply({ ...ADDRESS_CLAIM, metadata, spec } as KubeObject);
    return;
  }
  const { holders = [] } = present.spec as { readonly holders?: readonly unknown[] };
  if (holders.length === 0) source.remove(ADDRESS_CLAIM.kind, key);
}
