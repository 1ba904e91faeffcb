/**
 * What was said of each Service last time, to be told what is another now. Services come in the
 * same order each time, but for those that are gone or new, so nearly every comparison is one of
 * references at the next place; to look up ten thousand keys would take ten times as long.
 */
import type { Fact } from './decider.ts';
import { sameList } from './entry.ts';

export interface News {
  readonly fact: Fact;
  /** What was said before, if anything. */
  readonly known: Fact | undefined;
}

export class Roster {
  /** In the order they came; both hold the same objects. */
  #list: readonly Fact[] = [];
  readonly #byKey = new Map<string, Fact>();

  get(key: string): Fact | undefined {
    return this.#byKey.get(key);
  }

  /** Makes these all that is said; names what is another, and the keys that are gone. */
  update(facts: readonly Fact[]): { readonly news: readonly News[]; readonly gone: string[] } {
    const before = this.#list;
    const list: Fact[] = [];
    const news: News[] = [];
    const skipped: Fact[] = [];
    /** Out of their order. */
    const moved = new Set<Fact>();
    let next = 0;
    for (const fact of facts) {
      const twin = before[next];
      if (twin !== undefined && isSame(twin, fact)) {
        list.push(twin);
        next += 1;
        continue;
      }
      const known = this.#byKey.get(fact.key);
      const at = known === undefined ? -1 : before.indexOf(known, next);
      for (; next <= at; next += 1) if (next < at) skipped.push(before[next] ?? fact);
      const same = known !== undefined && isSame(known, fact) ? known : undefined;
      if (same === undefined) {
        news.push({ fact, known });
        this.#byKey.set(fact.key, fact);
      } else if (at < 0) moved.add(same);
      list.push(same ?? fact);
    }
    const left = [...skipped, ...before.slice(next)].filter((fact) => !moved.has(fact));
    const gone = left.filter((fact) => this.#byKey.get(fact.key) === fact).map(({ key }) => key);
    for (const key of gone) this.#byKey.delete(key);
    this.#list = list;
    return { news, gone };
  }
}

function isSame(before: Fact, now: Fact): boolean {
  if (before === now) return true;
  const [a, b] = [before.entrant, now.entrant];
  if (a?.claim !== b?.claim || a?.keepOnly !== b?.keepOnly) return false;
  // A claim belongs to one Service; without one only the key tells them apart.
  if (a === undefined && before.key !== now.key) return false;
  return sameList(before.occupied, now.occupied);
}
