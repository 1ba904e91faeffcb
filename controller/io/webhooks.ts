/**
 * Whether webhooks are served, and by which certificate. They are where MetalLB's
 * ValidatingWebhookConfiguration is, or comes to be, and may be read: with its manifests from 0.13
 * on. Under older manifests, and under ours, the API server says no once and that is all.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { FlagValues } from '../../config/flags.ts';
import type { Direct } from '../../kube/io/direct.ts';
import type { KubeFailure, Resource, WatchEvent } from '../../kube/kube.ts';
import { collectionPath, objectPath } from '../../kube/location.ts';
import type { KubeObject } from '../../kube/objects.ts';
import { Alarm, monotonic } from '../../lib/io/clock.ts';
import type { Log } from '../../lib/io/log.ts';
import { HeldCertificate, readPair, tlsOptions } from '../../lib/io/tls.ts';
import { err, ok } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';
import type { Millis } from '../../lib/time.ts';
import type { CONTROLLER_FLAGS } from '../flags.ts';
import { Bundles, WEBHOOKS_PATH } from './bundles.ts';
import { complete, secretData, usable } from './certificate.ts';
import type { Certificates, SecretData } from './certificate.ts';
import { Webhook } from './webhook.ts';

const SECRET: Resource = { apiVersion: 'v1', kind: 'Secret' };
/** Of 0.14 and later, and of 0.13. */
const SECRETS = ['metallb-webhook-cert', 'webhook-server-cert'] as const;
const OLD_SERVICE = 'webhook-service';

const RETRY_FIRST: Millis = 1000;
const RETRY_MOST: Millis = 60_000;
/** A certificate grows old without any event. */
const LOOK_EVERY: Millis = 12 * 3_600_000;
/** Of a folder that somebody else fills. */
const FOLDER_EVERY: Millis = 10_000;

export interface WebhooksOptions {
  readonly direct: Direct;
  readonly namespace: string;
  readonly log: Log;
  readonly flags: FlagValues<typeof CONTROLLER_FLAGS>;
  /** Ends all of it. */
  readonly signal: AbortSignal;
}

interface Secret extends KubeObject {
  readonly type?: string;
  readonly data?: SecretData;
}

export interface ServedWebhooks {
  /** What keeps the API server from being answered; undefined: nothing, or it does not ask. */
  notReady(): string | undefined;
}

/** Goes on until the signal. The error is one sentence about the flags. */
export function serveWebhooks(options: WebhooksOptions): Result<ServedWebhooks, string> {
  const base = tlsOptions(options.flags);
  if (!base.ok) return base;
  if (options.flags['webhook-mode'] === 'disabled') return ok({ notReady: () => undefined });
  const webhooks = new Webhooks(options, new HeldCertificate(base.value));
  void webhooks.begin();
  return ok({ notReady: () => webhooks.notReady() });
}

class Webhooks {
  readonly #options: WebhooksOptions;
  readonly #held: HeldCertificate;
  readonly #bundles: Bundles;
  readonly #alarm = new Alarm(() => void this.#settle());
  #secret: string | undefined;
  #isSettling = false;
  #isBehind = false;
  #isOpen = false;
  /** Somebody will ask, or it is not known yet whether somebody will. */
  #isExpected = true;
  #wait: Millis = 0;
  #said = '';

