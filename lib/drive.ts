/**
 * The driver that runs any Machine: it hands inputs in, carries outputs out, and keeps one timer
 * at the machine's deadline. The world (clock, timer, actor) is passed in, so the same driver
 * serves production, tests and simulation.
 */
import type { Machine } from './machine.ts';
import type { Instant } from './time.ts';

export interface World<Output> {
  now(): Instant;
  /** Replaces the one pending wake-up; undefined cancels it. */
  wakeAt(at: Instant | undefined): void;
  /** Carries out one output. Failures come back as inputs, later. */
  act(output: Output): void;
}

export interface Driver<Input> {
  put(input: Input): void;
  wake(): void;
}

export function drive<Input, Output>(
  machine: Machine<Input, Output>,
  world: World<Output>,
): Driver<Input> {
  const settle = (): void => {
    for (let out = machine.poll(); out !== undefined; out = machine.poll()) world.act(out);
    world.wakeAt(machine.deadline());
  };
  return {
    put(input) {
      machine.handle(input, world.now());
      settle();
    },
    wake() {
      machine.tick(world.now());
      settle();
    },
  };
}
