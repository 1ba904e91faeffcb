/**
 * The Lease of this controller, kept: carries out what `Leader` decides. A source without leases (a
 * directory of manifests) has one controller, which leads.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { LEASE } from '../../kube/kube.ts';
import type { Kube, KubeFailure } from '../../kube/kube.ts';
import type { KubeObject } from '../../kube/objects.ts';
import { unreachable } from '../../lib/assert.ts';
import { drive } from '../../lib/drive.ts';
import type { Driver } from '../../lib/drive.ts';
import { Alarm, monotonic } from '../../lib/io/clock.ts';
import type { Result } from '../../lib/result.ts';
import { Leader } from '../leader.ts';
import type { Ask, LeaderInput, LeaderOutput } from '../leader.ts';
import type { Note } from '../note.ts';

const NAME = 'arpeggio-controller';

export interface LeadingOptions {
  readonly kube: Kube;
  readonly namespace: string | undefined;
  readonly say: (note: Note) => void;
  readonly leads: (is: boolean) => void;
}

export class Leading {
  readonly #options: LeadingOptions;
  readonly #leader: Leader | undefined;
  readonly #driver: Driver<LeaderInput> | undefined;
  #ended: (() => void) | undefined;

  constructor(options: LeadingOptions) {
    this.#options = options;
    const { namespace } = options;
    if (namespace === undefined) return;
    const identity = `${hostname()}_${randomUUID().slice(0, 8)}`;
    this.#leader = new Leader({ namespace, name: NAME, identity, wall });
    const alarm = new Alarm(() => this.#driver?.wake());
    this.#driver = drive(this.#leader, {
      now: monotonic,
      wakeAt: (at) => alarm.set(at),
      act: (output) => this.#act(output, namespace),
    });
  }

  /** Begins to look for the Lease, or to keep it. */
  begin(): void {
    this.#driver?.wake();
  }

  /** Whether something may be written at this moment. */
  mayWrite(): boolean {
    return this.#leader?.mayWrite(monotonic()) ?? true;
  }

  /** Gives the Lease back, if it is ours; takes a second at most. */
  end(): Promise<void> {
    const driver = this.#driver;
    if (driver === undefined) return Promise.resolve();
    return new Promise((done) => {
      this.#ended = done;
      driver.put({ type: 'stop' });
    });
  }

  #act(output: LeaderOutput, namespace: string): void {
    switch (output.type) {
      case 'ask':
        void this.#ask(output.attempt, output.ask, `${namespace}/${NAME}`);
        break;
      case 'leads':
        this.#options.leads(output.is);
        break;
      case 'note':
        this.#options.say(output.note);
        break;
      case 'ended':
        this.#ended?.();
        break;
    }
  }

  async #ask(attempt: number, ask: Ask, key: string): Promise<void> {
    const result = await requestOf(this.#options.kube, ask, key);
    this.#driver?.put({ type: 'answered', attempt, result });
  }
}

function requestOf(kube: Kube, ask: Ask, key: string): Promise<Result<KubeObject, KubeFailure>> {
  switch (ask.kind) {
    case 'read':
      return kube.read(LEASE, key);
    case 'create':
      return kube.create(ask.lease);
    case 'replace':
      return kube.replace(ask.lease);
    default:
      return unreachable(ask);
  }
}

/** RFC 3339 with microseconds: MicroTime. */
function wall(): string {
  return new Date().toISOString().replace('Z', '000Z');
}
