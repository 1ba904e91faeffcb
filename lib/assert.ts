/**
 * Programmer errors: a broken invariant stops the process. That is safe here, because a speaker
 * that stops falls silent when its lease ends.
 */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${message}`);
}

/** Closes a switch over a union: the compiler proves that nothing reaches it. */
export function unreachable(value: never): never {
  throw new Error(`invariant broken: unexpected ${JSON.stringify(value)}`);
}
