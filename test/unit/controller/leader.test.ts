/** Who leads, by a Lease that a source in virtual time keeps. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { DURATION, Leader } from '../../../controller/leader.ts';
import type { Ask, LeaderOutput } from '../../../controller/leader.ts';
import { LEASE } from '../../../kube/kube.ts';
import type { KubeFailure } from '../../../kube/kube.ts';
import type { KubeObject } from '../../../kube/objects.ts';
import { err } from '../../../lib/result.ts';
import type { Result } from '../../../lib/result.ts';
import { seeded } from '../../../lib/random.ts';
import { ApiSource } from '../../sim/apisource.ts';

const KEY = 'metallb-system/lease';
const FORBIDDEN: KubeFailure = { kind: 'forbidden', message: 'leases are not granted' };
const AWAY: KubeFailure = { kind: 'unavailable', message: 'away' };

class Stage {
  readonly source = new ApiSource(() => '2026-01-02T03:04:05Z');
  readonly leaders: Leader[] = [];
  readonly heard: string[] = [];
  now = 0;
  failure: KubeFailure | undefined;
  delay: () => number = () => 5;
  readonly stopped = new Set<Leader>();
  #later: { at: number; run: () => void }[] = [];

  add(): Leader {
    const identity = `controller${this.leaders.length}`;
    const names = { namespace: 'metallb-system', name: 'lease', identity };
    const leader = new Leader({ ...names, wall: (now) => `T${now}` });
    this.leaders.push(leader);
    return leader;
  }

  /** One millisecond at a time. */
  pass(ms: number, look: () => unknown = () => undefined): void {
    for (const end = this.now + ms; this.now < end; this.now += 1) {
      const due = this.#later.filter(({ at }) => at <= this.now);
      this.#later = this.#later.filter(({ at }) => at > this.now);
      for (const { run } of due) run();
      for (const leader of this.leaders) {
        if (this.stopped.has(leader)) continue;
        const at = leader.deadline();
        if (at !== undefined && at <= this.now) leader.tick(this.now);
        this.listen(leader);
      }
      look();
    }
  }

  listen(leader: Leader): void {
    for (let out = leader.poll(); out !== undefined; out = leader.poll()) this.#take(leader, out);
  }

  #take(leader: Leader, out: LeaderOutput): void {
    if (out.type === 'note') this.heard.push(out.note.event);
    if (out.type === 'ended') this.heard.push('ended');
    if (out.type !== 'ask') return;
    const { attempt, ask } = out;
    this.#after(this.delay(), () => {
      const result = this.failure === undefined ? this.#answer(ask) : err(this.failure);
      const hear = (): void => {
        if (this.stopped.has(leader)) return this.#after(1, hear);
        leader.handle({ type: 'answered', attempt, result }, this.now);
        return this.listen(leader);
      };
      this.#after(this.delay(), hear);
    });
  }

  #after(ms: number, run: () => void): void {
    this.#later.push({ at: this.now + ms, run });
  }

  #answer(ask: Ask): Result<KubeObject, KubeFailure> {
    if (ask.kind === 'read') return this.source.read(LEASE, KEY);
    return ask.kind === 'create' ? this.source.create(ask.lease) : this.source.replace(ask.lease);
  }

  who(): readonly number[] {
    return this.leaders.flatMap((leader, index) =>
      !this.stopped.has(leader) && leader.mayWrite(this.now) ? [index] : [],
    );
  }
}

describe('a lease', () => {
  test('the first one makes it and keeps it; the second stands by', () => {
    const stage = new Stage();
    stage.add();
    stage.pass(100);
    stage.add();
    stage.pass(100);
    const seen = new Set<string>();
    stage.pass(30_000, () => seen.add(stage.who().join()));
    expect([...seen]).toEqual(['0']);
    expect(stage.heard).toEqual(['LeaseTaken']);
  });

  test('who dies is succeeded within five seconds', () => {
    for (let died = 10_000; died < 11_000; died += 130) {
      const stage = new Stage();
      const first = stage.add();
      stage.add();
      stage.pass(died);
      stage.stopped.add(first);
      stage.pass(5000);
      expect(stage.who()).toEqual([1]);
    }
  });

  test('who ends gives it back, and nobody need wait', () => {
    const stage = new Stage();
    const first = stage.add();
    stage.add();
    stage.pass(10_000);
    first.handle({ type: 'stop' }, stage.now);
    expect(first.mayWrite(stage.now)).toBe(false);
    stage.pass(1000);
    expect([stage.who(), stage.heard]).toEqual([[1], ['LeaseTaken', 'ended', 'LeaseTaken']]);
  });

  test('where it is forbidden each decides alone, and says so once', () => {
    const stage = new Stage();
    stage.failure = FORBIDDEN;
    stage.add();
    stage.pass(60_000);
    expect([stage.who(), stage.heard]).toEqual([[0], ['NoLease']]);
  });

  test('granted later, they agree', () => {
    const stage = new Stage();
    stage.failure = FORBIDDEN;
    stage.add();
    stage.add();
    stage.pass(1000);
    stage.failure = undefined;
    stage.pass(30_000);
    expect(stage.who()).toHaveLength(1);
  });

  test('who cannot renew stops before another may begin, and begins again', () => {
    const stage = new Stage();
    stage.add();
    stage.pass(10_000);
    stage.failure = AWAY;
    stage.pass(DURATION - 1500);
    expect(stage.who()).toEqual([]);
    stage.failure = undefined;
    stage.pass(1500);
    expect(stage.who()).toEqual([0]);
    expect(stage.heard).toEqual(['LeaseTaken', 'LeaseLost', 'LeaseTaken']);
  });

  test('a lease that somebody deletes is made again', () => {
    const stage = new Stage();
    stage.add();
    stage.add();
    stage.pass(5000);
    stage.source.remove('Lease', KEY);
    stage.pass(10_000);
    expect(stage.who()).toHaveLength(1);
  });
});

test('there are never two, whatever is slow, stopped or broken', () => {
  const what = fc.constantFrom('stop', 'go', 'away', 'back', 'end');
  const step = fc.record({ what, whom: fc.nat(2), ms: fc.nat(5000) });
  fc.assert(
    fc.property(fc.integer(), fc.array(step, { maxLength: 12 }), (seed, steps) => {
      const stage = new Stage();
      const random = seeded(seed);
      stage.delay = () => (random() < 0.9 ? 1 + random() * 20 : random() * 1400);
      const leaders = [stage.add(), stage.add(), stage.add()];
      let most = 0;
      const look = (): void => {
        most = Math.max(most, stage.who().length);
      };
      for (const { what: does, whom, ms } of steps) {
        const leader = leaders[whom] ?? stage.add();
        if (does === 'stop') stage.stopped.add(leader);
        if (does === 'go') stage.stopped.delete(leader);
        if (does === 'away') stage.failure = AWAY;
        if (does === 'back') stage.failure = undefined;
        if (does === 'end' && !stage.stopped.has(leader)) {
          leader.handle({ type: 'stop' }, stage.now);
        }
        stage.pass(ms, look);
      }
      expect(most).toBeLessThan(2);
    }),
    { numRuns: 40 },
  );
});
