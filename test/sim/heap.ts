/**
 * What is due, soonest first: a binary heap, in which things of the same instant keep the order in
 * which they were put. A sorted list would shift half of itself for each of the hundred thousand
 * datagrams that a hundred nodes have on their way every second.
 */
import type { Instant } from '../../lib/time.ts';

export interface Due {
  readonly at: Instant;
  /** Given by `push`; ties are broken by it. */
  order: number;
}

export class Heap<T extends Due> {
  readonly #all: T[] = [];
  #pushed = 0;

  get first(): T | undefined {
    return this.#all[0];
  }

  push(item: T): void {
    item.order = this.#pushed;
    this.#pushed += 1;
    const all = this.#all;
    let place = all.length;
    all.push(item);
    while (place > 0) {
      const parent = (place - 1) >> 1;
      const above = all[parent];
      if (above === undefined || !isBefore(item, above)) break;
      all[place] = above;
      place = parent;
    }
    all[place] = item;
  }

  pop(): T | undefined {
    const all = this.#all;
    const [first] = all;
    const last = all.pop();
    if (last !== undefined && all.length > 0) this.#sink(last);
    return first;
  }

  #sink(item: T): void {
    const all = this.#all;
    let place = 0;
    for (;;) {
      let below = 2 * place + 1;
      let child = all[below];
      const right = all[below + 1];
      if (child !== undefined && right !== undefined && isBefore(right, child)) {
        child = right;
        below += 1;
      }
      if (child === undefined || !isBefore(child, item)) break;
      all[place] = child;
      place = below;
    }
    all[place] = item;
  }
}

function isBefore(a: Due, b: Due): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
