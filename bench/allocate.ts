/**
 * How long decisions take: for 10,000 Services at once, as after a start or a change of a pool, and
 * again after one Service has changed: its ports, its deletion, its return. Measured is one call of
 * the controller's Decider with all facts, each time made anew as the controller makes them: its
 * comparison of 10,000 facts with those of last time, and the decision. Reading the objects and
 * making the facts is not.
 *
 * Four cases: pools of one CIDR or of many ranges, all Services pending or nearly all holding an
 * address. Every repetition starts from new objects, in a process that has decided before; before a
 * change every decision is held. A machine that is busy otherwise measures that, too.
 */
import { claimOf } from '../config/claim.ts';
import type { Claim } from '../config/claim.ts';
import type { Pool } from '../config/model.ts';
import { parse } from '../config/parse.ts';
import { Decider } from '../controller/decider.ts';
import type { Fact, Facts } from '../controller/decider.ts';
import type { KubeObject, Service } from '../kube/objects.ts';
import { formatIp } from '../net/ip.ts';
import type { Ip } from '../net/ip.ts';
import { median } from './median.ts';

const SERVICES = 10_000;
/** With every address in use or wanted: so many hold one already. */
const HOLDERS = 9_900;
const RANGES = 200;
const POOLS = 20;
const CHANGES = 50;

export interface Timing {
  readonly decide_ms: number;
  /** The same in processor time: what a busy machine takes away is not in it. */
  readonly decide_cpu_ms: number;
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
    ([name, { decide_ms: all, decide_cpu_ms: cpu, redecide_ms: one }]) =>
      `| ${name} | ${all.toFixed(1)} | ${cpu.toFixed(1)} | ${one.toFixed(3)} |`,
  );
  const columns = 'all decisions, ms | of that processor | after one change, ms';
  const head = `| ${SERVICES} Services | ${columns} |\n|---|---|---|---|`;
  return `${head}\n${lines.join('\n')}\n`;
}

/** `held` of the Services hold the first addresses of the pools. */
function measure(pools: ReadonlyMap<string, Pool>, held: number, rounds: number): Timing {
  const [decide, redecide]: [Took[], number[]] = [[], []];
  for (let round = 0; round < rounds; round += 1) {
    const addresses = first(pools, held);
    const cluster = new Cluster(pools, addresses);
    decide.push(cluster.decide());
    cluster.hold();
    redecide.push(...changes(cluster));
  }
  return {
    decide_ms: rounded(median(decide.map(({ wall }) => wall))),
    decide_cpu_ms: rounded(median(decide.map(({ cpu }) => cpu))),
    redecide_ms: rounded(median(redecide)),
  };
}

/** Milliseconds; of processor time in steps of the kernel's tick. */
interface Took {
  readonly wall: number;
  readonly cpu: number;
}

/** The Services, and the controller that decides about them. */
class Cluster {
  readonly #decider = new Decider();
  readonly #settings: Omit<Facts, 'services'>;
  readonly #claims = new Map<number, Claim>();
  #decisions: ReturnType<Decider['decide']> = new Map();

  constructor(pools: ReadonlyMap<string, Pool>, held: readonly Ip[]) {
    const none = new Map<string, never>();
    const settings = { quotas: none, reserved: none, leaving: none, taken: none };
    this.#settings = { pools, incomplete: false, quarantined: none, ...settings };
    for (let n = 0; n < SERVICES; n += 1) this.put(n, held.slice(n, n + 1));
  }

  put(number: number, held: readonly Ip[], port = 80): void {
    this.#claims.set(number, claimFor(serviceOf(number, held, port)));
  }

  delete(number: number): void {
    this.#claims.delete(number);
  }

  decide(): Took {
    const services = [...this.#claims].map(([number, claim]): Fact => {
      return { key: keyOf(number), entrant: { claim, keepOnly: false }, occupied: [] };
    });
    const facts = { ...this.#settings, services };
    const [started, before] = [performance.now(), process.threadCpuUsage()];
    const decisions = this.#decider.decide(facts);
    const wall = performance.now() - started;
    const { user, system } = process.threadCpuUsage(before);
    if (decisions.size !== services.length) throw new Error('not every Service is decided on');
    this.#decisions = decisions;
    return { wall, cpu: (user + system) / 1000 };
  }

  decided(number: number): readonly Ip[] {
    const decision = this.#decisions.get(keyOf(number));
    if (decision?.kind !== 'allocated') throw new Error(`${keyOf(number)} has no address`);
    return decision.addresses;
  }

  /** Every decision is carried out and shown. */
  hold(): void {
    for (const number of this.#claims.keys()) this.put(number, this.decided(number));
    this.decide();
  }
}

/**
 * One Service after the other is changed in what matters (another port), deleted, and made anew:
 * each change is decided on alone.
 */
function changes(cluster: Cluster): number[] {
  const times: number[] = [];
  for (let n = 0; n < CHANGES; n += 1) {
    // Of all of them some, evenly: 7,919 is prime.
    const number = (n * 7_919) % SERVICES;
    cluster.put(number, cluster.decided(number), 8_080);
    times.push(cluster.decide().wall);
    cluster.delete(number);
    times.push(cluster.decide().wall);
    cluster.put(number, []);
    times.push(cluster.decide().wall);
    cluster.put(number, cluster.decided(number));
    cluster.decide();
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

function claimFor(service: Service): Claim {
  const claim = claimOf(service);
  if (claim?.ok !== true) throw new Error(JSON.stringify(claim));
  return claim.value;
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
