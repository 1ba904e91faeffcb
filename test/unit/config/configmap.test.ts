/** The old ConfigMap as a source: what watchers see while it comes, changes, breaks and goes. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import { withConfigMap } from '../../../config/compat/configmap.ts';
import {
  BGP_ADVERTISEMENT,
  CONFIG_MAP,
  IP_ADDRESS_POOL,
  L2_ADVERTISEMENT,
  SERVICE,
} from '../../../kube/kube.ts';
import type { Kube, KubeEvent, Resource, WatchEvent } from '../../../kube/kube.ts';
import type { KubeObject } from '../../../kube/objects.ts';
import { ok } from '../../../lib/result.ts';

type Sink = (event: WatchEvent) => void;

/** A source with watches that the test itself delivers to. */
class Source implements Kube {
  readonly watches: { resource: Resource; sink: Sink }[] = [];
  readonly recorded: KubeEvent[] = [];
  readonly written: string[] = [];
  trouble: string | undefined;

  watch(resource: Resource, sink: Sink): void {
    this.watches.push({ resource, sink });
  }
  deliver(...events: readonly WatchEvent[]): void {
    const maps = this.watches.find(({ resource }) => resource === CONFIG_MAP);
    for (const event of events) maps?.sink(event);
  }
  updateStatus = ({ key }: { key: string }) => {
    this.written.push(key);
    return Promise.resolve(ok(configMap({})));
  };
  create = (object: KubeObject) => Promise.resolve(ok(object));
  replace = (object: KubeObject) => Promise.resolve(ok(object));
  read = () => Promise.resolve(ok(configMap({})));
  delete = () => Promise.resolve(ok(undefined));
  record(event: KubeEvent) {
    this.recorded.push(event);
    return Promise.resolve(ok(undefined));
  }
  notReady = () => this.trouble;
  place = () => 'elsewhere';
}

const configMap = (data: unknown, name = 'config'): KubeObject =>
  ({
    ...CONFIG_MAP,
    metadata: { name, namespace: 'metallb-system', resourceVersion: '7' },
    data,
  }) as KubeObject;
const put = (data: unknown, name?: string): WatchEvent => ({
  type: 'put',
  object: configMap(data, name),
});
const pools = (...names: readonly string[]): WatchEvent =>
  put({
    config: [
      'address-pools:',
      ...names.flatMap((name, index) => [
        `- name: ${name}`,
        '  protocol: layer2',
        `  addresses: [192.0.2.${index * 16}/28]`,
      ]),
    ].join('\n'),
  });
const SYNCED: WatchEvent = { type: 'synced' };
const BROKEN = put({ config: 'address-pools:\n- name: a\n  protocol: layer3\n  addresses: []' });
const GONE: WatchEvent = { type: 'delete', key: 'metallb-system/config' };

let source: Source;
let kube: Kube;
let signal: { aborted: boolean; addEventListener: () => void };

beforeEach(() => {
  source = new Source();
  kube = withConfigMap(source, 'metallb-system', 'config');
  signal = { aborted: false, addEventListener: () => undefined };
});

/** What a watcher sees, in few words. */
async function watch(resource: Resource): Promise<string[]> {
  const seen: string[] = [];
  kube.watch(resource, (event) => seen.push(shown(event)), signal);
  await Promise.resolve();
  await Promise.resolve();
  return seen;
}

function shown(event: WatchEvent): string {
  if (event.type === 'put') return `+${event.object.metadata.name}`;
  if (event.type === 'delete') return `-${event.key}`;
  if (event.type === 'problem') return `! ${event.problem.place} ${event.problem.path}`.trim();
  if (event.type === 'solved') return `ok ${event.place}`;
  return event.type;
}

