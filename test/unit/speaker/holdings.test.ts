/** Many addresses at once: in portions, what is wanted most first, and nothing stale answered. */
import { describe, expect, test } from '@jest/globals';
import { parseArp } from '../../../net/arp.ts';
import { formatIp } from '../../../net/ip.ts';
import type { Ip } from '../../../net/ip.ts';
import { Holdings } from '../../../speaker/holdings.ts';
import type { HoldingsOutput } from '../../../speaker/holdings.ts';
import type { Situation } from '../../../speaker/situation.ts';
import type { Order } from '../../../speaker/vip.ts';

const COUNT = 2000;
const PORTION = 500;
const LINK = { index: 1, name: 'eth0', mac: '02:64:00:00:00:01' };

function situation(over: Partial<Situation> = {}): Situation {
  return {
    serving: true,
    links: new Map([[1, LINK]]),
    mayHold: (node) => node === 'a',
    isImpaired: () => false,
    unaccounted: new Set(),
    peers: new Set(['b']),
    ...over,
  };
}

const ips = Array.from({ length: COUNT }, (_, i): Ip => {
  return { family: 4, value: 0xc6120000n + BigInt(i) };
});

function newHoldings(asked: (key: string) => number = () => 0): Holdings {
  const holdings = new Holdings({
    node: 'a',
    random: () => 0.5,
    probe: 'off',
    again: 100,
    asked,
    nodeWith: () => undefined,
  });
  const put = new Map<string, Order>();
  for (const ip of ips) {
    put.set(formatIp(ip), { ip, owners: ['a', 'b'], interfaces: 'all', isNew: false });
  }
  holdings.order({ put, remove: [] });
  return holdings;
}

function outputs(holdings: Holdings): HoldingsOutput[] {
  const all: HoldingsOutput[] = [];
  for (let out = holdings.poll(); out !== undefined; out = holdings.poll()) all.push(out);
  return all;
}

/** Turns until nothing is left to do now; how many addresses each put into the table. */
function settle(holdings: Holdings, now: number): number[] {
  const portions: number[] = [];
  do {
    holdings.tick(now);
    const puts = outputs(holdings).map((out) => (out.kind === 'apply' ? out.delta.put.size : 0));
    portions.push(puts.reduce((all, each) => all + each, 0));
  } while ((holdings.deadline() ?? Infinity) <= now && portions.length < 100);
  return portions;
}

describe('two thousand addresses', () => {
  test('are taken in portions, between which others have their turn', () => {
    const holdings = newHoldings();
    holdings.follow(situation(), 0);
    const portions = settle(holdings, 0);
    expect(Math.max(...portions)).toBe(PORTION);
    expect(portions.reduce((all, each) => all + each)).toBe(COUNT);
    expect(holdings.held).toHaveLength(COUNT);
    expect(holdings.isBusy).toBe(false);
  });

  test('are let go of at once, when another node is to have them', () => {
    const holdings = newHoldings();
    holdings.follow(situation(), 0);
    settle(holdings, 0);
    holdings.follow(situation({ mayHold: () => true }), 100);
    expect(holdings.held).toHaveLength(COUNT);
    holdings.follow(situation({ mayHold: (node) => node === 'b' }), 200);
    const [apply] = outputs(holdings);
    expect(apply?.kind === 'apply' && apply.delta.put.size).toBe(COUNT);
    expect(holdings.held).toEqual([]);
  });

  test('without a lease they go in portions, and are stale until all have gone', () => {
    const holdings = newHoldings();
    holdings.follow(situation(), 0);
    settle(holdings, 0);
    holdings.follow(situation({ serving: false }), 100);
    expect(holdings.isStale).toBe(true);
    expect(Math.max(...settle(holdings, 100))).toBe(PORTION);
    expect(holdings.isStale).toBe(false);
    expect(holdings.held).toEqual([]);
  });

  test('of a node that may be there: those that are asked for most are announced first', () => {
    const wanted = new Set(ips.slice(-150).map(formatIp));
    const holdings = newHoldings((key) => (wanted.has(key) ? 20 : 1));
    holdings.follow(situation({ unaccounted: new Set(['b']) }), 0);
    const announced: string[] = [];
    for (let now = 0; now < 2000; now += 10) {
      settle(holdings, now);
      holdings.send(now);
      for (const out of outputs(holdings)) {
        if (out.kind !== 'send') continue;
        const arp = parseArp(out.frame);
        if (arp.ok && arp.value.senderIp.value !== 0n) announced.push(formatIp(arp.value.senderIp));
      }
    }
    expect(new Set(announced).size).toBe(COUNT);
    expect(announced.slice(0, wanted.size).filter((each) => !wanted.has(each))).toEqual([]);
  });
});
