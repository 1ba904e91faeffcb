/** Each rule of the style, seen failing and seen passing on a few literal lines. */
import { describe, expect, test } from '@jest/globals';
import { importsGoLeft, imported, oneDoor, pureStaysPure, testsUseDoors } from './imports.ts';
import { filesFit, functions, functionsFit, linesFit } from './shape.ts';
import { mainsFit, namesSay, readmeFits } from './shape.ts';
import { source } from './source.ts';
import type { Rule, Source } from './source.ts';
import { bpfIsLicensed, headersSay, linksLead } from './words.ts';
import { nothingIsLeftToDo, testsDoNotSleep } from './words.ts';

const file = (path: string, ...lines: string[]): Source => source(path, `${lines.join('\n')}\n`);
const from = (path: string, specifier: string): Source =>
  file(path, `import { a } from '${specifier}';`);
const times = (count: number, line: string): string[] => Array<string>(count).fill(line);

describe('imports', () => {
  test.each([
    [`import { a } from './a.ts';`, './a.ts'],
    [`import type { A } from "../a.ts";`, '../a.ts'],
    [`export * from './a.ts';`, './a.ts'],
    [`} from './a.ts';`, './a.ts'],
    [`import './a.ts';`, './a.ts'],
    [`  const a = await import('./a.ts');`, './a.ts'],
    [`const native = require('./a.node');`, './a.node'],
    [` * import { a } from './a.ts';`, undefined],
    [`// as in import('./a.ts')`, undefined],
    [`const text = 'a';`, undefined],
    [`export type Mode = 'auto' | 'off';`, undefined],
    [`export const from = 'a';`, undefined],
  ])('%s', (line, specifier) => {
    expect(imported(line)).toBe(specifier);
  });

  test.each([
    ['net/ip.ts', '../kube/kube.ts', 'net/ imports ../kube/kube.ts of kube/'],
    ['kube/io/files.ts', '../../config/parse.ts', 'kube/ imports ../../config/parse.ts of config/'],
    [
      'controller/plan.ts',
      '../speaker/vip.ts',
      'controller/ imports ../speaker/vip.ts of speaker/',
    ],
    ['speaker/main.ts', '../controller/plan.ts', 'speaker/ imports ../controller/plan.ts of contr'],
    ['speaker/vip.ts', '../cli/status.ts', 'speaker/ imports ../cli/status.ts of cli/'],
    ['lib/diff.ts', '../lab/until.ts', 'lib/ imports ../lab/until.ts of lab/'],
    ['lib/diff.ts', '../root.ts', 'lib/ imports ../root.ts of /'],
  ])('%s may not import %s', (path, specifier, what) => {
    expect(importsGoLeft([from(path, specifier)])[0]).toContain(`${path}:1 ${what}`);
  });

  test.each([
    ['net/ip.ts', '../lib/result.ts'],
    ['kube/io/files.ts', '../kube.ts'],
    ['cli/status.ts', '../speaker/status.ts'],
    ['lab/until.ts', '../speaker/vip.ts'],
    ['test/unit/a.test.ts', '../../cli/status.ts'],
    ['net/ip.ts', 'ip-num'],
  ])('%s may import %s', (path, specifier) => {
    expect(importsGoLeft([from(path, specifier)])).toEqual([]);
  });

  test.each([
    ['lib/diff.ts', 'node:fs'],
    ['speaker/vip.ts', './io/bpf.ts'],
    ['config/compat/metallb.ts', 'node:fs'],
    ['owners/elect.ts', '../lib/io/clock.ts'],
  ])('%s is pure and may not import %s', (path, specifier) => {
    expect(pureStaysPure([from(path, specifier)])).toEqual([
      `${path}:1 pure file imports ${specifier}`,
    ]);
  });

  test('the rim and main may do I/O', () => {
    const rim = ['speaker/main.ts', 'lib/io/clock.ts', 'lab/until.ts'];
    expect(pureStaysPure(rim.map((path) => from(path, 'node:fs')))).toEqual([]);
    expect(pureStaysPure([from('lib/diff.ts', './radio.ts')])).toEqual([]);
  });

  test('a package with two doors', () => {
    const first = from('kube/yaml.ts', 'yaml');
    const second = from('config/parse.ts', 'yaml/util');
    expect(oneDoor([first, second])).toEqual([
      'kube/yaml.ts:1 imports yaml, whose door is also config/parse.ts',
      'config/parse.ts:1 imports yaml/util, whose door is also kube/yaml.ts',
    ]);
    expect(oneDoor([first, from('lab/a.ts', 'yaml'), from('lib/a.ts', 'node:fs')])).toEqual([]);
    const noble = ['@noble/hashes/sha2.js', '@noble/hashes/utils.js'];
    const imports = noble.map((specifier) => `import { a } from '${specifier}';`);
    expect(oneDoor([file('lib/sha256.ts', ...imports)])).toEqual([]);
    expect(oneDoor(noble.map((specifier, at) => from(`lib/a${at}.ts`, specifier)))).toHaveLength(2);
  });

  test('a test that goes past a door', () => {
    expect(testsUseDoors([from('test/unit/a.test.ts', 'yaml')])).toEqual([
      'test/unit/a.test.ts:1 test imports yaml; import its door',
    ]);
    const allowed = ['@jest/globals', 'fast-check', 'node:net', '../../kube/yaml.ts'];
    expect(testsUseDoors(allowed.map((name) => from('test/unit/a.test.ts', name)))).toEqual([]);
    expect(testsUseDoors([from('scripts/crds.ts', 'yaml')])).toEqual([]);
  });
});

