/**
 * What is asked of an API server beside the port `Kube`: whole objects by path, reviews of tokens
 * and rights, and watches of one object by its name, which are allowed where watches of a kind are
 * not, and spare reading all the others. Of no use for a directory, so no part of the port.
 */
import { err, ok } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';
import type { AbortSignalLike } from '../../lib/signal.ts';
import type { KubeFailure, Resource, WatchEvent } from '../kube.ts';
import { collectionPath } from '../location.ts';
import { Client } from './client.ts';
import type { Request } from './client.ts';
import type { Credentials } from './credentials.ts';
import { failureOf } from './failure.ts';
import { Watch } from './watch.ts';

export type Ask = (request: Request) => Promise<Result<unknown, KubeFailure>>;

export class Direct {
  readonly #client: Client;

  constructor(credentials: Credentials) {
    this.#client = new Client(credentials);
  }

  readonly ask: Ask = async (request) => {
    const answer = await this.#client.json(request);
    return answer.ok ? ok(answer.value) : err(failureOf(answer.error));
  };

  /** Of one object: `NAME` or `NAMESPACE/NAME`. */
  watch(
    resource: Resource,
    key: string,
    sink: (event: WatchEvent) => void,
    signal: AbortSignalLike,
  ): void {
    const slash = key.indexOf('/');
    const namespace = slash < 0 ? undefined : key.slice(0, slash);
    const path = collectionPath(resource, namespace);
    const place = { client: this.#client, resource, path, name: key.slice(slash + 1) };
    void new Watch(place, sink, signal);
  }

  /** Of a kind; one that fails says so to its sink and to nobody else. */
  watchKind(
    resource: Resource,
    namespace: string | undefined,
    sink: (event: WatchEvent) => void,
    signal: AbortSignalLike,
  ): void {
    const path = collectionPath(resource, namespace);
    void new Watch({ client: this.#client, resource, path }, sink, signal);
  }

  close(): Promise<void> {
    return this.#client.close();
  }
}
