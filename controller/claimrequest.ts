/**
 * What is asked of a source for the sake of a claim. `Answer` is whatever that source answers with:
 * a promise in a process, the result itself in a simulation, so that both ask the same.
 */
import { ADDRESS_CLAIM, SERVICE } from '../kube/kube.ts';
import type { Resource } from '../kube/kube.ts';
import type { KubeObject } from '../kube/objects.ts';
import { unreachable } from '../lib/assert.ts';
import type { ClaimAct } from './claimtable.ts';

export interface ClaimSource<Answer> {
  create(object: KubeObject): Answer;
  replace(object: KubeObject): Answer;
  delete(resource: Resource, key: string, version: string): Answer;
  read(resource: Resource, key: string): Answer;
}

export function claimRequest<Answer>(source: ClaimSource<Answer>, act: ClaimAct): Answer {
  switch (act.kind) {
    case 'create':
      return source.create(act.claim);
    case 'replace':
      return source.replace(act.claim);
    case 'delete':
      return source.delete(ADDRESS_CLAIM, act.key, act.version);
    case 'look':
      return source.read(SERVICE, act.service);
    default:
      return unreachable(act);
  }
}