describe('shape', () => {
  test.each<[string, Rule, string, number]>([
    ['file', filesFit, 'lib/a.ts', 400],
    ['main', mainsFit, 'speaker/main.ts', 60],
    ['README', readmeFits, 'README.md', 120],
  ])('%s', (name, rule, path, most) => {
    expect(rule([file(path, ...times(most, 'x'))])).toEqual([]);
    expect(rule([file(path, ...times(most + 1, 'x'))])).toEqual([
      `${path}:1 ${name} of ${most + 1} lines`,
    ]);
    expect(rule([file('docs/long.md', ...times(500, 'x'))])).toEqual([]);
  });

  test('line', () => {
    const long = 'x'.repeat(101);
    const wrong = ['lib/a.ts:2 line of 101 characters'];
    expect(linesFit([file('lib/a.ts', long.slice(1), long)])).toEqual(wrong);
    expect(linesFit([file('a.md', long), file('a.c', `${long} https://b.example/`)])).toEqual([]);
  });

  test.each([
    ['lib/utils.ts', '"utils" says nothing: name what is inside'],
    ['lib/common/a.ts', '"common" says nothing: name what is inside'],
    ['test/unit/helpers.test.ts', '"helpers" says nothing: name what is inside'],
    ['speaker/vipTable.ts', 'file names are lower-case words'],
    ['speaker/vip_table.c', 'file names are lower-case words'],
  ])('name of %s', (path, what) => {
    expect(namesSay([file(path)])).toEqual([`${path}:1 ${what}`]);
  });

  test('names that say something', () => {
    const paths = ['README.md', 'speaker/native/responder.bpf.c', 'test/unit/net/ip.test.ts'];
    expect(namesSay(paths.map((path) => file(path)))).toEqual([]);
  });
});

describe('functions', () => {
  const body = (count: number) => times(count, '  x();');

  test.each<[string, string, string[], string]>([
    ['a declaration', 'a.ts', ['export function a(): void {'], '}'],
    ['its parameters count', 'a.ts', ['function a(', '  b: number,', '): Result<B, C> {'], '}'],
    ['an arrow', 'a.ts', ['const a = (b: number): void => {'], '};'],
    ['a method', 'a.ts', ['async handle(input: Input): Promise<void> {'], '}'],
    ['a private method', 'a.ts', ['#begin<T>(keys: T[]): void {'], '}'],
    ['a constructor', 'a.ts', ['constructor(', '  a: A,', ') {'], '}'],
    ['a callback', 'a.test.ts', ["test('a', async () => {"], '});'],
    ['C', 'a.c', ['static int a(struct b *c)', '{'], '}'],
    ['C, brace behind', 'a.h', ['static int a(struct b *c) {'], '}'],
    ['shell', 'a.sh', ['a() {'], '}'],
  ])('%s', (_, path, opening, closing) => {
    const fits = file(path, ...opening, ...body(68 - opening.length), closing);
    const long = file(path, '// first', ...opening, ...body(69 - opening.length), closing);
    expect(functions(fits)).toEqual([{ line: 1, lines: 69 }]);
    expect(functionsFit([fits])).toEqual([]);
    expect(functionsFit([long])).toEqual([`${path}:2 function of 70 lines`]);
  });

  test.each([
    ['a suite', 'a.test.ts', "describe('a', () => {"],
    ['a class', 'a.ts', 'export class A implements B {'],
    ['a type', 'a.ts', 'export interface A {'],
    ['a value', 'a.ts', 'const a = new Map({'],
    ['a condition', 'a.ts', 'if (a(b)) {'],
    ['a condition in C', 'a.c', '    if (a(b)) {'],
    ['an initialiser', 'a.c', 'static const struct a b[SIZE(c)] = {'],
  ])('%s is none', (_, path, opening) => {
    expect(functions(file(path, opening, ...body(100), '}'))).toEqual([]);
  });

  test('labels and directives at the left edge do not end a C function', () => {
    const lines = ['int a(void)', '{', '#ifdef B', '\tb();', '#endif', 'out:', '\treturn 0;', '}'];
    expect(functions(file('a.c', ...lines))).toEqual([{ line: 1, lines: 8 }]);
  });

  test('what nobody closes goes on to the end', () => {
    expect(functions(file('a.ts', 'x', 'function a() {', '  b();', '  c();'))).toEqual([
      { line: 2, lines: 3 },
    ]);
  });

  test('a condition over many lines is none, a function inside counts by itself', () => {
    const condition = ['if (', '  a(b)', ') {', '  x();', '}'];
    const inner = ['  const c = () => {', ...times(70, '    x();'), '  };'];
    expect(functions(file('a.ts', ...condition))).toEqual([]);
    expect(functionsFit([file('a.ts', "describe('a', () => {", ...inner, '});')])).toEqual([
      'a.ts:2 function of 72 lines',
    ]);
  });
});

