/**
 * Judges one change before it is stored, for the webhooks that MetalLB's manifests register. The
 * same rules as `parse`, applied to what a change is checked against in MetalLB: a pool to pools,
 * an advertisement to pools, a peer to peers. References that may be mended later by another
 * object (BFD profile, alias of a community) pass, as they do there.
 *
 * Only what the change makes worse is refused: in MetalLB one broken object, stored while its
 * webhook was away, stands in the way of every other, also of those that would mend it.
 */
import { BFD_PROFILE } from '../kube/kube.ts';
import { withoutNulls } from '../kube/manifest.ts';
import { keyOf } from '../kube/objects.ts';
import type { KubeObject } from '../kube/objects.ts';
import { unreachable } from '../lib/assert.ts';
import { parse } from './parse.ts';
import { listOfKind } from './parse/sources.ts';
import type { Sources } from './parse/sources.ts';
import type { Problem } from './problem.ts';

export interface Change {
  readonly operation: 'CREATE' | 'UPDATE' | 'DELETE';
  /** As it will be; of a deletion, as it was. */
  readonly object: KubeObject;
  /** Where the objects of these kinds belong. */
  readonly namespace: string;
}

export interface Verdict {
  /** Not empty: refused. */
  readonly problems: readonly Problem[];
  /** For the user's eyes; the change is made all the same. */
  readonly warnings: readonly string[];
}

/** Lists of `present` that are undefined are not compared with. */
export function admit({ operation, object: raw, namespace }: Change, present: Sources): Verdict {
  const object = withoutNulls(raw) as KubeObject;
  const warnings = operation === 'DELETE' ? [] : warningsOf(object);
  const list = listOfKind(object);
  if (list === undefined) return { problems: [], warnings };
  if (operation === 'DELETE') return { problems: deletionProblems(object, present), warnings };
  const scope = scopeOf(list, present);
  const known = new Set(problemsOf(scope).map(textOf));
  const problems = problemsOf({ ...scope, [list]: replaced(scope[list] ?? [], object) });
  const fresh = problems.filter((problem) => !known.has(textOf(problem)));
  const outside = operation === 'CREATE' && object.metadata.namespace !== namespace;
  return { problems: outside ? [elsewhere(object, namespace), ...fresh] : fresh, warnings };
}

/** What a change of that kind is checked against; the rest is for `parse` to find. */
function scopeOf(list: keyof Sources, present: Sources): Sources {
  const none: Sources = { pools: [], advertisements: [] };
  const { pools, advertisements, bgpAdvertisements = [], nodes } = present;
  switch (list) {
    case 'pools':
      return { ...none, pools };
    case 'advertisements':
      return { pools, advertisements };
    case 'bgpAdvertisements':
      return { ...none, pools, bgpAdvertisements, nodes };
    case 'bgpPeers':
      return { ...none, bgpPeers: present.bgpPeers, nodes };
    case 'bfdProfiles':
      return { ...none, bfdProfiles: present.bfdProfiles };
    case 'communities':
      return { ...none, communities: present.communities };
    case 'namespaces':
    case 'nodes':
      return none;
    default:
      return unreachable(list);
  }
}

function problemsOf(scope: Sources): readonly Problem[] {
  const parsed = parse(scope);
  return parsed.ok ? (parsed.value.bgp?.problems ?? []) : parsed.error;
}

function replaced(objects: readonly KubeObject[], object: KubeObject): readonly KubeObject[] {
  const key = keyOf(object);
  return [...objects.filter((each) => keyOf(each) !== key), object];
}

function textOf(problem: Problem): string {
  return JSON.stringify([problem.key, problem.path, problem.message]);
}

function elsewhere(object: KubeObject, namespace: string): Problem {
  const message = `resource must be created in ${namespace} namespace`;
  return problemOf(object, 'metadata.namespace', message);
}

function problemOf(object: KubeObject, path: string, message: string): Problem {
  const { apiVersion, kind } = object;
  return { resource: { apiVersion, kind }, key: keyOf(object), path, message };
}

/** Only profiles are kept from going: a peer would lose its BFD without a word. */
function deletionProblems(object: KubeObject, { bgpPeers = [] }: Sources): readonly Problem[] {
  if (object.kind !== BFD_PROFILE.kind) return [];
  const { name } = object.metadata;
  const users = bgpPeers.filter((peer) => specOf(peer)?.['bfdProfile'] === name);
  if (users.length === 0) return [];
  const names = users.map(({ metadata }) => metadata.name).toSorted();
  const message = `failed to delete BFDProfile "${name}": BGPPeer ${names.join(', ')} uses it`;
  return [problemOf(object, 'metadata.name', message)];
}

function warningsOf(object: KubeObject): readonly string[] {
  const isPeer = listOfKind(object) === 'bgpPeers';
  if (!isPeer || specOf(object)?.['disableMP'] !== true) return [];
  return ['disableMP is deprecated and will be removed; leave it out'];
}

function specOf(object: KubeObject): Readonly<Record<string, unknown>> | undefined {
  return (object as { spec?: Readonly<Record<string, unknown>> }).spec;
}
