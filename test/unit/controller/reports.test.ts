/** What follows from the last reports: who answers, who may, and why nobody does. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { PATIENCE, Reports, SILENCE } from '../../../controller/reports.ts';
import type { SpeakerReport } from '../../../owners/report.ts';
import { NODES, reportOf } from './speakers.ts';
import type { Said } from './speakers.ts';

const VIP = '192.0.2.240';
const KEY = 'd/web';
const REFRESH = 10_000;

let reports: Reports;
let now: number;
let numbers: Map<string, number>;
/** Of the Service that is looked at. */
let ips: readonly string[];

beforeEach(() => {
  [reports, now, ips] = [new Reports('seed'), 0, [VIP]];
  reports.begin(now);
  numbers = new Map();
});

/** The next report of a speaker, its challenge repeated. */
function hear(node: string, said: Said = {}): boolean {
  const number = (numbers.get(node) ?? 0) + 1;
  numbers.set(node, number);
  const report = reportOf(node, { ...said, number });
  const admission = reports.admit(report);
  const challenge = admission.kind === 'challenged' ? admission.challenge : '';
  expect(reports.admit({ ...report, challenge })).toEqual({ kind: 'admitted' });
  return reports.take({ ...report, challenge }, now);
}

/** Every node says the same, but only one answers. */
function allHear(owner: string | undefined, said: Said = {}): void {
  for (const node of NODES) hear(node, { ...said, holds: node === owner ? [VIP] : [] });
}

/** Lets time pass, as the Machine does. */
function pass(ms: number): void {
  const end = now + ms;
  for (let at = reports.deadline(); at !== undefined && at <= end; at = reports.deadline()) {
    now = Math.max(now, at);
    reports.forget(now);
    look();
  }
  now = end;
}

/** Status, reason and nodes; `unchanged` while nothing can be said. */
function look(): string {
  const said = reports.announcement(KEY, ips, now);
  return said === undefined ? 'unchanged' : `${said.status} ${said.reason} ${said.nodes.join()}`;
}

/** What is said in the end, when everybody goes on as before. */
function settled(): string {
  look();
  pass(PATIENCE);
  return look();
}

describe('admission', () => {
  test('a first report is challenged, the same with the challenge is taken', () => {
    const report = reportOf('node1', { number: 1 });
    const first = reports.admit(report);
    expect(first).toEqual({
      kind: 'challenged',
      challenge: expect.stringMatching(/^[0-9a-f]{32}$/),
    });
    expect(reports.admit(report)).toEqual(first);
    expect(reports.admit({ ...report, challenge: 'f'.repeat(32) })).toEqual(first);
    hear('node1');
    expect(reports.nodes()).toEqual(['node1']);
  });

  test('no report is taken twice, and none that is older than the last', () => {
    const sent: SpeakerReport[] = [];
    const boots = ['a', 'b', 'c'].map((letter) => letter.repeat(16));
    const steps = fc.array(fc.tuple(fc.nat(2), fc.nat(20), fc.nat(40_000)), { maxLength: 60 });
    fc.assert(
      fc.property(steps, (list) => {
        [reports, now] = [new Reports('seed'), 0];
        sent.length = 0;
        for (const [boot, replayed, ms] of list) {
          now += ms;
          reports.forget(now);
          const fresh = reportOf('node1', { boot: boots[boot] ?? '', number: sent.length + 1 });
          const admission = reports.admit(fresh);
          const challenge = admission.kind === 'challenged' ? admission.challenge : '';
          const report = { ...fresh, challenge };
          expect(reports.admit(report).kind).toBe('admitted');
          reports.take(report, now);
          sent.push(report);
          const again = sent[replayed % sent.length] ?? report;
          expect(reports.admit(again).kind).not.toBe('admitted');
        }
      }),
    );
  });

  test('another controller, another challenge', () => {
    const other = new Reports('another seed');
    const report = reportOf('node1', {});
    expect(other.admit(report)).not.toEqual(reports.admit(report));
  });
});

