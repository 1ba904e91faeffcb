/**
 * What a source says that it cannot read of the configuration: a file, or a field of a ConfigMap.
 * There is no object yet to find fault with. That the source itself is away, or does not know a
 * kind, is another matter: then the place is the kind.
 */
import type { WatchEvent } from '../kube/kube.ts';

export class Unreadable {
  /** By kind, then place: a line. */
  readonly #kinds = new Map<string, Map<string, string>>();

  take(kind: string, event: WatchEvent): void {
    const lines = this.#kinds.get(kind) ?? new Map<string, string>();
    this.#kinds.set(kind, lines);
    if (event.type === 'solved') lines.delete(event.place);
    if (event.type !== 'problem' || event.problem.place === kind) return;
    const { place, path, message } = event.problem;
    lines.set(place, `${path === '' ? place : `${place}: ${path}`}: ${message}`);
  }

  /** Of these kinds; a file that cannot be read concerns several, and is there once. */
  lines(kinds: readonly string[]): readonly string[] {
    return [...new Set(kinds.flatMap((kind) => [...(this.#kinds.get(kind)?.values() ?? [])]))];
  }
}
