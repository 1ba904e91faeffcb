/**
 * Which of several controllers decides: a Lease (coordination.k8s.io) as a Machine.
 *
 *     start ─▶ read ─▶ (free, or not changed for its duration) write ─▶ leader ─▶ renew each second
 *                └───▶ (somebody else's) standby: look twice a second
 *     leader ─▶ (no renewal for DEADLINE) standby    any ─▶ (forbidden) alone, without a Lease
 *
 * Clocks of two nodes are never compared, as in client-go: a Lease has expired when it has not
 * changed for its duration on our own monotonic clock. A leader counts from when it sent the
 * renewal that was taken, and stops so much earlier than others may begin that what it sent by
 * then has arrived or failed. It is looked at by reading, not by a watch, because a watch that
 * hangs looks like a leader that is gone.
 *
 * The Lease spares work: two that decide at once are in each other's way. That no address is given
 * twice does not depend on it, but on claims (`claims.ts`) and on healing.
 */
import { LEASE } from '../kube/kube.ts';
import type { KubeFailure } from '../kube/kube.ts';
import type { KubeObject } from '../kube/objects.ts';
import { assert } from '../lib/assert.ts';
import type { Machine } from '../lib/machine.ts';
import type { Result } from '../lib/result.ts';
import { earlier } from '../lib/time.ts';
import type { Instant, Millis } from '../lib/time.ts';
import type { Note } from './note.ts';

/** Whole seconds, as the Lease has it. */
export const DURATION: Millis = 4000;
/** A leader stops when its newest renewal was sent so long ago. */
export const DEADLINE: Millis = 2500;
const RENEW: Millis = 1000;
const LOOK: Millis = 500;
/** Then a request is given up, and what it does after all is found by reading. */
const PATIENCE: Millis = 1000;
/** Where it is forbidden, whether it still is. */
const ALONE: Millis = 10_000;
/** What was sent before the deadline may still be carried out. */
const IN_FLIGHT: Millis = 1500;
assert(DEADLINE + IN_FLIGHT <= DURATION, 'a leader must stop before others may begin');
assert(RENEW + PATIENCE < DEADLINE, 'a leader must be able to try twice');

export interface Lease extends KubeObject {
  readonly spec: {
    readonly holderIdentity?: string;
    readonly leaseDurationSeconds?: number;
    readonly acquireTime?: string;
    readonly renewTime?: string;
    readonly leaseTransitions?: number;
  };
}

export type Ask =
  | { readonly kind: 'read' }
  | { readonly kind: 'create'; readonly lease: Lease }
  | { readonly kind: 'replace'; readonly lease: Lease };

export type LeaderInput =
  | {
      readonly type: 'answered';
      readonly attempt: number;
      readonly result: Result<KubeObject, KubeFailure>;
    }
  /** The process is about to end. */
  | { readonly type: 'stop' };

export type LeaderOutput =
  | { readonly type: 'ask'; readonly attempt: number; readonly ask: Ask }
  | { readonly type: 'leads'; readonly is: boolean }
  | { readonly type: 'note'; readonly note: Note }
  /** Nothing more will be asked. */
  | { readonly type: 'ended' };

export type Role = 'standby' | 'leader' | 'alone' | 'ended';

export interface LeaderOptions {
  readonly namespace: string;
  readonly name: string;
  /** Of this process; never that of another, or of an earlier one. */
  readonly identity: string;
  /** RFC 3339 with microseconds, for people: nothing is decided by it. */
  readonly wall: (now: Instant) => string;
}

interface Asked {
  readonly attempt: number;
  readonly at: Instant;
  readonly ask: Ask;
}

export class Leader implements Machine<LeaderInput, LeaderOutput> {
  readonly #options: LeaderOptions;
  #role: Role = 'standby';
  /** As it was last seen; undefined: look first. */
  #lease: Lease | undefined;
  #version = '';
  /** When that version was first seen. */
  #changedAt: Instant = 0;
  /** When the newest renewal that was taken was sent. */
  #renewedAt: Instant = -Infinity;
  #asked: Asked | undefined;
  #attempts = 0;
  #nextAt: Instant = 0;
  #isStopping = false;
  #trouble: string | undefined;
  #queue: LeaderOutput[] = [];

  constructor(options: LeaderOptions) {
    this.#options = options;
  }

  get role(): Role {
    return this.#role;
  }

  /** Who has the Lease, as far as is known; empty: nobody. */
  get holder(): string {
    return this.#lease?.spec.holderIdentity ?? '';
  }

