/** Which program plays which role, without building any. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { areThere, binaries, cacheFolder, kubernetesVersion } from '../../../lab/kube/binaries.ts';

const before = { ...process.env };
let folder: string;
let said: string[];
const say = (text: string): void => void said.push(text);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'arpeggio-binaries-'));
  process.env['XDG_CACHE_HOME'] = join(folder, 'cache');
  delete process.env['KUBEBUILDER_ASSETS'];
  said = [];
});

afterEach(() => {
  process.env = { ...before };
  rmSync(folder, { recursive: true, force: true });
});

function put(directory: string, ...names: readonly string[]): void {
  mkdirSync(directory, { recursive: true });
  for (const name of names) writeFileSync(join(directory, name), '');
}

/** Points KUBEBUILDER_ASSETS to a folder with these roles. */
function give(...names: readonly string[]): string {
  const assets = join(folder, 'assets');
  put(assets, ...names);
  process.env['KUBEBUILDER_ASSETS'] = assets;
  return assets;
}

test('a build is found again by what it was built from, and nothing is said', async () => {
  expect(areThere(['etcd'])).toBe(false);
  put(cacheFolder(), 'kube', 'etcd');
  expect(areThere(['etcd'])).toBe(true);
  const binary = await binaries(['etcd'], say);
  expect(binary('etcd')).toBe(join(cacheFolder(), 'etcd'));
  expect(cacheFolder()).toMatch(/cache\/arpeggio\/kube\/[0-9a-f]{16}$/);
  expect(said).toEqual([]);
});

test('KUBEBUILDER_ASSETS alone is enough when every role is in it', async () => {
  const assets = give('etcd', 'kube-apiserver');
  expect(areThere(['etcd', 'kube-apiserver'])).toBe(true);
  const binary = await binaries(['etcd', 'kube-apiserver'], say);
  expect(binary('kube-apiserver')).toBe(join(assets, 'kube-apiserver'));
  expect(said).toEqual([]);
});

test('one sentence says which roles are missing there, and they come from the build', async () => {
  const assets = give('etcd', 'kube-apiserver', 'kubectl');
  put(cacheFolder(), 'kube');
  const binary = await binaries(['etcd', 'kube-proxy', 'kubelet'], say);
  expect(binary('etcd')).toBe(join(assets, 'etcd'));
  expect(binary('kube-proxy')).toBe(join(cacheFolder(), 'kube-proxy'));
  expect(said).toEqual([
    'KUBEBUILDER_ASSETS has no kube-proxy, kubelet: taken from our own build of Kubernetes',
  ]);
});

test('the version is the one of go.mod', () => {
  expect(kubernetesVersion()).toMatch(/^1\.\d+\.\d+$/);
});
