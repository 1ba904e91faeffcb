/** ServiceL2Status in conversation with a source in memory: one for each Service announced. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Keeper } from '../../../kube/keeper.ts';
import type { KeeperOutput } from '../../../kube/keeper.ts';
import { SERVICE_L2_STATUS } from '../../../kube/kube.ts';
import type { KubeFailure, WatchEvent } from '../../../kube/kube.ts';
import { keyOf } from '../../../kube/objects.ts';
import type { KubeObject } from '../../../kube/objects.ts';
import { err, ok } from '../../../lib/result.ts';
import type { SpeakerStatus } from '../../../owners/report.ts';
import { L2Statuses } from '../../../speaker/l2status.ts';

const NAMESPACE = 'metallb-system';
const AWAY: KubeFailure = { kind: 'unavailable', message: 'the API server is away' };

/** What the source has, and what is asked of it. */
class Source {
  readonly objects = new Map<string, KubeObject>();
  /** Services that are announced, with the names of interfaces. */
  announced: Record<string, readonly string[]> = {};
  dead: readonly string[] = [];
  phase: SpeakerStatus['phase'] = 'serving';
  failure: KubeFailure | undefined;
  asked: string[] = [];
  said: string[] = [];
  now = 0;
  machine = this.started();
  #version = 0;
  #shown: WatchEvent[] = [];

  started(): Keeper {
    const options = { node: 'node1', namespace: NAMESPACE, status: () => this.#status() };
    return new Keeper(new L2Statuses(options));
  }

  /** A new life of the speaker. */
  restart(): void {
    this.machine = this.started();
    for (const object of this.objects.values()) this.show({ type: 'put', object });
    this.show({ type: 'synced' });
  }

  show(event: WatchEvent): void {
    this.#shown.push(event);
  }

  put(object: KubeObject): KubeObject {
    this.#version += 1;
    const resourceVersion = String(this.#version);
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion } };
    this.objects.set(keyOf(stored), stored);
    this.show({ type: 'put', object: stored });
    return stored;
  }

  /** Of another node, or of another life of this one. */
  foreign(node: string, service: string, name: string): void {
    const [serviceNamespace = '', serviceName = ''] = service.split('/');
    const labels = {
      'metallb.io/node': node,
      'metallb.io/service-name': serviceName,
      'metallb.io/service-namespace': serviceNamespace,
    };
    this.put({ ...SERVICE_L2_STATUS, metadata: { name, namespace: NAMESPACE, labels } });
  }

  /** Everything that happens within that time. */
  pass(ms: number): void {
    const end = this.now + ms;
    for (let steps = 0; steps < 5000; steps += 1) {
      for (const event of this.#shown.splice(0)) {
        this.machine.handle({ kind: 'watch', event }, this.now);
      }
      this.machine.tick(this.now);
      this.#carryOut();
      const at = this.machine.deadline();
      if (this.#shown.length > 0) continue;
      if (at === undefined || at > end) {
        this.now = end;
        return;
      }
      this.now = Math.max(this.now, at);
    }
    throw new Error('does not settle');
  }

  announce(announced: Record<string, readonly string[]>): void {
    this.announced = announced;
    this.machine.handle({ kind: 'changed' }, this.now);
    this.pass(2000);
  }

  /** Status of every object, by node and Service. */
  statuses(): readonly string[] {
    const words = [...this.objects.values()].map((object) => {
      const { status } = object as { status?: Record<string, unknown> };
      const links = (status?.['interfaces'] ?? []) as readonly { name: string }[];
      const names = links.map(({ name }) => name).join('+');
      const service = `${String(status?.['serviceNamespace'])}/${String(status?.['serviceName'])}`;
      return `${String(status?.['node'])} ${service} ${names}`;
    });
    return words.toSorted();
  }

  #carryOut(): void {
    for (let out = this.machine.poll(); out !== undefined; out = this.machine.poll()) {
      if (out.kind === 'note') this.said.push(out.note.msg);
      else this.#answer(out);
    }
  }

  #answer(out: Exclude<KeeperOutput, { kind: 'note' }>): void {
    this.asked.push(out.kind);
    const { key } = out;
    const done = (failure?: KubeFailure, value?: KubeObject): void => {
      const result = failure === undefined ? ok(value) : err(failure);
      this.machine.handle({ kind: 'done', key, result }, this.now);
    };
    const object = this.objects.get(key);
    if (this.failure !== undefined) return done(this.failure);
    if (out.kind === 'create') {
      if (object !== undefined) return done({ kind: 'exists', message: 'it is there' });
      return done(undefined, this.put(out.object));
    }
    if (object === undefined) return done({ kind: 'not-found', message: 'it is gone' });
    const version = out.kind === 'delete' ? out.version : out.update.resourceVersion;
    if (object.metadata.resourceVersion !== version) {
      return done({ kind: 'conflict', message: 'it was changed' });
    }
    if (out.kind === 'update') {
      return done(undefined, this.put({ ...object, status: out.update.status } as KubeObject));
    }
    this.objects.delete(key);
    this.show({ type: 'delete', key });
    return done();
  }

  #status(): SpeakerStatus {
    const addresses = Object.entries(this.announced).map(([service, names], i) => ({
      ip: `192.0.2.${i}`,
      services: [service],
      interfaces: names.map((name) => ({ name, mac: '02:00:00:00:00:01' })),
    }));
    const peers = { alive: [], joining: [], absent: [], dead: this.dead };
    return { phase: this.phase, plane: 'bpf', addresses, silent: [], peers };
  }
}

