/**
 * ConfigurationState, MetalLB's object in which a program says whether it could take the newest
 * configuration: `controller`, and `speaker-NODE` for each node. Result and summary follow from the
 * conditions as in MetalLB; a condition of ours says more and never makes the result `Invalid`. Its
 * time is that of the last change of its status, where MetalLB's is that of the last write.
 */
import type { Duty, Wanted } from '../kube/keeper.ts';
import { CONFIGURATION_STATE } from '../kube/kube.ts';
import type { Condition, KubeObject, OwnerReference } from '../kube/objects.ts';
import { cut } from '../lib/quote.ts';

/** What a program thinks of the newest configuration. */
export interface Judgement {
  /** One line each; not empty: the configuration in force is an older one. */
  readonly problems: readonly string[];
  /** What holds back nothing. */
  readonly asides: readonly Aside[];
}

export interface Aside {
  /** Of the condition, which is False, or absent when there are no lines. */
  readonly type: string;
  readonly reason: string;
  readonly lines: readonly string[];
}

export interface ConfigStateOptions {
  readonly component: 'controller' | 'speaker';
  /** Of a speaker. */
  readonly node?: string;
  /** Where the object is: MetalLB's. */
  readonly namespace: string;
  /** undefined: nothing has been judged yet, or it is somebody else's turn to say it. */
  readonly judgement: () => Judgement | undefined;
  /** Time of day, RFC 3339. */
  readonly wall: () => string;
  /** The pod of this program, where it is known: Kubernetes removes with it what it owns. */
  readonly owner: () => OwnerReference | undefined;
}

interface State {
  readonly result: 'Valid' | 'Invalid' | 'Unknown';
  readonly errorSummary?: string;
  readonly conditions: readonly Condition[];
}

const VALIDITY = { controller: 'poolReconcilerValid', speaker: 'configReconcilerValid' } as const;
const RECONCILED = 'Reconciled';
const CONFIGURATION_ERROR = 'ConfigurationError';

/** A condition is for people; whoever needs all of a thousand reads the log. */
const MOST_LINES = 20;
/** The API server takes 32768 characters. */
const LONGEST = 1000;

export class ConfigState implements Duty {
  readonly resource = CONFIGURATION_STATE;
  readonly failing = 'ConfigurationStateFailed';
  readonly settle = 10;
  readonly #options: ConfigStateOptions;
  /** Of the one object. */
  readonly key: string;

  constructor(options: ConfigStateOptions) {
    this.#options = options;
    this.key = `${options.namespace}/${nameOf(options)}`;
  }

  wanted(): ReadonlyMap<string, Wanted> | undefined {
    const judgement = this.#options.judgement();
    if (judgement === undefined) return undefined;
    const wanted: Wanted = {
      make: () => this.#object(),
      status: (shown) => {
        const before = (shown ?? {}) as Partial<State>;
        const state = stateOf(this.#conditions(judgement, before.conditions ?? []));
        return gist(before) === gist(state) ? undefined : state;
      },
    };
    return new Map([[this.key, wanted]]);
  }

  isStale(): boolean {
    return false;
  }

  #object(): KubeObject {
    const { component, node, namespace, owner } = this.#options;
    const labels = {
      'metallb.io/component-type': component,
      ...(node === undefined ? {} : { 'metallb.io/node-name': node }),
    };
    const pod = owner();
    const owned = pod === undefined ? {} : { ownerReferences: [pod] };
    const metadata = { name: nameOf(this.#options), namespace, labels, ...owned };
    return { ...CONFIGURATION_STATE, metadata };
  }

  #conditions({ problems, asides }: Judgement, before: readonly Condition[]): readonly Condition[] {
    const made = (type: string, status: Condition['status'], reason: string, lines: Lines) => {
      const old = before.find((condition) => condition.type === type);
      const lastTransitionTime =
        old?.status === status ? old.lastTransitionTime : this.#options.wall();
      return { type, status, reason, message: messageOf(lines), lastTransitionTime };
    };
    const isValid = problems.length === 0;
    const type = VALIDITY[this.#options.component];
    const own = isValid
      ? made(type, 'True', RECONCILED, ['the newest configuration is in force'])
      : made(type, 'False', CONFIGURATION_ERROR, problems);
    const told = asides.filter(({ lines }) => lines.length > 0);
    return [own, ...told.map((aside) => made(aside.type, 'False', aside.reason, aside.lines))];
  }
}

type Lines = readonly string[];

function nameOf({ component, node }: ConfigStateOptions): string {
  return node === undefined ? component : `${component}-${node}`;
}

function messageOf(lines: Lines): string {
  const shown = lines.slice(0, MOST_LINES).map((line) => cut(line, LONGEST));
  const rest = lines.length - shown.length;
  return [...shown, ...(rest > 0 ? [`and ${rest} more`] : [])].join('\n');
}

/** Lines that a state says, of whatever condition. */
export function linesOf(shown: unknown): ReadonlySet<string> {
  const { conditions = [] } = (shown ?? {}) as Partial<State>;
  return new Set(conditions.flatMap(({ message }) => message.split('\n')));
}

function stateOf(conditions: readonly Condition[]): State {
  const judged = conditions.filter(({ type }) => Object.values<string>(VALIDITY).includes(type));
  const wrong = judged.filter(({ status }) => status === 'False');
  const errors = wrong.filter(({ reason }) => reason === CONFIGURATION_ERROR);
  const errorSummary = errors.map(({ message }) => message).join('\n');
  const isKnown = judged.length > 0 && judged.every(({ status }) => status !== 'Unknown');
  const result = wrong.length > 0 ? 'Invalid' : isKnown ? 'Valid' : 'Unknown';
  return { result, ...(errorSummary === '' ? {} : { errorSummary }), conditions };
}

/** Whatever the order of fields, and whenever it was. */
function gist({ result, errorSummary = '', conditions = [] }: Partial<State>): string {
  const each = conditions.map(({ type, status, reason, message }) => [
    type,
    status,
    reason,
    message,
  ]);
  return JSON.stringify([result, errorSummary, each]);
}
