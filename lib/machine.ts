/**
 * The shape of everything that decides: inputs and time go in, outputs come out as values.
 *
 * Why not callbacks or promises: a Machine has no clock, no timer and no I/O, so a unit test feeds
 * literals, a simulation feeds virtual time to a thousand of them, and the product runs the same
 * code. Timers are numbers (`deadline`), after quinn-proto and etcd-io/raft's Ready.
 */
import type { Instant } from './time.ts';

export interface Machine<Input, Output> {
  /** Takes one input. `now` never runs backwards. */
  handle(input: Input, now: Instant): void;
  /** Called at, or any time after, `deadline()`. Calling it early must be harmless. */
  tick(now: Instant): void;
  /** The next output, oldest first; undefined when there is none. */
  poll(): Output | undefined;
  /** When `tick` is wanted; undefined: only an input can change anything. */
  deadline(): Instant | undefined;
}