describe('watching', () => {
  test('pools and advertisements come from the text, over one watch', async () => {
    const seen = [await watch(IP_ADDRESS_POOL), await watch(L2_ADVERTISEMENT)];
    const bgp = await watch(BGP_ADVERTISEMENT);
    source.deliver(put({ config: 'x: [' }, 'kube-root-ca.crt'), pools('a', 'b'), SYNCED);
    expect(source.watches.map(({ resource }) => resource)).toEqual([CONFIG_MAP]);
    expect(seen).toEqual([
      ['+a', '+b', 'synced'],
      ['+l2advertisement1', '+l2advertisement2', 'synced'],
    ]);
    expect(bgp).toEqual(['synced']);
    expect(kube.notReady()).toBe(undefined);
  });

  test('a watcher that comes late sees the same, and other kinds pass through', async () => {
    await watch(IP_ADDRESS_POOL);
    source.deliver(pools('a'), SYNCED);
    expect(await watch(IP_ADDRESS_POOL)).toEqual(['+a', 'synced']);
    kube.watch(SERVICE, () => undefined, signal);
    expect(source.watches.map(({ resource }) => resource.kind)).toEqual(['ConfigMap', 'Service']);
  });

  test('changes: what goes, goes; what stays is not told again', async () => {
    const seen = await watch(IP_ADDRESS_POOL);
    source.deliver(pools('a', 'b'), SYNCED, pools('a', 'b', 'c'), pools('a'));
    expect(seen.slice(3)).toEqual(['+c', '-metallb-system/b', '-metallb-system/c']);
    source.deliver(put({ config: '' }));
    expect(seen.slice(6)).toEqual(['-metallb-system/a']);
  });

  test('nothing is told to who left', async () => {
    const seen = await watch(IP_ADDRESS_POOL);
    const late: string[] = [];
    kube.watch(IP_ADDRESS_POOL, (event) => late.push(shown(event)), signal);
    signal.aborted = true;
    await Promise.resolve();
    source.deliver(pools('a'));
    expect(seen).toEqual(['+a', 'synced']);
    expect(late).toEqual([]);
  });
});

describe('trouble', () => {
  const LINE = 'ConfigMap metallb-system/config, line 3 of config';

  test('malformed: the old one stays; field and line are told, then that it is over', async () => {
    const seen = await watch(IP_ADDRESS_POOL);
    source.deliver(pools('a'), SYNCED, BROKEN, BROKEN);
    expect(seen.slice(2)).toEqual([`! ${LINE} address-pools[0].protocol`]);
    expect(kube.notReady()).toBe(undefined);
    source.deliver(pools('a'));
    expect(seen.slice(3)).toEqual([`ok ${LINE}`]);
  });

  test('malformed from the start: nothing counts as read, or addresses would go', async () => {
    const seen = await watch(IP_ADDRESS_POOL);
    source.deliver(BROKEN, SYNCED);
    expect(seen).toEqual([`! ${LINE} address-pools[0].protocol`]);
    expect(kube.notReady()).toMatch(/^ConfigMap .*line 3.*protocol must be layer2 or bgp/);
    source.deliver(pools('a'));
    expect(seen.slice(1)).toEqual(['+a', 'synced', `ok ${LINE}`]);
  });

  test('not there (yet): told, and not read', async () => {
    const seen = await watch(IP_ADDRESS_POOL);
    expect(kube.notReady()).toMatch('has not been read yet');
    source.deliver(SYNCED);
    expect(seen).toEqual(['! ConfigMap metallb-system/config']);
    expect(kube.notReady()).toMatch('does not exist: create it');
    source.deliver(pools('a'));
    expect(seen.slice(1)).toEqual(['+a', 'synced', 'ok ConfigMap metallb-system/config']);
  });

  test('deleted: what it said last stays, also for those who come now', async () => {
    const seen = await watch(IP_ADDRESS_POOL);
    source.deliver(pools('a'), SYNCED, GONE, SYNCED);
    expect(seen.slice(2)).toEqual(['! ConfigMap metallb-system/config']);
    expect(await watch(IP_ADDRESS_POOL)).toEqual([
      '+a',
      'synced',
      '! ConfigMap metallb-system/config',
    ]);
    source.deliver(pools('a'));
    expect(seen.slice(3)).toEqual(['ok ConfigMap metallb-system/config']);
  });

  test.each([undefined, null, {}, { other: 'address-pools: []' }])('data %j', async (data) => {
    const seen = await watch(IP_ADDRESS_POOL);
    source.deliver(pools('a'), SYNCED, put(data));
    expect(seen.slice(2)).toEqual(['! ConfigMap metallb-system/config data']);
    source.deliver(put({ config: '' }));
    expect(seen.slice(3)).toEqual(['-metallb-system/a', 'ok ConfigMap metallb-system/config']);
  });

  test('the source is away: told as trouble of the kind', async () => {
    const seen = await watch(IP_ADDRESS_POOL);
    const problem = { place: 'ConfigMap', path: '', message: 'down' };
    source.deliver(pools('a'), { type: 'problem', problem });
    source.trouble = 'down';
    expect(seen.slice(2)).toEqual(['! IPAddressPool']);
    expect(kube.notReady()).toBe('down');
    source.deliver({ type: 'solved', place: 'ConfigMap' });
    expect(seen.slice(3)).toEqual(['ok IPAddressPool']);
  });
});