  /** Whether something may be written at this moment; asked right before each write. */
  mayWrite(now: Instant): boolean {
    if (this.#isStopping) return false;
    return this.#role === 'alone' || (this.#role === 'leader' && now < this.#stopsAt());
  }

  handle(input: LeaderInput, now: Instant): void {
    if (input.type === 'stop') {
      this.#isStopping = true;
      this.#nextAt = now;
    } else if (input.attempt === this.#asked?.attempt) {
      const { ask, at } = this.#asked;
      this.#asked = undefined;
      this.#answered(ask, at, input.result, now);
    }
    this.tick(now);
  }

  tick(now: Instant): void {
    if (this.#role === 'ended') return;
    if (this.#role === 'leader' && now >= this.#stopsAt()) {
      const message = `the Lease could not be renewed for ${DEADLINE / 1000} s: standing by`;
      this.#note('warn', 'LeaseLost', this.#trouble ? `${message}; ${this.#trouble}` : message);
      this.#become('standby');
    }
    if (this.#asked !== undefined && now >= this.#asked.at + PATIENCE) {
      this.#asked = undefined;
      // What it did, if anything, is to be seen before anything else is asked.
      this.#lease = undefined;
      this.#nextAt = now;
    }
    if (this.#asked !== undefined) return;
    if (this.#isStopping) this.#release(now);
    else if (now >= this.#nextAt) this.#next(now);
  }

  poll(): LeaderOutput | undefined {
    return this.#queue.shift();
  }

  deadline(): Instant | undefined {
    if (this.#role === 'ended') return undefined;
    const first = this.#asked === undefined ? this.#nextAt : this.#asked.at + PATIENCE;
    return earlier(first, this.#role === 'leader' ? this.#stopsAt() : undefined);
  }

  #stopsAt(): Instant {
    return this.#renewedAt + DEADLINE;
  }

  #next(now: Instant): void {
    const lease = this.#lease;
    if (lease === undefined || !this.#isMine(lease, now)) this.#ask({ kind: 'read' }, now);
    else this.#ask({ kind: 'replace', lease: this.#taken(lease, now) }, now);
  }

  /** To renew or to take. */
  #isMine({ spec }: Lease, now: Instant): boolean {
    const { holderIdentity = '', leaseDurationSeconds: seconds } = spec;
    if (holderIdentity === '' || holderIdentity === this.#options.identity) return true;
    return now >= this.#changedAt + (seconds === undefined ? DURATION : seconds * 1000);
  }

  #ask(ask: Ask, now: Instant): void {
    this.#attempts += 1;
    this.#asked = { attempt: this.#attempts, at: now, ask };
    this.#queue.push({ type: 'ask', attempt: this.#attempts, ask });
  }

  #answered(ask: Ask, at: Instant, result: Result<KubeObject, KubeFailure>, now: Instant): void {
    if (!result.ok) return this.#refused(ask, result.error, now);
    this.#trouble = undefined;
    const lease = result.value as Lease;
    if (ask.kind !== 'read') return this.#won(lease, at, now);
    this.#see(lease, now);
    if (this.#isMine(lease, now)) {
      this.#nextAt = now;
      return undefined;
    }
    if (this.#role !== 'standby') {
      this.#note('warn', 'LeaseLost', `${this.holder} has the Lease: standing by`);
      this.#become('standby');
    }
    // At the very moment when it expires, the renewal that did not come is looked for by writing.
    const seconds = lease.spec.leaseDurationSeconds ?? DURATION / 1000;
    this.#nextAt = Math.min(now + LOOK, Math.max(now, this.#changedAt + seconds * 1000));
    return undefined;
  }

  #see(lease: Lease, now: Instant): void {
    const { resourceVersion: version = '' } = lease.metadata;
    if (version !== this.#version) this.#changedAt = now;
    this.#version = version;
    this.#lease = lease;
  }

  #won(lease: Lease, at: Instant, now: Instant): void {
    this.#see(lease, now);
    if (this.#isStopping) return;
    this.#renewedAt = at;
    this.#nextAt = Math.max(now, at + RENEW);
    if (this.#role === 'leader' || now >= at + DEADLINE) return;
    this.#note('info', 'LeaseTaken', `${this.#options.identity} has the Lease`);
    this.#become('leader');
  }

  #refused(ask: Ask, { kind, message }: KubeFailure, now: Instant): void {
    this.#trouble = message;
    this.#nextAt = now + LOOK;
    if (kind === 'not-found' && ask.kind !== 'create') {
      this.#lease = undefined;
      if (!this.#isStopping) this.#ask({ kind: 'create', lease: this.#taken(undefined, now) }, now);
    } else if (kind === 'conflict' || kind === 'exists') {
      // Somebody was faster; or it was an earlier request of ours.
      this.#lease = undefined;
      this.#nextAt = now;
    } else if (kind !== 'unavailable') {
      this.#nextAt = now + ALONE;
      if (this.#role === 'alone') return;
      const advice = 'run one replica only, or grant it';
      this.#note('warn', 'NoLease', `deciding without a Lease (${message}): ${advice}`);
      this.#become('alone');
    }
  }

  /** So that the next one need not wait. */
  #release(now: Instant): void {
    const lease = this.#lease;
    if (this.#role === 'leader') this.#become('standby');
    const isOurs = lease?.spec.holderIdentity === this.#options.identity;
    if (lease !== undefined && isOurs && now < this.#stopsAt()) {
      const spec = { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1 };
      this.#lease = undefined;
      return this.#ask({ kind: 'replace', lease: { ...lease, spec } }, now);
    }
    this.#role = 'ended';
    this.#queue.push({ type: 'ended' });
    return undefined;
  }

  #taken(before: Lease | undefined, now: Instant): Lease {
    const { namespace, name, identity } = this.#options;
    const wall = this.#options.wall(now);
    const isSame = before?.spec.holderIdentity === identity;
    const { acquireTime = wall, leaseTransitions = 0 } = before?.spec ?? {};
    return {
      ...LEASE,
      metadata: before?.metadata ?? { namespace, name },
      spec: {
        holderIdentity: identity,
        leaseDurationSeconds: DURATION / 1000,
        acquireTime: isSame ? acquireTime : wall,
        renewTime: wall,
        leaseTransitions: isSame || before === undefined ? leaseTransitions : leaseTransitions + 1,
      },
    };
  }

  #become(role: Role): void {
    const leads = (each: Role): boolean => each === 'leader' || each === 'alone';
    const was = leads(this.#role);
    this.#role = role;
    if (leads(role) !== was) this.#queue.push({ type: 'leads', is: leads(role) });
  }

  #note(level: Note['level'], event: string, message: string): void {
    this.#queue.push({ type: 'note', note: { level, event, message } });
  }
}
