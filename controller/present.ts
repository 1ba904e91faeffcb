/**
 * What a change is judged against: the present objects of every kind that configures, from watches
 * of their own, because the controller itself does not read all of them. A kind that may not be
 * read, or that the API server does not know, is not compared with.
 */
import { listOfKind } from '../config/parse/sources.ts';
import type { Sources } from '../config/parse/sources.ts';
import { IP_ADDRESS_POOL, NODE } from '../kube/kube.ts';
import type { Resource, WatchEvent } from '../kube/kube.ts';
import { keyOf } from '../kube/objects.ts';
import type { KubeObject } from '../kube/objects.ts';
import { ADVISORY } from './findings.ts';

export const COMPARED: readonly Resource[] = [IP_ADDRESS_POOL, ...ADVISORY, NODE];

interface Kind {
  readonly objects: Map<string, KubeObject>;
  state: 'unknown' | 'known' | 'refused';
}

export class Present {
  readonly #kinds = new Map<string, Kind>(
    COMPARED.map(({ kind }) => [kind, { objects: new Map(), state: 'unknown' }]),
  );

  show({ kind }: Resource, event: WatchEvent): void {
    const known = this.#kinds.get(kind);
    if (known === undefined) return;
    switch (event.type) {
      case 'put':
        known.objects.set(keyOf(event.object), event.object);
        break;
      case 'delete':
        known.objects.delete(event.key);
        break;
      case 'synced':
        known.state = 'known';
        break;
      case 'problem':
        // What was known before stays good; what is only away now will be known.
        if (known.state === 'unknown' && event.problem.refusal !== undefined) {
          known.state = 'refused';
        }
        break;
      case 'remnant':
      case 'solved':
        break;
    }
  }

  /** undefined: a kind has not been heard of yet. */
  sources(): Sources | undefined {
    const sources: Record<string, readonly KubeObject[]> = { pools: [], advertisements: [] };
    for (const [kind, { objects, state }] of this.#kinds) {
      const list = listOfKind({ kind });
      if (state === 'unknown') return undefined;
      if (list !== undefined && state === 'known') sources[list] = [...objects.values()];
    }
    return sources as unknown as Sources;
  }
}
