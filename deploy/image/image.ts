/**
 * The image of both programs, made without a registry, a daemon or a Dockerfile: Node.js, the few
 * libraries it is linked with, and the bundles. No shell, no package manager. The libraries are
 * those of the machine that builds.
 *
 *     /bin/node /app/controller.mjs        /controller
 *     /bin/node /app/speaker.mjs           /speaker
 *
 * It has two more names, one for each program, which run /controller and /speaker: manifests and
 * charts of MetalLB give arguments only, to one image each.
 */
import { copyFileSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { executeSync } from '../../lab/execute.ts';
import { LabFailure } from '../../lab/failure.ts';
import { makeImage } from '../../lab/kube/image.ts';
import type { Image } from '../../lab/kube/image.ts';
import { SMALL_HEAP } from '../../lib/io/heap.ts';

const ROOT = join(import.meta.dirname, '../..');
/** As deploy/manifests call it. */
const NAME = 'arpeggio.lab/arpeggio:0.1.0';
const PROGRAMS = ['controller', 'speaker'] as const;
const ENVIRONMENT = Object.entries({ NODE_ENV: 'production', ...SMALL_HEAP }).map(
  ([name, value]) => `${name}=${value}`,
);
const MINUTE = 60_000;
/** Kubernetes runs the controller as this user, and tools look it up. */
const PASSWD = 'root:x:0:0:root:/:/bin/false\nnobody:x:65534:65534:nobody:/:/bin/false\n';

/** Writes the archive, for `ctr images import` or a push to a registry. */
export function makeProgramImage(archive: string): Image {
  const root = mkdtempSync(join(tmpdir(), 'arpeggio-image-'));
  try {
    const app = join(root, 'app');
    run([process.execPath, join(ROOT, 'scripts/bundle.ts'), app]);
    const node = join(root, 'bin/node');
    mkdirSync(dirname(node));
    const own = realpathSync(process.execPath);
    // Names of its functions are a tenth of it, and nobody debugs Node.js in there.
    if (executeSync(['strip', '-o', node, own], { timeoutMs: MINUTE }).code !== 0) {
      copyFileSync(own, node);
    }
    for (const library of librariesOf(own, join(app, 'addon.node'))) {
      const copy = join(root, library);
      mkdirSync(dirname(copy), { recursive: true });
      copyFileSync(realpathSync(library), copy);
    }
    mkdirSync(join(root, 'etc'));
    writeFileSync(join(root, 'etc/passwd'), PASSWD);
    const config = { Entrypoint: ['/bin/node'], Env: ENVIRONMENT, WorkingDir: '/app' };
    const also = PROGRAMS.map((program) => {
      // Bundles have no first line of their own, and some file systems no links.
      const launcher = `#!/bin/node\nimport('/app/${program}.mjs');\n`;
      writeFileSync(join(root, program), launcher, { mode: 0o755 });
      const name = NAME.replace('/arpeggio:', `/${program}:`);
      return { name, config: { ...config, Entrypoint: [`/${program}`] } };
    });
    makeImage({ archive, name: NAME, root, config, also });
    return { archive, name: NAME };
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** Absolute paths, the dynamic linker among them. */
function librariesOf(...binaries: readonly string[]): Set<string> {
  const found = binaries.flatMap((binary) =>
    [...run(['ldd', binary]).matchAll(/(\/\S+) \(0x/g)].map(([, path = '']) => path),
  );
  return new Set(found);
}

function run(argv: readonly string[]): string {
  const done = executeSync(argv, { timeoutMs: MINUTE });
  if (done.code === 0) return done.stdout;
  throw new LabFailure(`\`${argv.join(' ')}\` failed: ${done.stderr.trim()}`);
}
