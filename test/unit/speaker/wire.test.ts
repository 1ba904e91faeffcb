/**
 * The segment is asked before an address is answered for: on real reflexes in virtual time, with
 * hosts that are none of the cluster's.
 */
import { describe, expect, test } from '@jest/globals';
import { parseArp } from '../../../net/arp.ts';
import { formatIp } from '../../../net/ip.ts';
import { PROFILES, TAKEOVER } from '../../../speaker/timing.ts';
import { Cluster } from '../../sim/cluster.ts';
import type { ClusterOptions } from '../../sim/cluster.ts';
import { claimOf, host } from '../../sim/hosts.ts';

const VIP = '192.0.2.240';
const VIP6 = '2001:db8::240';
const ABC = ['a', 'b', 'c'];
const STRANGER = '02:00:5e:10:00:01';
const { beat, dead } = PROFILES.default;

function oneVoice(cluster: Cluster): void {
  for (const ip of [VIP, VIP6]) {
    const voices = cluster.answering(ip);
    if (voices.length > 1) throw new Error(`two voices at ${cluster.now}: ${voices.join(' ')}`);
  }
}

function begun(options: Partial<ClusterOptions> = {}): Cluster {
  return new Cluster(ABC, { seed: 1, orders: { [VIP]: ABC }, check: oneVoice, ...options });
}

function settled(options: Partial<ClusterOptions> = {}): Cluster {
  const cluster = begun(options);
  cluster.run(1500);
  expect(cluster.answering(VIP)).toEqual(['a']);
  return cluster;
}

describe('beats are lost, the segment is whole', () => {
  test.each(['keep', 'stop'] as const)(
    '%s: one voice within a second, and it stays',
    (isolation) => {
      for (let seed = 1; seed <= 10; seed++) {
        const cluster = settled({ seed, isolation });
        cluster.mute('a');
        cluster.run(700);
        const owner = isolation === 'keep' ? 'a' : 'b';
        for (let ms = 0; ms < 5000; ms += 10) {
          expect({ seed, ms, voices: cluster.answering(VIP) }).toEqual({
            seed,
            ms,
            voices: [owner],
          });
          cluster.run(10);
        }
        cluster.heal();
        cluster.run(3000);
        expect(cluster.answering(VIP)).toEqual(['a']);
      }
    },
  );

  test('all are cut from all, and the owner dies: one of the others takes it', () => {
    for (let seed = 1; seed <= 30; seed++) {
      const cluster = settled({ seed, orders: { [VIP]: ABC, [VIP6]: ABC } });
      for (const name of ABC) cluster.mute(name);
      cluster.run(1000 + seed * 7);
      // Its own lease may have lapsed while it did not know whether it is alone.
      const [owner = 'nobody', ...others] = cluster.answering(VIP);
      expect(others).toEqual([]);
      cluster.crash(owner);
      const took = cluster.until(() => cluster.answering(VIP).length === 1, 3000);
      expect({ seed, inTime: (took ?? Infinity) <= 3 * beat + TAKEOVER.clear }).toEqual({
        seed,
        inTime: true,
      });
      cluster.run(2000);
      expect(cluster.answering(VIP)).toHaveLength(1);
    }
  });

  test('two announce, one of them deaf for a while: the one that stays has the last word', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const cluster = settled({ seed, check: () => {} });
      cluster.run(15_000);
      let last = '';
      cluster.stranger('watcher', (frame) => {
        const arp = parseArp(frame);
        if (arp.ok && formatIp(arp.value.senderIp) === VIP) last = arp.value.senderMac;
        return [];
      });
      cluster.cutOneWay('a', 'c');
      cluster.cutOneWay('b', 'c');
      cluster.run(1000 + seed * 100);
      expect(cluster.answering(VIP)).toEqual(['a', 'c']);
      cluster.heal();
      cluster.run(11_000);
      expect({ seed, last }).toEqual({ seed, last: '02:64:00:00:00:01' });
    }
  });

  test('two answer, and meet by an announcement: the first of the order stays', () => {
    const cluster = settled({ check: () => {} });
    for (const name of ABC) cluster.cut(name);
    cluster.run(3000);
    expect(cluster.answering(VIP)).toEqual(ABC);
    cluster.heal();
    for (const name of ABC) cluster.mute(name);
    cluster.broadcast('a', claimOf(VIP, '02:64:00:00:00:01'));
    cluster.run(2 * beat);
    expect(cluster.answering(VIP)).toEqual(['a']);
    cluster.run(5000);
    expect(cluster.answering(VIP)).toEqual(['a']);
  });
});

