/** What recorded beats can and cannot do. */
import { expect, test } from '@jest/globals';
import type { Beat } from '../../../speaker/heartbeat.ts';
import { Membership } from '../../../speaker/membership.ts';
import { PROFILES } from '../../../speaker/timing.ts';

const SELF = '00000000000000aa';
const PEER = '00000000000000bb';
const BOOT = '1111111111111111';

function beat(boot: string, number: number): Beat {
  const says = { ready: true, leaving: false, asks: false, impaired: false, reaches: false };
  return { sender: PEER, boot, number, ...says, acks: [], macs: [] };
}

test('recordings of two earlier lives, played in turn, block a claim for half a minute', () => {
  const membership = new Membership(SELF, BOOT, PROFILES.default, 'keep');
  membership.setPeers([PEER]);
  const blocked: number[] = [];
  for (let now = 0; now < 600_000; now += 100) {
    const life = now % 200 === 0 ? '2222222222222222' : '3333333333333333';
    membership.hear(beat(life, 7), now);
    if (!membership.mayClaim(now) || membership.mayHold(PEER, now)) blocked.push(now);
  }
  expect(blocked.length).toBeGreaterThan(0);
  expect(blocked.at(-1)).toBeLessThanOrEqual(30_000);
});

test('a recording of the present life is not counted twice', () => {
  const membership = new Membership(SELF, BOOT, PROFILES.default, 'keep');
  membership.setPeers([PEER]);
  const echo = { id: SELF, boot: BOOT, number: 0, ago: 0 };
  const live: Beat = { ...beat('2222222222222222', 5), acks: [echo] };
  expect(membership.hear(live, 0)).toBe('counted');
  expect(membership.hear(live, 100)).toBe('replayed');
  expect(membership.hear({ ...live, number: 4 }, 100)).toBe('replayed');
  expect(membership.hear({ ...live, number: 6 }, 100)).toBe('counted');
});

test('after a goodbye a recording of that life does not bring it back', () => {
  const membership = new Membership(SELF, BOOT, PROFILES.default, 'keep');
  membership.setPeers([PEER]);
  const echo = { id: SELF, boot: BOOT, number: 0, ago: 0 };
  const live: Beat = { ...beat('2222222222222222', 5), acks: [echo] };
  membership.hear(live, 0);
  membership.hear({ ...live, number: 6, ready: false, leaving: true }, 10);
  expect(membership.hear({ ...live, number: 7 }, 20)).toBe('replayed');
  expect(membership.mayHold(PEER, 20)).toBe(false);
  expect(membership.viewSize()).toBe(1);
});
