/** ServiceL2Status in conversation with a source in memory: one for each Service announced. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { SERVICE_L2_STATUS } from '../../../kube/kube.ts';
import type { KubeFailure, WatchEvent } from '../../../kube/kube.ts';
import type { KubeObject } from '../../../kube/objects.ts';
import type { SpeakerStatus } from '../../../owners/report.ts';
import { L2Statuses } from '../../../speaker/l2status.ts';
import { Kept } from '../kube/kept.ts';

const NAMESPACE = 'metallb-system';
const AWAY: KubeFailure = { kind: 'unavailable', message: 'the API server is away' };

/** What the source has, and what is asked of it. */
class Source extends Kept {
  /** Services that are announced, with the names of interfaces. */
  announced: Record<string, readonly string[]> = {};
  dead: readonly string[] = [];
  phase: SpeakerStatus['phase'] = 'serving';

  constructor() {
    const status = (): SpeakerStatus => this.#status();
    super(() => new L2Statuses({ node: 'node1', namespace: NAMESPACE, status }));
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

  announce(announced: Record<string, readonly string[]>): void {
    this.announced = announced;
    this.change();
  }

  /** What was asked for, without of which object. */
  kinds(): readonly (string | undefined)[] {
    return this.asked.map((line) => line.split(' ')[0]);
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

  #status(): SpeakerStatus {
    const addresses = Object.entries(this.announced).map(([service, names], i) => ({
      ip: `192.0.2.${i}`,
      services: [service],
      interfaces: names.map((name) => ({ name, mac: '02:00:00:00:00:01' })),
    }));
    const peers = { alive: [], joining: [], absent: [], dead: this.dead };
    const none = { silent: [], conflicts: [], troubles: [] };
    return { phase: this.phase, plane: 'bpf', addresses, ...none, peers };
  }
}

let source: Source;

beforeEach(() => {
  source = new Source();
});

describe('one for each Service', () => {
  test('made with labels, then its status; and then silence', () => {
    source.announce({ 'default/web': ['eth0', 'eth1'] });
    expect(source.statuses()).toEqual(['node1 default/web eth0+eth1']);
    expect(source.kinds()).toEqual(['create', 'update']);
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
    expect([source.kinds(), source.said]).toEqual([['create', 'update'], []]);
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
    source.remove(key ?? '');
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
