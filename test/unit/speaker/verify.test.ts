/** Who answers for an address, asked on a segment of literal machines, in virtual time. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { seeded } from '../../../lib/random.ts';
import type { Instant } from '../../../lib/time.ts';
import { arpReply, emitArp, parseArp } from '../../../net/arp.ts';
import { formatIp, parseIp } from '../../../net/ip.ts';
import type { Ip } from '../../../net/ip.ts';
import { emitNdp, neighborAdvertisement, parseNdp } from '../../../net/ndp.ts';
import { pretty } from '../../../net/pretty.ts';
import { findingOf } from '../../../speaker/finding.ts';
import { Verify } from '../../../speaker/verify.ts';
import type { Answerer, VerifyOptions } from '../../../speaker/verify.ts';

const NODE = '02:64:00:00:00:64';
const STRANGER = '02:99:00:00:00:01';
const ROUTER = '02:fe:00:00:00:01';
const OWN = '02:64:00:00:00:07';

function ip(text: string): Ip {
  const parsed = parseIp(text);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}

interface Machine {
  readonly mac: string;
  readonly holds: (target: string) => boolean;
  /** Before it answers what was asked of everybody; as Linux' proxies do. */
  readonly after?: number;
}

const holds = (mac: string, ...ips: readonly string[]): Machine => ({
  mac,
  holds: (target) => ips.includes(target),
});

/** What a machine says to a question; undefined: nothing. */
function reply({ mac, holds: has }: Machine, frame: Uint8Array): Uint8Array | undefined {
  const arp = parseArp(frame);
  if (arp.ok) {
    const { destination, targetIp } = arp.value;
    const isForIt = destination === 'ff:ff:ff:ff:ff:ff' || destination === mac;
    return isForIt && has(formatIp(targetIp)) ? emitArp(arpReply(arp.value, mac)) : undefined;
  }
  const ndp = parseNdp(frame);
  if (!ndp.ok || ndp.value.kind !== 'solicitation') return undefined;
  const { destination, target } = ndp.value;
  const isForIt = destination.startsWith('33:33:') || destination === mac;
  return isForIt && has(formatIp(target))
    ? emitNdp(neighborAdvertisement(ndp.value, mac))
    : undefined;
}

interface Run {
  readonly found: readonly Answerer[];
  readonly sent: readonly string[];
  readonly took: number;
}

function run(machines: readonly Machine[], options: Partial<VerifyOptions> = {}): Run {
  const verify = new Verify({
    ip: ip('192.0.2.240'),
    link: { mac: OWN, addresses: [ip('192.0.2.7'), ip('fe80::7')] },
    timeout: 900,
    random: seeded(1),
    ...options,
  });
  const begin: Instant = 5000;
  let now = begin;
  const sent: string[] = [];
  const flying: { at: Instant; frame: Uint8Array }[] = [];
  for (;;) {
    for (let out = verify.poll(); out !== undefined; out = verify.poll()) {
      if (out.kind === 'done') return { found: out.found, sent, took: now - begin };
      sent.push(pretty(out.frame));
      for (const machine of machines) {
        const frame = reply(machine, out.frame);
        if (frame !== undefined) {
          const isAlone = pretty(out.frame).endsWith(` to ${machine.mac}`);
          flying.push({ at: now + (isAlone ? 1 : (machine.after ?? 1)), frame });
        }
      }
    }
    flying.sort((a, b) => a.at - b.at);
    const due = verify.deadline() ?? Infinity;
    const next = flying[0];
    now = Math.max(now, Math.min(due, next?.at ?? Infinity));
    if (next !== undefined && next.at <= now) verify.handle((flying.shift(), next.frame), now);
    else verify.tick(now);
  }
}

describe('who answers', () => {
  const nodes = new Map([[NODE, 'node1']]);

  test('nobody', () => {
    expect(run([]).found).toEqual([]);
    expect(run([]).took).toBe(900);
  });

  test('a node, a stranger, or both', () => {
    const node = holds(NODE, '192.0.2.240');
    const stranger = holds(STRANGER, '192.0.2.240');
    const member = { mac: NODE, node: 'node1', isProxy: false };
    const other = { mac: STRANGER, node: undefined, isProxy: false };
    expect(run([node], { nodes }).found).toEqual([member]);
    expect(run([stranger], { nodes }).found).toEqual([other]);
    expect(run([node, stranger], { nodes }).found).toEqual([member, other]);
  });

  test('one that holds other addresses only says nothing', () => {
    expect(run([holds(NODE, '192.0.2.241')]).found).toEqual([]);
  });

  test('an answer that comes late, and one at the last moment', () => {
    expect(run([{ ...holds(NODE, '192.0.2.240'), after: 880 }]).found).toHaveLength(1);
    const late = run([{ ...holds(STRANGER, '192.0.2.240'), after: 895 }]);
    expect(late.found).toHaveLength(1);
    expect(late.took).toBe(895 + 200);
  });

  test('IPv6', () => {
    const vip = ip('2001:db8::240');
    const { found, sent } = run([holds(NODE, '2001:db8::240')], { ip: vip, nodes });
    expect(found).toEqual([{ mac: NODE, node: 'node1', isProxy: false }]);
    expect(sent).toEqual([
      `NDP who-has 2001:db8::240 tell fe80::7 (${OWN}) to ff02::1:ff00:240`,
      `NDP probe 2001:db8::240 (${OWN}) to ff02::1:ff00:240`,
      `NDP who-has 2001:db8::240 tell fe80::7 (${OWN}) to ff02::1:ff00:240`,
    ]);
  });
});

