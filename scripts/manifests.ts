/**
 * Writes `deploy/arpeggio.yaml`, everything of `deploy/manifests` in one file for
 * `kubectl apply -f`; `--check` writes nothing and fails when it is stale. What belongs to it, and
 * in which order, says kustomization.yaml: this is the part of kustomize that we use, so that
 * nobody has to have it.
 */
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { readYaml } from '../kube/yaml.ts';

const ROOT = join(import.meta.dirname, '..');
const OUT = 'deploy/arpeggio.yaml';
const HEAD = `# Arpeggio, to be applied as it is.
# Generated from deploy/manifests by scripts/manifests.ts.
`;

function resources(folder: string): string[] {
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
    return name.endsWith('.yaml') ? [path] : resources(path);
  });
}

const parts = resources(join(ROOT, 'deploy/manifests')).map(
  (path) => `---\n# Source: ${relative(ROOT, path)}\n${readFileSync(path, 'utf8').trimEnd()}\n`,
);
const text = `${HEAD}${parts.join('')}`;
const file = join(ROOT, OUT);
if (!process.argv.includes('--check')) {
  writeFileSync(file, text);
} else if (!existsSync(file) || readFileSync(file, 'utf8') !== text) {
  process.stderr.write(`stale: ${OUT}; run: node scripts/manifests.ts\n`);
  process.exitCode = 1;
}
