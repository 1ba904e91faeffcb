/**
 * What the kernel makes of the forwarding table: HTTP from a client over an IPv4 and an IPv6
 * address reaches every backend, through a node chosen by a static neighbour entry (no speaker
 * here). The table is applied by the product's own code in a small program, `forwarder.ts`.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { executeSync } from '../../lab/execute.ts';
import { Lab } from '../../lab/namespace.ts';
import { httpGet, urlOf } from '../../lab/probe.ts';
import { Program } from '../../lab/process.ts';
import { Segment } from '../../lab/segment.ts';
import { until } from '../../lab/until.ts';
import { monotonic } from '../../lib/io/clock.ts';
import { parseIp } from '../../net/ip.ts';
import type { Ip } from '../../net/ip.ts';
import type { Forward } from '../../speaker/forward.ts';
import { NO_RULESET, rulesetOf, transaction } from '../../speaker/ruleset.ts';

jest.setTimeout(40_000);

const VIP4 = '192.168.100.240';
const VIP6 = 'fd00:100::240';
const ROOT = join(import.meta.dirname, '../..');

const directory = mkdtempSync(join(tmpdir(), 'arpeggio-forward-'));
const wishFile = join(directory, 'wishes.json');
let lab: Lab;
let segment: Segment;
let forwarder: Program;

function ip(text: string): Ip {
  const parsed = parseIp(text);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}

/** Hands over wishes, each a list of nodes whose backends shall serve both addresses. */
function hand(wishes: readonly (readonly number[])[]): void {
  const endpoints = (key: 'ip4' | 'ip6', nodes: readonly number[]): unknown =>
    nodes.map((i) => segment.nodes[i]?.[key]);
  const wish = (nodes: readonly number[]): unknown => [
    { vip: VIP4, endpoints: endpoints('ip4', nodes) },
    { vip: VIP6, endpoints: endpoints('ip6', nodes) },
  ];
  writeFileSync(wishFile, JSON.stringify(wishes.map(wish)));
  forwarder.signal('SIGHUP');
}

/** Runs of nft so far. */
function runs(): number {
  return forwarder.log().split('"ForwardingApplied"').length - 1;
}

/** Hands over wishes and waits for the run of nft that carries out the last one. */
async function apply(wishes: readonly (readonly number[])[], expected: number): Promise<void> {
  const before = runs();
  hand(wishes);
  await forwarder.until(() => runs() >= before + expected, 3000, 'the table is applied');
}

async function bodies(vip: string, tries: number): Promise<Set<string>> {
  const seen = new Set<string>();
  for (let i = 0; i < tries; i += 1) {
    const answer = await httpGet(segment.client.namespace, urlOf(vip));
    seen.add(answer?.body.trim() ?? 'nothing');
  }
  return seen;
}

function tables(node: number): string {
  return segment.nodes[node]?.namespace.execSync(['nft', 'list', 'tables']).stdout ?? '';
}

beforeAll(async () => {
  lab = new Lab('forward');
  segment = new Segment(lab);
  for (const { name, namespace } of segment.nodes) {
    const argv = [process.execPath, join(ROOT, 'demo/backend.ts'), name];
    const backend = Program.start(lab, { name: `backend-${name}`, argv, namespace, directory });
    await backend.line((line) => line === 'listening', 20_000, 'it listens');
  }
  const { namespace } = segment.node('node2');
  const script = join(import.meta.dirname, 'forwarder.ts');
  const argv = [process.execPath, script, wishFile];
  forwarder = Program.start(lab, { name: 'forwarder', argv, namespace, directory });
  await forwarder.line((line) => line.includes('"open"'), 20_000, 'it is open');
  for (const vip of [VIP4, VIP6]) {
    segment.client.namespace.ip(`neigh add ${vip} lladdr ${segment.node('node2').mac} dev eth0`);
  }
});

afterAll(() => {
  lab.close();
  rmSync(directory, { recursive: true, force: true });
});

const FAMILIES = [
  ['IPv4', VIP4],
  ['IPv6', VIP6],
] as const;

