/** The Machine and the speakers' reports: who announces is written on change, and only then. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ANNOUNCED } from '../../../controller/plan.ts';
import { PATIENCE, SILENCE } from '../../../controller/reports.ts';
import type { Condition } from '../../../kube/objects.ts';
import { NODES } from './speakers.ts';
import { Source } from './source.ts';

const VIP = '192.0.2.240';
const REFRESH = 10_000;

let source: Source;

beforeEach(() => {
  start(true);
});

function start(hasReports: boolean): void {
  source = new Source(hasReports);
  source.pool('lan', ['192.0.2.240-192.0.2.249']);
  source.service('web');
  source.synced();
  source.pass(0);
  source.heard = [];
}

/** Everybody reports; one of them answers. */
function report(owner: string | undefined, dead: readonly string[] = []): void {
  for (const node of NODES) {
    if (!dead.includes(node)) source.report(node, { dead, holds: node === owner ? [VIP] : [] });
  }
}

function condition(): Condition | undefined {
  const { conditions = [] } = source.services.get('d/web')?.status ?? {};
  return conditions.find(({ type }) => type === ANNOUNCED);
}

const writes = (): number => source.heard.filter((word) => word.startsWith('write')).length;

describe('reports', () => {
  test('the owner is on the Service within milliseconds; then silence', () => {
    report('node2');
    source.pass(10);
    expect([source.announcedBy('web'), condition()?.status, writes()]).toEqual([
      'node2',
      'True',
      1,
    ]);
    for (let i = 0; i < 6; i += 1) {
      source.pass(REFRESH);
      report('node2');
    }
    expect([source.announcedBy('web'), source.heard]).toEqual(['node2', ['write d/web']]);
  });

  test.each([['node1'], ['node3']])('a failover to %s is one write', (heir) => {
    report('node2');
    source.pass(5000);
    source.heard = [];
    for (const node of ['node1', 'node3']) {
      source.report(node, { dead: ['node2'], holds: node === heir ? [VIP] : [] });
      source.pass(20);
    }
    expect([source.announcedBy('web'), source.heard]).toEqual([heir, ['write d/web']]);
    for (let i = 0; i < 6; i += 1) {
      source.pass(REFRESH);
      report(heir, ['node2']);
    }
    expect([source.announcedBy('web'), writes()]).toEqual([heir, 1]);
  });

  test('a new Service has an owner before anybody says that it has none', () => {
    report('node2');
    source.service('other');
    source.pass(PATIENCE - 10);
    report('node2');
    source.report('node3', { holds: ['192.0.2.241'] });
    source.pass(60_000 - PATIENCE);
    expect(source.announcedBy('other')).toBe(undefined);
    expect(source.heard.filter((word) => word === 'write d/other')).toHaveLength(3);
  });

  test('no more reports: unknown once, and back when they come again', () => {
    report('node2');
    source.pass(SILENCE - 1);
    expect(condition()?.status).toBe('True');
    source.pass(120_000);
    expect(condition()).toMatchObject({ status: 'Unknown', reason: 'NoReports' });
    expect([source.announcedBy('web'), writes(), source.machine.deadline()]).toEqual([
      undefined,
      2,
      undefined,
    ]);
    report('node1');
    source.pass(10);
    expect([source.announcedBy('web'), condition()?.status]).toEqual(['node1', 'True']);
  });

  test('a controller that starts anew leaves it as it is until it has heard', () => {
    report('node2');
    source.pass(5000);
    source.heard = [];
    source.restart();
    source.pass(SILENCE / 2);
    report('node2');
    source.pass(SILENCE / 3);
    expect(source.heard).toEqual([]);
  });

  test('while a write is under way the newest state follows it', () => {
    report('node2');
    source.deliver();
    source.now += 10;
    source.deliver();
    expect(source.writes).toHaveLength(1);
    report('node3', ['node2']);
    source.deliver();
    source.now += 10;
    source.deliver();
    source.pass(10);
    expect([source.announcedBy('web'), writes()]).toEqual(['node3', 2]);
  });

  test('a Service that gives its address back is announced by nobody', () => {
    report('node2');
    source.pass(10);
    source.service('web', { type: 'ClusterIP' });
    source.pass(10);
    expect([source.announcedBy('web'), condition(), source.ips('web')]).toEqual([
      undefined,
      undefined,
      '',
    ]);
  });
});

test('where speakers do not report, nothing is said and nothing wakes', () => {
  start(false);
  source.pass(120_000);
  expect([source.heard, condition(), source.machine.deadline()]).toEqual([
    [],
    undefined,
    undefined,
  ]);
});

test('whatever was reported: in the end the truth is shown, and then there is silence', () => {
  const node = fc.constantFrom(...NODES);
  const nodes = fc.subarray(NODES);
  const step = fc.record({
    node,
    holds: fc.boolean(),
    dead: nodes,
    phase: fc.constantFrom('listening', 'serving', 'stopped' as const),
    ms: fc.nat(15_000),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), node, (steps, owner) => {
      start(true);
      for (const { node: from, holds, dead, phase, ms } of steps) {
        source.report(from, { phase, dead, holds: holds ? [VIP] : [] });
        source.pass(ms);
      }
      for (let i = 0; i < 2; i += 1) {
        report(owner);
        source.pass(PATIENCE);
      }
      expect([source.announcedBy('web'), condition()?.status]).toEqual([owner, 'True']);
      source.heard = [];
      for (let i = 0; i < 5; i += 1) {
        source.pass(REFRESH);
        report(owner);
      }
      expect(source.heard).toEqual([]);
    }),
    { numRuns: 60 },
  );
});