describe('writing', () => {
  const key = 'metallb-system/a';

  test('statuses of pools are shown to watchers, and go nowhere', async () => {
    const versions: unknown[] = [];
    const sink: Sink = (event) => {
      if (event.type !== 'put') return;
      const { metadata, status } = event.object as KubeObject & { status?: unknown };
      versions.push([metadata.resourceVersion, status]);
    };
    kube.watch(IP_ADDRESS_POOL, sink, signal);
    await Promise.resolve();
    source.deliver(pools('a'));
    const update = { resource: IP_ADDRESS_POOL, key, resourceVersion: '7', status: { x: 1 } };
    expect(await kube.updateStatus(update)).toMatchObject({
      ok: true,
      value: { status: { x: 1 } },
    });
    source.deliver(pools('a', 'b'), pools('a'));
    expect(versions).toEqual([
      ['7', undefined],
      ['7.1', { x: 1 }],
      ['7', undefined],
    ]);
    expect(source.written).toEqual([]);
    expect(await kube.updateStatus({ ...update, key: 'metallb-system/z' })).toMatchObject({
      ok: false,
      error: { kind: 'not-found' },
    });
    await kube.updateStatus({ ...update, resource: SERVICE, key: 'default/web' });
    expect(source.written).toEqual(['default/web']);
  });

  test('events of pools are those of the ConfigMap; others are passed on', async () => {
    const event = { key, type: 'Warning', reason: 'R', message: 'm' } as const;
    await kube.record({ resource: IP_ADDRESS_POOL, ...event });
    await kube.record({ resource: SERVICE, ...event });
    expect(source.recorded).toEqual([
      {
        ...event,
        resource: CONFIG_MAP,
        key: 'metallb-system/config',
        message: 'IPAddressPool metallb-system/a: m',
      },
      { resource: SERVICE, ...event },
    ]);
  });

  test('a field of a pool has a place in the text', async () => {
    await watch(IP_ADDRESS_POOL);
    source.deliver(pools('a', 'b'));
    expect(kube.place(IP_ADDRESS_POOL, 'metallb-system/b', 'spec.addresses[0]')).toBe(
      'ConfigMap metallb-system/config, line 7 of config: address-pools[1].addresses[0]',
    );
    expect(kube.place(IP_ADDRESS_POOL, 'metallb-system/z', '')).toBe(
      'ConfigMap metallb-system/config',
    );
    expect(kube.place(SERVICE, 'default/web', '')).toBe('elsewhere');
    expect(await kube.read(IP_ADDRESS_POOL, key)).toMatchObject({ ok: true });
  });
});