describe('words', () => {
  test('header', () => {
    const none = file('lib/a.ts', "import b from './b.ts';", '/** Too late. */');
    const licence = file('a.c', '// SPDX-License-Identifier: MIT', '', '#include <a.h>');
    const wrong = ['lib/a.ts:1 no header comment', 'a.c:1 no header comment'];
    expect(headersSay([none, licence, file('a.h')])).toEqual([...wrong, 'a.h:1 no header comment']);
    const script = file('a.ts', '#!/usr/bin/env node', '', '/** Why. */');
    const c = file('a.c', '/* SPDX-License-Identifier: MIT */', '/* Why. */');
    expect(headersSay([script, c, file('a.md', 'x'), file('a.sh', 'x')])).toEqual([]);
  });

  test('licence of BPF sources', () => {
    const right = file('a.bpf.c', '// SPDX-License-Identifier: MIT OR GPL-2.0', '/* Why. */');
    const wrong = file('b.bpf.c', '// SPDX-License-Identifier: GPL-2.0');
    expect(bpfIsLicensed([right, wrong, file('c.c', 'x')])).toEqual([
      'b.bpf.c:1 no "SPDX-License-Identifier: MIT OR GPL-2.0"',
    ]);
  });

  test('sleep', () => {
    const sleep = ['await new Promise((done) => set', 'Timeout(done, 5));'].join('');
    const promises = ["import { set } from 'node:timers", "/promises';"].join('');
    expect(testsDoNotSleep([file('test/unit/a.test.ts', 'x', sleep, promises)])).toEqual([
      ['test/unit/a.test.ts:2 test uses set', 'Timeout('].join(''),
      ['test/unit/a.test.ts:3 test uses timers', '/promises'].join(''),
    ]);
    expect(testsDoNotSleep([file('test/lab/a.test.ts', sleep), file('lab/a.ts', sleep)])).toEqual(
      [],
    );
  });

  test('notes to self', () => {
    const note = ['FIX', 'ME'].join('');
    const other = ['TO', 'DO'].join('');
    expect(
      nothingIsLeftToDo([file('a.md', 'x', `${note}: b`), file('b.ts', `// ${other}`)]),
    ).toEqual([`a.md:2 says ${note}`, `b.ts:1 says ${other}`]);
    expect(nothingIsLeftToDo([file('a.ts', '// todos are words too', 'METHODOLOGY')])).toEqual([]);
  });

  test('links', () => {
    const exists = (path: string) => ['docs/a.md', 'net/ip.ts', 'README.md'].includes(path);
    const page = file(
      'docs/a.md',
      'see [address](../net/ip.ts#L5), [here](#top), [there](https://b.example/c)',
      'and [home](/README.md "Title") but [gone](b.md) and ![picture](img/c.png)',
      '[ref]: ../gone.md',
      '```',
      '[in code](nowhere.md)',
      '```',
      'also `[in code](nowhere.md)`',
    );
    expect(linksLead(exists)([page])).toEqual([
      'docs/a.md:2 link leads nowhere: docs/b.md',
      'docs/a.md:2 link leads nowhere: docs/img/c.png',
      'docs/a.md:3 link leads nowhere: gone.md',
    ]);
    expect(linksLead(() => false)([file('a.ts', '// [a](b.md)')])).toEqual([]);
  });
});