describe('who answers', () => {
  test('with interface and MAC', () => {
    allHear('node2');
    expect(reports.announcement(KEY, [VIP], now)).toEqual({
      status: 'True',
      reason: 'Announced',
      message: `node2 answers for ${VIP} on eth0 (02:64:00:00:00:02)`,
      nodes: ['node2'],
    });
  });

  test('both addresses of a Service, of one node or of two', () => {
    const six = '2001:db8::240';
    hear('node2', { holds: [VIP, six] });
    const both = reports.announcement(KEY, [VIP, six], now);
    expect(both?.message).toBe(`node2 answers for ${VIP} and ${six} on eth0 (02:64:00:00:00:02)`);
    hear('node2', { holds: [VIP] });
    hear('node1', { holds: [six] });
    expect(reports.announcement(KEY, [VIP, six], now)).toMatchObject({
      status: 'True',
      nodes: ['node1', 'node2'],
      message:
        `node1 answers for ${six} on eth0 (02:64:00:00:00:01); ` +
        `node2 answers for ${VIP} on eth0 (02:64:00:00:00:02)`,
    });
  });

  test('a repetition is no news', () => {
    allHear('node2');
    pass(REFRESH);
    expect(NODES.map((node) => hear(node, { holds: node === 'node2' ? [VIP] : [] }))).toEqual([
      false,
      false,
      false,
    ]);
  });
});

describe('a failover', () => {
  test.each([
    ['the heir reports first', ['node3', 'node1']],
    ['the heir reports last', ['node1', 'node3']],
  ])('%s: from one node to the other, and nothing between', (_, order) => {
    allHear('node2');
    const seen = new Set([look()]);
    pass(5000);
    for (const node of order) {
      hear(node, { dead: ['node2'], holds: node === 'node3' ? [VIP] : [] });
      seen.add(look());
      pass(10);
      seen.add(look());
    }
    expect([...seen].filter((each) => each !== 'unchanged')).toEqual([
      'True Announced node2',
      'True Announced node3',
    ]);
    for (let i = 0; i < 4; i += 1) {
      pass(REFRESH);
      for (const node of order)
        hear(node, { dead: ['node2'], holds: node === 'node3' ? [VIP] : [] });
      expect(look()).toBe('True Announced node3');
    }
  });

  test.each([
    ['who takes over reports first', ['node1', 'node2']],
    ['who lets go reports first', ['node2', 'node1']],
  ])('a hand-over, %s: never both, never nobody', (_, order) => {
    allHear('node2');
    pass(5000);
    const seen = new Set([look()]);
    for (const node of order) {
      hear(node, { holds: node === 'node1' ? [VIP] : [] });
      seen.add(look());
      pass(20);
    }
    pass(PATIENCE);
    seen.add(look());
    seen.delete('unchanged');
    expect([...seen]).toEqual(['True Announced node2', 'True Announced node1']);
  });

  test('nobody takes over: said when it has lasted', () => {
    allHear('node2');
    pass(5000);
    for (const node of ['node1', 'node3']) hear(node, { dead: ['node2'] });
    expect(look()).toBe('unchanged');
    expect(settled()).toBe('False NobodyAnswers ');
  });

  test('a node that was declared dead and lives has its voice back', () => {
    allHear('node2');
    pass(5000);
    hear('node1', { dead: ['node2', 'node3'], holds: [VIP] });
    expect(look()).toBe('True Announced node1');
    pass(PATIENCE);
    hear('node2', { dead: ['node1'], holds: [VIP] });
    expect(look()).toBe('True Announced node2');
    // What every speaker does a second after a change.
    hear('node1', { dead: ['node2', 'node3'], holds: [VIP] });
    expect(settled()).toBe('True Announced node1,node2');
    for (let i = 0; i < 3; i += 1) {
      for (const [node, other] of [
        ['node1', 'node2'],
        ['node2', 'node1'],
      ] as const) {
        pass(REFRESH / 2);
        hear(node, { dead: node === 'node1' ? [other, 'node3'] : [other], holds: [VIP] });
        expect(look()).toBe('True Announced node1,node2');
      }
    }
  });

  test('a speaker that stops says nothing more', () => {
    allHear('node2');
    for (const node of ['node1', 'node3']) {
      hear(node, { absent: ['node2'], holds: node === 'node1' ? [VIP] : [] });
      pass(1);
    }
    expect(settled()).toBe('True Announced node1');
  });

  test('whoever has just started and hears nobody declares nobody gone', () => {
    allHear('node2');
    pass(5000);
    hear('node1', { phase: 'listening', absent: ['node2', 'node3'] });
    expect(settled()).toBe('True Announced node2');
  });
});

