/**
 * Bundles the programs into dist/, for images and for machines without node_modules: a bundle
 * starts in a third of the time and needs half the memory of the sources. What the programs share,
 * and what only some of their runs need (a kubeconfig, a directory), is in files beside them: code
 * that is not loaded takes no memory, and a pod does without a third of it.
 * The reflex thread is a program of its own, because a worker loads its file by name.
 * `bundle.ts [DIRECTORY]`
 */
import { copyFileSync, cpSync, existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { build } from 'esbuild';
import type { Plugin } from 'esbuild';

const ROOT = join(import.meta.dirname, '..');
const OUT = resolve(process.argv[2] ?? join(ROOT, 'dist'));

const ENTRIES: Record<string, string> = {
  controller: 'controller/main.ts',
  speaker: 'speaker/main.ts',
  reflex: 'speaker/io/reflexworker.ts',
};

// Packages written as CommonJS call require and know their place; an ES module has neither.
const BANNER = [
  "const{createRequire:__createRequire}=process.getBuiltinModule('node:module');",
  'const require=__createRequire(import.meta.url);',
  'const __filename=import.meta.filename,__dirname=import.meta.dirname;',
].join('');

/**
 * Node.js' own modules, got as it gets them itself. An `import` of one asks for each of its
 * exports at once, and with them for what it has in store and loads only when it is asked for:
 * `node:http` alone then brings the whole of fetch and WebSocket, 13 MiB that nobody uses here.
 */
const BUILTINS: Plugin = {
  name: 'builtins',
  setup(bundler) {
    bundler.onResolve({ filter: /^node:/ }, ({ kind, path }) =>
      kind === 'import-statement' ? { path, namespace: 'builtin' } : undefined,
    );
    bundler.onLoad({ filter: /^/, namespace: 'builtin' }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)});`,
    }));
  },
};

/**
 * Parts of packages for what they bring: processes and their sockets that nobody here has, and a
 * clock that wakes an idle program a hundred times a second to see how late it is.
 */
const UNUSED: Plugin = {
  name: 'unused',
  setup(bundler) {
    const filter = /\/prom-client\/lib\/(?:cluster|pushgateway|metrics\/eventLoopLag)\.js$/;
    const contents = 'module.exports = () => {}; module.exports.metricNames = [];';
    bundler.onLoad({ filter }, () => ({ contents }));
  },
};

/** With a hash in the name: those of an earlier build would stay for ever. */
const PART = /-[A-Z0-9]{8}\.mjs/;

for (const file of existsSync(OUT) ? readdirSync(OUT) : []) {
  if (PART.test(file)) rmSync(join(OUT, file));
}
const { outputs } = (
  await build({
    absWorkingDir: ROOT,
    entryPoints: ENTRIES,
    outdir: OUT,
    outExtension: { '.js': '.mjs' },
    // Beside the programs, not below: code finds the native addon beside itself.
    chunkNames: '[name]-[hash]',
    splitting: true,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    minifySyntax: true,
    minifyWhitespace: true,
    sourcemap: 'linked',
    legalComments: 'external',
    banner: { js: BANNER },
    plugins: [BUILTINS, UNUSED],
    metafile: true,
    logLevel: 'warning',
  })
).metafile;
for (const file of Object.keys(outputs)) {
  if (file.endsWith('.mjs')) report(join(ROOT, file));
}

const addon = join(ROOT, 'speaker/native/addon.node');
if (existsSync(addon)) {
  const copy = join(OUT, 'addon.node');
  copyFileSync(addon, copy);
  report(copy);
} else {
  console.error('no native addon to put beside the bundles: run `npm run build:native` first');
  process.exitCode = 1;
}

/** As a package, because it is no module that could be bundled; where it was built at all. */
const RAW_SOCKET = 'node_modules/raw-socket';
const RAW_PARTS = ['package.json', 'index.js', 'build/Release/raw.node'];
if (RAW_PARTS.every((part) => existsSync(join(ROOT, RAW_SOCKET, part)))) {
  for (const part of RAW_PARTS) {
    cpSync(join(ROOT, RAW_SOCKET, part), join(OUT, RAW_SOCKET, part));
  }
  report(join(OUT, RAW_SOCKET, 'build/Release/raw.node'));
}

function report(file: string): void {
  const kib = Math.round(statSync(file).size / 1024);
  console.log(`${basename(OUT)}/${basename(file)} ${kib} KiB`);
}
