/** What the controller says of the configuration as a whole: events, notes, and its judgement. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import { NOTHING_HELD, hold } from '../../../config/held.ts';
import type { Held } from '../../../config/held.ts';
import { parse } from '../../../config/parse.ts';
import type { Problem } from '../../../config/problem.ts';
import { ADVISORY, Findings } from '../../../controller/findings.ts';
import type { Overlaps } from '../../../controller/findings.ts';
import {
  BGP_PEER,
  COMMUNITY,
  IP_ADDRESS_POOL,
  L2_ADVERTISEMENT,
  NODE,
  SERVICE_CIDR,
} from '../../../kube/kube.ts';
import type { Resource, WatchEvent } from '../../../kube/kube.ts';
import { keyOf } from '../../../kube/objects.ts';
import type { KubeObject } from '../../../kube/objects.ts';

const NAMESPACE = 'metallb-system';

class World {
  readonly pools = new Map<string, KubeObject>();
  machine: Findings;
  held: Held = NOTHING_HELD;
  telling = true;
  heard: string[] = [];
  objected: (readonly Problem[])[] = [];
  now = 0;

  constructor(overlaps: Overlaps = 'ignore') {
    this.machine = new Findings(overlaps);
  }

  watch(resource: Resource, event: WatchEvent): void {
    this.machine.handle({ kind: 'watch', resource, event }, this.now);
  }

  put(resource: Resource, name: string, spec: object = {}): void {
    const metadata = { name, namespace: NAMESPACE };
    const object: KubeObject & { spec: object } = { ...resource, metadata, spec };
    if (resource === IP_ADDRESS_POOL) this.pools.set(keyOf(object), object);
    this.watch(resource, { type: 'put', object });
  }

  remove(resource: Resource, name: string): void {
    const key = `${NAMESPACE}/${name}`;
    this.pools.delete(key);
    this.watch(resource, { type: 'delete', key });
  }

  shown(...lines: string[]): void {
    this.machine.handle({ kind: 'shown', lines: new Set(lines) }, this.now);
  }

  synced(...but: readonly Resource[]): void {
    for (const resource of [IP_ADDRESS_POOL, ...ADVISORY]) {
      if (!but.includes(resource)) this.watch(resource, { type: 'synced' });
    }
  }

  /** The controller has looked at the pools; and what comes of it. */
  settle(): readonly string[] {
    const pools = [...this.pools.values()];
    this.held = hold(this.held, parse({ pools, advertisements: [] }));
    this.machine.handle({ kind: 'held', held: this.held, telling: this.telling }, this.now);
    this.now += 1000;
    this.machine.tick(this.now);
    const heard: string[] = [];
    for (let out = this.machine.poll(); out !== undefined; out = this.machine.poll()) {
      if (out.kind === 'record') {
        const { resource, key, type, reason } = out.event;
        heard.push(`${type} ${reason} ${resource.kind} ${key}`);
      }
      if (out.kind === 'note') heard.push(`${out.note.level} ${out.note.event}`);
      if (out.kind === 'objected') this.objected.push(out.problems);
    }
    this.heard.push(...heard);
    return heard;
  }

  get conditions(): readonly string[] {
    const { problems = [], asides = [] } = this.machine.judgement ?? {};
    const said = asides.map(({ type, lines }) => `${type.split('/')[1]} ${lines.length}`);
    return [`problems ${problems.length}`, ...said.filter((each) => !each.endsWith(' 0'))];
  }
}

let world: World;

const GOOD = { addresses: ['192.0.2.0/28'] };
const OVERLAPPING = { addresses: ['192.0.2.8/29'] };

beforeEach(() => {
  world = new World();
  world.put(IP_ADDRESS_POOL, 'a', GOOD);
});

function running(): void {
  world.synced();
  world.shown();
  world.settle();
}

