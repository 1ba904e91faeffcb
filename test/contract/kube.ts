/**
 * What every implementation of the port `Kube` must do, as one suite. An implementation brings a
 * `World`: a way to be the user who creates and deletes objects. No test waits for time, only for
 * events.
 */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { IP_ADDRESS_POOL, SERVICE, SERVICE_L2_STATUS } from '../../kube/kube.ts';
import type { Kube, Resource, WatchEvent } from '../../kube/kube.ts';
import { keyOf } from '../../kube/objects.ts';
import type { KubeObject, Service } from '../../kube/objects.ts';

export interface World {
  readonly kube: Kube;
  /** Creates or replaces what a user writes; status is not his. */
  put(object: KubeObject): Promise<void>;
  remove(resource: Resource, key: string): Promise<void>;
  /** A second client of the same source, as another process would be. */
  second(): Promise<Kube>;
  close(): Promise<void>;
}

/** A watch whose events can be waited for. */
export class Watching {
  readonly events: WatchEvent[] = [];
  readonly #controller = new AbortController();
  #waiting: (() => void)[] = [];

  constructor(kube: Kube, resource: Resource) {
    kube.watch(
      resource,
      (event) => {
        // Every API server has a Service for itself, and nobody asked for it here.
        if (event.type === 'put' && keyOf(event.object) === 'default/kubernetes') return;
        this.events.push(event);
        const waiting = this.#waiting;
        this.#waiting = [];
        for (const wake of waiting) wake();
      },
      this.#controller.signal,
    );
  }

  /** The first event after `from` that fits; waits for it if need be. */
  async until(fits: (event: WatchEvent) => boolean, from = 0): Promise<WatchEvent> {
    for (;;) {
      const found = this.events.slice(from).find(fits);
      if (found !== undefined) return found;
      await new Promise<void>((wake) => {
        this.#waiting.push(wake);
      });
    }
  }

  async put(key: string, fits: (object: Service) => boolean = () => true): Promise<Service> {
    const event = await this.until(
      (each) => each.type === 'put' && keyOf(each.object) === key && fits(each.object as Service),
    );
    if (event.type !== 'put') throw new Error('not a put');
    return event.object as Service;
  }

  synced(): Promise<WatchEvent> {
    return this.until((event) => event.type === 'synced');
  }

  stop(): void {
    this.#controller.abort();
  }
}

export function service(name: string, port = 80, annotations?: Record<string, string>): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default', ...(annotations === undefined ? {} : { annotations }) },
    spec: { type: 'LoadBalancer', ports: [{ port }] },
  };
}

function ours(name: string): KubeObject {
  const labels = { 'example.org/node': 'node1' };
  return { ...SERVICE_L2_STATUS, metadata: { name, namespace: 'metallb-system', labels } };
}

const STATUS = { loadBalancer: { ingress: [{ ip: '192.0.2.1', ipMode: 'VIP' }] } };

/** An API server gives every Service a status, with nothing in it. */
function hasAddress({ status }: Service): boolean {
  return status?.loadBalancer?.ingress !== undefined;
}

/** Of the test that runs. */
let world: World;

function versionOf(object: KubeObject): string {
  return object.metadata.resourceVersion ?? '';
}

function write(object: Service, kube = world.kube): ReturnType<Kube['updateStatus']> {
  const { metadata } = object;
  return kube.updateStatus({
    resource: SERVICE,
    key: keyOf(object),
    resourceVersion: metadata.resourceVersion ?? '',
    status: STATUS,
    annotations: { 'example.org/mine': 'yes', 'example.org/gone': undefined },
  });
}

export function kubeContract(name: string, open: () => Promise<World>): void {
  describe(`Kube on ${name}`, () => {
    beforeEach(async () => {
      world = await open();
    });
    afterEach(() => world.close());
    describe('watch', () => {
      watchTests();
    });
    describe('updateStatus', () => {
      statusTests();
      edgeTests();
    });
    describe('objects of ours', () => {
      ownTests();
      replaceTests();
    });
    describe('for people', () => {
      peopleTests();
    });
  });
}