describe('an address that was never announced', () => {
  const isNew = [VIP];

  test('is answered for a moment after it was probed', () => {
    const cluster = begun();
    const known = cluster.until(() => cluster.answering(VIP).length === 1, 2000) ?? Infinity;
    const probed = begun({ isNew });
    const late = probed.until(() => probed.answering(VIP).length === 1, 2000) ?? Infinity;
    expect(late - known).toBeGreaterThanOrEqual(TAKEOVER.clear - 1);
    expect(late - known).toBeLessThan(TAKEOVER.clear + 10);
  });

  test('is not answered for while a stranger has it; the stranger is named', () => {
    const cluster = begun({ isNew });
    cluster.stranger(
      'printer',
      host(STRANGER, (ip) => ip === VIP),
    );
    cluster.run(60_000);
    expect(cluster.answering(VIP)).toEqual([]);
    const conflict = { ip: VIP, mac: STRANGER, link: 'eth0', withheld: true };
    expect(cluster.state('a')?.conflicts).toEqual([conflict]);
  });

  test('is answered for when the stranger has gone', () => {
    const cluster = begun({ isNew });
    let isOn = true;
    cluster.stranger(
      'printer',
      host(STRANGER, (ip) => isOn && ip === VIP),
    );
    cluster.run(5000);
    isOn = false;
    expect(cluster.until(() => cluster.answering(VIP).join() === 'a', 13_000)).toBeDefined();
    expect(cluster.state('a')?.conflicts).toEqual([]);
  });

  test('is withdrawn when a slow stranger answers a later probe', () => {
    const cluster = begun({ isNew });
    let asked = 0;
    cluster.stranger(
      'printer',
      host(STRANGER, (ip) => ip === VIP && ++asked > 1),
    );
    expect(cluster.until(() => cluster.answering(VIP).length === 1, 2000)).toBeDefined();
    expect(cluster.until(() => cluster.answering(VIP).length === 0, 600)).toBeDefined();
    cluster.run(5000);
    expect(cluster.answering(VIP)).toEqual([]);
    expect(cluster.state('a')?.conflicts).toMatchObject([{ mac: STRANGER, withheld: true }]);
  });

  test.each([
    ['everything', () => true],
    ['the segment', (ip: string) => ip.startsWith('192.0.2.')],
  ])('a router that answers for %s blocks nothing, and is no conflict', (_, has) => {
    const cluster = begun({ isNew });
    cluster.stranger('router', host(STRANGER, has));
    expect(cluster.until(() => cluster.answering(VIP).join() === 'a', 2000)).toBeDefined();
    cluster.run(5000);
    expect(cluster.answering(VIP)).toEqual(['a']);
    expect(cluster.state('a')?.conflicts).toEqual([]);
  });

  test('a router that takes its time with broadcasts for others is told all the same', () => {
    const cluster = begun({ isNew });
    const router = host(STRANGER, () => true);
    // Linux: proxy_delay holds up the answer to a broadcast, and to nothing else.
    cluster.stranger('router', (frame) => {
      const asked = parseArp(frame);
      const isFor = asked.ok && formatIp(asked.value.targetIp) === VIP;
      return isFor || (frame[0] ?? 1) % 2 === 0 ? router(frame) : [];
    });
    expect(cluster.until(() => cluster.answering(VIP).join() === 'a', 2000)).toBeDefined();
    expect(cluster.state('a')?.conflicts).toEqual([]);
  });

  test('behind such a router, a slow stranger is found by a later probe', () => {
    const cluster = begun({ isNew });
    let asked = 0;
    cluster.stranger(
      'router',
      host('02:00:5e:10:00:02', () => true),
    );
    cluster.stranger(
      'printer',
      host(STRANGER, (ip) => ip === VIP && ++asked > 1),
    );
    cluster.run(3000);
    expect(cluster.answering(VIP)).toEqual([]);
    expect(cluster.state('a')?.conflicts).toMatchObject([{ mac: STRANGER, withheld: true }]);
  });

  test('--probe=off asks nobody; --probe=rfc waits for the whole cycle', () => {
    const off = begun({ isNew, probe: 'off' });
    off.stranger(
      'printer',
      host(STRANGER, (ip) => ip === VIP),
    );
    expect(off.until(() => off.answering(VIP).length === 1, 2000)).toBeLessThan(700);
    const rfc = begun({ isNew, probe: 'rfc' });
    const took = rfc.until(() => rfc.answering(VIP).length === 1, 10_000) ?? 0;
    expect(took).toBeGreaterThan(5000 + dead);
    expect(took).toBeLessThan(7000);
  });

  test('in IPv6 too', () => {
    const cluster = begun({ orders: { [VIP6]: ABC }, isNew: [VIP6] });
    cluster.stranger(
      'printer',
      host(STRANGER, (ip) => ip === VIP6),
    );
    cluster.run(3000);
    expect(cluster.answering(VIP6)).toEqual([]);
    expect(cluster.state('a')?.conflicts).toMatchObject([{ ip: VIP6, withheld: true }]);
  });
});

