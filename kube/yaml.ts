/**
 * The one door to `yaml`: documents of a text with the line of every field, and text of a value.
 * YAML 1.2 (core schema), so `yes` and `on` are text; aliases are expanded up to the library's
 * limit, so a small file cannot become a large one. Never throws: what comes out is a tree of
 * bounded depth, which everybody may walk with recursion.
 */
import {
  LineCounter,
  isCollection,
  isNode,
  isPair,
  isScalar,
  parseAllDocuments,
  stringify,
} from 'yaml';
import type { Document } from 'yaml';
import { quote } from '../lib/quote.ts';
import type { Path } from './path.ts';

export interface YamlDocument {
  /** Plain JSON; undefined for a document without content, such as comments only. */
  readonly value: unknown;
  /** Line of the field at that path, or of its nearest parent; from 1. */
  lineOf(path: Path): number;
}

export interface YamlFault {
  readonly line: number;
  readonly message: string;
}

export interface YamlText {
  readonly documents: readonly YamlDocument[];
  /** Not empty: the documents cannot be trusted. */
  readonly faults: readonly YamlFault[];
}

/** Manifests of Kubernetes have some ten levels; the library's own recursion ends at thousands. */
const MOST_LEVELS = 100;

/** Each becomes a line in the log, and one slip may make thousands of them. */
const MOST_FAULTS = 10;

export function readYaml(text: string): YamlText {
  const counter = new LineCounter();
  const list = parse(text, counter);
  if (list === undefined) return { documents: [], faults: [{ line: 1, message: TOO_DEEP }] };
  const documents: YamlDocument[] = [];
  const faults: YamlFault[] = [];
  for (const document of list) {
    for (const error of document.errors.slice(0, MOST_FAULTS)) {
      const line = counter.linePos(error.pos[0]).line;
      faults.push({ line, message: plainError(error.message) });
    }
    if (document.errors.length > 0 || document.contents === null) continue;
    const lineOf = (path: Path): number => lineOfNode(document, path, counter);
    const value = plainValue(document);
    if (value.ok) {
      documents.push({ value: value.value, lineOf });
      const report = (offset: number, message: string): void => {
        faults.push({ line: counter.linePos(offset).line, message });
      };
      reportTwins(document.contents, report);
    } else faults.push({ line: lineOf([]), message: value.error });
  }
  return { documents, faults: faults.slice(0, MOST_FAULTS) };
}

const TOO_DEEP = `it is nested more than ${MOST_LEVELS} deep`;

/** undefined: nested so deep that the library gives up. */
function parse(text: string, counter: LineCounter): readonly Document.Parsed[] | undefined {
  try {
    // Keys are compared below: the library compares each with each.
    const options = {
      lineCounter: counter,
      merge: true,
      logLevel: 'error',
      uniqueKeys: false,
    } as const;
    const parsed = parseAllDocuments(text, options);
    return Array.isArray(parsed) ? parsed : [];
  } catch {
    return undefined;
  }
}

export function writeYaml(value: unknown): string {
  return stringify(value, { lineWidth: 0, singleQuote: true });
}

type Plain =
  { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: string };

/** Expanding aliases is the one step that throws: too many of them, or one that leads nowhere. */
function plainValue(document: Document.Parsed): Plain {
  try {
    const value = document.toJS() as unknown;
    const error = treeFault(value, []);
    return error === undefined ? { ok: true, value } : { ok: false, error };
  } catch (error) {
    return { ok: false, error: error instanceof Error ? plainError(error.message) : 'unreadable' };
  }
}

/** An alias to what it stands in makes a ring, which is no JSON. */
function treeFault(value: unknown, above: readonly unknown[]): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (above.includes(value)) return 'an alias contains itself';
  if (above.length >= MOST_LEVELS) return TOO_DEEP;
  const inside = [...above, value];
  for (const field of Object.values(value)) {
    const fault = treeFault(field, inside);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** A field that is there twice: which of the two counts is anybody's guess. */
function reportTwins(node: unknown, report: (offset: number, message: string) => void): void {
  if (!isCollection(node)) return;
  const seen = new Set<string>();
  for (const item of node.items) {
    const { key, value } = isPair(item) ? item : { key: undefined, value: item };
    if (isScalar(key)) {
      const name = keyText(item) ?? '';
      const message = `${quote(name)} is there twice; remove one`;
      if (seen.has(name)) report(key.range?.[0] ?? 0, message);
      seen.add(name);
    }
    reportTwins(key, report);
    reportTwins(value, report);
  }
}

function lineOfNode(document: Document.Parsed, path: Path, counter: LineCounter): number {
  let node: unknown = document.contents;
  let offset = isNode(node) ? (node.range?.[0] ?? 0) : 0;
  for (const step of path) {
    if (!isCollection(node)) break;
    const pair: unknown = node.items.find(
      (item, index) => index === step || keyText(item) === String(step),
    );
    if (pair === undefined) break;
    // The key's line, not the value's: a person looks for the name of the field.
    const key = (pair as { key?: unknown }).key;
    const place = key === undefined ? pair : key;
    if (isNode(place) && place.range) offset = place.range[0];
    node = key === undefined ? pair : (pair as { value?: unknown }).value;
  }
  return counter.linePos(offset).line;
}

function keyText(pair: unknown): string | undefined {
  const key = (pair as { key?: { value?: unknown } }).key;
  return key === undefined || key === null ? undefined : String(key.value);
}

/** The library appends where and a picture of the source; the place is told separately. */
function plainError(message: string): string {
  if (message.includes('call stack')) return TOO_DEEP;
  const [first = ''] = message.split('\n');
  return first.replace(/ at line \d+, column \d+:?$/, '').replace(/:$/, '');
}
