/** What only a disk can show: watching, replacing, removing, permissions of a real directory. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { validate } from '../../../config/schema.ts';
import { openFiles } from '../../../kube/io/files.ts';
import type { Files } from '../../../kube/io/files.ts';
import { SERVICE } from '../../../kube/kube.ts';
import { writeYaml } from '../../../kube/yaml.ts';
import { Watching, service } from '../../contract/kube.ts';

let directory: string;
let opened: Files[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'arpeggio-files-'));
  opened = [];
});

afterEach(() => {
  for (const files of opened) files.close();
  rmSync(directory, { recursive: true, force: true });
});

function open(): Files {
  const files = openFiles(directory, { validate, collect: true, rescan: 50 });
  if (!files.ok) throw new Error(files.error);
  opened.push(files.value);
  return files.value;
}

const path = (name: string): string => join(directory, name);
const status = { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } };

async function written(files: Files, watching: Watching, key: string): Promise<void> {
  const object = await watching.put(key);
  const resourceVersion = object.metadata.resourceVersion ?? '';
  const result = await files.updateStatus({ resource: SERVICE, key, resourceVersion, status });
  expect(result.ok).toBe(true);
  await watching.put(key, (each) => each.status !== undefined);
}

describe('openFiles', () => {
  test.each([
    ['missing', 'does not exist: create it'],
    ['a-file', 'is not a directory'],
  ])('%s: one sentence', (name, sentence) => {
    writeFileSync(path('a-file'), '');
    const files = openFiles(path(name), { validate, collect: false });
    expect(files.ok ? '' : files.error).toContain(sentence);
  });
});

describe('a directory of manifests', () => {
  test('keeps what the user wrote byte by byte', async () => {
    const text = `# mine\n${writeYaml(service('a'))}`;
    writeFileSync(path('a.yaml'), text);
    const files = open();
    await written(files, new Watching(files, SERVICE), 'default/a');
    expect(readFileSync(path('a.yaml'), 'utf8')).toBe(text);
    expect(readdirSync(path('status'))).toEqual(['service.default.a.yaml']);
  });

  test('a status file is complete at every moment, and nothing else is left', async () => {
    writeFileSync(path('a.yaml'), writeYaml(service('a')));
    const files = open();
    const watching = new Watching(files, SERVICE);
    let version = (await watching.put('default/a')).metadata.resourceVersion ?? '';
    const reader = open();
    const seen = new Watching(reader, SERVICE);
    for (let round = 1; round <= 20; round += 1) {
      const result = await files.updateStatus({
        resource: SERVICE,
        key: 'default/a',
        resourceVersion: version,
        status: { ...status, conditions: [{ type: 'x'.repeat(round * 997) }] },
      });
      version = (result.ok && result.value.metadata.resourceVersion) || '';
      expect(version).not.toBe('');
    }
    await seen.put('default/a', (each) => each.metadata.resourceVersion === version);
    expect(seen.events.filter((event) => event.type === 'problem')).toEqual([]);
    expect(readdirSync(path('status'))).toEqual(['service.default.a.yaml']);
  });

  test('status goes when the object goes, also one that went while nobody looked', async () => {
    writeFileSync(path('a.yaml'), writeYaml(service('a')));
    writeFileSync(path('b.yaml'), writeYaml(service('b')));
    const files = open();
    const watching = new Watching(files, SERVICE);
    await written(files, watching, 'default/a');
    await written(files, watching, 'default/b');
    rmSync(path('a.yaml'));
    await watching.until((event) => event.type === 'delete' && event.key === 'default/a');
    expect(readdirSync(path('status'))).toEqual(['service.default.b.yaml']);
    files.close();
    rmSync(path('b.yaml'));
    open();
    expect(readdirSync(path('status'))).toEqual([]);
  });

  test('a rename is no change', async () => {
    writeFileSync(path('a.yaml'), writeYaml(service('a')));
    const files = open();
    const watching = new Watching(files, SERVICE);
    await watching.synced();
    renameSync(path('a.yaml'), path('z.yml'));
    writeFileSync(path('b.json'), `${JSON.stringify(service('b'))}\n`);
    await watching.put('default/b');
    rmSync(path('b.json'));
    await watching.until((event) => event.type === 'delete');
    expect(watching.events.map((event) => event.type)).toEqual(['put', 'synced', 'put', 'delete']);
    expect(files.place(SERVICE, 'default/a', '')).toBe(`${path('z.yml')}:1`);
  });

  test('an editor that empties the file first is not believed', async () => {
    writeFileSync(path('a.yaml'), writeYaml(service('a')));
    const watching = new Watching(open(), SERVICE);
    await watching.synced();
    writeFileSync(path('a.yaml'), '');
    writeFileSync(path('probe.yaml'), writeYaml(service('probe')));
    await watching.put('default/probe');
    writeFileSync(path('a.yaml'), writeYaml(service('a', 81)));
    await watching.put('default/a', ({ spec }) => spec.ports?.[0]?.port === 81);
    expect(watching.events.map((event) => event.type)).toEqual(['put', 'synced', 'put', 'put']);
  });

  test('a malformed file is reported to whom it concerns, and solved', async () => {
    const files = open();
    const watching = new Watching(files, SERVICE);
    writeFileSync(path('a.yaml'), writeYaml({ ...service('a'), spec: { ports: 80 } }));
    const event = await watching.until((each) => each.type === 'problem');
    expect(event).toEqual({
      type: 'problem',
      problem: {
        place: `${path('a.yaml')}:7`,
        path: 'spec.ports',
        message: 'ports must be a list, but it is 80',
      },
    });
    writeFileSync(path('a.yaml'), writeYaml(service('a')));
    await watching.until((each) => each.type === 'solved' && each.place === `${path('a.yaml')}:7`);
  });

  test('a directory that vanishes as a whole takes nothing away, and may come back', async () => {
    writeFileSync(path('a.yaml'), writeYaml(service('a')));
    const files = open();
    const watching = new Watching(files, SERVICE);
    await watching.synced();
    renameSync(directory, `${directory}.away`);
    const problem = await watching.until((each) => each.type === 'problem');
    expect(problem.type === 'problem' && problem.problem.message).toContain('cannot be read');
    mkdirSync(directory);
    writeFileSync(path('a.yaml'), writeYaml(service('a', 81)));
    await watching.until((each) => each.type === 'solved');
    await watching.put('default/a', ({ spec }) => spec.ports?.[0]?.port === 81);
    expect(watching.events.some((each) => each.type === 'delete')).toBe(false);
    rmSync(`${directory}.away`, { recursive: true });
  });

  test('events are lines of JSON', async () => {
    const files = open();
    await files.record({
      resource: SERVICE,
      key: 'default/a',
      type: 'Warning',
      reason: 'AllocationFailed',
      message: 'no address',
    });
    const [line] = readFileSync(path('status/events.jsonl'), 'utf8').split('\n');
    expect(JSON.parse(line ?? '')).toMatchObject({
      kind: 'Service',
      object: 'default/a',
      type: 'Warning',
      reason: 'AllocationFailed',
      message: 'no address',
    });
  });

  test('hidden files and files of other kinds are passed over', async () => {
    writeFileSync(path('.a.yaml.swp'), 'kind: [');
    writeFileSync(path('.b.yaml'), 'kind: [');
    writeFileSync(path('README.md'), 'kind: [');
    mkdirSync(path('c.yaml'));
    const watching = new Watching(open(), SERVICE);
    await watching.synced();
    expect(watching.events).toHaveLength(1);
    expect(existsSync(path('status'))).toBe(true);
  });

  test('a file that the file system refuses is a problem, and all else goes on', async () => {
    writeFileSync(path('b.yaml'), writeYaml(service('b')));
    symlinkSync('a.yaml', path('a.yaml'));
    const watching = new Watching(open(), SERVICE);
    const message = 'cannot be read (ELOOP): mend or remove it';
    expect(await watching.until((each) => each.type === 'problem')).toEqual({
      type: 'problem',
      problem: { place: path('a.yaml'), path: '', message },
    });
    await watching.synced();
    rmSync(path('b.yaml'));
    symlinkSync('b.yaml', path('b.yaml'));
    await watching.until(
      (each) => each.type === 'problem' && each.problem.place === path('b.yaml'),
    );
    writeFileSync(path('c.yaml'), writeYaml(service('c')));
    await watching.put('default/c');
    rmSync(path('b.yaml'));
    writeFileSync(path('b.yaml'), writeYaml(service('b', 81)));
    await watching.put('default/b', ({ spec }) => spec.ports?.[0]?.port === 81);
    await watching.until((each) => each.type === 'solved' && each.place === path('b.yaml'));
    expect(watching.events.some((each) => each.type === 'delete')).toBe(false);
    expect(watching.events.filter((each) => each.type === 'problem')).toHaveLength(2);
  });

  test('a file that is too large is not read', async () => {
    writeFileSync(path('a.yaml'), '');
    truncateSync(path('a.yaml'), 1 << 30);
    const watching = new Watching(open(), SERVICE);
    const event = await watching.until((each) => each.type === 'problem');
    expect(event.type === 'problem' && event.problem.message).toBe(
      'is larger than 16 MiB: divide it',
    );
  });

  test('a directory that the file system refuses takes nothing away', async () => {
    writeFileSync(path('a.yaml'), writeYaml(service('a')));
    const watching = new Watching(open(), SERVICE);
    await watching.synced();
    renameSync(directory, `${directory}.away`);
    symlinkSync(directory, directory);
    const event = await watching.until((each) => each.type === 'problem');
    expect(event.type === 'problem' && event.problem.message).toContain('cannot be read (ELOOP)');
    rmSync(directory);
    renameSync(`${directory}.away`, directory);
    await watching.until((each) => each.type === 'solved');
    expect(watching.events.some((each) => each.type === 'delete')).toBe(false);
  });

  test('a vanished directory is not made anew, nor an empty one believed', async () => {
    writeFileSync(path('a.yaml'), writeYaml(service('a')));
    const files = open();
    const watching = new Watching(files, SERVICE);
    await written(files, watching, 'default/a');
    const before = watching.events.length;
    renameSync(directory, `${directory}.away`);
    const event = { resource: SERVICE, key: 'default/a', type: 'Normal' } as const;
    const recorded = await files.record({ ...event, reason: 'x', message: 'y' });
    expect(recorded.ok ? '' : recorded.error.message).toContain(`"${directory}" cannot be read`);
    expect(existsSync(directory)).toBe(false);
    await watching.until((each) => each.type === 'problem');
    mkdirSync(directory);
    const empty = await watching.until(
      (each) => each.type === 'problem' && each.problem.message.startsWith('is empty'),
    );
    expect(empty.type === 'problem' && empty.problem.place).toBe(directory);
    const current = await watching.put('default/a', (each) => each.status !== undefined);
    const resourceVersion = current.metadata.resourceVersion ?? '';
    const update = { resource: SERVICE, key: 'default/a', resourceVersion, status: {} };
    expect(await files.updateStatus(update)).toMatchObject({ error: { kind: 'unavailable' } });
    expect(readdirSync(directory)).toEqual([]);
    rmSync(directory, { recursive: true });
    renameSync(`${directory}.away`, directory);
    await watching.until((each) => each.type === 'solved');
    const kinds = new Set(watching.events.slice(before).map((each) => each.type));
    expect([...kinds].toSorted()).toEqual(['problem', 'solved']);
    rmSync(path('a.yaml'));
    await watching.until((each) => each.type === 'delete');
  });

  test('a watch begins with the status of what cannot be read, too', async () => {
    writeFileSync(path('a.yaml'), writeYaml(service('a')));
    const files = open();
    await written(files, new Watching(files, SERVICE), 'default/a');
    files.close();
    writeFileSync(path('a.yaml'), 'kind: [');
    const again = open();
    const watching = new Watching(again, SERVICE);
    await watching.synced();
    expect(watching.events.map((each) => each.type)).toEqual(['remnant', 'problem', 'synced']);
    expect(watching.events[0]).toEqual({ type: 'remnant', key: 'default/a', status });
    writeFileSync(path('a.yaml'), writeYaml(service('a')));
    await watching.put('default/a', (each) => each.status !== undefined);
    await watching.until((each) => each.type === 'remnant' && each.status === undefined);
  });
});