describe('the questions', () => {
  test('as a client, as a probe, as a client', () => {
    const ask = `ARP who-has 192.0.2.240 tell 192.0.2.7 (${OWN})`;
    expect(run([]).sent).toEqual([ask, `ARP probe 192.0.2.240 (${OWN})`, ask]);
  });

  test('from an address in the same network, if there is one', () => {
    const link = {
      mac: OWN,
      addresses: [ip('198.51.100.7'), ip('192.0.2.9')],
      prefixes: [
        { ip: ip('198.51.100.7'), length: 24 },
        { ip: ip('192.0.2.9'), length: 24 },
      ],
    };
    expect(run([], { link }).sent[0]).toContain('tell 192.0.2.9');
    expect(run([], { link: { ...link, prefixes: [] } }).sent[0]).toContain('tell 198.51.100.7');
  });

  test('from a link without addresses only probes are sent', () => {
    const { sent } = run([], { link: { mac: OWN, addresses: [] } });
    expect(sent).toEqual(Array(3).fill(`ARP probe 192.0.2.240 (${OWN})`));
  });

  test('only strangers are asked for decoys, each alone', () => {
    const nodes = new Map([[NODE, 'node1']]);
    expect(run([holds(NODE, '192.0.2.240')], { nodes }).sent).toHaveLength(3);
    const { sent } = run([holds(STRANGER, '192.0.2.240')]);
    expect(sent.filter((line) => line.endsWith(` to ${STRANGER}`))).toHaveLength(3);
    expect(sent).toHaveLength(6);
  });
});

describe('a router that answers for everything', () => {
  const cases: [string, (target: string) => boolean][] = [
    ['for every address', () => true],
    ['for its subnet', (target) => target.startsWith('192.0.2.')],
    ['for what lies beyond it, and this', (target) => !/^192\.0\.2\.(?!240)/.test(target)],
  ];
  test.each(cases)('%s', (_, answers) => {
    const { found } = run([{ mac: ROUTER, holds: answers }]);
    expect(found).toEqual([{ mac: ROUTER, node: undefined, isProxy: true }]);
  });

  test('beside a holder', () => {
    const { found } = run([
      { mac: ROUTER, holds: () => true, after: 700 },
      holds(NODE, '192.0.2.240'),
    ]);
    expect(found.map(({ mac, isProxy }) => [mac, isProxy])).toEqual([
      [NODE, false],
      [ROUTER, true],
    ]);
  });

  test('a node is none, whatever it answers for', () => {
    const { found } = run([{ mac: NODE, holds: () => true }], { nodes: new Map([[NODE, 'a']]) });
    expect(found[0]?.isProxy).toBe(false);
  });

  test('property: a holder of one decoy only is never taken for one', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat({ max: 255 }), (seed, last) => {
        const also = `192.0.2.${last}`;
        const { found } = run([holds(STRANGER, '192.0.2.240', also)], { random: seeded(seed) });
        expect(found.map(({ isProxy }) => isProxy)).toEqual([false]);
      }),
    );
  });
});

describe('what is said', () => {
  const asked = { ip: '192.0.2.240', interface: 'eth0', here: false };
  const node = { mac: NODE, node: 'node1', isProxy: false };
  const stranger = { mac: STRANGER, node: undefined, isProxy: false };
  const router = { mac: ROUTER, node: undefined, isProxy: true };

  test.each<[string, readonly Answerer[], boolean, string]>([
    ['none', [], false, 'nobody on eth0 answers for 192.0.2.240'],
    ['none', [], true, 'this node answers for 192.0.2.240, and nobody else on eth0 does'],
    ['one', [node], false, `node1 (${NODE}) answers for 192.0.2.240 on eth0`],
    ['one', [stranger], false, `a stranger (${STRANGER}) answers for 192.0.2.240 on eth0`],
    [
      'one',
      [stranger],
      true,
      `this node answers for 192.0.2.240, and on eth0 so does a stranger (${STRANGER})`,
    ],
    [
      'several',
      [node, stranger],
      false,
      `2 answer for 192.0.2.240 on eth0: node1 (${NODE}), a stranger (${STRANGER})`,
    ],
    [
      'proxy',
      [router],
      false,
      'nobody on eth0 answers for 192.0.2.240; not counted, because it answers for every ' +
        `address: ${ROUTER}`,
    ],
  ])('%s', (outcome, found, here, sentence) => {
    expect(findingOf({ ...asked, here }, found)).toMatchObject({ outcome, here, sentence });
  });

  test('answers name a node only where one is known', () => {
    expect(findingOf(asked, [node, router]).answers).toEqual([
      { mac: NODE, node: 'node1', proxy: false },
      { mac: ROUTER, proxy: true },
    ]);
  });
});