  constructor(options: WebhooksOptions, held: HeldCertificate) {
    this.#options = options;
    this.#held = held;
    this.#bundles = new Bundles(options.direct, options.namespace);
    options.signal.addEventListener('abort', () => this.#alarm.set(undefined));
  }

  notReady(): string | undefined {
    if (this.#isOpen || !this.#isExpected) return undefined;
    return this.#said === '' ? 'webhooks are not served yet' : this.#said;
  }

  async begin(): Promise<void> {
    const { direct, flags, log } = this.#options;
    if (flags['disable-cert-rotation']) return this.#followFolder(flags['cert-dir']);
    for (let wait = RETRY_FIRST; ; wait = Math.min(RETRY_MOST, wait * 2)) {
      const asked = await direct.ask({ method: 'GET', path: WEBHOOKS_PATH });
      if (asked.ok) break;
      this.#isExpected = asked.error.kind !== 'not-found' && asked.error.kind !== 'forbidden';
      if (asked.error.kind === 'not-found') break;
      if (asked.error.kind === 'forbidden') {
        return log(
          'debug',
          'NoWebhooks',
          'webhook configurations may not be read: none are served',
        );
      }
      await pause(wait, undefined, { ref: false });
    }
    this.#bundles.follow(() => this.#wake(), this.#options.signal);
    return undefined;
  }

  /** Made by somebody else, who also tells the API server. It may come later than we do. */
  async #followFolder(folder: string): Promise<void> {
    while (!this.#options.signal.aborted) {
      const pair = readPair(folder);
      if (pair.ok) {
        this.#held.set(pair.value);
        const opened = await this.#open();
        if (!opened.ok) this.#say(opened.error.message);
      } else if (!this.#isOpen) this.#say(`--cert-dir ${pair.error}`);
      await pause(FOLDER_EVERY, undefined, { ref: false });
    }
  }

  #wake(): void {
    // An alarm that is set now would be set anew when what is under way ends.
    if (this.#isSettling) this.#isBehind = true;
    else if (this.#wait === 0) this.#alarm.set(monotonic());
  }

  async #settle(): Promise<void> {
    if (this.#isSettling) return;
    this.#isSettling = true;
    this.#isBehind = false;
    const settled = await this.#putRight();
    this.#isSettling = false;
    if (this.#options.signal.aborted) return;
    if (settled.ok) {
      [this.#wait, this.#said] = [0, ''];
      this.#alarm.set(settled.value ?? monotonic() + LOOK_EVERY);
    } else if (settled.error.kind === 'conflict') this.#alarm.set(monotonic() + RETRY_FIRST / 10);
    else {
      this.#say(settled.error.message);
      this.#wait = Math.min(RETRY_MOST, Math.max(RETRY_FIRST, this.#wait * 2));
      this.#alarm.set(monotonic() + this.#wait);
    }
    if (this.#isBehind) this.#alarm.set(monotonic());
  }

  /** Returns when to look again at the latest. */
  async #putRight(): Promise<Result<number | undefined, KubeFailure>> {
    const services = this.#bundles.names();
    if (services.length === 0) return ok(undefined);
    const { namespace, flags } = this.#options;
    const given = flags['cert-service-name'];
    const all = [...new Set([...services, ...(given === '' ? [] : [given])])];
    const secret = await this.#secretName(services);
    if (!secret.ok) return secret;
    const names = all.map((service) => `${service}.${namespace}.svc`);
    const certificates = await this.#certificates(secret.value, names);
    if (!certificates.ok) return certificates;
    const { authority, server } = certificates.value;
    this.#held.set(server);
    const opened = await this.#open();
    if (!opened.ok) return opened;
    return this.#bundles.put(Buffer.from(authority.cert).toString('base64'));
  }

  async #secretName(services: readonly string[]): Promise<Result<string, KubeFailure>> {
    const known = this.#secret ?? this.#options.flags['webhook-secret'];
    if (known !== '') return ok(this.#watched(known));
    const { direct, namespace } = this.#options;
    for (const name of SECRETS) {
      const path = objectPath(SECRET, `${namespace}/${name}`);
      const asked = await direct.ask({ method: 'GET', path });
      if (asked.ok) return ok(this.#watched(name));
      if (asked.error.kind !== 'not-found') return asked;
    }
    return ok(this.#watched(services.includes(OLD_SERVICE) ? SECRETS[1] : SECRETS[0]));
  }

  /** Another controller may renew it. */
  #watched(name: string): string {
    if (this.#secret !== undefined) return name;
    this.#secret = name;
    const { direct, namespace, signal } = this.#options;
    const sink = ({ type }: WatchEvent): void => {
      if (type === 'put' || type === 'delete') this.#wake();
    };
    direct.watch(SECRET, `${namespace}/${name}`, sink, signal);
    return name;
  }

  /** As the Secret has them, or as it has them now. */
  async #certificates(
    name: string,
    names: readonly string[],
  ): Promise<Result<Certificates, KubeFailure>> {
    const { direct, namespace, log } = this.#options;
    const path = objectPath(SECRET, `${namespace}/${name}`);
    const read = await direct.ask({ method: 'GET', path });
    if (!read.ok && read.error.kind !== 'not-found') return read;
    const secret = read.ok ? (read.value as Secret) : undefined;
    const now = new Date();
    const { authority, server } = usable(secret?.data ?? {}, names, now);
    if (authority !== undefined && server !== undefined) return ok({ authority, server });
    const made = await complete(authority === undefined ? {} : { authority }, names, now);
    const { apiVersion, kind } = SECRET;
    const data = { ...secret?.data, ...secretData(made) };
    const written = await direct.ask(
      secret === undefined
        ? {
            method: 'POST',
            path: collectionPath(SECRET, namespace),
            body: { apiVersion, kind, metadata: { name, namespace }, type: 'Opaque', data },
          }
        : { method: 'PUT', path, body: { ...secret, data } },
    );
    if (!written.ok) {
      // Somebody else made it at the same moment.
      const isRace = written.error.kind === 'exists';
      return isRace ? err({ ...written.error, kind: 'conflict' }) : written;
    }
    log(
      'info',
      'CertificateMade',
      `webhooks have a new certificate in Secret ${namespace}/${name}`,
    );
    return ok(made);
  }

  async #open(): Promise<Result<void, KubeFailure>> {
    if (this.#isOpen) return ok(undefined);
    const { direct, namespace, flags, log, signal } = this.#options;
    const port = flags['webhook-port'];
    const certificates = this.#held;
    const options = { direct, namespace, certificates, port, signal };
    const opened = await new Webhook(options).open();
    if (!opened.ok) return err({ kind: 'unavailable', message: opened.error });
    this.#isOpen = true;
    log('info', 'WebhooksServed', `webhooks are served on port ${port}`, { port });
    return ok(undefined);
  }

  /** Once for each sentence in a row. */
  #say(sentence: string): void {
    if (this.#said === sentence) return;
    this.#said = sentence;
    this.#options.log('warn', 'WebhooksNotReady', sentence);
  }
}
