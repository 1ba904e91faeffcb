/** When a speaker reports, to whom, and how quiet it is about it. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import type { SpeakerReport, SpeakerStatus } from '../../../owners/report.ts';
import { COALESCE, CONFIRM, REFRESH, RETRY_FIRST, Reporter } from '../../../speaker/reporter.ts';
import { SPACING } from '../../../speaker/reporter.ts';
import type { Answer } from '../../../speaker/reporter.ts';

const ONE = 'http://192.0.2.10:7472';
const TWO = 'http://192.0.2.11:7472';
const TAKEN: Answer = { kind: 'taken' };
const BUSY: Answer = { kind: 'failed', why: 'nothing listens there' };

let held: string[];
let looks: number;
let now: number;
let reporter: Reporter;
/** Reports that nobody has answered yet. */
let open: { url: string; report: SpeakerReport }[];
let said: string[];

beforeEach(() => {
  [held, looks, now, open, said] = [[], 0, 0, [], []];
  const status = (): SpeakerStatus => {
    looks += 1;
    const addresses = held.map((ip) => ({ ip, services: [], interfaces: [] }));
    const peers = { alive: [], joining: [], absent: [], dead: [] };
    const none = { silent: [], conflicts: [], troubles: [] };
    return { phase: 'serving', plane: 'bpf', addresses, ...none, peers };
  };
  reporter = new Reporter({ node: 'node1', boot: '0123456789abcdef', status });
});

/** Lets time pass until then, with every deadline on the way. */
function passTo(end: number): void {
  for (let at = reporter.deadline(); at !== undefined && at <= end; at = reporter.deadline()) {
    now = Math.max(now, at);
    reporter.tick(now);
    listen();
  }
  now = end;
}

function listen(): void {
  for (let out = reporter.poll(); out !== undefined; out = reporter.poll()) {
    if (out.kind === 'post') open.push(out);
    else said.push(`${out.note.level} ${out.note.event} ${out.note.msg}`);
  }
}

function answer(how: Answer): SpeakerReport | undefined {
  const first = open.shift();
  if (first !== undefined) reporter.handle({ kind: 'answered', url: first.url, answer: how }, now);
  listen();
  return first?.report;
}

function controllers(...urls: string[]): void {
  reporter.handle({ kind: 'controllers', urls }, now);
}

function change(...ips: string[]): void {
  held = ips;
  reporter.handle({ kind: 'changed' }, now);
}

/** Reports taken until then: when, and which addresses. */
function taken(end: number): [number, string][] {
  const list: [number, string][] = [];
  for (let at = reporter.deadline(); at !== undefined && at <= end; at = reporter.deadline()) {
    passTo(at);
    while (open.length > 0) {
      const report = answer(TAKEN);
      list.push([now, report?.addresses.map(({ ip }) => ip).join() ?? '']);
    }
  }
  now = Math.max(now, end);
  return list;
}

describe('reports', () => {
  test('nobody to report to: nothing is looked at', () => {
    change('192.0.2.1');
    passTo(100_000);
    expect([looks, open, reporter.deadline()]).toEqual([0, [], undefined]);
  });

  test('at once, a second later, and every ten seconds', () => {
    controllers(ONE);
    const first = taken(3 * REFRESH).map(([at]) => at);
    expect(first).toEqual([0, CONFIRM, CONFIRM + REFRESH, CONFIRM + 2 * REFRESH]);
    expect(said).toEqual([`info Reporting the controller at ${ONE} takes reports`]);
  });

  test('a change is one report, however often it is told', () => {
    controllers(ONE);
    taken(5000);
    looks = 0;
    change('192.0.2.1');
    change('192.0.2.1', '192.0.2.2');
    expect(taken(7000)).toEqual([
      [5000 + COALESCE, '192.0.2.1,192.0.2.2'],
      [5000 + COALESCE + CONFIRM, '192.0.2.1,192.0.2.2'],
    ]);
    expect(looks).toBe(1);
  });

  test('what is told and is no change is no report', () => {
    controllers(ONE);
    taken(5000);
    change();
    expect(taken(9000)).toEqual([]);
  });

  test('a stream of changes is looked at now and then', () => {
    controllers(ONE);
    taken(5000);
    looks = 0;
    for (let at = 5000; at < 6000; at += 10) {
      passTo(at);
      change(`192.0.2.${(at / 10) % 200}`);
      while (open.length > 0) answer(TAKEN);
    }
    expect(looks).toBeLessThanOrEqual(1000 / SPACING + 1);
  });

  test('one under way: the news follows when it is answered', () => {
    controllers(ONE);
    passTo(0);
    change('192.0.2.1');
    passTo(500);
    expect(open).toHaveLength(1);
    answer(TAKEN);
    passTo(500);
    expect(open.map(({ report }) => report.addresses[0]?.ip)).toEqual(['192.0.2.1']);
  });

  test('numbers grow over all controllers', () => {
    controllers(ONE, TWO);
    passTo(0);
    expect(open.map(({ url, report }) => [url, report.number])).toEqual([
      [ONE, 1],
      [TWO, 2],
    ]);
  });

  test('a controller that is no more gets none', () => {
    controllers(ONE, TWO);
    passTo(0);
    controllers(TWO);
    answer(BUSY);
    answer(TAKEN);
    expect(taken(CONFIRM)).toHaveLength(1);
    expect(said).toEqual([`info Reporting the controller at ${TWO} takes reports`]);
  });

  test('whoever asks gets the present state', () => {
    held = ['192.0.2.9'];
    expect(reporter.present()).toMatchObject({ node: 'node1', addresses: [{ ip: '192.0.2.9' }] });
  });
});

describe('a challenge', () => {
  test('is repeated at once and from then on', () => {
    controllers(ONE);
    passTo(0);
    expect(answer({ kind: 'challenged', challenge: 'abc' })?.challenge).toBe('');
    passTo(0);
    expect(answer(TAKEN)?.challenge).toBe('abc');
    passTo(CONFIRM);
    expect(open[0]?.report.challenge).toBe('abc');
    expect(said).toEqual([`info Reporting the controller at ${ONE} takes reports`]);
  });

  test('after each challenge is a failure, not a race', () => {
    controllers(ONE);
    passTo(0);
    for (const challenge of ['a', 'b']) {
      answer({ kind: 'challenged', challenge });
      passTo(0);
    }
    expect([open, said]).toEqual([
      [],
      [`warn ReportFailed cannot report to ${ONE}: it challenges every report`],
    ]);
  });
});

describe('a controller that does not answer', () => {
  test('is asked less and less often, and it is said once', () => {
    controllers(ONE);
    const tries: number[] = [];
    while (now < 100_000) {
      passTo(reporter.deadline() ?? 100_000);
      if (answer(BUSY) !== undefined) tries.push(now);
    }
    const gaps = tries.slice(1).map((at, i) => at - (tries[i] ?? 0));
    expect(gaps.slice(0, 6)).toEqual([RETRY_FIRST, 1000, 2000, 4000, 8000, REFRESH]);
    expect(said).toEqual([`warn ReportFailed cannot report to ${ONE}: nothing listens there`]);
  });

  test('is not asked sooner because something changed; back again it is told the news', () => {
    controllers(ONE);
    passTo(0);
    answer(BUSY);
    change('192.0.2.1');
    passTo(RETRY_FIRST - 1);
    expect(open).toEqual([]);
    passTo(RETRY_FIRST);
    expect(answer(TAKEN)?.addresses).toHaveLength(1);
    expect(said.at(-1)).toBe(`info Reporting the controller at ${ONE} takes reports`);
  });
});
