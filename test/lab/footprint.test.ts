/**
 * A speaker with a hundred addresses lives inside the limit that manifests of MetalLB give it,
 * from its first byte on: bundled, as in the image, with nothing of Node.js in memory before.
 */
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  rmdirSync,
} from 'node:fs';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { Pod, bundled } from '../../bench/pod.ts';
import { whoHas } from '../../lab/probe.ts';
import type { Program } from '../../lab/process.ts';
import { until } from '../../lab/until.ts';

jest.setTimeout(180_000);

const SERVICES = 100;
const LIMIT = 100 * 2 ** 20;
const CONTROLLER = '/sys/fs/cgroup/memory';

/** Of the older kind: this directory is its file system, with a limit of its own for each group. */
const hasMemory = existsSync(join(CONTROLLER, 'memory.limit_in_bytes'));
const limited = hasMemory ? describe : describe.skip;

const scratch = mkdtempSync(join(tmpdir(), 'arpeggio-limit-'));
const node = join(scratch, 'node');
const group = join(CONTROLLER, `arpeggio-footprint-${process.pid}`);
let pod: Pod;

beforeAll(() => {
  if (!hasMemory) return;
  pod = new Pod(bundled(scratch), { purpose: 'footprint', services: SERVICES, nodes: 1 });
  copyFileSync(process.execPath, node);
  mkdirSync(group);
  writeFileSync(join(group, 'memory.limit_in_bytes'), String(LIMIT));
});

afterAll(async () => {
  if (!hasMemory) return;
  pod.close();
  const empty = (): boolean => readFileSync(join(group, 'cgroup.procs'), 'utf8') === '';
  await until(empty, { withinMs: 5000, what: 'the group to be empty' });
  rmdirSync(group);
  rmSync(scratch, { recursive: true, force: true });
});

/** As the first to read its binary, so that each page of it counts, as on a node of its own. It
 * waits until it is in the group: from inside the namespace the group cannot be seen. */
function waiting([, ...argv]: readonly string[]): readonly string[] {
  const forget = `dd if=${node} iflag=nocache count=0 status=none`;
  return [
    'sh',
    '-c',
    `sync ${node} && ${forget} && kill -STOP $$ && exec "$@"`,
    'sh',
    node,
    ...argv,
  ];
}

async function enter(speaker: Program): Promise<void> {
  const stopped = (): boolean => /\) T /.test(readFileSync(`/proc/${speaker.pid}/stat`, 'utf8'));
  await speaker.until(stopped, 10_000, 'it waits');
  writeFileSync(join(group, 'cgroup.procs'), String(speaker.pid));
  speaker.signal('SIGCONT');
}

function counter(file: string, key: string): number {
  const text = readFileSync(join(group, file), 'utf8');
  return Number(new RegExp(`^${key} (\\d+)$`, 'm').exec(text)?.[1]);
}

limited('inside 100 MiB (skipped without a memory controller of cgroup v1)', () => {
  test('a speaker with 100 addresses', async () => {
    await pod.open();
    const controller = pod.start('controller');
    await pod.allocated();
    const speaker = pod.start('speaker', waiting);
    await enter(speaker);
    await pod.holds(speaker, SERVICES);
    await controller.stop(10_000);
    // Whoever collects metrics makes it take more.
    for (let scrapes = 0; scrapes < 20; scrapes += 1) {
      expect(await pod.ask('speaker', '/metrics')).toContain('metallb_speaker_announced');
    }
    expect(await pod.ask('speaker', '/readyz')).toBe('ready\n');
    const [, ip = ''] =
      /"(198\.1[89][^"]+)"/.exec((await pod.ask('speaker', '/report')) ?? '') ?? [];
    expect(await whoHas(pod.client, ip)).toBe(pod.node.mac);
    expect([speaker.exit, counter('memory.oom_control', 'oom_kill')]).toEqual([undefined, 0]);
    // It is in there, and was not the only thing that counted: its binary did too.
    expect(counter('memory.stat', 'total_rss')).toBeGreaterThan(20 * 2 ** 20);
    expect(counter('memory.stat', 'total_mapped_file')).toBeGreaterThan(20 * 2 ** 20);
    const processes = readFileSync(join(group, 'cgroup.procs'), 'utf8').trim();
    expect(processes).toBe(String(speaker.pid));
  });
});
