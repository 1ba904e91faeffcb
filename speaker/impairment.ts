/**
 * A node that does not reach its gateway is the last choice for every address: whoever can do
 * better answers instead (docs/decisions/0013-gateway-check.md). The order of owners is thereby no
 * longer the same at every instant on every node, so two rules keep one voice:
 *
 * - Who becomes impaired counts itself so at once, lets go, and only then says it.
 * - Who recovers says so at once, and counts itself as good only when everybody who may be answering
 *   has acknowledged a beat that says it; thereby they have let go.
 *
 * So a node that counts itself as good is good in everybody's eyes. Two that would both answer for
 * one address: the one behind in the order thinks the one before it impaired, and itself good. Then
 * the one before is impaired in its own eyes too, and the one behind is good in them: it does not
 * answer. Of whom nothing is known counts as good.
 */

export class Impairment {
  #told = false;
  #counted = false;
  /** The first beat that says that it is over. */
  #overWith = Infinity;

  /** What beats say. */
  get isTold(): boolean {
    return this.#told;
  }

  /** What this node's own decisions count with. */
  get isCounted(): boolean {
    return this.#counted;
  }

  /** `sent`: the number of the newest beat so far. Whether that was news. */
  set(impaired: boolean, sent: number): boolean {
    if (impaired === this.#told) return false;
    this.#told = impaired;
    if (impaired) this.#counted = true;
    this.#overWith = impaired ? Infinity : sent + 1;
    return true;
  }

  /** `sent` as above; whether decisions count with something else from now on. */
  advance(sent: number, allHeard: (number: number) => boolean): boolean {
    if (!this.#counted || sent < this.#overWith || !allHeard(this.#overWith)) return false;
    this.#counted = false;
    return true;
  }
}
