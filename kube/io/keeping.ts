/** Carries out what a Keeper decides: makes, corrects and removes objects at a source. */
import { drive } from '../../lib/drive.ts';
import type { Driver } from '../../lib/drive.ts';
import { Alarm, monotonic } from '../../lib/io/clock.ts';
import type { Log } from '../../lib/io/log.ts';
import { ok } from '../../lib/result.ts';
import { Keeper } from '../keeper.ts';
import type { Duty, KeeperInput, KeeperOutput, Written } from '../keeper.ts';
import type { Kube, Resource, WatchEvent } from '../kube.ts';

export class Keeping {
  readonly #kube: Kube;
  readonly #log: Log;
  readonly #duty: Duty;
  readonly #driver: Driver<KeeperInput>;

  constructor(kube: Kube, log: Log, duty: Duty) {
    this.#kube = kube;
    this.#log = log;
    this.#duty = duty;
    const alarm = new Alarm(() => this.#driver.wake());
    this.#driver = drive(new Keeper(duty), {
      now: monotonic,
      wakeAt: (at) => alarm.set(at),
      act: (output) => this.#act(output),
    });
  }

  /** Of what is kept. */
  get resource(): Resource {
    return this.#duty.resource;
  }

  /** What the source shows of the kind. */
  show(event: WatchEvent): void {
    this.#driver.put({ kind: 'watch', event });
  }

  /** The duty may want something else from now on. */
  changed(): void {
    this.#driver.put({ kind: 'changed' });
  }

  #act(output: KeeperOutput): void {
    if (output.kind === 'note') {
      const { level, event, msg, fields } = output.note;
      return this.#log(level, event, msg, fields);
    }
    void this.#carryOut(output);
    return undefined;
  }

  async #carryOut(output: Exclude<KeeperOutput, { kind: 'note' }>): Promise<void> {
    // After an await, so never from within the turn that asked for it.
    const result = await this.#ask(output);
    this.#driver.put({ kind: 'done', key: output.key, result });
  }

  async #ask(output: Exclude<KeeperOutput, { kind: 'note' }>): Promise<Written> {
    if (output.kind === 'create') return this.#kube.create(output.object);
    if (output.kind === 'update') return this.#kube.updateStatus(output.update);
    const { key, version } = output;
    const deleted = await this.#kube.delete(this.#duty.resource, key, version);
    return deleted.ok ? ok(undefined) : deleted;
  }
}
