/**
 * What the source could not read, by place. The same problem may be told to the watchers of
 * several kinds: one line is enough, and it is over when every kind has said so.
 */
export class Troubles {
  readonly #kinds = new Map<string, Set<string>>();

  get size(): number {
    return this.#kinds.size;
  }

  /** Whether people should hear of it. */
  begin(kind: string, place: string): boolean {
    const kinds = this.#kinds.get(place) ?? new Set();
    const isNews = kinds.size === 0 || kinds.has(kind);
    this.#kinds.set(place, kinds.add(kind));
    return isNews;
  }

  /** Whether it is over, for all kinds. */
  end(kind: string, place: string): boolean {
    const kinds = this.#kinds.get(place);
    if (kinds?.delete(kind) !== true || kinds.size > 0) return false;
    return this.#kinds.delete(place);
  }

  /** Whether objects of that kind may be missing. */
  concern(kind: string): boolean {
    return [...this.#kinds.values()].some((kinds) => kinds.has(kind));
  }
}
