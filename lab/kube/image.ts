/**
 * Container images without a registry, a daemon or a Dockerfile: a folder and a configuration
 * become an archive that `ctr images import` takes (the docker-archive format: manifest.json, the
 * configuration, one layer). The same folder gives the same bytes.
 *
 * Tag an image with anything but `latest`, or a kubelet tries to pull it.
 */
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
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
  /** The same folder under further names, run in another way; it is stored once. */
  readonly also?: readonly { readonly name: string; readonly config: ImageConfig }[];
}

/** An image as an archive on disk, and the name that a pod calls it by. */
export interface Image {
  readonly archive: string;
  readonly name: string;
}

const TAR_MS = 120_000;

/** Returns the archive's path. */
export function makeImage({ archive, name, root, config, also = [] }: ImageOptions): string {
  mkdirSync(dirname(archive), { recursive: true });
  const folder = mkdtempSync(`${archive}.`);
  try {
    // Its mode becomes that of `/`, which every user of the image must be able to enter.
    chmodSync(root, 0o755);
    const layer = join(folder, 'layer.tar');
    tar(['-C', root, '-cf', layer, '.']);
    const content = digest(readFileSync(layer));
    const layerName = `${content}.tar`;
    renameSync(layer, join(folder, layerName));
    const configs = new Set<string>();
    const manifest = [{ name, config }, ...also].map((image) => {
      const described = describe(image.config, content);
      const file = `${digest(described)}.json`;
      writeFileSync(join(folder, file), described);
      configs.add(file);
      return { Config: file, RepoTags: [image.name], Layers: [layerName] };
    });
    writeFileSync(join(folder, 'manifest.json'), JSON.stringify(manifest));
    tar(['-C', folder, '-cf', `${archive}.new`, 'manifest.json', ...configs, layerName]);
    renameSync(`${archive}.new`, archive);
    return archive;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The image of every pod's first process. */
export function makePauseImage(folder: string): Image {
  const compile = (out: string): void => {
    const source = join(import.meta.dirname, 'pause.c');
    const compiler = process.env['CC'] ?? 'cc';
    const done = executeSync([compiler, '-Os', '-static', '-s', '-o', out, source]);
    if (done.code !== 0) throw new LabFailure(`pause.c does not compile: ${done.stderr.trim()}`);
  };
  return makeSmallImage(folder, 'pause', compile);
}

/**
 * The server of the upstream network tests; `program` is the binary of that role. As in
 * `args: [netexec, --http-port=8080]`: /hostname says which pod, /clientip who asked.
 */
export function makeAgnhostImage(folder: string, program: string): Image {
  return makeSmallImage(folder, 'agnhost', (out) => copyFileSync(program, out));
}

/** One program without libraries, called by its own name. */
function makeSmallImage(folder: string, name: string, put: (out: string) => void): Image {
  const root = mkdtempSync(join(folder, `${name}.`));
  try {
    put(join(root, name));
    const image = { archive: join(folder, `${name}.tar`), name: `arpeggio.lab/${name}:1` };
    makeImage({ ...image, root, config: { Entrypoint: [`/${name}`] } });
    return image;
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
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