function watchTests(): void {
  test('a watch begins with what is there, then says synced', async () => {
    await world.put(service('a'));
    await world.put(service('b'));
    const all = new Watching(await world.second(), SERVICE);
    await all.synced();
    const kinds = all.events.map((event) => event.type);
    expect(kinds).toEqual(['put', 'put', 'synced']);
  });

  test('an empty kind is synced too', async () => {
    const pools = new Watching(world.kube, IP_ADDRESS_POOL);
    await pools.synced();
    expect(pools.events).toHaveLength(1);
  });

  test('creation, change and deletion arrive, with a new version each', async () => {
    const watching = new Watching(world.kube, SERVICE);
    await watching.synced();
    await world.put(service('a', 80));
    const first = await watching.put('default/a');
    await world.put(service('a', 81));
    const second = await watching.put('default/a', ({ spec }) => spec.ports?.[0]?.port === 81);
    expect(versionOf(second)).not.toBe(versionOf(first));
    await world.remove(SERVICE, 'default/a');
    await watching.until((event) => event.type === 'delete' && event.key === 'default/a');
  });

  test('a watch sees only its kind', async () => {
    const pools = new Watching(world.kube, IP_ADDRESS_POOL);
    const services = new Watching(world.kube, SERVICE);
    await world.put(service('a'));
    await services.put('default/a');
    expect(pools.events.filter((event) => event.type === 'put')).toEqual([]);
  });

  test('status goes with its object', async () => {
    await world.put(service('a'));
    const watching = new Watching(world.kube, SERVICE);
    await write(await watching.put('default/a'));
    await world.remove(SERVICE, 'default/a');
    await watching.until((event) => event.type === 'delete');
    const from = watching.events.length;
    await world.put(service('a'));
    const born = await watching.until((event) => event.type === 'put', from);
    expect(born.type === 'put' && (born.object as Service).status?.loadBalancer?.ingress).toBe(
      undefined,
    );
  });

  test('nothing is delivered after the end of a watch', async () => {
    const ended = new Watching(world.kube, SERVICE);
    const watching = new Watching(world.kube, SERVICE);
    await ended.synced();
    ended.stop();
    await world.put(service('a'));
    await watching.put('default/a');
    expect(ended.events).toHaveLength(1);
  });
}

function statusTests(): void {
  test('other clients see what was written, also ones that come later', async () => {
    await world.put(service('a'));
    const other = new Watching(await world.second(), SERVICE);
    await other.synced();
    const watching = new Watching(world.kube, SERVICE);
    await write(await watching.put('default/a'));
    await other.put('default/a', hasAddress);
    const late = new Watching(await world.second(), SERVICE);
    const seen = await late.put('default/a');
    expect(seen.status?.loadBalancer).toEqual(STATUS.loadBalancer);
  });

  test('status and annotations are written; everything else stays', async () => {
    const annotations = { 'example.org/gone': 'x', 'example.org/theirs': 'y' };
    await world.put(service('a', 80, annotations));
    const watching = new Watching(world.kube, SERVICE);
    const before = await watching.put('default/a');
    const written = await write(before);
    expect(written.ok && written.value.metadata.annotations).toEqual({
      'example.org/theirs': 'y',
      'example.org/mine': 'yes',
    });
    const after = await watching.put('default/a', hasAddress);
    expect(after.status?.loadBalancer).toEqual(STATUS.loadBalancer);
    expect(after.spec.ports?.[0]?.port).toBe(80);
    expect(versionOf(after)).not.toBe(versionOf(before));
  });

  test('a decision on an old version is a conflict, and writes nothing', async () => {
    await world.put(service('a'));
    const watching = new Watching(world.kube, SERVICE);
    const old = await watching.put('default/a');
    expect((await write(old)).ok).toBe(true);
    const again = await write(old);
    expect(again.ok ? '' : again.error.kind).toBe('conflict');
    const elsewhere = await write(old, await world.second());
    expect(elsewhere.ok ? '' : elsewhere.error.kind).toBe('conflict');
  });

  test('of two clients that decided on the same version one learns of the other', async () => {
    await world.put(service('a'));
    const second = await world.second();
    const [one, two] = [new Watching(world.kube, SERVICE), new Watching(second, SERVICE)];
    const [mine, theirs] = [await one.put('default/a'), await two.put('default/a')];
    const results = [await write(mine), await write(theirs, second)];
    expect(results.map((result) => result.ok)).toEqual([true, false]);
  });
}

function edgeTests(): void {
  test('what does not exist cannot be updated', async () => {
    const result = await write(service('nobody'));
    expect(result.ok ? '' : result.error.kind).toBe('not-found');
  });

  test('a sink may write at once', async () => {
    await world.put(service('a'));
    const done = new Promise<boolean>((resolve) => {
      world.kube.watch(
        SERVICE,
        (event) => {
          if (event.type !== 'put') return;
          const object = event.object as Service;
          // A real API server has a Service of its own.
          if (object.metadata.name !== 'a' || hasAddress(object)) return;
          void write(object).then((result) => resolve(result.ok));
        },
        new AbortController().signal,
      );
    });
    expect(await done).toBe(true);
  });
}