describe('an object at fault', () => {
  beforeEach(running);

  test('a good configuration is no event', () => {
    expect(world.heard).toEqual([]);
    expect(world.conditions).toEqual(['problems 0']);
  });

  test('a pool: one event when it begins, none while it lasts, one when it is mended', () => {
    world.put(IP_ADDRESS_POOL, 'b', OVERLAPPING);
    expect(world.settle()).toEqual(['Warning ConfigurationError IPAddressPool metallb-system/b']);
    expect(world.conditions).toEqual(['problems 1']);
    expect(world.settle()).toEqual([]);
    world.put(IP_ADDRESS_POOL, 'b', { addresses: ['192.0.2.0/29'] });
    expect(world.settle()).toEqual(['Warning ConfigurationError IPAddressPool metallb-system/b']);
    world.put(IP_ADDRESS_POOL, 'b', { addresses: ['192.0.2.16/29'] });
    expect(world.settle()).toEqual(['Normal Reconciled IPAddressPool metallb-system/b']);
    expect(world.conditions).toEqual(['problems 0']);
  });

  test('what is gone is not told of being mended', () => {
    world.put(IP_ADDRESS_POOL, 'b', OVERLAPPING);
    world.settle();
    world.remove(IP_ADDRESS_POOL, 'b');
    expect(world.settle()).toEqual([]);
  });

  test('an advertisement: told, and no reason to refuse the pools', () => {
    world.put(L2_ADVERTISEMENT, 'x', { ipAddressPools: ['a', 'a'] });
    expect(world.settle()).toEqual([
      'Warning ConfigurationError L2Advertisement metallb-system/x',
      'warn ConfigProblem',
    ]);
    expect(world.conditions).toEqual(['problems 0', 'AdvertisementsValid 1']);
    world.put(L2_ADVERTISEMENT, 'x', { ipAddressPools: ['a'] });
    expect(world.settle()).toEqual([
      'Normal Reconciled L2Advertisement metallb-system/x',
      'info ConfigSolved',
    ]);
  });
});

test('decisions on Services alone set nothing going', () => {
  running();
  world.machine.handle({ kind: 'held', held: world.held, telling: true }, world.now);
  expect(world.machine.deadline()).toBe(undefined);
});

describe('BGP', () => {
  const PEER = { myASN: 64_512, peerASN: 64_513, peerAddress: '192.0.2.200' };

  test('objects are reported once, each, and make nothing invalid', () => {
    running();
    world.put(BGP_PEER, 'p', PEER);
    world.put(COMMUNITY, 'c', { communities: [] });
    expect(world.settle()).toEqual([
      'Warning NotAnnounced BGPPeer metallb-system/p',
      'Warning NotAnnounced Community metallb-system/c',
      'warn NotAnnounced',
    ]);
    expect(world.conditions).toEqual(['problems 0', 'BGPAnnounced 2']);
    world.put(BGP_PEER, 'p', { ...PEER, peerPort: 1790 });
    expect(world.settle()).toEqual([]);
    world.remove(BGP_PEER, 'p');
    expect(world.settle()).toEqual([]);
    expect(world.conditions).toEqual(['problems 0', 'BGPAnnounced 1']);
  });

  test('their faults are faults of theirs, also while a pool is at fault', () => {
    running();
    world.put(BGP_PEER, 'p', { ...PEER, peerAddress: 'nowhere' });
    expect(world.settle()).toContain('Warning ConfigurationError BGPPeer metallb-system/p');
    expect(world.conditions).toEqual(['problems 0', 'BGPValid 1', 'BGPAnnounced 1']);
    world.put(IP_ADDRESS_POOL, 'b', OVERLAPPING);
    expect(world.settle()).toEqual(['Warning ConfigurationError IPAddressPool metallb-system/b']);
  });
});

