/**
 * The brain: watches the objects and tells the reflex who may own what. It may stall for seconds
 * over a large change and nothing fails over because of it; it may be wrong about the present and
 * the reflex still follows the last good orders.
 *
 * Level-triggered: every decision is made from the whole snapshot, a moment after the last change,
 * so a burst of changes costs one plan. Nothing is decided before every kind has been read once.
 */
import type { Config } from '../config/model.ts';
import { hold, NOTHING_HELD } from '../config/held.ts';
import type { Held } from '../config/held.ts';
import { parse } from '../config/parse.ts';
import { problemLine } from '../config/problem.ts';
import { ENDPOINT_SLICE, IP_ADDRESS_POOL, L2_ADVERTISEMENT, NODE, SERVICE } from '../kube/kube.ts';
import type { KubeEvent, Resource, SourceProblem, WatchEvent } from '../kube/kube.ts';
import { keyOf } from '../kube/objects.ts';
import type { EndpointSlice, KubeObject, Node, Service } from '../kube/objects.ts';
import { sameWish } from '../kube/samewish.ts';
import { diff, isEmpty } from '../lib/diff.ts';
import type { Delta } from '../lib/diff.ts';
import type { Machine } from '../lib/machine.ts';
import type { Note } from '../lib/note.ts';
import type { Instant } from '../lib/time.ts';
import type { ReportedTrouble, SpeakerStatus } from '../owners/report.ts';
import { NOTHING_OWNED, ownedOf, tellOwned } from './announced.ts';
import type { Announced, Owned } from './announced.ts';
import { forwardsOf } from './forward.ts';
import type { Forward } from './forward.ts';
import { Planner, SENTENCES } from './plan.ts';
import type { Plan, Scope } from './plan.ts';
import type { Peer, ReflexInput, ReflexState } from './reflexport.ts';
import { statusOf } from './status.ts';
import { Troubles } from './troubles.ts';
import { sameList, sameOrder } from './vip.ts';
import type { Order } from './vip.ts';

export const WATCHED: readonly Resource[] = [
  SERVICE,
  ENDPOINT_SLICE,
  NODE,
  IP_ADDRESS_POOL,
  L2_ADVERTISEMENT,
];

export type BrainInput =
  | { readonly kind: 'watch'; readonly resource: Resource; readonly event: WatchEvent }
  | { readonly kind: 'reflex'; readonly state: ReflexState }
  /** All troubles that one who looks after something has to tell now. */
  | {
      readonly kind: 'troubles';
      readonly source: string;
      readonly troubles: readonly ReportedTrouble[];
    };

/** What the reflex is told of the nodes. */
type Told = Extract<ReflexInput, { kind: 'peers' }>;

export type BrainOutput =
  | Told
  | { readonly kind: 'orders'; readonly delta: Delta<Order> }
  | { readonly kind: 'forward'; readonly forwards: readonly Forward[] }
  | { readonly kind: 'event'; readonly event: KubeEvent }
  /** `status` may say something else from now on. */
  | { readonly kind: 'changed' }
  /** The newest configuration was taken, or refused for other reasons than before. */
  | { readonly kind: 'configured'; readonly held: Held }
  | { readonly kind: 'note'; readonly note: Note };

/** Changes come in bursts (a file with ten objects, a list of ten thousand): wait for the rest. */
const SETTLE = 2;
/** More to plan, more to wait for: at ten thousand Services a plan takes half a second. */
const SETTLE_EACH = 0.05;

const SERVICE_NAME = 'kubernetes.io/service-name';

export class Brain implements Machine<BrainInput, BrainOutput> {
  readonly troubles = new Troubles();
  readonly #self: string;
  readonly #forwarding: boolean;
  readonly #lbClass: string | undefined;
  readonly #planner: Planner;
  readonly #out: BrainOutput[] = [];
  readonly #objects = new Map(WATCHED.map(({ kind }) => [kind, new Map<string, KubeObject>()]));
  readonly #unsynced = new Set(WATCHED.map(({ kind }) => kind));
  #held: Held = NOTHING_HELD;
  #plan: Plan = { orders: new Map(), silent: new Map(), holders: new Map() };
  #told: Omit<Told, 'kind'> | undefined;
  #reflex: ReflexState | undefined;
  #owned: Owned = NOTHING_OWNED;
  #decideAt: Instant | undefined;
  /** Reported and not solved, by place. */
  readonly #sourceProblems = new Map<string, string>();

  /** `forwarding`: also plan what `--forward` translates. */
  constructor(self: string, forwarding: boolean, scope?: Scope) {
    this.#self = self;
    this.#forwarding = forwarding;
    this.#lbClass = scope?.lbClass;
    this.#planner = new Planner(self, scope);
  }

  /** What this node answers for now. */
  get announced(): readonly Announced[] {
    return this.#owned.announced;
  }

