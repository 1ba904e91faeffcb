/**
 * The port on an API server that misbehaves. Whatever it does, every watcher ends with what the
 * server has, and no update is lost. Back-off is real here, a second or two; how it grows, and
 * silence, are the Reflector's own tests.
 */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Api } from '../../kube/io/api.ts';
import { EVENT } from '../../kube/io/events.ts';
import { IP_ADDRESS_POOL, NODE, SERVICE } from '../../kube/kube.ts';
import type { Need, Resource, WatchEvent } from '../../kube/kube.ts';
import { keyOf } from '../../kube/objects.ts';
import type { KubeObject, Service } from '../../kube/objects.ts';
import { diff } from '../../lib/diff.ts';
import { clientOf } from './apiclient.ts';
import { ApiServer, isList, isPut, isWatch } from './apiserver.ts';
import type { Fault } from './apiserver.ts';
import { Watching, service } from './kube.ts';

const PATIENCE = 15_000;

let server: ApiServer;
let clients: Api[];
let kube: Api;

beforeEach(async () => {
  server = await new ApiServer().start();
  clients = [];
  kube = clientOf(server, clients);
});

afterEach(async () => {
  for (const each of clients) await each.close();
  await server.kill();
});

/** Watches Services, of which there is one, and is in the middle of a watch. */
async function watching(): Promise<Watching> {
  const watch = server.next(isWatch(SERVICE));
  const watched = new Watching(kube, SERVICE);
  server.put(service('before'));
  await watched.synced();
  await watch;
  return watched;
}

function portOf(object: KubeObject): number | undefined {
  return (object as Service).spec.ports?.[0]?.port;
}

/** What the watcher was told otherwise than the server has it, once it knows the newest. */
async function differences(watched: Watching, at = server): Promise<readonly string[]> {
  at.put(service('after', 8080));
  await watched.put('default/after', (object) => portOf(object) === 8080);
  const told = new Map<string, KubeObject>();
  for (const event of watched.events) {
    if (event.type === 'delete') told.delete(event.key);
    if (event.type === 'put') told.set(keyOf(event.object), event.object);
  }
  const there = new Map(at.store.list('/api/v1/services').map((each) => [keyOf(each), each]));
  const { put, remove } = diff(told, there, (a, b) => portOf(a) === portOf(b));
  return [...put.keys(), ...remove];
}

