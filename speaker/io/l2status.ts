/**
 * Carries out what `l2status.ts` decides: watches the objects, makes, corrects and removes them.
 */
import { drive } from '../../lib/drive.ts';
import type { Driver } from '../../lib/drive.ts';
import { Alarm, monotonic } from '../../lib/io/clock.ts';
import type { Log } from '../../lib/io/log.ts';
import { ok } from '../../lib/result.ts';
import { SERVICE_L2_STATUS } from '../../kube/kube.ts';
import type { Kube } from '../../kube/kube.ts';
import { L2Statuses } from '../l2status.ts';
import type { L2StatusInput, L2StatusOptions, L2StatusOutput, Written } from '../l2status.ts';

export class L2StatusKeeper {
  readonly #kube: Kube;
  readonly #log: Log;
  readonly #driver: Driver<L2StatusInput>;

  constructor(kube: Kube, log: Log, options: L2StatusOptions) {
    this.#kube = kube;
    this.#log = log;
    const alarm = new Alarm(() => this.#driver.wake());
    this.#driver = drive(new L2Statuses(options), {
      now: monotonic,
      wakeAt: (at) => alarm.set(at),
      act: (output) => this.#act(output),
    });
  }

  follow(signal: AbortSignal): void {
    const sink = (event: Extract<L2StatusInput, { kind: 'watch' }>['event']): void =>
      this.#driver.put({ kind: 'watch', event });
    this.#kube.watch(SERVICE_L2_STATUS, sink, signal);
  }

  /** What this node announces may have changed. */
  changed(): void {
    this.#driver.put({ kind: 'changed' });
  }

  #act(output: L2StatusOutput): void {
    if (output.kind === 'note') {
      const { level, event, msg, fields } = output.note;
      return this.#log(level, event, msg, fields);
    }
    void this.#carryOut(output);
    return undefined;
  }

  async #carryOut(output: Exclude<L2StatusOutput, { kind: 'note' }>): Promise<void> {
    // After an await, so never from within the turn that asked for it.
    const result = await this.#ask(output);
    this.#driver.put({ kind: 'done', key: output.key, result });
  }

  async #ask(output: Exclude<L2StatusOutput, { kind: 'note' }>): Promise<Written> {
    if (output.kind === 'create') return this.#kube.create(output.object);
    if (output.kind === 'update') return this.#kube.updateStatus(output.update);
    const deleted = await this.#kube.delete(SERVICE_L2_STATUS, output.key, output.version);
    return deleted.ok ? ok(undefined) : deleted;
  }
}