  /** What there is to report; `plane` is the data plane's name. */
  status(plane: string): SpeakerStatus {
    const troubles = this.troubles.all;
    return statusOf({ plan: this.#plan, reflex: this.#reflex, plane, troubles });
  }

  /** What keeps this node from doing its work, in one sentence; undefined: nothing. */
  notReady(): string | undefined {
    const missing = [...this.#unsynced][0];
    if (missing !== undefined) return `the objects of kind ${missing} have not been read yet`;
    if (this.#held.config === undefined) return 'there is no valid configuration yet';
    if (this.#reflex?.phase !== 'serving') return 'still listening for the other speakers';
    if (this.#reflex.links.length === 0) return 'no interface can carry announcements';
    return undefined;
  }

  handle(input: BrainInput, now: Instant): void {
    if (input.kind === 'reflex') this.#follow(input.state, now);
    else if (input.kind === 'watch') this.#watch(input.resource, input.event, now);
    else this.#say(this.troubles.tell(input.source, input.troubles), true);
  }

  tick(now: Instant): void {
    if (this.#decideAt === undefined || now < this.#decideAt) return;
    this.#decideAt = undefined;
    if (this.#unsynced.size === 0) this.#decide();
  }

  poll(): BrainOutput | undefined {
    return this.#out.shift();
  }

  deadline(): Instant | undefined {
    return this.#decideAt;
  }

  // --- inputs -------------------------------------------------------------------------------

  #watch({ kind }: Resource, event: WatchEvent, now: Instant): void {
    const objects = this.#objects.get(kind);
    if (objects === undefined) return;
    switch (event.type) {
      case 'put': {
        const before = objects.get(keyOf(event.object));
        objects.set(keyOf(event.object), event.object);
        // Counters come with every address that is given.
        const isPool = kind === IP_ADDRESS_POOL.kind;
        if (isPool && before !== undefined && sameWish(before, event.object)) return;
        break;
      }
      case 'delete':
        objects.delete(event.key);
        break;
      case 'remnant':
        return;
      case 'synced':
        this.#unsynced.delete(kind);
        break;
      case 'problem':
        this.#reportSource(event.problem);
        return;
      case 'solved':
        if (!this.#sourceProblems.delete(event.place)) return;
        this.#note('info', 'ManifestSolved', `${event.place}: mended`, { place: event.place });
        return;
    }
    this.#decideAt ??= now + SETTLE + objects.size * SETTLE_EACH;
  }

  /** A file that cannot be read is a problem of every kind that is watched; it is said once. */
  #reportSource({ place, path, message }: SourceProblem): void {
    if (this.#sourceProblems.get(place) === message) return;
    this.#sourceProblems.set(place, message);
    const where = path === '' ? place : `${place}: ${path}`;
    this.#note('warn', 'ManifestProblem', `${where}: ${message}`, { place, path });
  }

  #follow(state: ReflexState, now: Instant): void {
    const before = this.#reflex;
    this.#reflex = state;
    if (before?.phase !== state.phase) {
      this.#note('info', 'PhaseChanged', `now ${state.phase}`, {
        phase: state.phase,
        cause: state.cause,
      });
    }
    for (const [node, standing] of state.peers) {
      const was = before?.peers.get(node) ?? 'absent';
      if (was === standing) continue;
      const level = standing === 'dead' ? 'warn' : 'info';
      this.#note(level, 'PeerChanged', `the speaker on ${node} is ${standing}, was ${was}`, {
        node,
      });
    }
    this.#say(this.troubles.follow(state.conflicts));
    if (this.#forwarding && deadOf(before).join() !== deadOf(state).join()) {
      this.#decideAt ??= now;
    }
    this.#reportOwned();
    this.#out.push({ kind: 'changed' });
  }

  // --- decisions ----------------------------------------------------------------------------

  #decide(): void {
    this.#readConfig();
    const { config } = this.#held;
    // Without a valid configuration there are no orders: the reflex stays out until there are.
    if (config === undefined) return;
    const nodes = this.#nodes();
    this.#tellPeers(nodes);
    const slices = this.#slices();
    this.#replan(config, nodes, slices);
    if (this.#forwarding) this.#forward(slices);
    this.#reportOwned();
  }

  #readConfig(): void {
    const pools = [...this.#kind<KubeObject>('IPAddressPool').values()];
    const advertisements = [...this.#kind<KubeObject>('L2Advertisement').values()];
    const before = this.#held;
    this.#held = hold(before, parse({ pools, advertisements }));
    const said = new Set(before.problems.map((problem) => JSON.stringify(problem)));
    for (const problem of this.#held.problems) {
      if (said.has(JSON.stringify(problem))) continue;
      const { resource, key, path } = problem;
      this.#note('warn', 'ConfigProblem', problemLine(problem), { kind: resource.kind, key, path });
    }
    if (before.problems.length > 0 && this.#held.problems.length === 0) {
      this.#note('info', 'ConfigSolved', 'the configuration is valid again');
    }
    const isSame = JSON.stringify(before.problems) === JSON.stringify(this.#held.problems);
    if (before === NOTHING_HELD || !isSame)
      this.#out.push({ kind: 'configured', held: this.#held });
  }

  /**
   * Nodes that can be reached, by name: one without an InternalIP would own and never be heard.
   * Without any Node object this host is on its own.
   */
  #nodes(): ReadonlyMap<string, Node> {
    const nodes = this.#kind<Node>('Node');
    if (nodes.size > 0) return new Map([...nodes].filter(([, node]) => internalAddress(node)));
    const self = { apiVersion: 'v1', kind: 'Node', metadata: { name: this.#self } };
    return new Map([[this.#self, self]]);
  }

  #tellPeers(nodes: ReadonlyMap<string, Node>): void {
    const peers: Peer[] = [];
    for (const [name, node] of nodes) {
      const address = internalAddress(node);
      if (name !== this.#self && address !== undefined) peers.push({ name, address });
    }
    peers.sort((a, b) => (a.name < b.name ? -1 : 1));
    const told = { peers, member: nodes.has(this.#self) };
    if (JSON.stringify(told) === JSON.stringify(this.#told)) return;
    this.#told = told;
    this.#out.push({ kind: 'peers', ...told });
    const all = this.#kind<Node>('Node');
    if (all.size === 0) {
      this.#note('warn', 'NodeAlone', 'there are no Node objects: acting as the only node');
    } else if (!told.member) {
      const msg = `no Node with an InternalIP is named ${this.#self}: add one, or set --node`;
      this.#note('warn', 'NodeUnknown', msg, { node: this.#self });
    }
    for (const name of all.keys()) {
      if (nodes.has(name) || name === this.#self) continue;
      const msg = `Node ${name} has no InternalIP: it cannot own addresses until it has one`;
      this.#note('warn', 'NodeUnreachable', msg, { node: name });
    }
  }

  #replan(
    config: Config,
    nodes: ReadonlyMap<string, Node>,
    slices: ReadonlyMap<string, readonly EndpointSlice[]>,
  ): void {
    const before = this.#plan;
    const services = this.#kind<Service>('Service');
    this.#plan = this.#planner.plan({ config, services, slices, nodes });
    const delta = diff(before.orders, this.#plan.orders, sameOrder);
    if (!isEmpty(delta)) this.#out.push({ kind: 'orders', delta });
    const silence = diff(before.silent, this.#plan.silent, (a, b) => a === b);
    const holders = diff(before.holders, this.#plan.holders, sameList);
    const same = [delta, silence, holders].every(isEmpty);
    if (!same) this.#out.push({ kind: 'changed' });
    for (const [service, reason] of this.#plan.silent) {
      if (before.silent.get(service) === reason) continue;
      this.#note('info', 'ServiceSilent', `${service} is not announced: ${SENTENCES[reason]}`, {
        service,
        reason,
      });
    }
  }

  #forward(slices: ReadonlyMap<string, readonly EndpointSlice[]>): void {
    const { holders } = this.#plan;
    const held = (ip: string, service: string): boolean =>
      holders.get(ip)?.includes(service) === true;
    const dead = new Set(deadOf(this.#reflex));
    const view = { node: this.#self, dead, held, lbClass: this.#lbClass };
    const forwards: Forward[] = [];
    for (const [key, service] of this.#kind<Service>('Service')) {
      forwards.push(...forwardsOf(service, slices.get(key) ?? [], view));
    }
    this.#out.push({ kind: 'forward', forwards });
  }

  #reportOwned(): void {
    const before = this.#owned;
    this.#owned = ownedOf(this.#plan, this.#reflex);
    const { notes, events } = tellOwned(before, this.#owned, this.#self, this.#plan);
    this.#say(notes);
    for (const event of events) this.#out.push({ kind: 'event', event });
  }

  // --- the snapshot -------------------------------------------------------------------------

  #kind<T extends KubeObject>(kind: string): ReadonlyMap<string, T> {
    return (this.#objects.get(kind) ?? new Map()) as ReadonlyMap<string, T>;
  }

  #slices(): ReadonlyMap<string, readonly EndpointSlice[]> {
    const byService = new Map<string, EndpointSlice[]>();
    for (const slice of this.#kind<EndpointSlice>('EndpointSlice').values()) {
      const { labels, namespace } = slice.metadata;
      const key = `${namespace ?? 'default'}/${labels?.[SERVICE_NAME] ?? ''}`;
      const list = byService.get(key);
      if (list === undefined) byService.set(key, [slice]);
      else list.push(slice);
    }
    return byService;
  }

  /** `isStatus`: they are of what `status` says, too. */
  #say(notes: readonly Note[], isStatus = false): void {
    for (const note of notes) this.#out.push({ kind: 'note', note });
    if (isStatus && notes.length > 0) this.#out.push({ kind: 'changed' });
  }

  #note(level: Note['level'], event: string, msg: string, fields: Note['fields'] = {}): void {
    this.#out.push({ kind: 'note', note: { level, event, msg, fields } });
  }
}

function deadOf(state: ReflexState | undefined): string[] {
  return [...(state?.peers ?? [])].filter(([, is]) => is === 'dead').map(([node]) => node);
}

/** Where a node's speaker listens: its first InternalIP, IPv4 before IPv6. */
function internalAddress(node: Node): string | undefined {
  const internal = (node.status?.addresses ?? []).filter(({ type }) => type === 'InternalIP');
  return (internal.find(({ address }) => !address.includes(':')) ?? internal[0])?.address;
}