describe('a watch', () => {
  test(
    'goes on after an orderly end',
    async () => {
      const watched = await watching();
      server.endWatches();
      server.put(service('meanwhile'));
      await watched.put('default/meanwhile');
      expect(await differences(watched)).toEqual([]);
      expect(server.requests.filter(isList(SERVICE))).toHaveLength(1);
    },
    PATIENCE,
  );

  test(
    'goes on after a TCP reset, and says nothing of it',
    async () => {
      const watched = await watching();
      server.resetWatches();
      server.put(service('meanwhile'));
      await watched.put('default/meanwhile');
      expect(await differences(watched)).toEqual([]);
      expect(watched.events.filter(({ type }) => type === 'problem')).toEqual([]);
      expect(server.requests.filter(isList(SERVICE))).toHaveLength(1);
    },
    PATIENCE,
  );

  test('lists anew when it is told in the stream that it is too late', async () => {
    const watched = await watching();
    server.remove(SERVICE, 'default/before');
    server.expireWatches();
    await watched.until(({ type }) => type === 'delete');
    expect(await differences(watched)).toEqual([]);
    expect(server.requests.filter(isList(SERVICE))).toHaveLength(2);
  });

  test(
    'lists anew when it comes back too late: what went meanwhile is deleted',
    async () => {
      const watched = await watching();
      server.fail({ status: 410 }, isWatch(SERVICE));
      const list = server.next(isList(SERVICE));
      server.endWatches();
      server.remove(SERVICE, 'default/before');
      server.store.compact();
      await list;
      await watched.until(({ type }) => type === 'delete');
      expect(await differences(watched)).toEqual([]);
    },
    PATIENCE,
  );

  test(
    'survives every fault, when it lists and when it watches',
    async () => {
      const faults: readonly Fault[] = [
        'reset',
        'expired',
        { status: 401 },
        { status: 429, retryAfter: 1 },
        { status: 500 },
        { status: 503, retryAfter: 1 },
      ];
      const survived = faults.map(async (fault) => {
        const own = await new ApiServer().start();
        own.put(service('before'));
        own.fail(fault === 'expired' ? { status: 410 } : fault, isList(SERVICE));
        own.fail(fault, isWatch(SERVICE));
        const watched = new Watching(clientOf(own, clients), SERVICE);
        await watched.synced();
        const different = await differences(watched, own);
        watched.stop();
        await own.kill();
        return { fault, different };
      });
      expect(await Promise.all(survived)).toEqual(
        faults.map((fault) => ({ fault, different: [] })),
      );
    },
    PATIENCE,
  );

  test(
    'survives a server that is killed and comes back with more',
    async () => {
      const watched = await watching();
      await server.kill();
      await watched.until(({ type }) => type === 'problem');
      expect(kube.notReady()).toMatch(/127\.0\.0\.1.*nothing listens there/);
      server.store.put('/api/v1/services', service('meanwhile'));
      await server.start();
      await watched.put('default/meanwhile');
      await watched.until(({ type }) => type === 'solved');
      expect(kube.notReady()).toBe(undefined);
      expect(await differences(watched)).toEqual([]);
    },
    PATIENCE,
  );

  test('that is refused holds up readiness only if it is needed', async () => {
    /** What is said at the moment when it is told. */
    const refused = (resource: Resource, need: Need): Promise<string | undefined> =>
      new Promise((done) => {
        server.fail({ status: 403 }, isList(resource));
        const told = ({ type }: WatchEvent): void => {
          if (type === 'problem') done(kube.notReady());
        };
        kube.watch(resource, told, new AbortController().signal, need);
      });
    expect(await refused(IP_ADDRESS_POOL, 'welcome')).toBe(undefined);
    expect(await refused(NODE, 'needed')).toMatch(/403/);
  });

  test('is told late by a watch cache that is behind, and never goes back', async () => {
    const watched = await watching();
    server.behind = true;
    server.put(service('before', 81));
    server.put(service('before', 82));
    const late = new Watching(clientOf(server, clients), SERVICE);
    await late.put('default/before', (object) => portOf(object) === 82);
    server.behind = false;
    await watched.put('default/before', (object) => portOf(object) === 82);
    expect(await differences(late)).toEqual([]);
    const ports = late.events.flatMap((event) =>
      event.type === 'put' ? portOf(event.object) : [],
    );
    expect(ports).toEqual([82, 8080]);
  });

  test('comes in pages', async () => {
    for (let at = 0; at < 1201; at += 1) server.put(service(`s${at}`));
    const watched = new Watching(kube, SERVICE);
    await watched.synced();
    expect(watched.events).toHaveLength(1202);
    const lists = server.requests.filter(isList(SERVICE));
    expect(lists.map(({ query }) => query.get('limit'))).toEqual(['500', '500', '500']);
  });

  test('has one connection, which goes with it', async () => {
    const kinds = [SERVICE, NODE, IP_ADDRESS_POOL];
    const all = kinds.map((kind) => new Watching(kube, kind));
    await Promise.all(all.map((each) => each.synced()));
    await Promise.all(kinds.map((kind) => opened(kind)));
    const seen = server.requests.filter(({ query }) => query.get('watch') === 'true');
    expect(new Set(seen.map(({ port }) => port)).size).toBe(3);
    expect(server.watches).toBe(3);
    const closed = server.nextClosed();
    all[0]?.stop();
    await closed;
    expect(server.watches).toBe(2);
  });

  test('does not hang on a stream that the server considers ended', async () => {
    const watched = await watching();
    const closed = server.nextClosed();
    server.expireWatches();
    await closed;
    expect(await differences(watched)).toEqual([]);
  });

  test('asks for its own namespace where its rights end, and for bookmarks', async () => {
    const watch = server.next(isWatch(IP_ADDRESS_POOL));
    const watched = new Watching(kube, IP_ADDRESS_POOL);
    await watched.synced();
    const { path, query } = await watch;
    expect(path).toBe('/apis/metallb.io/v1beta1/namespaces/metallb-system/ipaddresspools');
    expect(query.get('allowWatchBookmarks')).toBe('true');
    expect(Number(query.get('timeoutSeconds'))).toBeGreaterThanOrEqual(300);
  });

  test('does not break over what cannot be read, in a list or in a stream', async () => {
    const watched = await watching();
    const { metadata } = service('broken');
    server.put({ apiVersion: 'v1', kind: 'Service', metadata });
    const list = server.next(isList(IP_ADDRESS_POOL));
    const other = new Watching(clientOf(server, clients), SERVICE);
    const told = await other.until(({ type }) => type === 'problem');
    expect(told).toMatchObject({ problem: { message: expect.stringMatching(/cannot be read$/) } });
    expect(watched.events.at(-1)).toMatchObject({ type: 'synced' });
    const pools = new Watching(kube, IP_ADDRESS_POOL);
    await Promise.all([list, pools.synced()]);
  });

  test('says which definition is missing, and which right', async () => {
    server.fail({ status: 404 }, isList(IP_ADDRESS_POOL));
    const pools = new Watching(kube, IP_ADDRESS_POOL);
    const unknown = await pools.until(({ type }) => type === 'problem');
    server.fail({ status: 403 }, isList(NODE));
    const nodes = new Watching(kube, NODE);
    const forbidden = await nodes.until(({ type }) => type === 'problem');
    expect([unknown, forbidden]).toEqual([
      {
        type: 'problem',
        problem: {
          place: 'IPAddressPool',
          path: '',
          message: expect.stringMatching(/does not know IPAddressPool.*install its definition/),
          refusal: 'absent',
        },
      },
      {
        type: 'problem',
        problem: {
          place: 'Node',
          path: '',
          message: expect.stringMatching(/403.*RBAC/),
          refusal: 'forbidden',
        },
      },
    ]);
  });

  async function opened(kind: typeof SERVICE): Promise<void> {
    if (!server.requests.some(isWatch(kind))) await server.next(isWatch(kind));
  }
});