describe('an address in use', () => {
  test('a stranger that claims it is told of, and the address defended once in ten seconds', () => {
    const cluster = settled();
    cluster.run(20_000);
    const defences: number[] = [];
    cluster.stranger('watcher', (frame) => {
      const arp = parseArp(frame);
      const isIt = arp.ok && formatIp(arp.value.senderIp) === VIP;
      if (isIt && arp.value.senderMac === '02:64:00:00:00:01') defences.push(cluster.now);
      return [];
    });
    const from = cluster.now;
    for (let second = 0; second < 25; second++) {
      cluster.broadcast('printer', claimOf(VIP, STRANGER));
      cluster.run(1000);
    }
    expect(cluster.answering(VIP)).toEqual(['a']);
    const conflict = { ip: VIP, mac: STRANGER, link: 'eth0', withheld: false };
    for (const name of ABC) expect(cluster.state(name)?.conflicts).toEqual([conflict]);
    expect(defences.map((at) => Math.round((at - from) / 1000))).toEqual([0, 10, 20]);
    cluster.run(301_000);
    expect(cluster.state('a')?.conflicts).toEqual([]);
  });

  test('a forged announcement of a better node that is dead silences nobody', () => {
    const cluster = settled();
    cluster.crash('a');
    cluster.run(1000);
    expect(cluster.answering(VIP)).toEqual(['b']);
    for (let round = 0; round < 50; round++) {
      cluster.broadcast('forger', claimOf(VIP, '02:64:00:00:00:01'));
      cluster.run(beat);
      expect({ round, voices: cluster.answering(VIP) }).toEqual({ round, voices: ['b'] });
    }
  });

  test('a node that could not be the owner holds up one address of a takeover, not all', () => {
    const vips = Array.from({ length: 100 }, (_, i) => `198.51.100.${i + 1}`);
    const orders = Object.fromEntries(vips.map((ip) => [ip, ABC]));
    const cluster = new Cluster(ABC, { seed: 1, orders });
    cluster.run(2000);
    cluster.stranger(
      'c again',
      host('02:64:00:00:00:03', (ip) => ip === vips[0]),
    );
    cluster.crash('a');
    cluster.run(2000);
    const taken = vips.filter((ip) => cluster.answering(ip).join() === 'b');
    expect(taken).toEqual(vips.slice(1));
  });

  test('an address that a node was heard with is not new', () => {
    const cluster = settled({ isNew: [VIP] });
    cluster.run(15_000);
    cluster.stop('a');
    expect(cluster.until(() => cluster.answering(VIP).join() === 'b', 100)).toBeLessThan(20);
  });

  test('a node of the cluster that sends no beats keeps what it answers for until it stops', () => {
    for (const isNew of [[], [VIP]]) {
      const cluster = begun({ isNew });
      cluster.crash('a');
      let isOn = true;
      cluster.stranger(
        'MetalLB on a',
        host('02:64:00:00:00:01', (ip) => isOn && ip === VIP),
      );
      cluster.run(20_000);
      expect(cluster.answering(VIP)).toEqual([]);
      expect(cluster.state('b')?.conflicts).toEqual([]);
      isOn = false;
      const took = cluster.until(() => cluster.answering(VIP).join() === 'b', 1000);
      expect(took).toBeLessThanOrEqual(2 * beat + TAKEOVER.clear);
    }
  });

  test('at a takeover a stranger does not stop the heir', () => {
    const cluster = settled();
    cluster.stranger(
      'printer',
      host(STRANGER, (ip) => ip === VIP),
    );
    cluster.crash('a');
    const took = cluster.until(() => cluster.answering(VIP).join() === 'b', 2000);
    expect(took).toBeLessThan(dead + 100);
    cluster.run(100);
    expect(cluster.state('b')?.conflicts).toMatchObject([{ mac: STRANGER, withheld: false }]);
  });

  test('of a node that is deleted while it holds one, the lease is waited for', () => {
    const cluster = settled();
    for (const name of ['b', 'c']) cluster.brief(name, ['b', 'c'], true, ['b', 'c']);
    expect(cluster.answering(VIP)).toEqual(['a']);
    // Nobody acknowledges its beats any more.
    expect(cluster.until(() => cluster.answering(VIP).join() === 'b', 1000)).toBeDefined();
  });

  test('an order that one node has sooner than another: no second voice', () => {
    const cluster = settled();
    cluster.brief('b', ABC, true, ['b', 'c']);
    cluster.run(500);
    expect(cluster.answering(VIP)).toEqual(['a']);
    cluster.brief('a', ABC, true, ['b', 'c']);
    expect(cluster.until(() => cluster.answering(VIP).join() === 'b', 1000)).toBeLessThan(200);
  });

  test('a goodbye is word enough: nobody is asked', () => {
    const cluster = settled();
    let questions = 0;
    cluster.stranger('watcher', (frame) => {
      const arp = parseArp(frame);
      if (arp.ok && arp.value.senderIp.value === 0n) questions += 1;
      return [];
    });
    cluster.stop('a');
    expect(cluster.until(() => cluster.answering(VIP).join() === 'b', 100)).toBeLessThan(20);
    expect(questions).toBe(0);
  });

  test('the death of a node with a thousand addresses costs nine probes', () => {
    const vips = Array.from({ length: 1000 }, (_, i) => `198.51.${100 + (i >> 8)}.${i & 255}`);
    const orders = Object.fromEntries(vips.map((ip) => [ip, ABC]));
    const cluster = new Cluster(ABC, { seed: 1, orders });
    cluster.run(2000);
    let questions = 0;
    cluster.stranger('watcher', (frame) => {
      const arp = parseArp(frame);
      if (arp.ok && arp.value.senderIp.value === 0n) questions += 1;
      return [];
    });
    cluster.crash('a');
    const all = (): boolean => vips.every((ip) => cluster.answering(ip).join() === 'b');
    expect(cluster.until(all, 2000)).toBeLessThan(dead + 10 + TAKEOVER.clear);
    expect(questions).toBe(9);
  });
});