function ownTests(): void {
  const key = 'metallb-system/l2-a';

  test('created once, seen by all, deleted', async () => {
    const theirs = new Watching(await world.second(), SERVICE_L2_STATUS);
    await theirs.synced();
    const created = await world.kube.create(ours('l2-a'));
    expect(created.ok && keyOf(created.value)).toBe(key);
    const seen = await theirs.put(key);
    expect(seen.metadata.labels).toEqual({ 'example.org/node': 'node1' });
    expect(versionOf(seen)).not.toBe('');
    const again = await (await world.second()).create(ours('l2-a'));
    expect(again.ok ? '' : again.error.kind).toBe('exists');
    const deleted = await world.kube.delete(SERVICE_L2_STATUS, key);
    expect(deleted.ok).toBe(true);
    await theirs.until(({ type }) => type === 'delete');
    const gone = await world.kube.delete(SERVICE_L2_STATUS, key);
    expect(gone.ok ? '' : gone.error.kind).toBe('not-found');
    expect((await world.kube.create(ours('l2-a'))).ok).toBe(true);
  });

  test('has a status, and can be deleted by version', async () => {
    const watching = new Watching(world.kube, SERVICE_L2_STATUS);
    await watching.synced();
    const created = await world.kube.create(ours('l2-a'));
    const old = created.ok ? versionOf(created.value) : '';
    const status = { node: 'node1' };
    const update = { resource: SERVICE_L2_STATUS, key, resourceVersion: old, status };
    const written = await world.kube.updateStatus(update);
    expect(written.ok && (written.value as Service).status).toEqual(status);
    const other = await world.second();
    const late = await other.delete(SERVICE_L2_STATUS, key, old);
    expect(late.ok ? '' : late.error.kind).toBe('conflict');
    const now = written.ok ? versionOf(written.value) : '';
    expect((await other.delete(SERVICE_L2_STATUS, key, now)).ok).toBe(true);
    await watching.until(({ type }) => type === 'delete');
  });
}

function replaceTests(): void {
  const key = 'metallb-system/l2-a';

  test('replaced: what is left out is gone, the status stays', async () => {
    const created = await world.kube.create(ours('l2-a'));
    const old = created.ok ? versionOf(created.value) : '';
    const status = { node: 'node1' };
    const written = await world.kube.updateStatus({
      resource: SERVICE_L2_STATUS,
      key,
      resourceVersion: old,
      status,
    });
    const resourceVersion = written.ok ? versionOf(written.value) : '';
    const { metadata, ...rest } = ours('l2-a');
    const labels = { 'example.org/other': 'yes' };
    const next = { ...rest, metadata: { ...metadata, labels, resourceVersion } };
    const replaced = await world.kube.replace(next);
    expect(replaced.ok && replaced.value.metadata.labels).toEqual(labels);
    expect(replaced.ok && versionOf(replaced.value)).not.toBe(resourceVersion);
    const seen = await (await world.second()).read(SERVICE_L2_STATUS, key);
    expect(seen.ok && seen.value.metadata.labels).toEqual(labels);
    expect(seen.ok && (seen.value as Service).status).toEqual(status);
    const uid = created.ok ? created.value.metadata.uid : '';
    expect(seen.ok && seen.value.metadata.uid).toBe(uid);
  });

  test('of an old version it is a conflict; of what is not there, not found', async () => {
    const created = await world.kube.create(ours('l2-a'));
    const first = created.ok ? created.value : ours('l2-a');
    const labels = { 'example.org/other': 'yes' };
    const next = { ...first, metadata: { ...first.metadata, labels } };
    expect((await world.kube.replace(next)).ok).toBe(true);
    const late = await (await world.second()).replace(first);
    expect(late.ok ? '' : late.error.kind).toBe('conflict');
    const seen = await world.kube.read(SERVICE_L2_STATUS, key);
    expect(seen.ok && seen.value.metadata.labels).toEqual(labels);
    await world.kube.delete(SERVICE_L2_STATUS, key);
    const gone = await world.kube.replace(next);
    expect(gone.ok ? '' : gone.error.kind).toBe('not-found');
    const nothing = await world.kube.read(SERVICE_L2_STATUS, key);
    expect(nothing.ok ? '' : nothing.error.kind).toBe('not-found');
  });
}

function peopleTests(): void {
  test('a source that is followed is ready', async () => {
    await new Watching(world.kube, SERVICE).synced();
    expect(world.kube.notReady()).toBe(undefined);
  });

  test('events are recorded', async () => {
    const recorded = await world.kube.record({
      resource: SERVICE,
      key: 'default/a',
      type: 'Normal',
      reason: 'IPAllocated',
      message: 'Assigned IP ["192.0.2.1"]',
    });
    expect(recorded.ok).toBe(true);
  });

  test('place leads a person to the object', async () => {
    await world.put(service('a'));
    await new Watching(world.kube, SERVICE).put('default/a');
    expect(world.kube.place(SERVICE, 'default/a', 'spec.ports[0].port')).toMatch(/a/);
    expect(world.kube.place(SERVICE, 'default/nobody', '')).toMatch('default/nobody');
  });
}