describe('a write', () => {
  const KEY = 'default/a';

  async function update(): ReturnType<Api['updateStatus']> {
    const resourceVersion = server.get(SERVICE, KEY)?.metadata.resourceVersion ?? '';
    const status = { loadBalancer: {} };
    return kube.updateStatus({ resource: SERVICE, key: KEY, resourceVersion, status });
  }

  beforeEach(() => server.put(service('a')));

  test('keeps what it does not know of', async () => {
    const finalizers = ['example.org/mine'];
    const { metadata, ...rest } = service('a');
    server.put({ ...rest, metadata: { ...metadata, finalizers } as KubeObject['metadata'] });
    expect((await update()).ok).toBe(true);
    expect(server.get(SERVICE, KEY)?.metadata).toMatchObject({ finalizers, managedFields: [{}] });
  });

  test('is a conflict when somebody was faster after all', async () => {
    server.fail({ status: 409 }, isPut(SERVICE, KEY));
    const result = await update();
    expect(result.ok ? '' : result.error.kind).toBe('conflict');
  });

  test('is sent again when the server asks for patience, or for other credentials', async () => {
    server.fail({ status: 429, retryAfter: 0 }, isPut(SERVICE, KEY));
    server.fail({ status: 503, retryAfter: 0 }, isPut(SERVICE, KEY));
    server.fail({ status: 401 }, isPut(SERVICE, KEY));
    expect((await update()).ok).toBe(true);
  });

  test.each<[Fault, string]>([
    ['reset', 'unavailable'],
    [{ status: 500 }, 'unavailable'],
    [{ status: 403 }, 'forbidden'],
    [{ status: 422 }, 'invalid'],
  ])('%j is %s, and is left to whoever decides', async (fault, kind) => {
    server.fail(fault, isPut(SERVICE, KEY));
    const result = await update();
    expect(result.ok ? '' : result.error.kind).toBe(kind);
    expect(server.requests.filter(isPut(SERVICE, KEY))).toHaveLength(1);
  });

  test('does not wait for watches, nor watches for it', async () => {
    const many = Array.from({ length: 40 }, () => new Watching(kube, SERVICE));
    await Promise.all(many.map((each) => each.synced()));
    expect((await update()).ok).toBe(true);
  });
});

describe('events', () => {
  const event = {
    resource: SERVICE,
    key: 'default/a',
    type: 'Normal',
    reason: 'IPAllocated',
    message: 'Assigned IP ["192.0.2.1"]',
  } as const;

  const recorded = (): readonly KubeObject[] => server.store.list('/api/v1/events');

  test('are created once, and counted', async () => {
    server.put(service('a'));
    await Promise.all([kube.record(event), kube.record(event), kube.record(event)]);
    await kube.record({ ...event, reason: 'ClearAssignment' });
    const uid = server.get(SERVICE, 'default/a')?.metadata.uid;
    const involvedObject = { ...SERVICE, name: 'a', namespace: 'default', uid };
    const source = { component: 'arpeggio-test' };
    expect(recorded()).toMatchObject([
      { reason: 'IPAllocated', count: 3, involvedObject, source, type: 'Normal' },
      { reason: 'ClearAssignment', count: 1 },
    ]);
    const writes = server.requests.filter(({ method }) => method !== 'GET');
    expect(writes.map(({ method }) => method)).toEqual(['POST', 'PATCH', 'PATCH', 'POST']);
  });

  test('begin anew when the old one is over', async () => {
    await kube.record(event);
    const [first] = recorded();
    server.remove(EVENT, `default/${first?.metadata.name}`);
    expect((await kube.record(event)).ok).toBe(true);
    expect(recorded()).toMatchObject([{ count: 1 }]);
  });

  test('of what has no namespace are in the default one', async () => {
    await kube.record({ ...event, resource: NODE, key: 'node1' });
    expect(recorded()).toMatchObject([{ metadata: { namespace: 'default' } }]);
  });

  test('that cannot be recorded are said to be lost', async () => {
    server.fail({ status: 403 }, ({ method }) => method === 'POST');
    const lost = await kube.record(event);
    expect(lost.ok ? '' : lost.error.kind).toBe('forbidden');
  });
});
