/**
 * The Secret `memberlist`, whose `secretkey` authenticates heartbeats and reports: created once,
 * as MetalLB's controller does it, so that an installation is one `kubectl apply`. Speakers get it
 * as a mounted file and wait until it is there.
 *
 * Nothing is read of it: the right to create secrets is all that this takes. One that is there
 * stays, whoever made it.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Kube } from '../../kube/kube.ts';
import type { KubeObject } from '../../kube/objects.ts';
import type { Log } from '../../lib/io/log.ts';
import { namesSecret, readSecret } from '../../lib/io/secret.ts';
import { ok } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';

const NAME = 'memberlist';
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

/** Tries until it is there or cannot be; returns the key if it is ours. */
export async function createHeartbeatKey(
  kube: Pick<Kube, 'create'>,
  namespace: string,
  log: Log,
): Promise<Uint8Array | undefined> {
  // Text, because tools print and copy it.
  const key = Buffer.from(randomBytes(LENGTH).toString('base64'));
  const secret: Secret = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: NAME, namespace },
    type: 'Opaque',
    data: { secretkey: key.toString('base64') },
  };
  for (;;) {
    const created = await kube.create(secret);
    if (created.ok) {
      log('info', 'HeartbeatKeyCreated', `speakers share the Secret ${namespace}/${NAME}`);
      return new Uint8Array(key);
    }
    const { kind, message } = created.error;
    if (kind === 'exists') return undefined;
    if (kind !== 'unavailable') {
      const make = `openssl rand -hex 32 | kubectl -n ${namespace} create secret generic ${NAME}`;
      const how = `${make} --from-file=secretkey=/dev/stdin`;
      log('warn', 'HeartbeatKeyMissing', `${message}; unless it is there, create it: ${how}`);
      return undefined;
    }
    await pause(AGAIN_MS);
  }
}
