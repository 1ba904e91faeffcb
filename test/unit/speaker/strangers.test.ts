/** Claims by hosts that are none of the cluster's, and what a node makes of them. */
import { describe, expect, test } from '@jest/globals';
import { formatIp } from '../../../net/ip.ts';
import type { Ip } from '../../../net/ip.ts';
import type { Announcement } from '../../../speaker/dataplane.ts';
import { Holdings } from '../../../speaker/holdings.ts';
import type { HoldingsOutput } from '../../../speaker/holdings.ts';
import { NOWHERE } from '../../../speaker/situation.ts';
import { PACE } from '../../../speaker/timing.ts';
import type { Order } from '../../../speaker/vip.ts';

const STRANGER = '02:00:5e:10:00:01';
const own: Ip = { family: 4, value: 0xc0000280n };
const links = new Map([
  [1, { index: 1, name: 'eth0', mac: '02:64:00:00:00:01', addresses: [own] }],
  [2, { index: 2, name: 'eth1', mac: '02:64:00:00:00:02', addresses: [] }],
]);

class Stage {
  now = 1000.25;
  readonly holdings = new Holdings({
    node: 'a',
    // The decoy in the middle of a /24 is .128.
    random: () => 0.5,
    refresh: 0,
    probe: 'optimistic',
    again: 100,
    asked: () => 0,
    nodeWith: () => undefined,
  });
  readonly table = new Map<string, Announcement>();
  readonly outputs: HoldingsOutput[] = [];

  constructor(orders: readonly Order[]) {
    const put = new Map(orders.map((order) => [formatIp(order.ip), order]));
    this.holdings.order({ put, remove: [] });
    const mayHold = (node: string): boolean => node === 'a';
    this.holdings.follow({ ...NOWHERE, serving: true, links, mayHold }, this.now);
    this.holdings.learn([], [], this.now);
  }

  run(until: number): void {
    for (; this.now < until; this.now += 1) {
      this.holdings.tick(this.now);
      this.holdings.send(this.now);
      this.drain();
    }
  }

  claim(ip: Ip, link: number): void {
    const sighting = { at: this.now, link, ip, mac: STRANGER, form: 'reply' } as const;
    this.holdings.hear(sighting, this.now);
  }

  drain(): number {
    let sent = 0;
    for (let out = this.holdings.poll(); out !== undefined; out = this.holdings.poll()) {
      this.outputs.push(out);
      if (out.kind === 'send') sent += 1;
      if (out.kind !== 'apply') continue;
      for (const [key, announcement] of out.delta.put) this.table.set(key, announcement);
      for (const key of out.delta.remove) this.table.delete(key);
    }
    return sent;
  }
}

function orderOf(ip: Ip, over: Partial<Order> = {}): Order {
  return { ip, owners: ['a'], interfaces: 'all', isNew: false, ...over };
}

function ipOf(last: number): Ip {
  return { family: 4, value: 0xc0000200n + BigInt(last) };
}

describe('claims by strangers', () => {
  test('are none on an interface where the address is not announced', () => {
    const stage = new Stage([orderOf(ipOf(1), { interfaces: ['eth0'], owners: ['b'] })]);
    stage.run(1100);
    stage.claim(ipOf(1), 2);
    expect(stage.holdings.conflicts()).toEqual([]);
    stage.claim(ipOf(1), 1);
    expect(stage.holdings.conflicts()).toMatchObject([{ mac: STRANGER, link: 'eth0' }]);
  });

  test('are answered within the pace, and all of them in the end', () => {
    const all = Array.from({ length: 1000 }, (_, i): Ip => ({ family: 4, value: BigInt(i + 1) }));
    const stage = new Stage(all.map((ip) => orderOf(ip)));
    stage.run(8000);
    const each: number[] = [];
    for (let round = 0; round < 40; round++, stage.now += PACE.every) {
      for (const ip of all) stage.claim(ip, 1);
      each.push(stage.drain());
    }
    expect(Math.max(...each)).toBe(PACE.frames);
    expect(stage.holdings.counts.get('defences')).toBe(all.length);
  });
});

test("an address of the host's is no decoy: its kernel would be silenced", () => {
  const stage = new Stage([orderOf(ipOf(1), { isNew: true })]);
  stage.run(1002);
  stage.claim(ipOf(1), 1);
  let watched = 0;
  for (let until = 1003; until < 1100; until++) {
    stage.run(until);
    watched = Math.max(watched, stage.table.size);
    expect(stage.table.has(formatIp(own))).toBe(false);
  }
  expect(watched).toBeGreaterThan(1);
});
