/**
 * `make demo` as a test: what it prints, its exit codes, and that nothing of it stays behind,
 * whether it ends well, is interrupted, or is kept and stopped.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { Lab, Namespace } from '../../lab/namespace.ts';
import { Program } from '../../lab/process.ts';
import { until } from '../../lab/until.ts';

jest.setTimeout(60_000);

const MAIN = join(import.meta.dirname, '../../demo/main.ts');
const LAST = /^demo: ok 192\.168\.100\.240 owner=node[123] failover_ms=(\d+)$/;

const directory = mkdtempSync(join(tmpdir(), 'arpeggio-demotest-'));
let lab: Lab;
let runs = 0;

beforeAll(() => {
  lab = new Lab('demotest');
});

afterAll(() => {
  lab.close();
  rmSync(directory, { recursive: true, force: true });
});

function start(...args: readonly string[]): Program {
  runs += 1;
  const argv = [process.execPath, MAIN, ...args];
  return Program.start(lab, { name: `demo-${runs}`, argv, directory });
}

/** What exists of a run: its namespaces, its processes, its files. */
function traces(pid: number): readonly string[] {
  const run = `arpeggio-demo-${pid}`;
  const namespaces = existsSync('/run/netns') ? readdirSync('/run/netns') : [];
  const files = readdirSync(tmpdir()).filter((name) => name === run);
  return [
    ...namespaces.filter((name) => name.startsWith(`${run}-`)),
    ...files,
    ...processes().filter((line) => line.includes(`${run}/`)),
  ];
}

/** Command lines of everything that runs. */
function processes(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      } catch {
        return '';
      }
    });
}

describe('the demo', () => {
  test('ends with its result and leaves nothing behind', async () => {
    const demo = start();
    const exit = await demo.exited;
    const lines = demo.log().trimEnd().split('\n');
    expect({ code: exit.code, errors: demo.errors() }).toEqual({ code: 0, errors: '' });
    const failover = Number(LAST.exec(lines.at(-1) ?? '')?.[1]);
    expect(failover).toBeGreaterThan(0);
    expect(failover).toBeLessThan(1000);
    const text = lines.join('\n');
    expect(text).toMatch(/myweb-svc-lb +LoadBalancer +192\.168\.100\.240 +80:31313\/TCP +pool-v4/);
    expect(text).toMatch(/myweb-svc-lb6 +LoadBalancer +fd00:100::240 +80:31316\/TCP +pool-v6/);
    expect(text).toMatch(/ARP +192\.168\.100\.240 is at 02:64:00:00:00:6[456]: node[123]/);
    expect(text).toMatch(/NDP +fd00:100::240 is at 02:64:00:00:00:6[456]: node[123]/);
    expect(text).toMatch(/curl http:\/\/192\.168\.100\.240\/ +Hello World! node[123]/);
    expect(text).toMatch(/curl http:\/\/\[fd00:100::240\]\/ +Hello World! node[123]/);
    // Plain text: this is no terminal.
    expect(text).not.toContain('\u001b');
    expect(traces(demo.pid)).toEqual([]);
  });

  test('two at once do not meet, and an interrupted one cleans up', async () => {
    const [interrupted, other] = [start(), start()];
    await interrupted.line((line) => line.includes('EXTERNAL-IP'), 30_000, 'the table');
    expect(traces(interrupted.pid).length).toBeGreaterThan(5);
    interrupted.signal('SIGINT');
    const exit = await interrupted.exited;
    expect(exit.code).toBe(130);
    expect(traces(interrupted.pid)).toEqual([]);
    expect((await other.exited).code).toBe(0);
    expect(other.log().trimEnd().split('\n').at(-1)).toMatch(LAST);
  });

  test('killed outright it leaves no process, and the next run removes the rest', async () => {
    const demo = start();
    await demo.line((line) => line.includes('EXTERNAL-IP'), 30_000, 'the table');
    await demo.kill();
    const inside = traces(demo.pid).filter((name) => existsSync(`/run/netns/${name}`));
    expect(inside.length).toBeGreaterThan(5);
    const empty = (): boolean =>
      inside.every((name) => new Namespace(name).pids().length === 0) &&
      !processes().some((line) => line.includes(`demo-${demo.pid}/`));
    await until(empty, { withinMs: 10_000, what: 'its programs to die with it' });
    new Lab('sweeper').close();
    const left = traces(demo.pid).filter((name) => name !== `arpeggio-demo-${demo.pid}`);
    expect(left).toEqual([]);
    rmSync(join(tmpdir(), `arpeggio-demo-${demo.pid}`), { recursive: true, force: true });
  });

  test.each([
    ['without root', ['setpriv', '--reuid', '65534', '--clear-groups', '--'], /root.*sudo/],
    [
      'in a container that may not mount',
      ['setpriv', '--bounding-set=-sys_admin', '--inh-caps=-sys_admin', '--'],
      /not permitted: a container needs to be privileged/,
    ],
  ])('%s it fails with one sentence', async (_name, wrapper, sentence) => {
    runs += 1;
    const argv = [...wrapper, process.execPath, MAIN];
    const demo = Program.start(lab, { name: `demo-${runs}`, argv, directory });
    expect((await demo.exited).code).toBe(1);
    const [first] = demo.errors().trimEnd().split('\n');
    expect(first).toMatch(/^demo: failed: /);
    expect(first).toMatch(sentence);
    expect(demo.errors()).not.toMatch(/^\s+at /m);
    rmSync(join(tmpdir(), `arpeggio-demo-${demo.pid}`), { recursive: true, force: true });
  });

  test('kept it goes on until it is stopped', async () => {
    const demo = start('--keep');
    const exit = await demo.exited;
    expect({ code: exit.code, errors: demo.errors() }).toEqual({ code: 0, errors: '' });
    expect(demo.log().trimEnd().split('\n').at(-1)).toMatch(LAST);
    const command = /ip netns exec \S+-client curl \S+/.exec(demo.log())?.[0].split(' ') ?? [];
    const [program = '', ...args] = command;
    const look = Program.start(lab, { name: 'look', argv: [program, ...args], directory });
    expect((await look.exited).code).toBe(0);
    expect(look.log()).toMatch(/^Hello World! node[123]\n$/);
    const stop = start('--stop', `arpeggio-demo-${demo.pid}`);
    expect((await stop.exited).code).toBe(0);
    expect(traces(demo.pid)).toEqual([]);
  });
});
