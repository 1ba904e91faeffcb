/**
 * What a speaker tells through objects of its own: what it announces (ServiceL2Status), and what
 * it thinks of the configuration (ConfigurationState). Kinds that older manifests do not know are
 * welcome and not needed.
 */
import { ConfigState } from '../../config/configstate.ts';
import type { Judgement } from '../../config/configstate.ts';
import { NOTHING_HELD } from '../../config/held.ts';
import type { Held } from '../../config/held.ts';
import { problemLine } from '../../config/problem.ts';
import { Unreadable } from '../../config/unreadable.ts';
import type { Direct } from '../../kube/io/direct.ts';
import { Keeping } from '../../kube/io/keeping.ts';
import { IP_ADDRESS_POOL, L2_ADVERTISEMENT } from '../../kube/kube.ts';
import type { Kube, Resource, WatchEvent } from '../../kube/kube.ts';
import type { OwnerReference } from '../../kube/objects.ts';
import type { Log } from '../../lib/io/log.ts';
import type { ReportedTrouble, SpeakerStatus } from '../../owners/report.ts';
import { L2Statuses } from '../l2status.ts';

export interface TellingOptions {
  readonly kube: Kube;
  /** undefined: there is no API server. */
  readonly direct: Direct | undefined;
  readonly log: Log;
  readonly node: string;
  /** Where the objects are: MetalLB's. */
  readonly namespace: string;
  readonly status: () => SpeakerStatus;
  /** Why the node does not answer as it should. */
  readonly troubles: () => readonly ReportedTrouble[];
}

/** Of ours, False while something is the matter with what answers. */
const DATA_PLANE = 'arpeggio.dev/DataPlane';

/** What the configuration consists of, for a speaker. */
const CONFIGURATION: readonly Resource[] = [IP_ADDRESS_POOL, L2_ADVERTISEMENT];

export class Telling {
  readonly #options: TellingOptions;
  readonly #l2: Keeping;
  readonly #state: Keeping;
  readonly #stateKey: string;
  readonly #unreadable = new Unreadable();
  #held: Held = NOTHING_HELD;
  /** Troubles at the last look. */
  #told = '[]';
  #owner: OwnerReference | undefined;

  constructor(options: TellingOptions) {
    this.#options = options;
    const { kube, log, node, namespace, status } = options;
    const owner = (): OwnerReference | undefined => this.#owner;
    this.#l2 = new Keeping(kube, log, new L2Statuses({ node, namespace, status, owner }));
    const state = new ConfigState({
      component: 'speaker',
      node,
      namespace,
      judgement: () => this.#judgement(),
      wall,
      owner,
    });
    this.#stateKey = state.key;
    this.#state = new Keeping(kube, log, state);
  }

  /** Whether there was ever a valid configuration, and whether the newest is not. */
  get configuration(): { readonly loaded: boolean; readonly stale: boolean } {
    const { config, problems } = this.#held;
    return { loaded: config !== undefined, stale: problems.length > 0 };
  }

  /** `owner`: of what is made from now on. */
  follow(signal: AbortSignal, owner: OwnerReference | undefined): void {
    this.#owner = owner;
    const { kube, direct } = this.#options;
    const announced = (event: WatchEvent): void => this.#l2.show(event);
    kube.watch(this.#l2.resource, announced, signal, 'welcome');
    const shown = (event: WatchEvent): void => this.#state.show(event);
    const { resource } = this.#state;
    if (direct === undefined) kube.watch(resource, shown, signal, 'welcome');
    // Of a thousand speakers none needs to know what the others think.
    else direct.watch(resource, this.#stateKey, shown, signal);
  }

  /** What the program sees of the configuration. */
  show({ kind }: Resource, event: WatchEvent): void {
    if (event.type !== 'problem' && event.type !== 'solved') return;
    this.#unreadable.take(kind, event);
    this.#state.changed();
  }

  configured(held: Held): void {
    this.#held = held;
    this.#state.changed();
  }

  /** What is announced may be something else from now on. */
  changed(): void {
    this.#l2.changed();
    const told = JSON.stringify(this.#options.troubles());
    if (told === this.#told) return;
    this.#told = told;
    this.#state.changed();
  }

  #judgement(): Judgement | undefined {
    const { config, problems } = this.#held;
    if (config === undefined && problems.length === 0) return undefined;
    const unreadable = this.#unreadable.lines(CONFIGURATION.map(({ kind }) => kind));
    const asides = this.#asides();
    return { problems: [...problems.map(problemLine), ...unreadable], asides };
  }

  /** The first reason names them all; the sentences tell them apart. */
  #asides(): Judgement['asides'] {
    const troubles = this.#options.troubles();
    const [first] = troubles;
    if (first === undefined) return [];
    const lines = troubles.map(({ sentence }) => sentence);
    return [{ type: DATA_PLANE, reason: first.reason, lines }];
  }
}

/** RFC 3339 in whole seconds, as Kubernetes writes times. */
function wall(): string {
  return `${new Date().toISOString().slice(0, 19)}Z`;
}
