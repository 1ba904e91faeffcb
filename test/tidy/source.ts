/**
 * The text that the style rules read: every source and page git knows or would know, so a file
 * is judged before its first commit. Generated and foreign files are left out.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Source {
  /** From the root of the repository, with slashes. */
  readonly path: string;
  readonly lines: readonly string[];
}

/** Returns `path:line what` for everything that is not as it should be. */
export type Rule = (sources: readonly Source[]) => string[];

const JUDGED = /\.(?:ts|c|h|sh|md)$/;
const GENERATED = new Set(['speaker/native/bytecode.ts']);

export function readTree(root: string): Source[] {
  const list = ['ls-files', '-z', '--cached', '--others', '--exclude-standard'];
  const paths = execFileSync('git', list, { cwd: root, encoding: 'utf8' }).split('\0');
  return [...new Set(paths)]
    .filter((path) => JUDGED.test(path) && !GENERATED.has(path))
    .filter((path) => !path.split('/').includes('node_modules'))
    .filter((path) => existsSync(join(root, path)))
    .map((path) => source(path, readFileSync(join(root, path), 'utf8')));
}

export function source(path: string, text: string): Source {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return { path, lines };
}

/** The last part of a path. */
export function basename(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** The first part of a path, or nothing for a file at the root. */
export function topFolder(path: string): string {
  return path.includes('/') ? path.slice(0, path.indexOf('/')) : '';
}

/** One complaint for every line that `wrong` gives a sentence for. */
export function eachLine(
  sources: readonly Source[],
  wrong: (line: string, source: Source) => string | undefined,
): string[] {
  return sources.flatMap((one) =>
    one.lines.flatMap((line, index) => {
      const what = wrong(line, one);
      return what === undefined ? [] : [`${one.path}:${index + 1} ${what}`];
    }),
  );
}

/** One complaint for every file that `wrong` gives a sentence for. */
export function eachFile(
  sources: readonly Source[],
  wrong: (source: Source) => string | undefined,
): string[] {
  return sources.flatMap((one) => {
    const what = wrong(one);
    return what === undefined ? [] : [`${one.path}:1 ${what}`];
  });
}
