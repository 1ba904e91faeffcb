/**
 * Faults in the shape of one object, each a JSON path and a plain sentence. The checker's own
 * wording ("expected record, received number") is for programmers, so it is never shown.
 */
import { pathText } from '../kube/path.ts';
import type { Path } from '../kube/path.ts';
import { brief, quote } from '../lib/quote.ts';

/** Something in one object that is not well-formed. */
export interface Fault {
  /** JSON path, such as `spec.ports[0].port`; empty when the whole object is meant. */
  readonly path: string;
  readonly message: string;
}

/** What the checker says; structural, so that this file needs no door to it. */
export interface Issue {
  readonly code: string | undefined;
  readonly path: Path;
  /** Of a pattern: what a text that fits consists of. */
  readonly message: string;
  readonly expected?: string;
  readonly origin?: string;
  readonly values?: readonly unknown[];
  readonly minimum?: number | bigint;
  readonly maximum?: number | bigint;
}

export function faultOf(issue: Issue, raw: unknown): Fault {
  return { path: pathText(issue.path), message: sentence(issue, at(raw, issue.path)) };
}

/** Fields of `raw` that the checker did not take over into `known`. */
export function unknownFields(raw: unknown, known: unknown, path: Path): readonly Fault[] {
  if (typeof raw !== 'object' || raw === null || typeof known !== 'object' || known === null) {
    return [];
  }
  return Object.keys(raw).flatMap((key) => {
    const here = [...path, Array.isArray(raw) ? Number(key) : key];
    if (Object.hasOwn(known, key)) return unknownFields(at(raw, [key]), at(known, [key]), here);
    return [{ path: pathText(here), message: `${brief(key)} is not a field; check its spelling` }];
  });
}

/** The value at a path; undefined where there is none. */
export function at(value: unknown, path: Path): unknown {
  let here = value;
  for (const step of path) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, step)) return undefined;
    here = (here as Record<PropertyKey, unknown>)[step];
  }
  return here;
}

function sentence(issue: Issue, found: unknown): string {
  const field = fieldName(issue.path);
  if (found === undefined) return `${field} is missing`;
  const but = `but it is ${shown(found)}`;
  switch (issue.code ?? '') {
    case 'invalid_type': {
      const expected = issue.expected ?? '';
      const isBare = expected === 'string' && ['number', 'boolean'].includes(typeof found);
      const advice = isBare ? `; put it in quotes: "${plain(found)}"` : '';
      return `${field} must be ${EXPECTED[expected] ?? expected}, ${but}${advice}`;
    }
    case 'invalid_value':
      return `${field} must be ${(issue.values ?? []).map(plain).join(' or ')}, ${but}`;
    case 'too_small':
      return `${field} must be at least ${issue.minimum}, ${but}`;
    case 'too_big':
      if (issue.origin === 'string') return `${field} is longer than ${issue.maximum} characters`;
      if (issue.origin === 'array') return `${field} has more than ${issue.maximum} entries`;
      return `${field} must be at most ${issue.maximum}, ${but}`;
    case 'invalid_format':
      return `${field} must consist of ${issue.message}, ${but}`;
    case 'invalid_union':
      return `${field} must be a port number or the name of a port, ${but}`;
    default:
      return `${field} cannot be used: ${issue.message}`;
  }
}

const EXPECTED: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map of fields',
  record: 'a map of fields',
};

function shown(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (value === null) return 'empty';
  if (typeof value === 'object') return 'a map of fields';
  return typeof value === 'string' ? `the text ${quote(value)}` : plain(value);
}

function plain(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing');
}

function fieldName(path: Path): string {
  const name = path.findLastIndex((step) => typeof step === 'string');
  return name < 0 ? 'the document' : brief(String(path[name])) + pathText(path.slice(name + 1));
}
