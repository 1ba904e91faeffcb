/**
 * What an admission policy of ours consists of, and what several of them say: expressions in CEL
 * as text, composed here because CEL has no functions of one's own.
 */
import { nameFaults, selectorFaults } from './selector.ts';

export interface Policy {
  readonly name: string;
  /** Plural names, in the group `metallb.io`. */
  readonly resources: readonly string[];
  readonly operations: readonly ('CREATE' | 'UPDATE' | 'DELETE')[];
  /** Of the other objects, of which each is judged with the one that comes. */
  readonly param?: { readonly apiVersion: string; readonly kind: string };
  /** undefined: those in the namespace of the request. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly variables: readonly (readonly [string, string])[];
  readonly validations: readonly Validation[];
  /** Say it, and let it pass. */
  readonly warns?: boolean;
  /** Whether a failure of the rule itself lets the request pass. */
  readonly ignores?: boolean;
}

export interface Validation {
  readonly expression: string;
  readonly messageExpression: string;
}

export const CHANGE = ['CREATE', 'UPDATE'] as const;
export const NAME = "object.metadata.?name.orValue('')";
export const POOL = { apiVersion: 'metallb.io/v1beta1', kind: 'IPAddressPool' };
export const PEER = { apiVersion: 'metallb.io/v1beta2', kind: 'BGPPeer' };
export const COMMUNITY = { apiVersion: 'metallb.io/v1beta1', kind: 'Community' };

export const field = (path: string, of = 'object'): string =>
  `${of}.?spec.?${path.replaceAll('.', '.?')}.orValue([])`;

/** CEL before Kubernetes 1.34 cannot count. No pool has more entries, no address more digits. */
export const INDEX = `[${Array.from({ length: 128 }, (_, i) => i).join(', ')}]`;
export const upTo = (list: string): string => `variables.index.filter(i, i < ${list}.size())`;

/** Refuses when there are any; says the first. */
export function none(variable: string): Validation {
  const list = `variables.${variable}`;
  return { expression: `${list}.size() == 0`, messageExpression: `${list}[0]` };
}

export interface List {
  /** Below `spec`, with dots. */
  readonly path: string;
  /** MetalLB's words for one that is there twice. */
  readonly twice: string;
}

export const NAMES: Readonly<Record<string, List>> = {
  namespaces: {
    path: 'serviceAllocation.namespaces',
    twice: 'duplicate definition in namespaces field:',
  },
  pools: { path: 'ipAddressPools', twice: 'duplicate definition of ipAddressPools' },
  communities: { path: 'communities', twice: 'duplicate definition of community' },
  peers: { path: 'peers', twice: 'duplicate definition of peers' },
};

export const last = (path: string): string => path.slice(path.lastIndexOf('.') + 1);

/** Variables and validations for lists that must be in order in themselves. */
export function listed(
  names: readonly List[],
  selectorPaths: readonly string[],
): Pick<Policy, 'variables' | 'validations'> {
  const lists = [
    ...names.map(({ path, twice }) => ({
      path,
      faults: (list: string) => nameFaults(list, `spec.${path}`, twice),
    })),
    ...selectorPaths.map((path) => ({
      path,
      faults: (list: string) => selectorFaults(list, `spec.${path}`, last(path)),
    })),
  ];
  return {
    variables: lists.flatMap(({ path, faults }) => [
      [last(path), field(path)] as const,
      [`${last(path)}Faults`, faults(`variables.${last(path)}`)] as const,
    ]),
    validations: lists.map(({ path }) => none(`${last(path)}Faults`)),
  };
}

export function only(...keys: readonly (keyof typeof NAMES)[]): readonly List[] {
  return keys.map((key) => NAMES[key] as List);
}
