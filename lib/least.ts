/**
 * A set of numbers whose least is at hand: a binary heap. Adding and removing the least cost
 * O(log n); a sorted list would shift half of itself for each released address.
 */
export class Least {
  readonly #heap: bigint[] = [];
  readonly #members = new Set<bigint>();

  get first(): bigint | undefined {
    return this.#heap[0];
  }

  add(value: bigint): void {
    if (this.#members.has(value)) return;
    this.#members.add(value);
    const heap = this.#heap;
    let at = heap.push(value) - 1;
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      const above = heap[parent] ?? value;
      if (above <= value) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = value;
  }

  removeFirst(): void {
    const heap = this.#heap;
    const [first] = heap;
    const last = heap.pop();
    if (first === undefined || last === undefined) return;
    this.#members.delete(first);
    if (heap.length > 0) sink(heap, last);
  }
}

/** Puts a value in the place of the first, and then where it belongs. */
function sink(heap: bigint[], value: bigint): void {
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    let below = heap[child];
    if (below === undefined) break;
    const right = heap[child + 1];
    if (right !== undefined && right < below) {
      child += 1;
      below = right;
    }
    if (below >= value) break;
    heap[at] = below;
    at = child;
  }
  heap[at] = value;
}
