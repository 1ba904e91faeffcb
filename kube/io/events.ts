/**
 * Kubernetes Events (core/v1), as `kubectl describe` shows them: the first of its kind creates an
 * object, a repetition counts it up with a patch, which is all that MetalLB's RBAC allows (create
 * and patch). One at a time, so that two repetitions never count from the same number.
 */
import { err, ok } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';
import type { KubeEvent, KubeFailure } from '../kube.ts';
import { collectionPath, objectPath } from '../location.ts';
import type { Client, Refusal } from './client.ts';
import { failureOf } from './failure.ts';

export const EVENT = { apiVersion: 'v1', kind: 'Event' };

export interface Reporter {
  /** The program, such as `arpeggio-controller`. */
  readonly component: string;
  /** The node it runs on, where that matters. */
  readonly host?: string;
}

interface Told {
  readonly key: string;
  count: number;
}

/** Of as many different events repetitions are recognised. */
const REMEMBERED = 4096;

/** A source that is away must not fill the memory with what nobody will read in time. */
const WAITING = 5000;

/** The API server's limit for newer events; longer ones are no use to anybody. */
const LONGEST_MESSAGE = 1024;

export class Events {
  readonly #client: Client;
  readonly #reporter: Reporter;
  readonly #uidOf: (event: KubeEvent) => Promise<string | undefined>;
  /** In the order of their last use. */
  readonly #told = new Map<string, Told>();
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #named = 0;

  constructor(
    client: Client,
    reporter: Reporter,
    uidOf: (event: KubeEvent) => Promise<string | undefined>,
  ) {
    this.#client = client;
    this.#reporter = reporter;
    this.#uidOf = uidOf;
  }

  async record(event: KubeEvent): Promise<Result<void, KubeFailure>> {
    if (this.#waiting >= WAITING) {
      const message = `event ${event.reason} of ${event.key}: too many are waiting`;
      return err({ kind: 'unavailable', message });
    }
    this.#waiting += 1;
    const turn = this.#last.then(() => this.#tell(event));
    this.#last = turn;
    const refusal = await turn;
    this.#waiting -= 1;
    return refusal === undefined ? ok(undefined) : err(failureOf(refusal));
  }

  async #tell(event: KubeEvent): Promise<Refusal | undefined> {
    const uid = await this.#uidOf(event);
    const { resource, key, type, reason, message } = event;
    const id = JSON.stringify([resource.kind, key, uid, type, reason, message]);
    const told = this.#told.get(id);
    if (told !== undefined) {
      const patched = await this.#client.json({
        method: 'PATCH',
        path: objectPath(EVENT, told.key),
        body: { count: told.count + 1, lastTimestamp: wall() },
      });
      if (patched.ok) {
        told.count += 1;
        this.#remember(id, told);
        return undefined;
      }
      // Events live for an hour; this one is over.
      if (patched.error.status !== 404) return patched.error;
    }
    return this.#create(event, uid, id);
  }

  async #create(
    event: KubeEvent,
    uid: string | undefined,
    id: string,
  ): Promise<Refusal | undefined> {
    const { resource, key, type, reason, message } = event;
    const [name, ofObject] = key.split('/').toReversed();
    const namespace = ofObject ?? 'default';
    const { component, host } = this.#reporter;
    const [own, now] = [this.#name(name ?? ''), wall()];
    const created = await this.#client.json({
      method: 'POST',
      path: collectionPath(EVENT, namespace),
      body: {
        ...EVENT,
        metadata: { name: own, namespace },
        involvedObject: {
          ...resource,
          name,
          ...(ofObject === undefined ? {} : { namespace: ofObject }),
          ...(uid === undefined ? {} : { uid }),
        },
        type,
        reason,
        message: message.slice(0, LONGEST_MESSAGE),
        source: { component, ...(host === undefined ? {} : { host }) },
        reportingComponent: component,
        reportingInstance: host ?? '',
        firstTimestamp: now,
        lastTimestamp: now,
        count: 1,
      },
    });
    if (!created.ok) return created.error;
    this.#remember(id, { key: `${namespace}/${own}`, count: 1 });
    return undefined;
  }

  /** Unique, as client-go makes them: the object's name and the time. */
  #name(name: string): string {
    this.#named += 1;
    const time = BigInt(Date.now()) * 1_000_000n + BigInt(this.#named % 1_000_000);
    return `${name}.${time.toString(16)}`;
  }

  #remember(id: string, told: Told): void {
    this.#told.delete(id);
    this.#told.set(id, told);
    const [oldest] = this.#told.keys();
    if (this.#told.size > REMEMBERED && oldest !== undefined) this.#told.delete(oldest);
  }
}

/** RFC 3339 in whole seconds, as Kubernetes writes times. */
function wall(): string {
  return `${new Date().toISOString().slice(0, 19)}Z`;
}
