/** The orders of all addresses as the API server has them; nodes know them when they are told. */
import type { Delta } from '../../lib/diff.ts';
import { formatIp } from '../../net/ip.ts';
import type { Order } from '../../speaker/vip.ts';
import { ipOf } from './hosts.ts';

export class Ledger {
  readonly #orders = new Map<string, Order>();

  set(text: string, owners: readonly string[], isNew: boolean): void {
    const ip = ipOf(text);
    this.#orders.set(formatIp(ip), { ip, owners, interfaces: 'all', isNew });
  }

  /** What a node is told of one address. */
  of(text: string): Delta<Order> {
    const key = formatIp(ipOf(text));
    const order = this.#orders.get(key);
    if (order === undefined) return { put: new Map(), remove: [key] };
    return { put: new Map([[key, order]]), remove: [] };
  }

  /** What a node that starts is told, if only these nodes may own. */
  all(candidates: readonly string[]): Delta<Order> {
    const isCandidate = new Set(candidates);
    const put = new Map<string, Order>();
    for (const [key, order] of this.#orders) {
      put.set(key, { ...order, owners: order.owners.filter((each) => isCandidate.has(each)) });
    }
    return { put, remove: [] };
  }
}
