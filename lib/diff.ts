/**
 * What must change to turn one keyed set into another. Decisions produce whole wanted states;
 * drivers apply only the difference, so a steady state costs nothing.
 */
export interface Delta<T> {
  /** New or changed values, with their keys. */
  readonly put: ReadonlyMap<string, T>;
  /** Keys that are gone. */
  readonly remove: readonly string[];
}

export function diff<T>(
  before: ReadonlyMap<string, T>,
  after: ReadonlyMap<string, T>,
  same: (a: T, b: T) => boolean,
): Delta<T> {
  const put = new Map<string, T>();
  for (const [key, value] of after) {
    const old = before.get(key);
    if (old === undefined || !same(old, value)) put.set(key, value);
  }
  const remove = [...before.keys()].filter((key) => !after.has(key));
  return { put, remove };
}

export function isEmpty(delta: Delta<unknown>): boolean {
  return delta.put.size === 0 && delta.remove.length === 0;
}
