/**
 * Operating errors as values: what can go wrong in a correct program on a healthy machine is part
 * of the type, and carries a reason that a user can act on. Programmer errors use `assert`.
 */
export type Result<T, E> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: E };

export function ok<T>(value: T): Result<T, never> {
  return { ok: true, value };
}

export function err<E>(error: E): Result<never, E> {
  return { ok: false, error };
}