let source: Source;

beforeEach(() => {
  source = new Source();
  source.restart();
});

describe('one for each Service', () => {
  test('made with labels, then its status; and then silence', () => {
    source.announce({ 'default/web': ['eth0', 'eth1'] });
    expect(source.statuses()).toEqual(['node1 default/web eth0+eth1']);
    expect(source.asked).toEqual(['create', 'update']);
    const [object] = source.objects.values();
    expect(object?.metadata).toMatchObject({
      namespace: NAMESPACE,
      name: expect.stringMatching(/^l2-[0-9a-f]{12}$/),
      labels: {
        'metallb.io/node': 'node1',
        'metallb.io/service-name': 'web',
        'metallb.io/service-namespace': 'default',
      },
    });
    source.pass(100_000);
    source.announce({ 'default/web': ['eth0', 'eth1'] });
    expect([source.asked, source.said]).toEqual([['create', 'update'], []]);
    expect(source.machine.deadline()).toBe(undefined);
  });

  test('another interface is another status', () => {
    source.announce({ 'default/web': ['eth0'] });
    source.announce({ 'default/web': ['eth1'] });
    expect(source.statuses()).toEqual(['node1 default/web eth1']);
  });

  test('gone when this node announces it no more', () => {
    source.announce({ 'default/web': ['eth0'], 'default/api': ['eth0'] });
    source.announce({ 'default/api': ['eth0'] });
    expect(source.statuses()).toEqual(['node1 default/api eth0']);
  });

  test('removed or changed by somebody: made good', () => {
    source.announce({ 'default/web': ['eth0'] });
    const [[key, object] = []] = source.objects;
    source.put({ ...object, status: { node: 'node9' } } as unknown as KubeObject);
    source.pass(2000);
    expect(source.statuses()).toEqual(['node1 default/web eth0']);
    source.objects.delete(key ?? '');
    source.show({ type: 'delete', key: key ?? '' });
    source.pass(2000);
    expect(source.statuses()).toEqual(['node1 default/web eth0']);
  });
});

describe('what others left behind', () => {
  test('an earlier life of this node: removed once this one could announce', () => {
    source.foreign('node1', 'default/old', 'l2-xyzab');
    source.phase = 'listening';
    source.announce({});
    expect(source.objects.size).toBe(1);
    source.phase = 'serving';
    source.announce({});
    expect(source.objects.size).toBe(0);
  });

  test('a restart with the same Services leaves them alone', () => {
    source.announce({ 'default/web': ['eth0'] });
    source.asked = [];
    source.restart();
    source.pass(2000);
    expect(source.asked).toEqual([]);
  });

  test('another node’s stays, unless that node is gone and this one announces', () => {
    source.foreign('node2', 'default/web', 'l2-two');
    source.foreign('node3', 'default/api', 'l2-three');
    source.announce({ 'default/web': ['eth0'] });
    expect(source.objects.size).toBe(3);
    source.dead = ['node2', 'node3'];
    source.announce({ 'default/web': ['eth0'] });
    const left = [...source.objects.values()].map(({ metadata }) => metadata.name);
    expect(left).toEqual(['l2-three', expect.stringMatching(/^l2-[0-9a-f]{12}$/)]);
  });
});

test('failures are tried again, less and less often, and said once', () => {
  source.failure = AWAY;
  source.announce({ 'default/web': ['eth0'] });
  source.pass(600_000);
  expect(source.asked.length).toBeGreaterThan(8);
  expect(source.asked.length).toBeLessThan(20);
  expect(source.said).toEqual([`cannot keep ServiceL2Status up to date: ${AWAY.message}`]);
  source.failure = undefined;
  source.pass(60_000);
  expect(source.statuses()).toEqual(['node1 default/web eth0']);
});

test('a source that does not know the kind is said; a broken manifest is not our matter', () => {
  const problem = (place: string): WatchEvent => ({
    type: 'problem',
    problem: { place, path: '', message: `${place}!` },
  });
  source.show(problem('web.yaml:1'));
  source.show(problem('ServiceL2Status'));
  source.pass(100);
  expect(source.said).toEqual(['cannot keep ServiceL2Status up to date: ServiceL2Status!']);
});

test('many at once: all are made, a few at a time', () => {
  const names = Array.from({ length: 200 }, (_, i) => `default/web${i}`);
  source.announce(Object.fromEntries(names.map((name) => [name, ['eth0']])));
  expect(source.objects.size).toBe(200);
  expect(source.asked).toHaveLength(400);
});

test('whatever was announced, and whatever failed: in the end exactly what is announced', () => {
  const services = ['a/a', 'a/b', 'b/a', 'b/b'];
  const step = fc.record({
    announced: fc.subarray(services),
    fails: fc.boolean(),
    restarts: fc.boolean(),
    ms: fc.nat(3000),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), fc.subarray(services), (steps, last) => {
      source = new Source();
      source.restart();
      for (const { announced, fails, restarts, ms } of steps) {
        source.failure = fails ? AWAY : undefined;
        if (restarts) source.restart();
        source.announce(Object.fromEntries(announced.map((name) => [name, ['eth0']])));
        source.pass(ms);
      }
      source.failure = undefined;
      source.announce(Object.fromEntries(last.map((name) => [name, ['eth0']])));
      source.pass(120_000);
      expect(source.statuses()).toEqual(last.map((name) => `node1 ${name} eth0`).toSorted());
      source.asked = [];
      source.pass(120_000);
      expect(source.asked).toEqual([]);
    }),
    { numRuns: 100 },
  );
});
