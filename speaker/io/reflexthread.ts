/**
 * Both ends of the wall between brain and reflex: the messages, and the brain's side of the
 * worker thread. File descriptors are process-wide and a tcx link outlives the thread that made
 * it, so the end of the worker, for whatever reason, must end the process: `onEnd` says so.
 */
import { existsSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import type { Note } from '../../lib/note.ts';
import type { ReportedTrouble } from '../../owners/report.ts';
import type { Probe } from '../asking.ts';
import type { BootId } from '../heartbeat.ts';
import type { Isolation } from '../membership.ts';
import type { PackedOrders } from '../orderwire.ts';
import type { ReflexInput, ReflexState } from '../reflexport.ts';
import type { ProfileName } from '../timing.ts';
import type { AttachMode } from './hook.ts';
import type { PlaneChoice } from './openplane.ts';

export interface ReflexSettings {
  readonly node: string;
  readonly boot: BootId;
  readonly secret: Uint8Array;
  readonly peerPort: number;
  readonly profile: ProfileName;
  readonly isolation: Isolation;
  readonly dataPlane: PlaneChoice;
  readonly attach: AttachMode;
  /** The host's kernel is kept from speaking for addresses that are not this node's. */
  readonly guard: boolean;
  /** Names of interfaces left out, as sources of regular expressions. */
  readonly excluded: readonly string[];
  readonly onePerSubnet: boolean;
  /** Between two refreshing announcements; 0: none. */
  readonly refresh: number;
  /** Before the first announcement of an address. */
  readonly probe: Probe;
  /** Of the `SharedLease`. */
  readonly lease: SharedArrayBuffer;
}

export type ToReflex =
  | Extract<ReflexInput, { kind: 'peers' | 'gateway' | 'stop' }>
  | { readonly kind: 'orders'; readonly orders: PackedOrders }
  | { readonly kind: 'count' };

export type FromReflex =
  /** `why` this plane: part of a sentence. */
  | { readonly kind: 'started'; readonly plane: string; readonly why: string }
  | { readonly kind: 'state'; readonly state: ReflexState }
  | { readonly kind: 'note'; readonly note: Note }
  /** All that `source` has to tell now. */
  | {
      readonly kind: 'troubles';
      readonly source: string;
      readonly troubles: readonly ReportedTrouble[];
    }
  | { readonly kind: 'counters'; readonly counters: ReadonlyMap<string, bigint> }
  /** It cannot go on; one sentence. */
  | { readonly kind: 'fatal'; readonly message: string }
  | { readonly kind: 'stopped' };

/** A small heap keeps collections short; ten thousand orders take about 10 MB. */
const LIMITS = { maxOldGenerationSizeMb: 96, maxYoungGenerationSizeMb: 3 };

export class ReflexThread {
  readonly #worker: Worker;
  #ended = false;

  constructor(
    settings: ReflexSettings,
    sink: (message: FromReflex) => void,
    onEnd: (sentence: string) => void,
  ) {
    // Beside the sources, or beside the bundle in dist/.
    const source = new URL('./reflexworker.ts', import.meta.url);
    const bundle = new URL('./reflex.mjs', import.meta.url);
    const entry = existsSync(source) ? source : bundle;
    this.#worker = new Worker(entry, {
      name: 'reflex',
      workerData: settings,
      resourceLimits: LIMITS,
    });
    const end = (sentence: string): void => {
      if (!this.#ended) onEnd(sentence);
      this.#ended = true;
    };
    this.#worker.on('message', (message: FromReflex) => sink(message));
    this.#worker.on('error', (error) => end(`the reflex thread failed: ${String(error)}`));
    this.#worker.on('exit', (code) => end(`the reflex thread ended with code ${code}`));
  }

  post(message: ToReflex): void {
    this.#worker.postMessage(message);
  }

  /** From now on its end is expected. */
  release(): void {
    this.#ended = true;
  }
}
