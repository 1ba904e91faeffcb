/**
 * Who may import whom: one straight line of folders, then a fork for the two programs.
 *
 * Imports are read line by line, which is enough because prettier puts `import`, `export` and the
 * closing `} from` at the start of a line; a parser would be a dependency for this alone.
 */
import { posix } from 'node:path';
import { basename, eachLine, topFolder } from './source.ts';
import type { Rule, Source } from './source.ts';

/** Imports go to the same folder or to a smaller number; equals never import each other. */
const RANK = new Map([
  ['lib', 0],
  ['net', 1],
  ['kube', 2],
  ['config', 3],
  ['owners', 4],
  ['controller', 5],
  ['speaker', 5],
  ['cli', 6],
]);

const PURE =
  /^(?:lib|net|kube|config(?:\/(?:compat|parse|schema))?|owners|controller|speaker)\/[^/]+\.ts$/;

/** What a test may import from outside: the runner and the generator of cases. */
const FOR_TESTS = new Set(['@jest/globals', 'fast-check']);

const STATEMENT = /^(?:(?:import|export)\s.*?\bfrom|\}\s*from|import)\s*['"]([^'"]+)['"]/;
const CALL = /\b(?:import|require)\(\s*['"]([^'"]+)['"]/;
const COMMENT = /^\s*(?:\/\/|\/?\*)/;

/** The specifier that a line imports, if any. */
export function imported(line: string): string | undefined {
  if (COMMENT.test(line)) return undefined;
  return STATEMENT.exec(line)?.[1] ?? CALL.exec(line)?.[1];
}

/** `lib ← net ← kube ← config ← owners ← { controller | speaker } ← cli`. */
export const importsGoLeft: Rule = (sources) =>
  eachImport(sources, (specifier, { path }) => {
    if (!specifier.startsWith('.')) return undefined;
    const from = topFolder(path);
    const to = topFolder(posix.join(posix.dirname(path), specifier));
    const rank = RANK.get(from);
    if (rank === undefined || from === to) return undefined;
    const leftwards = (RANK.get(to) ?? Infinity) < rank;
    return leftwards ? undefined : `${from}/ imports ${specifier} of ${to}/`;
  });

/** Decisions do no I/O: neither Node's modules nor our own rim. */
export const pureStaysPure: Rule = (sources) =>
  eachImport(sources, (specifier, { path }) => {
    if (!PURE.test(path) || basename(path) === 'main.ts') return undefined;
    const rim = specifier.startsWith('node:') || /(?:^|\/)io\//.test(specifier);
    return rim ? `pure file imports ${specifier}` : undefined;
  });

/** One npm package is imported by one file, which is where it can be replaced. */
export const oneDoor: Rule = (sources) => {
  const doors = new Map<string, Set<string>>();
  const isProduct = ({ path }: Source) => RANK.has(topFolder(path));
  const product = sources.filter(isProduct);
  eachImport(product, (specifier, { path }) => {
    const name = packageName(specifier);
    if (name !== undefined) doors.set(name, (doors.get(name) ?? new Set()).add(path));
    return undefined;
  });
  return eachImport(product, (specifier, { path }) => {
    const files = [...(doors.get(packageName(specifier) ?? '') ?? [])];
    if (files.length < 2) return undefined;
    const others = files.filter((file) => file !== path).join(', ');
    return `imports ${specifier}, whose door is also ${others}`;
  });
};

/** Tests reach packages through the same doors as the product. */
export const testsUseDoors: Rule = (sources) =>
  eachImport(sources, (specifier, { path }) => {
    const name = topFolder(path) === 'test' ? packageName(specifier) : undefined;
    if (name === undefined || FOR_TESTS.has(name)) return undefined;
    return `test imports ${specifier}; import its door`;
  });

function packageName(specifier: string): string | undefined {
  if (specifier.startsWith('.') || specifier.startsWith('node:')) return undefined;
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

function eachImport(
  sources: readonly Source[],
  wrong: (specifier: string, source: Source) => string | undefined,
): string[] {
  const scripts = sources.filter(({ path }) => path.endsWith('.ts'));
  return eachLine(scripts, (line, one) => {
    const specifier = imported(line);
    return specifier === undefined ? undefined : wrong(specifier, one);
  });
}
