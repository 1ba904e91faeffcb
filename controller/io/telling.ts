/**
 * What the controller tells beside the status of Services: its ConfigurationState, the counters in
 * the status of pools, and events on objects that are at fault. Fed with what the program watches
 * anyway; what else it watches is welcome and not needed.
 */
import { ConfigState, linesOf } from '../../config/configstate.ts';
import { NOTHING_HELD } from '../../config/held.ts';
import type { Held } from '../../config/held.ts';
import type { Problem } from '../../config/problem.ts';
import { Keeping } from '../../kube/io/keeping.ts';
import type { Direct } from '../../kube/io/direct.ts';
import { IP_ADDRESS_POOL } from '../../kube/kube.ts';
import type { Kube, KubeEvent, WatchEvent } from '../../kube/kube.ts';
import { keyOf } from '../../kube/objects.ts';
import type { OwnerReference } from '../../kube/objects.ts';
import { drive } from '../../lib/drive.ts';
import type { Driver } from '../../lib/drive.ts';
import { Alarm, monotonic } from '../../lib/io/clock.ts';
import type { Log } from '../../lib/io/log.ts';
import { ADVISORY, Findings } from '../findings.ts';
import type { FindingsInput, FindingsOutput, Overlaps } from '../findings.ts';
import { PoolStatuses } from '../poolstatus.ts';
import { SURROUNDINGS } from '../surroundings.ts';
import type { Usage } from '../usage.ts';

export interface TellingOptions {
  readonly kube: Kube;
  /** undefined: there is no API server. */
  readonly direct: Direct | undefined;
  readonly log: Log;
  /** Of the ConfigurationState. */
  readonly namespace: string;
  readonly wall: () => string;
  readonly usage: () => readonly Usage[];
  readonly overlaps: Overlaps;
  /** The configuration is to be refused for these, besides what it says itself. */
  readonly objected: (problems: readonly Problem[]) => void;
  /** Whether it is this controller's turn to write. */
  readonly leads: () => boolean;
}

export class Telling {
  readonly #options: TellingOptions;
  readonly #findings: Findings;
  readonly #driver: Driver<FindingsInput>;
  readonly #pools: Keeping;
  readonly #state: Keeping;
  readonly #stateKey: string;
  #held: Held = NOTHING_HELD;
  #owner: OwnerReference | undefined;
  /** Of the ConfigurationState as it is shown. */
  #lines: ReadonlySet<string> = new Set();
  #isKnown = false;

  constructor(options: TellingOptions) {
    this.#options = options;
    this.#findings = new Findings(options.overlaps);
    const { kube, log, namespace, wall, usage, leads } = options;
    const pools = new PoolStatuses(() => (leads() ? usage() : undefined));
    this.#pools = new Keeping(kube, log, pools);
    const state = new ConfigState({
      component: 'controller',
      namespace,
      wall,
      judgement: () => this.#findings.judgement,
      owner: () => this.#owner,
    });
    this.#stateKey = state.key;
    this.#state = new Keeping(kube, log, state);
    const alarm = new Alarm(() => this.#driver.wake());
    this.#driver = drive(this.#findings, {
      now: monotonic,
      wakeAt: (at) => alarm.set(at),
      act: (output) => this.#act(output),
    });
  }

  /** `owner`: of what is made from now on. */
  follow(signal: AbortSignal, owner: OwnerReference | undefined): void {
    this.#owner = owner;
    const { kube, direct } = this.#options;
    const around = this.#options.overlaps === 'ignore' ? [] : SURROUNDINGS;
    for (const resource of [...ADVISORY, ...around]) {
      const sink = (event: WatchEvent): void =>
        this.#driver.put({ kind: 'watch', resource, event });
      kube.watch(resource, sink, signal, 'welcome');
    }
    const shown = (event: WatchEvent): void => this.#shown(event);
    const { resource } = this.#state;
    if (direct === undefined) kube.watch(resource, shown, signal, 'welcome');
    else direct.watch(resource, this.#stateKey, shown, signal);
  }

  /** What the program sees of pools. */
  show(event: WatchEvent): void {
    this.#pools.show(event);
    this.#driver.put({ kind: 'watch', resource: IP_ADDRESS_POOL, event });
  }

  /** Something was decided. */
  decided(held: Held): void {
    this.#held = held;
    this.changed();
  }

  /** It is another one's turn to write. */
  changed(): void {
    const telling = this.#options.leads();
    this.#pools.changed();
    this.#driver.put({ kind: 'held', held: this.#held, telling });
    if (!telling) this.#state.changed();
  }

  /** Findings first: what it remembers is what was there before the Keeper writes. */
  #shown(event: WatchEvent): void {
    if (event.type === 'put' && keyOf(event.object) === this.#stateKey) {
      const { status } = event.object as { status?: unknown };
      this.#lines = linesOf(status);
    }
    const isKnown = event.type === 'synced' || event.type === 'problem';
    this.#isKnown ||= isKnown;
    if (this.#isKnown) this.#driver.put({ kind: 'shown', lines: this.#lines });
    this.#state.show(event);
  }

  #act(output: FindingsOutput): void {
    switch (output.kind) {
      case 'record':
        void this.#record(output.event);
        break;
      case 'note': {
        const { level, event, msg, fields } = output.note;
        this.#options.log(level, event, msg, fields);
        break;
      }
      case 'changed':
        this.#state.changed();
        break;
      case 'objected':
        this.#options.objected(output.problems);
        break;
    }
  }

  async #record(event: KubeEvent): Promise<void> {
    const recorded = await this.#options.kube.record(event);
    if (!recorded.ok) this.#options.log('warn', 'EventLost', recorded.error.message);
  }
}
