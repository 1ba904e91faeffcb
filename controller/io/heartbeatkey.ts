/**
 * The Secret `memberlist`, whose `secretkey` authenticates heartbeats and reports: created once,
 * as MetalLB's controller does it, so that an installation is one `kubectl apply`. Speakers get it
 * as a mounted file and wait until it is there.
 *
 * The right to create secrets is all that this takes. One that is there stays, whoever made it;
 * it is read where that is allowed (MetalLB's manifests give the right and mount no file), for the
 * reports of the speakers are known by it.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Direct } from '../../kube/io/direct.ts';
import type { Resource } from '../../kube/kube.ts';
import { collectionPath, objectPath } from '../../kube/location.ts';
import type { KubeObject } from '../../kube/objects.ts';
import type { Log } from '../../lib/io/log.ts';
import { namesSecret, readSecret } from '../../lib/io/secret.ts';
import { ok } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';

const SECRET: Resource = { apiVersion: 'v1', kind: 'Secret' };
const DEPLOYMENT: Resource = { apiVersion: 'apps/v1', kind: 'Deployment' };
/** Bytes before they become text. */
const LENGTH = 32;
const AGAIN_MS = 2000;

interface Secret extends KubeObject {
  readonly type: 'Opaque';
  /** Base64 of each. */
  readonly data: Readonly<Record<string, string>>;
}

/**
 * The key as this process knows it: what it made itself, or what the file has now. In a pod the
 * file may come later, and change; it is read again whenever the key is asked for.
 */
export class HeartbeatKey {
  readonly #flag: string;
  readonly #mayCome: boolean;
  #made: Uint8Array | undefined;

  /** `mayCome`: there is a Secret in the cluster, or will be. */
  constructor(flag: string, mayCome: boolean) {
    this.#flag = flag;
    this.#mayCome = mayCome;
  }

  /** Speakers can report here. */
  get isExpected(): boolean {
    return this.#mayCome || namesSecret(this.#flag, process.env);
  }

  /** The error is one sentence. */
  check(): Result<void, string> {
    if (this.#mayCome || !this.isExpected) return ok(undefined);
    const read = readSecret(this.#flag, process.env);
    return read.ok ? ok(undefined) : read;
  }

  /** undefined: somebody else made it. */
  made(key: Uint8Array | undefined): void {
    this.#made = key;
  }

  secret(): Uint8Array | undefined {
    if (!namesSecret(this.#flag, process.env)) return this.#made;
    const read = readSecret(this.#flag, process.env);
    return read.ok ? read.value : this.#made;
  }
}

export interface KeyPlace {
  readonly direct: Direct;
  readonly namespace: string;
  /** Of the Secret. */
  readonly name: string;
  /** Whose end is the Secret's; empty: nobody's. */
  readonly deployment: string;
  readonly log: Log;
}

/** Tries until it is there or cannot be; returns the key, if it is ours or may be read. */
export async function createHeartbeatKey(place: KeyPlace): Promise<Uint8Array | undefined> {
  const { direct, namespace, name, log } = place;
  // Text, because tools print and copy it.
  const key = Buffer.from(randomBytes(LENGTH).toString('base64'));
  for (;;) {
    const body: Secret = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name, namespace, ...(await ownersOf(place)) },
      type: 'Opaque',
      data: { secretkey: key.toString('base64') },
    };
    const path = collectionPath(SECRET, namespace);
    const created = await direct.ask({ method: 'POST', path, body });
    if (created.ok) {
      log('info', 'HeartbeatKeyCreated', `speakers share the Secret ${namespace}/${name}`);
      return new Uint8Array(key);
    }
    const { kind, message } = created.error;
    if (kind === 'exists') return readKey(place);
    if (kind !== 'unavailable') {
      const make = `openssl rand -hex 32 | kubectl -n ${namespace} create secret generic ${name}`;
      const how = `${make} --from-file=secretkey=/dev/stdin`;
      log('warn', 'HeartbeatKeyMissing', `${message}; unless it is there, create it: ${how}`);
      return readKey(place);
    }
    await pause(AGAIN_MS);
  }
}

/** A list of one name is what MetalLB's manifests allow, from the first to the last. */
async function readKey({ direct, namespace, name }: KeyPlace): Promise<Uint8Array | undefined> {
  const path = collectionPath(SECRET, namespace);
  const query = { fieldSelector: `metadata.name=${name}` };
  const asked = await direct.ask({ method: 'GET', path, query });
  if (!asked.ok) return undefined;
  const { items = [] } = asked.value as { items?: readonly Partial<Secret>[] };
  const key = Buffer.from(items[0]?.data?.['secretkey'] ?? '', 'base64').toString();
  return key === '' ? undefined : new Uint8Array(Buffer.from(key.trimEnd()));
}

/** Nothing, when nobody is named or it may not be read. */
async function ownersOf({ direct, namespace, deployment: name }: KeyPlace): Promise<object> {
  if (name === '') return {};
  const path = objectPath(DEPLOYMENT, `${namespace}/${name}`);
  const asked = await direct.ask({ method: 'GET', path });
  const uid = asked.ok ? (asked.value as KubeObject).metadata.uid : undefined;
  return uid === undefined ? {} : { ownerReferences: [{ ...DEPLOYMENT, name, uid }] };
}
