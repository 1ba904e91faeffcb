/**
 * Container images without a registry, a daemon or a Dockerfile: a folder and a configuration
 * become an archive that `ctr images import` takes (the docker-archive format: manifest.json, the
 * configuration, one layer). The same folder gives the same bytes.
 *
 * Tag an image with anything but `latest`, or a kubelet tries to pull it.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { executeSync } from '../execute.ts';
import { LabFailure } from '../failure.ts';

/** The part of an OCI image configuration that says how to run it. */
export interface ImageConfig {
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  /** `NAME=value`. */
  readonly Env?: readonly string[];
  readonly WorkingDir?: string;
  /** `65532:65532`. */
  readonly User?: string;
}

export interface ImageOptions {
  /** The archive to write. */
  readonly archive: string;
  /** `arpeggio.lab/pause:1`. */
  readonly name: string;
  /** The folder that becomes `/`; everything in it belongs to root. */
  readonly root: string;
  readonly config: ImageConfig;
}

const PAUSE = 'arpeggio.lab/pause:1';
const TAR_MS = 120_000;

/** Returns the archive's path. */
export function makeImage({ archive, name, root, config }: ImageOptions): string {
  mkdirSync(dirname(archive), { recursive: true });
  const folder = mkdtempSync(`${archive}.`);
  try {
    const layer = join(folder, 'layer.tar');
    tar(['-C', root, '-cf', layer, '.']);
    const described = describe(config, digest(readFileSync(layer)));
    const layerName = `${digest(readFileSync(layer))}.tar`;
    const configName = `${digest(described)}.json`;
    renameSync(layer, join(folder, layerName));
    writeFileSync(join(folder, configName), described);
    const manifest = [{ Config: configName, RepoTags: [name], Layers: [layerName] }];
    writeFileSync(join(folder, 'manifest.json'), JSON.stringify(manifest));
    tar(['-C', folder, '-cf', `${archive}.new`, 'manifest.json', configName, layerName]);
    renameSync(`${archive}.new`, archive);
    return archive;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The image of every pod's first process; its archive and its name. */
export function makePauseImage(folder: string): { archive: string; name: string } {
  const root = join(folder, 'pause');
  mkdirSync(root, { recursive: true });
  const source = join(import.meta.dirname, 'pause.c');
  const compiler = process.env['CC'] ?? 'cc';
  const done = executeSync([compiler, '-Os', '-static', '-s', '-o', join(root, 'pause'), source]);
  if (done.code !== 0) throw new LabFailure(`pause.c does not compile: ${done.stderr.trim()}`);
  const archive = join(folder, 'pause.tar');
  makeImage({ archive, name: PAUSE, root, config: { Entrypoint: ['/pause'] } });
  return { archive, name: PAUSE };
}

function describe(config: ImageConfig, layer: string): string {
  const beginning = '1970-01-01T00:00:00Z';
  return JSON.stringify({
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    os: 'linux',
    created: beginning,
    config,
    rootfs: { type: 'layers', diff_ids: [`sha256:${layer}`] },
    history: [{ created: beginning, created_by: 'arpeggio' }],
  });
}

function tar(args: readonly string[]): void {
  const same = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner'];
  const done = executeSync(['tar', ...same, ...args], { timeoutMs: TAR_MS });
  if (done.code !== 0) throw new LabFailure(`\`tar\` failed: ${done.stderr.trim()}`);
}

function digest(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
