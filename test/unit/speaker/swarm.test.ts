/** Claims by others come in swarms, and must not keep the reflex from its beats. */
import { expect, test } from '@jest/globals';
import { formatIp } from '../../../net/ip.ts';
import type { Ip } from '../../../net/ip.ts';
import { Reflex } from '../../../speaker/reflex.ts';
import type { ReflexOutput } from '../../../speaker/reflexport.ts';
import { PROFILES } from '../../../speaker/timing.ts';
import { eth0 } from '../../sim/member.ts';

const VIPS = 1000;
/** As many as a plane tells of at once. */
const SWARM = 2700;

test('a thousand new conflicts are decided upon, and told, once', () => {
  const [boot, timing] = ['0'.repeat(16), PROFILES.default];
  const random = (): number => 0.5;
  const reflex = new Reflex({ node: 'a', boot, timing, isolation: 'keep', random });
  const drain = (): ReflexOutput['kind'][] => {
    const kinds: ReflexOutput['kind'][] = [];
    for (let out = reflex.poll(); out !== undefined; out = reflex.poll()) kinds.push(out.kind);
    return kinds;
  };
  const ips = Array.from({ length: VIPS }, (_, i): Ip => ({ family: 4, value: BigInt(i + 1) }));
  const order = { owners: ['a'], interfaces: 'all', isNew: false } as const;
  const put = new Map(ips.map((ip) => [formatIp(ip), { ...order, ip }]));
  let now = 1000;
  reflex.handle({ kind: 'link', link: eth0(1) }, now);
  reflex.handle({ kind: 'peers', peers: [], member: true }, now);
  reflex.handle({ kind: 'orders', delta: { put, remove: [] } }, now);
  for (; now < 20_000; now += 10) reflex.tick(now);
  // Whose a MAC is has just been asked.
  reflex.handle({ kind: 'neighbours', entries: [] }, now);
  drain();
  for (let i = 0; i < SWARM; i++) {
    const mac = `02:00:5e:10:${(i >> 8).toString(16).padStart(2, '0')}:01`;
    const ip = ips[i % VIPS] ?? { family: 4, value: 1n };
    const sighting = { at: now, link: 1, ip, mac, form: 'request' } as const;
    reflex.handle({ kind: 'sighting', sighting }, now);
    // A tick is wanted, and that is all that is worked out for each of them.
    expect(reflex.deadline()).toBe(now);
    expect(reflex.poll()?.kind).not.toBe('state');
  }
  drain();
  reflex.tick(now);
  expect(drain().filter((kind) => kind === 'state')).toEqual(['state']);
  expect(reflex.deadline()).toBeGreaterThan(now);
});
