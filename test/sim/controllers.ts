/**
 * Several controllers at one API server, in virtual time. Every request and every piece of news is
 * late by its own chance; controllers crash, start anew, and are stopped: at once, or at the worst
 * of moments, between the last look at the clock and the sending of a write. A checker looks after
 * every change of an object.
 */
import { Controller, WATCHED, WATCHED_IF_THERE } from '../../controller/controller.ts';
import type { ControllerInput, ControllerOutput } from '../../controller/controller.ts';
import { ADDRESS_CLAIM, LEASE } from '../../kube/kube.ts';
import type { KubeFailure } from '../../kube/kube.ts';
import { claimRequest } from '../../controller/claimrequest.ts';
import { Leader } from '../../controller/leader.ts';
import type { LeaderInput } from '../../controller/leader.ts';
import { Reports } from '../../controller/reports.ts';
import { err } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';
import type { Random } from '../../lib/random.ts';
import type { Instant } from '../../lib/time.ts';
import { ApiSource } from './apisource.ts';

export const NAMESPACE = 'metallb-system';
const BASE = Date.UTC(2026, 0, 2);

export interface Circumstances {
  /** AddressClaims can be made; else they are forbidden. */
  readonly claims: boolean;
  /** Leases can be made; else every controller decides at once. */
  readonly leases: boolean;
  readonly random: Random;
  /** In how many of a hundred requests the connection breaks. */
  readonly faults: number;
  /** Speakers report. */
  readonly speakers?: boolean;
}

interface Happening {
  readonly at: Instant;
  readonly order: number;
  readonly run: () => void;
}

type Message = ControllerInput | { readonly lease: LeaderInput };

export class Simulation {
  readonly source: ApiSource;
  readonly #circumstances: Circumstances;
  readonly #happenings: Happening[] = [];
  readonly #replicas: Replica[] = [];
  #order = 0;
  now: Instant = 0;
  /** Writes of statuses and claims. */
  writes = 0;
  outageUntil: Instant = 0;
  /** When the controllers, or the way to the API server, last were not as they should be. */
  get disturbedAt(): Instant {
    return Math.max(this.outageUntil, this.changedAt);
  }

  changedAt: Instant = 0;
  /** Called after every change at the API server. */
  check: () => void = () => undefined;

  constructor(circumstances: Circumstances) {
    this.#circumstances = circumstances;
    this.source = new ApiSource(() => this.wall());
  }

  get circumstances(): Circumstances {
    return this.#circumstances;
  }

  wall(): string {
    return `${new Date(BASE + this.now).toISOString().slice(0, 19)}Z`;
  }

  replica(index: number): Replica {
    const known = this.#replicas[index];
    if (known !== undefined) return known;
    const made = new Replica(this, index);
    this.#replicas[index] = made;
    return made;
  }

  get replicas(): readonly Replica[] {
    return this.#replicas;
  }