describe('a table with three backends', () => {
  beforeAll(() => apply([[0, 1, 2]], 1));

  test.each(FAMILIES)('%s: every backend answers, also the one on this node', async (_, vip) => {
    const seen = new Set<string>();
    await until(
      async () => {
        for (const body of await bodies(vip, 1)) seen.add(body);
        return seen.size >= 3;
      },
      { withinMs: 5000, what: 'three backends', lastSeen: () => [...seen].join(', ') },
    );
    expect([...seen].toSorted()).toEqual(
      ['node1', 'node2', 'node3'].map((node) => `Hello World! ${node}`),
    );
  });

  test.each(FAMILIES)('%s: the node itself reaches the address too', async (_, vip) => {
    const answer = await httpGet(segment.node('node2').namespace, urlOf(vip));
    expect(answer?.body).toMatch(/^Hello World! node[123]\n$/);
  });

  test.each(FAMILIES)('%s: a port nobody serves is refused at once', async (_, vip) => {
    const argv = ['curl', '-sg', '--max-time', '3', urlOf(vip, 81)];
    const done = await segment.client.namespace.exec(argv);
    // 7: connection refused; 28 would be a time-out.
    expect(done.code).toBe(7);
  });

  test('routing was turned on, and it was said', () => {
    const said = forwarder.log().match(/turned on IPv[46] routing/g);
    expect(said).toEqual(['turned on IPv4 routing', 'turned on IPv6 routing']);
  });

  test('other connections through this node keep their source', async () => {
    const { client } = segment;
    const [, node2, node3] = segment.nodes;
    client.namespace.ip(`route add 192.168.100.102/32 via ${node2?.ip4 ?? ''}`);
    const url = `${urlOf(node3?.ip4 ?? '', 8080)}client`;
    const seen = await httpGet(client.namespace, url);
    client.namespace.ip('route del 192.168.100.102/32');
    expect(seen?.body.trim()).toBe(client.ip4);
  });
});

test('an endpoint that leaves the table gets no more connections', async () => {
  await apply([[0]], 1);
  expect(await bodies(VIP4, 12)).toEqual(new Set(['Hello World! node1']));
  expect(await bodies(VIP6, 12)).toEqual(new Set(['Hello World! node1']));
});

test('no backend at all: connections are refused at once', async () => {
  await apply([[]], 1);
  const argv = ['curl', '-sg', '--max-time', '3', urlOf(VIP4)];
  expect((await segment.client.namespace.exec(argv)).code).toBe(7);
});

test('the same wish again runs nothing; of many at once the first and the last run', async () => {
  await apply([[0, 1]], 1);
  const before = runs();
  await apply([[0, 1], [0, 1], [0], [1], [0, 1], [2]], 2);
  expect(await bodies(VIP4, 12)).toEqual(new Set(['Hello World! node3']));
  expect(runs()).toBe(before + 2);
});

/** What a table contains, in no order: the kernel lists elements as they hash. */
function contents(listing: string): string[] {
  const parts = listing.split(/[\n,{}]|elements =/).map((part) => part.trim());
  return parts.filter((part) => part !== '').toSorted();
}

test('the kernel takes every shape of table, and every difference makes the whole', async () => {
  const { namespace } = segment.node('node1');
  const endpoints = ['fd00:100::100', 'fd00:100::101'].map((each) => ({ ip: ip(each), port: 53 }));
  const common = { service: 'a/b', vip: ip(VIP6), keepSource: false };
  const one = endpoints.slice(0, 1);
  const wishes: readonly (readonly Forward[])[] = [
    [
      { ...common, port: 53, protocol: 'UDP', endpoints },
      { ...common, port: 54, protocol: 'UDP', endpoints: one, keepSource: true },
      { ...common, port: 53, protocol: 'TCP', endpoints: [] },
    ],
    [{ ...common, port: 53, protocol: 'UDP', endpoints: endpoints.toReversed() }],
    [
      { ...common, port: 53, protocol: 'UDP', endpoints: one, service: 'c/d' },
      { ...common, port: 54, protocol: 'UDP', endpoints },
    ],
    [{ ...common, port: 53, protocol: 'TCP', endpoints }],
  ];
  const run = async (text: string): Promise<string[]> => {
    const done = await namespace.exec(['nft', '-f', '-'], { input: text });
    expect(done).toEqual({ code: 0, stdout: '', stderr: '' });
    const list = await namespace.exec(['nft', 'list', 'table', 'inet', 'arpeggio']);
    return contents(list.stdout);
  };
  let before = NO_RULESET;
  for (const wish of wishes) {
    const after = rulesetOf(wish);
    const changed = await run(transaction(before, after));
    // The same text again says the whole, and changes nothing.
    expect(await run(transaction('unknown', after))).toEqual(changed);
    before = after;
  }
});

