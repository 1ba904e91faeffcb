/**
 * The style of this repository as a test, so that nobody has to say it in a review. Each failure
 * lists `file:line what`; the rules themselves are tested in rules.test.ts.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { importsGoLeft, oneDoor, pureStaysPure, testsUseDoors } from './imports.ts';
import { filesFit, functionsFit, linesFit, mainsFit, namesSay, readmeFits } from './shape.ts';
import { readTree } from './source.ts';
import type { Rule } from './source.ts';
import {
  bpfIsLicensed,
  headersSay,
  linksLead,
  nothingIsLeftToDo,
  testsDoNotSleep,
} from './words.ts';

const root = join(import.meta.dirname, '../..');
const tree = readTree(root);

test('the tree is read', () => {
  const paths = tree.map(({ path }) => path);
  expect(paths).toContain('test/tidy/tidy.test.ts');
  expect(paths).not.toContain('speaker/native/bytecode.ts');
});

test.each<[string, Rule]>([
  ['imports go left, and the two programs never import each other', importsGoLeft],
  ['pure files import neither node:* nor io/', pureStaysPure],
  ['each npm package has one door', oneDoor],
  ['tests reach npm packages through those doors', testsUseDoors],
  ['file names are words that say something', namesSay],
  ['every source starts with a comment that says what it is for', headersSay],
  ['lines have at most 100 characters', linesFit],
  ['files have at most 400 lines', filesFit],
  ['functions have less than 70 lines', functionsFit],
  ['main.ts has at most 60 lines', mainsFit],
  ['README.md has at most 120 lines', readmeFits],
  ['tests do not sleep', testsDoNotSleep],
  ['links lead somewhere', linksLead((path) => existsSync(join(root, path)))],
  ['nothing is left to do', nothingIsLeftToDo],
  ['BPF sources say MIT OR GPL-2.0', bpfIsLicensed],
])('%s', (_, rule) => {
  expect(rule(tree)).toEqual([]);
});
