/**
 * The image as MetalLB's manifests run it: by its entrypoint, with arguments only, without anything
 * of this machine.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { makeProgramImage } from '../../deploy/image/image.ts';
import { executeSync } from '../../lab/execute.ts';

jest.setTimeout(90_000);

interface Entry {
  readonly Config: string;
  readonly RepoTags: readonly string[];
  readonly Layers: readonly string[];
}

const folder = mkdtempSync(join(tmpdir(), 'arpeggio-entry-'));
const root = join(folder, 'root');

function untar(archive: string, into: string): void {
  mkdirSync(into);
  const done = executeSync(['tar', '-xf', archive, '-C', into], { timeoutMs: 60_000 });
  if (done.code !== 0) throw new Error(done.stderr);
}

function read(file: string): unknown {
  return JSON.parse(readFileSync(join(folder, 'image', file), 'utf8'));
}

beforeAll(() => {
  const { archive } = makeProgramImage(join(folder, 'arpeggio.tar'));
  untar(archive, join(folder, 'image'));
  const [first] = read('manifest.json') as readonly Entry[];
  untar(join(folder, 'image', first?.Layers[0] ?? ''), root);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('three names, one layer, an entrypoint for each', () => {
  const entries = read('manifest.json') as readonly Entry[];
  const entrypoints = entries.map(({ Config, RepoTags: [name = ''] }) => {
    const { config } = read(Config) as { config: { Entrypoint: readonly string[] } };
    return [name.replace(/:.*/, ''), ...config.Entrypoint];
  });
  expect(entrypoints).toEqual([
    ['arpeggio.lab/arpeggio', '/bin/node'],
    ['arpeggio.lab/controller', '/controller'],
    ['arpeggio.lab/speaker', '/speaker'],
  ]);
  expect(new Set(entries.flatMap(({ Layers }) => Layers)).size).toBe(1);
});

test.each([
  ['controller', 'this is not a pod with a service account'],
  ['speaker', 'set METALLB_NODE_NAME'],
])('/%s takes arguments and nothing else', (program, complaint) => {
  const run = (...args: string[]): ReturnType<typeof executeSync> =>
    executeSync(['chroot', root, `/${program}`, ...args], { timeoutMs: 30_000 });
  expect(existsSync(join(root, 'bin/sh'))).toBe(false);
  const help = run('--help');
  expect([help.code, help.stdout.split('\n')[0]]).toEqual([
    0,
    expect.stringMatching(new RegExp(`^${program}: `)),
  ]);
  const refused = run('--port=7472', '--log-level=info');
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain(complaint);
});