test('a change of one of ten thousand Services costs no new table', async () => {
  const { namespace } = segment.node('node3');
  const endpoints = [1, 2, 3].map((n) => ({ ip: ip(`198.51.100.${n}`), port: 8080 }));
  const many = (some: Forward['endpoints']): Forward[] =>
    Array.from({ length: 10_000 }, (_, i) => ({
      service: 'a/b',
      vip: ip(`10.0.${i >> 8}.${i & 255}`),
      port: 80,
      protocol: 'TCP',
      endpoints: i === 5000 ? some : endpoints,
      keepSource: false,
    }));
  const [before, after] = [rulesetOf(many(endpoints)), rulesetOf(many(endpoints.slice(1)))];
  const time = async (text: string): Promise<number> => {
    const start = monotonic();
    const done = await namespace.exec(['nft', '-f', '-'], { input: text });
    expect(done).toEqual({ code: 0, stdout: '', stderr: '' });
    return monotonic() - start;
  };
  const whole = await time(transaction('unknown', before));
  const changes: number[] = [];
  // The best of some: the machine may be busy at any moment.
  for (let i = 0; i < 3; i += 1) {
    changes.push(await time(transaction(before, after)), await time(transaction(after, before)));
  }
  expect(Math.min(...changes)).toBeLessThan(whole / 4);
});

test('a table that somebody took away is made again with the next change', async () => {
  segment.node('node2').namespace.execSync(['nft', 'flush', 'ruleset']);
  await apply([[0]], 1);
  expect(await bodies(VIP4, 3)).toEqual(new Set(['Hello World! node1']));
});

test('an orderly exit leaves no table', async () => {
  expect(tables(1)).toContain('inet arpeggio');
  const exit = await forwarder.stop();
  expect(exit.code).toBe(0);
  expect(tables(1)).toBe('');
});

/** Says that it was called with a table, then takes its time. */
const SLOW_NFT = `#!/bin/sh
text=$(cat)
case "$text" in *'chain translate'*) : > "$STARTED"; sleep 1;; esac
printf '%s\\n' "$text" | REAL -f -
`;

test('an exit during a run of nft leaves no table, then or later', async () => {
  const namespace = lab.namespace('slow');
  const real = executeSync(['sh', '-c', 'PATH=$PATH:/usr/sbin:/sbin command -v nft']).stdout.trim();
  const script = SLOW_NFT.replace('REAL', real);
  writeFileSync(join(directory, 'nft'), script, { mode: 0o755 });
  const started = join(directory, 'started');
  const argv = [process.execPath, join(import.meta.dirname, 'forwarder.ts'), wishFile];
  const env = { STARTED: started, PATH: `${directory}:${process.env['PATH'] ?? ''}` };
  const slow = Program.start(lab, { name: 'slow', argv, namespace, directory, env });
  await slow.line((line) => line.includes('"open"'), 20_000, 'it is open');
  writeFileSync(wishFile, JSON.stringify([[{ vip: VIP4, endpoints: ['198.51.100.1'] }]]));
  slow.signal('SIGHUP');
  await slow.until(() => existsSync(started), 5000, 'nft runs');
  expect((await slow.stop()).code).toBe(0);
  // Whatever was left running has then done what it could.
  await until(() => namespace.pids().length === 0, { withinMs: 5000, what: 'every program ends' });
  expect(namespace.execSync(['nft', 'list', 'tables']).stdout).toBe('');
});
