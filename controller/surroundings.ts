/**
 * What addresses the cluster uses for itself, as far as the controller may know: nodes, and the
 * ranges of Services and pods. Nodes report every few seconds that they are well; only what their
 * addresses are is news here.
 */
import { foreignOf } from '../config/foreign.ts';
import type { Foreign } from '../config/foreign.ts';
import { NODE, SERVICE_CIDR } from '../kube/kube.ts';
import type { Resource, WatchEvent } from '../kube/kube.ts';
import { keyOf } from '../kube/objects.ts';
import type { KubeObject, Node } from '../kube/objects.ts';

export const SURROUNDINGS: readonly Resource[] = [NODE, SERVICE_CIDR];

export class Surroundings {
  readonly #objects = new Map(
    SURROUNDINGS.map(({ kind }) => [kind, new Map<string, KubeObject>()]),
  );
  /** Kinds of which it is not known yet whether they can be known. */
  readonly #awaited = new Set(SURROUNDINGS.map(({ kind }) => kind));
  #foreign: readonly Foreign[] | undefined;

  /** Whether it is news. */
  watch({ kind }: Resource, event: WatchEvent): boolean {
    const objects = this.#objects.get(kind);
    if (objects === undefined) return false;
    if (event.type === 'put') {
      const before = objects.get(keyOf(event.object));
      objects.set(keyOf(event.object), event.object);
      if (before !== undefined && gist(before) === gist(event.object)) return false;
    }
    if (event.type === 'delete') objects.delete(event.key);
    const isAnswer = event.type === 'synced' || event.type === 'problem';
    if (isAnswer) this.#awaited.delete(kind);
    this.#foreign = undefined;
    return true;
  }

  /** undefined: not everything has been read that can be. */
  get foreign(): readonly Foreign[] | undefined {
    if (this.#awaited.size > 0) return undefined;
    this.#foreign ??= foreignOf({
      nodes: this.#all(NODE) as readonly Node[],
      serviceCidrs: this.#all(SERVICE_CIDR),
    });
    return this.#foreign;
  }

  #all({ kind }: Resource): readonly KubeObject[] {
    return [...(this.#objects.get(kind)?.values() ?? [])];
  }
}

function gist(object: KubeObject): string {
  const { spec, status } = object as Partial<Node>;
  return JSON.stringify([spec, status?.addresses]);
}
