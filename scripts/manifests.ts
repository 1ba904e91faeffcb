/**
 * Writes `deploy/arpeggio.yaml`, everything of `deploy/manifests` in one file for
 * `kubectl apply -f`, and `deploy/arpeggio-legacy.yaml`, the same for API servers below 1.31, which
 * take neither the rules in our CRDs nor the admission policies; `--check` writes nothing and fails
 * when one is stale. What belongs to it, and in which order, says kustomization.yaml: this is the
 * part of kustomize that we use, so that nobody has to have it.
 */
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { readYaml } from '../kube/yaml.ts';

const ROOT = join(import.meta.dirname, '..');
const HEAD = '# Generated from deploy/manifests by scripts/manifests.ts.\n';

function resources(folder: string, instead: Folders): string[] {
  const text = readFileSync(join(folder, 'kustomization.yaml'), 'utf8');
  const { resources: named } = readYaml(text).documents.map(({ value }) => value)[0] as {
    readonly resources: readonly string[];
  };
  const known = new Set(['kustomization.yaml', ...named]);
  const forgotten = readdirSync(folder).find((name) => !known.has(name));
  if (forgotten !== undefined) {
    const path = relative(ROOT, join(folder, forgotten));
    process.stderr.write(`${path} is not listed in the kustomization.yaml beside it\n`);
    process.exit(1);
  }
  return named.flatMap((name) => {
    const path = join(folder, name);
    if (name.endsWith('.yaml')) return [path];
    const taken = name in instead ? instead[name] : name;
    return taken === undefined ? [] : resources(join(folder, taken), instead);
  });
}

type Folders = Readonly<Record<string, string | undefined>>;

/** Folders that are exchanged or left out. */
const FILES: readonly (readonly [string, string, Folders])[] = [
  ['deploy/arpeggio.yaml', '# Arpeggio, to be applied as it is.', {}],
  [
    'deploy/arpeggio-legacy.yaml',
    '# Arpeggio for API servers below 1.31, to be applied as it is.',
    { '../crds': '../crds-legacy', '../admission': undefined },
  ],
];

let stale = false;
for (const [out, title, instead] of FILES) {
  const parts = resources(join(ROOT, 'deploy/manifests'), instead).map(
    (path) => `---\n# Source: ${relative(ROOT, path)}\n${readFileSync(path, 'utf8').trimEnd()}\n`,
  );
  const text = `${title}\n${HEAD}${parts.join('')}`;
  const file = join(ROOT, out);
  if (!process.argv.includes('--check')) {
    writeFileSync(file, text);
  } else if (!existsSync(file) || readFileSync(file, 'utf8') !== text) {
    process.stderr.write(`stale: ${out}; run: node scripts/manifests.ts\n`);
    stale = true;
  }
}
if (stale) process.exitCode = 1;
