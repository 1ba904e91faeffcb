/**
 * Which shared addresses a newcomer may join. Claims that are alike but for their ports form a
 * group; a newcomer joins the lowest address of its pool where its ports are free.
 *
 * A thousand Services with one key and one port would each look at all the addresses of those
 * before. So what one claim of a kind (equal ports) cannot join for its ports the next one is not
 * asked about, until somebody leaves an address of the group.
 */
import type { Claim } from '../config/claim.ts';
import type { Family } from '../net/ip.ts';
import type { Slot } from './slot.ts';
import type { Place, Stock } from './stock.ts';

/** undefined: the claim shares with nobody. */
export function groupKey({ sharing, externalTrafficPolicy }: Claim): string | undefined {
  if (sharing === undefined) return undefined;
  return JSON.stringify([sharing.key, externalTrafficPolicy, sharing.backend]);
}

export class Group {
  /** Of the annotation; groups that differ in traffic policy or selector only have it in common. */
  readonly sharingKey: string;
  /** By pool and family. */
  readonly #slots = new Map<string, Slot[]>();
  /** By pool, family and ports: how many of `#slots` are refused for good. */
  readonly #heads = new Map<string, number>();

  constructor(sharingKey: string) {
    this.sharingKey = sharingKey;
  }

  get isEmpty(): boolean {
    return this.#slots.size === 0;
  }

  /** Its first tenant is here. */
  add(slot: Slot): void {
    const key = shelfOf(slot);
    if (key === undefined) return;
    const slots = this.#slots.get(key);
    if (slots === undefined) this.#slots.set(key, [slot]);
    else {
      const at = placeOf(slots, slot);
      // Nearly always at the end: addresses are given in their order.
      if (at < slots.length) this.#heads.clear();
      slots.splice(at, 0, slot);
    }
  }

  /** A tenant is gone; `isLast`: nobody is left. */
  removed(slot: Slot, isLast: boolean): void {
    this.#heads.clear();
    const key = shelfOf(slot);
    const slots = key === undefined ? undefined : this.#slots.get(key);
    if (!isLast || key === undefined || slots === undefined) return;
    slots.splice(placeOf(slots, slot), 1);
    if (slots.length === 0) this.#slots.delete(key);
  }

  /** In order of allocation. */
  of(stock: Stock, family: Family): readonly Slot[] {
    return this.#slots.get(`${family} ${stock.pool.name}`) ?? [];
  }

  /** The lowest that the claim can join and does not have yet. */
  lowest(
    stock: Stock,
    family: Family,
    claim: Claim,
    isAllowed: (slot: Slot) => boolean,
  ): Place | undefined {
    const slots = this.of(stock, family);
    if (slots.length === 0) return undefined;
    const kind = `${family} ${stock.pool.name} ${claim.ports.join()}`;
    let head = this.#heads.get(kind) ?? 0;
    while (head < slots.length && slots[head]?.tenants.clash(claim) === true) head += 1;
    this.#heads.set(kind, head);
    for (let at = head; at < slots.length; at += 1) {
      const slot = slots[at];
      if (slot === undefined || slot.tenants.has(claim.key) || !isAllowed(slot)) continue;
      if (slot.isBarredFor(claim) || slot.isLeft(claim)) continue;
      return { ip: slot.ip, rank: slot.stretch?.rank ?? 0 };
    }
    return undefined;
  }
}

function shelfOf({ ip, stretch }: Slot): string | undefined {
  return stretch && `${ip.family} ${stretch.stock.pool.name}`;
}

/** Where it is, or would be. */
function placeOf(slots: readonly Slot[], slot: Slot): number {
  let low = 0;
  let high = slots.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const other = slots[middle];
    if (other !== undefined && isBefore(other, slot)) low = middle + 1;
    else high = middle;
  }
  return low;
}

function isBefore(a: Slot, b: Slot): boolean {
  const [first, second] = [a.stretch?.rank ?? 0, b.stretch?.rank ?? 0];
  return first === second ? a.ip.value < b.ip.value : first < second;
}