  after(delay: number, run: () => void): void {
    this.#order += 1;
    const happening = { at: this.now + delay, order: this.#order, run };
    // Nearly always near the end.
    let place = this.#happenings.length;
    while (place > 0 && (this.#happenings[place - 1]?.at ?? 0) > happening.at) place -= 1;
    this.#happenings.splice(place, 0, happening);
  }

  pass(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const next = this.#happenings[0];
      if (next === undefined || next.at > end) break;
      this.#happenings.shift();
      this.now = next.at;
      next.run();
    }
    this.now = end;
  }

  /** Mostly quick, sometimes not. */
  delay(): number {
    const { random } = this.#circumstances;
    return random() < 0.9 ? 1 + random() * 10 : random() * 150;
  }

  /** What people do, at once. */
  act(change: () => void): void {
    change();
    this.changed();
  }

  changed(): void {
    for (const replica of this.#replicas) replica.follow();
    this.check();
  }
}

export class Replica {
  readonly #simulation: Simulation;
  readonly #index: number;
  #life = 0;
  #controller: Controller | undefined;
  #leader: Leader | undefined;
  /** How much of the log it was told, or will be. */
  #told = 0;
  /** When the newest news of a kind arrives. */
  #newsAt = new Map<string, Instant>();
  #isStopped = false;
  #stopsAtWrite = false;
  #waiting: (() => void)[] = [];
  #wakeAt: Instant | undefined;

  constructor(simulation: Simulation, index: number) {
    this.#simulation = simulation;
    this.#index = index;
  }

  get isRunning(): boolean {
    return this.#controller !== undefined && !this.#isStopped;
  }

  get leads(): boolean {
    const { now } = this.#simulation;
    return this.isRunning && (this.#leader === undefined || this.#leader.mayWrite(now));
  }

  /** As a process of its own; one that runs ends first. */
  start(): void {
    this.kill();
    const simulation = this.#simulation;
    const { leases, speakers } = simulation.circumstances;
    this.#life += 1;
    this.#controller = new Controller(() => simulation.wall(), {
      namespace: NAMESPACE,
      standsBy: leases,
      reports: speakers === true ? new Reports('seed') : undefined,
    });
    const identity = `controller${this.#index}.${this.#life}`;
    const options = {
      namespace: NAMESPACE,
      name: 'lease',
      identity,
      wall: () => simulation.wall(),
    };
    this.#leader = leases ? new Leader(options) : undefined;
    this.#told = simulation.source.log.length;
    for (const resource of [...WATCHED, ...WATCHED_IF_THERE]) {
      if (resource === ADDRESS_CLAIM && !simulation.circumstances.claims) {
        const problem = { place: 'AddressClaim', path: '', message: '403', refusal: 'forbidden' };
        this.#news({ type: 'watched', resource, event: { type: 'problem', problem } as never });
        continue;
      }
      for (const object of simulation.source.all(resource.kind).values()) {
        this.#news({ type: 'watched', resource, event: { type: 'put', object } });
      }
      this.#news({ type: 'watched', resource, event: { type: 'synced' } });
    }
    this.#settle();
  }

  /** News of something else than an object, late. */
  hear(input: ControllerInput): void {
    this.#later(this.#simulation.delay(), input);
  }

  kill(): void {
    this.#simulation.changedAt = this.#simulation.now;
    this.#controller = undefined;
    this.#leader = undefined;
    this.#isStopped = false;
    this.#stopsAtWrite = false;
    this.#waiting = [];
    this.#wakeAt = undefined;
    this.#life += 1;
  }

  /** SIGSTOP: now, or between the decision for a write and its sending. */
  stop(atWrite: boolean): void {
    if (atWrite) this.#stopsAtWrite = true;
    else this.#isStopped = true;
  }

  resume(): void {
    this.#stopsAtWrite = false;
    if (!this.#isStopped) return;
    this.#isStopped = false;
    this.#simulation.changedAt = this.#simulation.now;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const each of waiting) each();
    this.#settle();
  }

  /** News of everything new, in order, late. */
  follow(): void {
    const { log } = this.#simulation.source;
    if (this.#controller === undefined) return;
    const { claims } = this.#simulation.circumstances;
    for (; this.#told < log.length; this.#told += 1) {
      const change = log[this.#told];
      const resource = [...WATCHED, ...WATCHED_IF_THERE].find(({ kind }) => kind === change?.kind);
      if (change === undefined || resource === undefined) continue;
      if (resource === ADDRESS_CLAIM && !claims) continue;
      this.#news({ type: 'watched', resource, event: change.event });
    }
  }

  /** Each kind has a connection of its own, in order and late by itself. */
  #news(input: Extract<ControllerInput, { type: 'watched' }>): void {
    const simulation = this.#simulation;
    const { kind } = input.resource;
    const earliest = Math.max(simulation.now, simulation.outageUntil) + simulation.delay();
    const at = Math.max(this.#newsAt.get(kind) ?? 0, earliest);
    this.#newsAt.set(kind, at);
    this.#later(at - simulation.now, input);
  }

  #later(delay: number, message: Message): void {
    const life = this.#life;
    const hear = (): void => {
      if (life !== this.#life) return;
      if (this.#isStopped) this.#waiting.push(hear);
      else this.#hear(message);
    };
    this.#simulation.after(delay, hear);
  }

  #hear(message: Message): void {
    const { now } = this.#simulation;
    if ('lease' in message) this.#leader?.handle(message.lease, now);
    else this.#controller?.handle(message, now);
    this.#settle();
  }

  #settle(): void {
    const { now } = this.#simulation;
    if (this.#isStopped) return;
    this.#leader?.tick(now);
    for (let out = this.#leader?.poll(); out !== undefined; out = this.#leader?.poll()) {
      if (out.type === 'leads') this.#controller?.handle(out, now);
      if (out.type === 'leads') this.#simulation.changedAt = now;
      if (out.type === 'ask') this.#ask(out.attempt, out.ask);
    }
    this.#controller?.tick(now);
    for (let out = this.#controller?.poll(); out !== undefined; out = this.#controller?.poll()) {
      this.#act(out);
    }
    this.#alarm();
  }

  #alarm(): void {
    const { now } = this.#simulation;
    const times = [this.#controller?.deadline(), this.#leader?.deadline()];
    const at = Math.min(...times.map((each) => each ?? Infinity));
    if (at === Infinity || (this.#wakeAt !== undefined && this.#wakeAt <= at)) return;
    this.#wakeAt = at;
    const life = this.#life;
    const wake = (): void => {
      if (life !== this.#life || this.#wakeAt !== at) return;
      this.#wakeAt = undefined;
      if (this.#isStopped) this.#waiting.push(() => undefined);
      else this.#settle();
    };
    this.#simulation.after(Math.max(0, at - now), wake);
  }

  #ask(attempt: number, ask: Parameters<typeof leaseRequest>[1]): void {
    const { source } = this.#simulation;
    const answer = (result: Result<unknown, KubeFailure>): Message => ({
      lease: { type: 'answered', attempt, result: result as never },
    });
    this.#send(() => leaseRequest(source, ask), answer, false);
  }

  #act(out: ControllerOutput): void {
    const { source } = this.#simulation;
    if (out.type === 'write') {
      const { update } = out;
      this.#write(
        () => source.updateStatus(update),
        (result) => ({ type: 'written', update, result }),
      );
    } else if (out.type === 'claim') {
      const { act } = out;
      this.#write(
        () => claimRequest<Result<unknown, KubeFailure>>(source, act),
        (result) => ({ type: 'claimed', act, result }),
      );
    }
  }

  #write(
    request: () => Result<unknown, KubeFailure>,
    answer: (result: Result<unknown, KubeFailure>) => Message,
  ): void {
    if (!this.leads) {
      this.#later(0, answer(err({ kind: 'conflict', message: 'not leading' })));
      return;
    }
    if (this.#stopsAtWrite) {
      this.#stopsAtWrite = false;
      this.#isStopped = true;
    }
    this.#simulation.writes += 1;
    this.#send(request, answer, true);
  }

  #send(
    request: () => Result<unknown, KubeFailure>,
    answer: (result: Result<unknown, KubeFailure>) => Message,
    mayWait: boolean,
  ): void {
    const simulation = this.#simulation;
    const life = this.#life;
    if (mayWait && this.#isStopped) {
      this.#waiting.push(() => this.#send(request, answer, false));
      return;
    }
    simulation.after(simulation.delay(), () => {
      const { random, faults } = simulation.circumstances;
      const isDown = simulation.now < simulation.outageUntil;
      const breaks = isDown || random() * 100 < faults;
      const isDone = !isDown && (!breaks || random() < 0.5);
      const result = isDone ? request() : undefined;
      if (isDone) simulation.changed();
      const lost = err({ kind: 'unavailable', message: 'simulated' } as const);
      if (life === this.#life) {
        this.#later(simulation.delay(), answer(breaks || result === undefined ? lost : result));
      }
    });
  }
}

function leaseRequest(
  source: ApiSource,
  ask: { kind: 'read' } | { kind: 'create' | 'replace'; lease: Parameters<ApiSource['create']>[0] },
): Result<unknown, KubeFailure> {
  if (ask.kind === 'read') return source.read(LEASE, `${NAMESPACE}/lease`);
  return ask.kind === 'create' ? source.create(ask.lease) : source.replace(ask.lease);
}
