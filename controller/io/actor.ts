/**
 * Carries out what the controller's Machine decided, and tells it what came of it. What may not be
 * written any more, because another controller leads by now, is not sent: between decision and
 * sending the process may have slept.
 */
import type { Held } from '../../config/held.ts';
import type { Kube, KubeEvent, KubeFailure, StatusUpdate } from '../../kube/kube.ts';
import { drive } from '../../lib/drive.ts';
import type { Driver } from '../../lib/drive.ts';
import { Alarm, monotonic } from '../../lib/io/clock.ts';
import type { Log } from '../../lib/io/log.ts';
import { err } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';
import type { Millis } from '../../lib/time.ts';
import { claimRequest } from '../claimrequest.ts';
import type { ClaimSource } from '../claimrequest.ts';
import type { ClaimAct } from '../claimtable.ts';
import type { Controller, ControllerInput, ControllerOutput } from '../controller.ts';
import type { Note } from '../note.ts';

export interface Surroundings {
  /** Asked right before each write. */
  readonly mayWrite: () => boolean;
  /** Who else follows the Machine. */
  readonly changed: (held: Held) => void;
}

export function driveController(
  controller: Controller,
  kube: Kube,
  log: Log,
  { mayWrite, changed }: Surroundings,
): Driver<ControllerInput> {
  const actor = new Actor(kube, log, mayWrite);
  const alarm = new Alarm(() => driver.wake());
  const driver = drive(controller, {
    now: monotonic,
    wakeAt: (at) => alarm.set(at),
    act: (output) => {
      if (output.type === 'changed') changed(output.held);
      else actor.act(output, driver);
    },
  });
  return driver;
}

/** However much there is to write. */
const EVENTS_WAIT: Millis = 10_000;

const NOT_LEADING: KubeFailure = { kind: 'conflict', message: 'another controller leads by now' };

class Actor {
  readonly #kube: Kube;
  readonly #log: Log;
  readonly #mayWrite: () => boolean;
  #underWay = 0;
  /** To be told when nothing is being written: addresses are more urgent than their story. */
  #events: KubeEvent[] = [];
  #flushing: NodeJS.Timeout | undefined;

  constructor(kube: Kube, log: Log, mayWrite: () => boolean) {
    this.#kube = kube;
    this.#log = log;
    this.#mayWrite = mayWrite;
  }

  act(
    output: Exclude<ControllerOutput, { type: 'changed' }>,
    driver: Driver<ControllerInput>,
  ): void {
    switch (output.type) {
      case 'write':
        void this.#write(output.update, driver);
        break;
      case 'claim':
        void this.#claim(output.act, driver);
        break;
      case 'record':
        this.#events.push(output.event);
        this.#flushing ??= setTimeout(() => this.#flush(), EVENTS_WAIT);
        break;
      case 'note':
        say(output.note, this.#kube, this.#log);
        break;
    }
  }

  /** After an await in any case, so never from within the turn that asked for it. */
  async #carry<T>(request: () => Promise<Result<T, KubeFailure>>): Promise<Result<T, KubeFailure>> {
    this.#underWay += 1;
    const result = this.#mayWrite() ? await request() : await Promise.resolve(err(NOT_LEADING));
    this.#underWay -= 1;
    return result;
  }

  #settled(): void {
    if (this.#underWay === 0 && this.#events.length > 0) this.#flush();
  }

  #flush(): void {
    clearTimeout(this.#flushing);
    this.#flushing = undefined;
    for (const event of this.#events.splice(0)) void this.#record(event);
  }

  async #write(update: StatusUpdate, driver: Driver<ControllerInput>): Promise<void> {
    const result = await this.#carry(() => this.#kube.updateStatus(update));
    driver.put({ type: 'written', update, result });
    this.#settled();
  }

  async #claim(act: ClaimAct, driver: Driver<ControllerInput>): Promise<void> {
    const kube: ClaimSource<Promise<Result<unknown, KubeFailure>>> = this.#kube;
    const result = await this.#carry(() => claimRequest(kube, act));
    driver.put({ type: 'claimed', act, result });
    this.#settled();
  }

  async #record(event: KubeEvent): Promise<void> {
    const recorded = await this.#kube.record(event);
    if (!recorded.ok) this.#log('warn', 'EventLost', recorded.error.message);
  }
}

/** In the log, with the place where a person finds it. */
export function say(note: Note, kube: Kube, log: Log): void {
  const { level, event, message, problem, service, place } = note;
  const at = place ?? (problem && kube.place(problem.resource, problem.key, problem.path));
  const text = problem === undefined ? message : `${at}: ${message}`;
  log(level, event, text, {
    ...(service === undefined ? {} : { service }),
    ...(at === undefined ? {} : { place: at }),
  });
}
