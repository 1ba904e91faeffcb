/**
 * What the text must say, and what it must not: header comments, licences, links that lead
 * somewhere, no sleeping tests, no notes to self.
 */
import { posix } from 'node:path';
import { eachFile, eachLine } from './source.ts';
import type { Rule, Source } from './source.ts';

const LICENCE = /SPDX-License-Identifier/;

/** What a file is for stands at its top; a licence line alone does not say it. */
export const headersSay: Rule = (sources) =>
  eachFile(sources, ({ path, lines }) => {
    if (!/\.(?:ts|c|h)$/.test(path)) return undefined;
    const first = lines.find(
      (line) => line.trim() !== '' && !line.startsWith('#!') && !LICENCE.test(line),
    );
    return /^\s*(?:\/\/|\/\*)/.test(first ?? '') ? undefined : 'no header comment';
  });

/** The kernel takes BPF helpers only from GPL programs; the rest of us want MIT. */
export const bpfIsLicensed: Rule = (sources) =>
  eachFile(sources, ({ path, lines }) => {
    if (!path.endsWith('.bpf.c')) return undefined;
    const said = lines.slice(0, 5).some((line) => /Identifier:.*MIT OR GPL-2\.0/.test(line));
    return said ? undefined : 'no "SPDX-License-Identifier: MIT OR GPL-2.0"';
  });

/** A sleep is a guess at how long something takes; wait for the thing itself. */
export const testsDoNotSleep: Rule = (sources) =>
  eachLine(sources, (line, { path }) => {
    if (!/^test\/(?!lab\/|e2e\/)/.test(path)) return undefined;
    const sleep = /\bsetTimeout\(|timers\/promises/.exec(line)?.[0];
    return sleep === undefined ? undefined : `test uses ${sleep}`;
  });

/** What is left to do is work to be planned, not a note in the text. */
export const nothingIsLeftToDo: Rule = (sources) =>
  eachLine(sources, (line) => {
    const note = /\b(?:TO[D]O|FIX[M]E|X[X]X)\b/.exec(line)?.[0];
    return note === undefined ? undefined : `says ${note}`;
  });

/** Links between pages, and from pages into the tree, lead to something that exists. */
export function linksLead(exists: (path: string) => boolean): Rule {
  return (sources) =>
    sources
      .filter(({ path }) => path.endsWith('.md'))
      .flatMap((page) =>
        links(page)
          .filter(({ target }) => !exists(target))
          .map(({ line, target }) => `${page.path}:${line} link leads nowhere: ${target}`),
      );
}

interface Link {
  readonly line: number;
  /** From the root of the repository. */
  readonly target: string;
}

const INLINE = /\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)/g;
const REFERENCE = /^\s*\[[^\]]+\]:\s+<?([^\s>]+)/g;

function links({ path, lines }: Source): Link[] {
  let fenced = false;
  return lines.flatMap((line, index) => {
    if (/^\s*(?:```|~~~)/.test(line)) fenced = !fenced;
    if (fenced) return [];
    const prose = line.replaceAll(/`[^`]*`/g, (code) => 'x'.repeat(code.length));
    return [...prose.matchAll(INLINE), ...prose.matchAll(REFERENCE)]
      .map((match) => (match[1] ?? '').replace(/#.*$/, ''))
      .filter((target) => target !== '' && !/^[a-z][a-z+.-]*:/.test(target))
      .map((target) => ({ line: index + 1, target: resolve(path, decodeURI(target)) }));
  });
}

function resolve(page: string, target: string): string {
  if (target.startsWith('/')) return target.slice(1);
  return posix.join(posix.dirname(page), target);
}