describe('nobody answers', () => {
  test('the speakers’ own reason and sentence', () => {
    const silent = [{ service: KEY, reason: 'NoServingEndpoint', sentence: 'none serves' }];
    allHear(undefined, { silent });
    look();
    pass(PATIENCE);
    expect(reports.announcement(KEY, [VIP], now)).toEqual({
      status: 'False',
      reason: 'NoServingEndpoint',
      message: 'none serves',
      nodes: [],
    });
  });

  test('the reason that most of them give', () => {
    const because = (reason: string): Said => ({
      silent: [{ service: KEY, reason, sentence: reason }],
    });
    hear('node1', because('NoEligibleNode'));
    hear('node2', because('NoServingEndpoint'));
    hear('node3', because('NoEligibleNode'));
    expect(settled()).toBe('False NoEligibleNode ');
  });

  test('a voice counts more than a reason, and an address more than its absence', () => {
    const late = [{ service: KEY, reason: 'NoAddress', sentence: 'it has no address yet' }];
    hear('node1', { silent: late });
    hear('node2', { holds: [VIP] });
    hear('node3');
    expect(look()).toBe('True Announced node2');
    hear('node2', { silent: late });
    expect(settled()).toBe('False NobodyAnswers ');
  });

  test('as long as speakers start, it says so', () => {
    allHear(undefined, { phase: 'listening' });
    settled();
    const said = reports.announcement(KEY, [VIP], now);
    expect(said?.message).toBe(
      `no speaker answers for ${VIP}; still starting: node1, node2, node3`,
    );
  });

  test('an answer for one address of two: who it is, and what is missing', () => {
    const six = '2001:db8::240';
    allHear('node2');
    ips = [VIP, six];
    settled();
    expect(reports.announcement(KEY, ips, now)).toEqual({
      status: 'False',
      reason: 'NobodyAnswers',
      message:
        `no speaker answers for ${six}; see their logs; ` +
        `node2 answers for ${VIP} on eth0 (02:64:00:00:00:02)`,
      nodes: ['node2'],
    });
  });
});

describe('silence', () => {
  test('of all: unknown after thirty seconds, and not before', () => {
    allHear('node2');
    pass(SILENCE - 1);
    expect(look()).toBe('True Announced node2');
    pass(1);
    expect(look()).toBe('unchanged');
    expect(settled()).toBe('Unknown NoReports ');
  });

  test('of the one that answers, whom others hear', () => {
    allHear('node2');
    for (let i = 0; i < 3; i += 1) {
      pass(REFRESH);
      for (const node of ['node1', 'node3']) hear(node);
    }
    expect(settled()).toBe('Unknown ReportMissing ');
    expect(reports.announcement(KEY, [VIP], now)?.message).toContain('node2');
    hear('node2', { holds: [VIP] });
    expect(look()).toBe('True Announced node2');
  });

  test('after a start: nothing is said until everybody had the time to report', () => {
    pass(SILENCE - 1);
    expect(look()).toBe('unchanged');
    expect(settled()).toBe('Unknown NoReports ');
  });

  test('before reports can come, their absence says nothing', () => {
    reports = new Reports('seed');
    pass(2 * SILENCE);
    expect([settled(), reports.deadline()]).toEqual(['unchanged', undefined]);
    reports.begin(now);
    pass(SILENCE);
    expect(settled()).toBe('Unknown NoReports ');
  });

  test('after a start a node that others hear may still report', () => {
    hear('node1');
    expect(settled()).toBe('unchanged');
    hear('node2', { holds: [VIP] });
    expect(look()).toBe('True Announced node2');
  });
});

test('nothing to wait for: no deadline but that of silence', () => {
  allHear('node2');
  settled();
  pass(SILENCE - PATIENCE - 1);
  allHear('node2');
  pass(PATIENCE + 1);
  expect(reports.deadline()).toBe(2 * SILENCE - 1);
});
