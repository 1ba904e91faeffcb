/**
 * Sizes and names. Functions are measured by indentation, as prettier and clang-format leave
 * them: from the line that opens a body to the next closing brace of the same indentation.
 */
import { basename, eachFile, eachLine } from './source.ts';
import type { Rule, Source } from './source.ts';

const LINE_CHARACTERS = 100;
const FILE_LINES = 400;
const FUNCTION_LINES = 69;
const MAIN_LINES = 60;
const README_LINES = 120;

const VAGUE = new Set(['utils', 'util', 'helpers', 'helper', 'common', 'misc', 'types', 'index']);
const WORDS = /^[a-z0-9]+(?:[.-][a-z0-9]+)*$/;

function isPage({ path }: Source): boolean {
  return path.endsWith('.md');
}

/** A URL cannot be broken, so its line may be long. Prose is not limited. */
export const linesFit: Rule = (sources) =>
  eachLine(sources, (line, source) => {
    if (isPage(source) || line.length <= LINE_CHARACTERS || /https?:\/\//.test(line))
      return undefined;
    return `line of ${line.length} characters`;
  });

export const filesFit: Rule = (sources) =>
  eachFile(sources, (source) => {
    if (isPage(source) || source.lines.length <= FILE_LINES) return undefined;
    return `file of ${source.lines.length} lines`;
  });

export const mainsFit: Rule = (sources) =>
  eachFile(sources, ({ path, lines }) => {
    if (basename(path) !== 'main.ts' || lines.length <= MAIN_LINES) return undefined;
    return `main of ${lines.length} lines`;
  });

export const readmeFits: Rule = (sources) =>
  eachFile(sources, ({ path, lines }) => {
    if (path !== 'README.md' || lines.length <= README_LINES) return undefined;
    return `README of ${lines.length} lines`;
  });

/** A name that fits any content says nothing about this one. */
export const namesSay: Rule = (sources) =>
  eachFile(sources, (source) => {
    const parts = source.path.split('/').map((part) => part.replace(/\..*$/, ''));
    const vague = parts.find((part) => VAGUE.has(part));
    if (vague !== undefined) return `"${vague}" says nothing: name what is inside`;
    const words = isPage(source) || WORDS.test(basename(source.path));
    return words ? undefined : 'file names are lower-case words';
  });

export const functionsFit: Rule = (sources) =>
  sources.flatMap((source) =>
    functions(source)
      .filter(({ lines }) => lines > FUNCTION_LINES)
      .map(({ line, lines }) => `${source.path}:${line} function of ${lines} lines`),
  );

interface Body {
  /** From 1. */
  readonly line: number;
  /** First and last included. */
  readonly lines: number;
}

/** Every function of a file; a suite (`describe`) is a chapter, not a function. */
export function functions({ path, lines }: Source): Body[] {
  const opens = path.endsWith('.ts') ? opensScript : opensC;
  if (isPage({ path, lines })) return [];
  return lines.flatMap((line, at) => {
    if (!line.endsWith('{')) return [];
    const indent = indentation(line);
    const start = head(lines, at);
    const opening = lines.slice(start, at + 1).join(' ');
    if (!opens(opening.trim())) return [];
    const closes = (next: string) => indentation(next) === indent && /^\s*\}/.test(next);
    const length = lines.slice(at + 1).findIndex(closes);
    const end = length === -1 ? lines.length - 1 : at + 1 + length;
    return [{ line: start + 1, lines: end - start + 1 }];
  });
}

/** Where the statement that this line ends began: `): Result {` belongs to lines above. */
function head(lines: readonly string[], at: number): number {
  const line = lines[at] ?? '';
  if (!/^\s*(?:[)>{]|\}\))/.test(line)) return at;
  const indent = indentation(line);
  for (let above = at - 1; above >= 0; above -= 1) {
    if (indentation(lines[above] ?? '') <= indent) return above;
  }
  return at;
}

const CONTROL = /^(?:\}\s*)?(?:if|else|for|while|do|switch|try|catch|finally|return|with)\b/;
const SUITE = /^describe\b/;
const METHOD = /^(?:(?:static|async|override|get|set)\s+)*\*?[#\w$[\].]+(?:<.*>)?\(.*\{$/;

function opensScript(text: string): boolean {
  if (SUITE.test(text)) return false;
  if (text.endsWith('=> {') || /\bfunction\b/.test(text)) return true;
  return METHOD.test(text);
}

function opensC(text: string): boolean {
  return text.includes('(') && !CONTROL.test(text) && !text.includes('=');
}

function indentation(line: string): number {
  return line.length - line.trimStart().length;
}
