/**
 * Orders on their way between two threads. A structured clone copies every string: ten thousand
 * orders over a hundred nodes are a million names, which stalled the reflex for most of a second
 * and overran its small heap. So names cross once, and orders as indexes into them.
 */
import type { Delta } from '../lib/diff.ts';
import type { Ip } from '../net/ip.ts';
import type { Order } from './vip.ts';

export interface PackedOrders {
  readonly remove: readonly string[];
  readonly keys: readonly string[];
  readonly ips: readonly Ip[];
  readonly interfaces: readonly Order['interfaces'][];
  /** 1: `isNew`. */
  readonly news: Uint8Array;
  /** Every node named in an order, once. */
  readonly names: readonly string[];
  /** Indexes into `names`, all orders in a row. */
  readonly owners: Uint16Array;
  /** How many of them belong to each order. */
  readonly counts: Uint16Array;
}

export function packOrders({ put, remove }: Delta<Order>): PackedOrders {
  const indexes = new Map<string, number>();
  const owners: number[] = [];
  const counts = new Uint16Array(put.size);
  let at = 0;
  for (const order of put.values()) {
    counts[at++] = order.owners.length;
    for (const name of order.owners) {
      let index = indexes.get(name);
      if (index === undefined) indexes.set(name, (index = indexes.size));
      owners.push(index);
    }
  }
  const orders = [...put.values()];
  return {
    remove,
    keys: [...put.keys()],
    ips: orders.map(({ ip }) => ip),
    interfaces: orders.map(({ interfaces }) => interfaces),
    news: Uint8Array.from(orders, ({ isNew }) => Number(isNew)),
    names: [...indexes.keys()],
    owners: Uint16Array.from(owners),
    counts,
  };
}

export function unpackOrders(packed: PackedOrders): Delta<Order> {
  const { keys, ips, interfaces, news, names, owners, counts } = packed;
  const put = new Map<string, Order>();
  let from = 0;
  keys.forEach((key, i) => {
    const to = from + (counts[i] ?? 0);
    const own = Array.from(owners.subarray(from, to), (index) => names[index] ?? '');
    from = to;
    const ip = ips[i];
    if (ip === undefined) return;
    const isNew = news[i] === 1;
    put.set(key, { ip, owners: own, interfaces: interfaces[i] ?? 'all', isNew });
  });
  return { put, remove: packed.remove };
}
