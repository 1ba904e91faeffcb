/** What is asked of the kernel once more, and how often. */
import { constants } from 'node:os';
import { expect, test } from '@jest/globals';
import { loadProgram } from '../../../speaker/io/bpfcall.ts';
import type { Native } from '../../../speaker/io/native.ts';
import { BYTECODE } from '../../../speaker/native/bytecode.ts';

/** Loads at a kernel that gives these answers in turn, and the last one from then on. */
function load(...answers: readonly number[]): { readonly fd: number; readonly calls: number } {
  let calls = 0;
  const bpf = (): number => {
    calls += 1;
    return answers[Math.min(calls, answers.length) - 1] ?? 0;
  };
  const kernel = { bpf } as unknown as Native;
  const { responder } = BYTECODE.programs;
  const fd = loadProgram(kernel, 'responder', responder, new Map(), BYTECODE.license);
  return { fd, calls };
}

const { EAGAIN, EPERM } = constants.errno;

test('a verifier that was interrupted is asked again', () => {
  expect(load(-EAGAIN, -EAGAIN, 7)).toEqual({ fd: 7, calls: 3 });
});

test('but not for ever', () => {
  expect(load(-EAGAIN)).toEqual({ fd: -EAGAIN, calls: 5 });
});

test('a refusal is one', () => {
  expect(load(-EPERM)).toEqual({ fd: -EPERM, calls: 1 });
});
