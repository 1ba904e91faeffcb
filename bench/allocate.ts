/**
 * How long decisions take: for 10,000 Services at once, as after a start or a change of a pool, and
 * again after one Service has changed: its ports, its deletion, its return. Reading the objects is
 * not measured; what is, is what the controller does with them: telling the Allocator, deciding.
 *
 * Four cases: pools of one CIDR or of many ranges, all Services pending or nearly all holding an
 * address. Every repetition starts from new objects. Between two changes the decisions are shown
 * back, as the source does. A machine that is busy otherwise measures that, too.
 */
import { claimOf } from '../config/claim.ts';
import type { Pool } from '../config/model.ts';
import { parse } from '../config/parse.ts';
import { Allocator } from '../controller/allocator.ts';
import type { Holding } from '../controller/allocator.ts';
import type { KubeObject, Service } from '../kube/objects.ts';
import { formatIp } from '../net/ip.ts';
import type { Ip } from '../net/ip.ts';
import { median } from './median.ts';

const SERVICES = 10_000;
/** With every address in use or wanted: so many hold one already. */
const HOLDERS = 9_900;
const RANGES = 200;
const POOLS = 20;
const CHANGES = 300;

export interface Timing {
  readonly decide_ms: number;
  readonly redecide_ms: number;
}

export interface Allocations {
  readonly cases: Readonly<Record<string, Timing>>;
}

type Say = (text: string) => void;

const CASES: Readonly<Record<string, { readonly pools: readonly KubeObject[]; held: boolean }>> = {
  'cidr-empty': { pools: [poolOf('pool', ['10.0.0.0/16'])], held: false },
  'ranges-empty': { pools: rangePools(60), held: false },
  'cidr-full': { pools: [poolOf('pool', ['10.0.0.0-10.0.39.15'])], held: true },
  'ranges-full': { pools: rangePools(SERVICES / RANGES), held: true },
};

export function allocations(rounds: number, say: Say): Allocations {
  const cases = Object.entries(CASES).map(([name, { pools, held }]) => {
    const timing = measure(poolsOf(pools), held ? HOLDERS : 0, rounds);
    say(`${name}: ${timing.decide_ms} ms, then ${timing.redecide_ms} ms`);
    return [name, timing] as const;
  });
  return { cases: Object.fromEntries(cases) };
}

export function allocationsTable({ cases }: Allocations): string {
  const lines = Object.entries(cases).map(
    ([name, { decide_ms: all, redecide_ms: one }]) =>
      `| ${name} | ${all.toFixed(1)} | ${one.toFixed(3)} |`,
  );
  const head = `| ${SERVICES} Services | all decisions, ms | after one change, ms |\n|---|---|---|`;
  return `${head}\n${lines.join('\n')}\n`;
}

/** `held` of the Services hold the first addresses of the pools. */
function measure(pools: ReadonlyMap<string, Pool>, held: number, rounds: number): Timing {
  const [decide, redecide]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round += 1) {
    const addresses = first(pools, held);
    const holdings = Array.from({ length: SERVICES }, (_, n) =>
      holdingOf(serviceOf(n, addresses[n] === undefined ? [] : [addresses[n]])),
    );
    const allocator = new Allocator();
    const started = performance.now();
    allocator.configure({ pools });
    for (const holding of holdings) allocator.put(holding);
    allocator.decide();
    decide.push(performance.now() - started);
    for (const { key } of holdings) {
      const decision = allocator.decisions.get(key);
      if (decision?.kind !== 'allocated') throw new Error(`${key} has no address`);
    }
    redecide.push(...changes(allocator));
  }
  return { decide_ms: rounded(median(decide)), redecide_ms: rounded(median(redecide)) };
}

/**
 * One Service after the other is changed in what matters (another port), deleted, and made anew:
 * each change is decided on alone.
 */
function changes(allocator: Allocator): number[] {
  const times: number[] = [];
  for (let n = 0; n < CHANGES; n += 1) {
    // Of all of them some, evenly: 7,919 is prime.
    const number = (n * 7_919) % SERVICES;
    const key = keyOf(number);
    const decision = allocator.decisions.get(key);
    const ips = decision?.kind === 'allocated' ? decision.addresses : [];
    const steps = [
      holdingOf(serviceOf(number, ips, 8_080)),
      { key, entrant: undefined, shown: [] },
      holdingOf(serviceOf(number, [])),
    ];
    for (const step of steps) {
      const started = performance.now();
      allocator.put(step);
      allocator.decide();
      times.push(performance.now() - started);
    }
  }
  return times;
}

function keyOf(number: number): string {
  return `default/s${String(number).padStart(5, '0')}`;
}

function serviceOf(number: number, held: readonly Ip[], port = 80): Service {
  const [namespace = '', name = ''] = keyOf(number).split('/');
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace, name, uid: `${number}`, labels: { app: name } },
    spec: {
      type: 'LoadBalancer',
      clusterIP: '172.16.0.1',
      clusterIPs: ['172.16.0.1'],
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
      ports: [{ port }],
      selector: { app: name },
    },
    status: { loadBalancer: { ingress: held.map((ip) => ({ ip: formatIp(ip) })) } },
  };
}

function holdingOf(service: Service): Holding {
  const claim = claimOf(service);
  if (claim?.ok !== true) throw new Error(JSON.stringify(claim));
  const { key, held } = claim.value;
  return { key, entrant: { claim: claim.value }, shown: held };
}

function poolOf(name: string, addresses: readonly string[]): KubeObject {
  return Object.assign(
    { apiVersion: 'metallb.io/v1beta1', kind: 'IPAddressPool', metadata: { name } },
    { spec: { addresses } },
  );
}

/** Ranges with gaps between them, in turn to each pool. */
function rangePools(size: number): readonly KubeObject[] {
  return Array.from({ length: POOLS }, (_, pool) => {
    const ranges = Array.from({ length: RANGES / POOLS }, (__, at) => {
      const third = at * POOLS + pool;
      return `10.1.${third}.10-10.1.${third}.${9 + size}`;
    });
    return poolOf(`pool-${String(pool).padStart(2, '0')}`, ranges);
  });
}

function poolsOf(objects: readonly KubeObject[]): ReadonlyMap<string, Pool> {
  const parsed = parse({ pools: objects, advertisements: [] });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.error));
  return parsed.value.pools;
}

/** The first addresses of the pools, as many as asked for. */
function first(pools: ReadonlyMap<string, Pool>, count: number): readonly Ip[] {
  const addresses: Ip[] = [];
  for (const { ranges } of pools.values()) {
    for (const { family, first: low, last } of ranges) {
      for (let value = low; value <= last && addresses.length < count; value += 1n) {
        addresses.push({ family, value });
      }
    }
  }
  return addresses;
}

function rounded(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}