describe('a pool with addresses of the cluster itself', () => {
  /** Its status changes all the time. */
  const node = (address: string, beat = 0): WatchEvent => {
    const status = { addresses: [{ type: 'InternalIP', address }], conditions: [beat] };
    const object: KubeObject & { status: object } = { ...NODE, metadata: { name: 'n' }, status };
    return { type: 'put', object };
  };

  function started(overlaps: Overlaps): void {
    world = new World(overlaps);
    world.put(IP_ADDRESS_POOL, 'a', GOOD);
    running();
    world.watch(NODE, node('192.0.2.5'));
    world.watch(NODE, { type: 'synced' });
    const problem = { place: 'ServiceCIDR', path: '', message: 'is not there' };
    world.watch(SERVICE_CIDR, { type: 'problem', problem });
    world.settle();
  }

  test('is warned about, once, and in force; and said to be mended', () => {
    started('warn');
    expect(world.heard).toEqual([
      'Warning PoolOverlaps IPAddressPool metallb-system/a',
      'warn PoolOverlaps',
    ]);
    expect(world.conditions).toEqual(['problems 0', 'PoolsApart 1']);
    world.watch(NODE, node('192.0.2.5', 1));
    expect(world.machine.deadline()).toBe(undefined);
    world.watch(NODE, node('192.0.2.99'));
    expect(world.settle()).toEqual(['Normal Reconciled IPAddressPool metallb-system/a']);
    expect(world.conditions).toEqual(['problems 0']);
  });

  test('is objected to, where that is wanted: also before this one is to tell', () => {
    started('refuse');
    expect(world.heard).toEqual([]);
    expect(world.objected.map((problems) => problems.length)).toEqual([1]);
    world.watch(NODE, node('192.0.2.99'));
    world.settle();
    expect(world.objected.map((problems) => problems.length)).toEqual([1, 0]);
  });
});

describe('what cannot be read', () => {
  test('nothing is said before every kind is known, or known to be unknown', () => {
    world.synced(COMMUNITY);
    world.shown();
    world.put(IP_ADDRESS_POOL, 'b', OVERLAPPING);
    expect(world.settle()).toEqual([]);
    const problem = { place: 'Community', path: '', message: 'install its definition' };
    world.watch(COMMUNITY, { type: 'problem', problem });
    expect(world.settle()).toHaveLength(1);
    expect(world.conditions).toEqual(['problems 1']);
  });

  test('a file is a problem of its own, said once for all kinds', () => {
    running();
    const problem = { place: 'pools.yaml:3', path: 'spec', message: 'is not YAML' };
    for (const resource of [IP_ADDRESS_POOL, L2_ADVERTISEMENT]) {
      world.watch(resource, { type: 'problem', problem });
    }
    world.settle();
    expect(world.machine.judgement?.problems).toEqual(['pools.yaml:3: spec: is not YAML']);
    expect(world.conditions).toEqual(['problems 1']);
    for (const resource of [IP_ADDRESS_POOL, L2_ADVERTISEMENT]) {
      world.watch(resource, { type: 'solved', place: problem.place });
    }
    world.settle();
    expect(world.conditions).toEqual(['problems 0']);
  });
});

describe('another life', () => {
  /** What was told is in the ConfigurationState. */
  function linesNow(): string[] {
    const { problems = [], asides = [] } = world.machine.judgement ?? {};
    return [...problems, ...asides.flatMap(({ lines }) => lines)];
  }

  test('a restart tells nothing again, and what is new', () => {
    running();
    world.put(IP_ADDRESS_POOL, 'b', OVERLAPPING);
    world.put(BGP_PEER, 'p', { myASN: 1, peerASN: 2, peerAddress: '192.0.2.200' });
    world.settle();
    const lines = linesNow();
    const before = world;
    world = new World();
    for (const object of before.pools.values()) {
      world.pools.set(keyOf(object), object);
      world.watch(IP_ADDRESS_POOL, { type: 'put', object });
    }
    world.put(BGP_PEER, 'p', { myASN: 1, peerASN: 2, peerAddress: '192.0.2.200' });
    world.synced();
    expect(world.settle()).toEqual([]);
    world.shown(...lines);
    expect(world.settle()).toEqual([]);
    world.put(IP_ADDRESS_POOL, 'c', OVERLAPPING);
    expect(world.settle()).toHaveLength(1);
  });

  test('whoever is not to tell is silent; taking over, it goes on where the other was', () => {
    world.telling = false;
    running();
    world.put(IP_ADDRESS_POOL, 'b', OVERLAPPING);
    expect(world.settle()).toEqual([]);
    expect(world.machine.judgement).toBe(undefined);
    const line = world.held.problems.map(
      ({ resource, key, path, message }) => `${resource.kind} ${key}: ${path}: ${message}`,
    );
    world.shown(...line);
    world.telling = true;
    expect(world.settle()).toEqual([]);
    expect(world.conditions).toEqual(['problems 1']);
    world.put(IP_ADDRESS_POOL, 'b', { addresses: ['192.0.2.16/29'] });
    expect(world.settle()).toEqual(['Normal Reconciled IPAddressPool metallb-system/b']);
  });
});
