/**
 * Where the API server finds the authority of our webhooks: `caBundle` in MetalLB's
 * ValidatingWebhookConfiguration and in the CRDs that are converted. Manifests are applied again
 * and put back what stood in them, so they are watched, and put right whenever they differ.
 */
import type { Direct } from '../../kube/io/direct.ts';
import type { KubeFailure, Resource, WatchEvent } from '../../kube/kube.ts';
import { objectPath } from '../../kube/location.ts';
import type { KubeObject } from '../../kube/objects.ts';
import { monotonic } from '../../lib/io/clock.ts';
import { ok } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';
import type { Instant, Millis } from '../../lib/time.ts';

export const WEBHOOKS = 'metallb-webhook-configuration';

const CONFIGURATION: Resource = {
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'ValidatingWebhookConfiguration',
};
const DEFINITION: Resource = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
};
/** The one of 0.13, and the one that is still there. */
const CONVERTED = ['addresspools.metallb.io', 'bgppeers.metallb.io'];

/** Somebody may want another one there: then we do not fight faster than this. */
const TRUCE_FIRST: Millis = 1000;
const TRUCE_MOST: Millis = 60_000;

interface ClientConfig {
  readonly url?: string;
  readonly service?: { readonly namespace?: string; readonly name?: string };
  readonly caBundle?: string;
}

interface Holder extends KubeObject {
  /** Of a configuration. */
  readonly webhooks?: readonly { readonly clientConfig?: ClientConfig }[];
  /** Of a definition. */
  readonly spec?: {
    readonly conversion?: {
      readonly strategy?: string;
      readonly webhook?: { readonly clientConfig?: ClientConfig };
    };
  };
}

interface Target {
  readonly resource: Resource;
  readonly name: string;
  clients: readonly ClientConfig[];
  /** Counts what was heard of it. */
  heard: number;
  /** How often it was put in a row, each time soon after the last. */
  battles: number;
  nextAt: Instant;
}

export const WEBHOOKS_PATH = objectPath(CONFIGURATION, WEBHOOKS);

export class Bundles {
  readonly #direct: Direct;
  readonly #namespace: string;
  readonly #targets: readonly Target[];
  #last = '';

  constructor(direct: Direct, namespace: string) {
    this.#direct = direct;
    this.#namespace = namespace;
    const target = (resource: Resource, name: string): Target => {
      return { resource, name, clients: [], heard: 0, battles: 0, nextAt: 0 };
    };
    this.#targets = [
      target(CONFIGURATION, WEBHOOKS),
      ...CONVERTED.map((name) => target(DEFINITION, name)),
    ];
  }

  /** `changed`: one of them is not what it was. */
  follow(changed: () => void, signal: AbortSignal): void {
    for (const target of this.#targets) {
      const sink = (event: WatchEvent): void => {
        if (event.type === 'put') target.clients = this.#clientsOf(event.object);
        else if (event.type === 'delete') target.clients = [];
        else return;
        target.heard += 1;
        changed();
      };
      this.#direct.watch(target.resource, target.name, sink, signal);
    }
  }

  /** The DNS names by which we are called. */
  names(): readonly string[] {
    const services = this.#targets.flatMap(({ clients }) =>
      clients.flatMap(({ service }) => service?.name ?? []),
    );
    return [...new Set(services)].toSorted();
  }

  /**
   * Puts the bundle (base64) where another is. Returns when to try again, because somebody keeps
   * putting another one there; undefined: all is as it should be.
   */
  async put(bundle: string): Promise<Result<Instant | undefined, KubeFailure>> {
    let again: Instant | undefined;
    const isNew = bundle !== this.#last;
    this.#last = bundle;
    for (const target of this.#targets) {
      if (target.clients.every(({ caBundle }) => caBundle === bundle)) continue;
      const now = monotonic();
      if (now < target.nextAt && !isNew) {
        again = Math.min(again ?? Infinity, target.nextAt);
        continue;
      }
      const isPeace = isNew || now >= target.nextAt + TRUCE_MOST;
      target.battles = isPeace ? 0 : target.battles + 1;
      target.nextAt = now + truceAfter(target.battles);
      const { heard } = target;
      const written = await this.#write(target, bundle);
      if (!written.ok) return written;
      // What was heard meanwhile may be newer than what was written.
      if (target.heard === heard) {
        target.clients = target.clients.map((client) => trusting(client, bundle));
      }
    }
    return ok(again);
  }

  /** As a whole and by version, so that nothing that somebody else wrote is lost. */
  async #write({ resource, name }: Target, bundle: string): Promise<Result<unknown, KubeFailure>> {
    const path = objectPath(resource, name);
    const read = await this.#direct.ask({ method: 'GET', path });
    if (!read.ok) return read;
    const holder = read.value as Holder;
    const { resourceVersion } = holder.metadata;
    if (resource === CONFIGURATION) {
      const webhooks = holder.webhooks?.map((webhook) => {
        const { clientConfig = {} } = webhook;
        if (!this.#isOurs(clientConfig)) return webhook;
        return { ...webhook, clientConfig: trusting(clientConfig, bundle) };
      });
      return this.#direct.ask({ method: 'PUT', path, body: { ...holder, webhooks } });
    }
    const conversion = { webhook: { clientConfig: { caBundle: bundle } } };
    const body = { metadata: { resourceVersion }, spec: { conversion } };
    return this.#direct.ask({ method: 'PATCH', path, body });
  }

  #clientsOf(object: KubeObject): readonly ClientConfig[] {
    const { webhooks, spec } = object as Holder;
    const { conversion } = spec ?? {};
    const all =
      webhooks?.map(({ clientConfig = {} }) => clientConfig) ??
      (conversion?.strategy === 'Webhook' ? [conversion.webhook?.clientConfig ?? {}] : []);
    return all.filter((client) => this.#isOurs(client));
  }

  /** Those of another installation have an authority of their own. */
  #isOurs({ service, url }: ClientConfig): boolean {
    return url !== undefined || service?.namespace === this.#namespace;
  }
}

/** Manifests that are applied once more are no fight. */
function truceAfter(battles: number): Millis {
  return battles === 0 ? 0 : Math.min(TRUCE_MOST, TRUCE_FIRST * 2 ** (battles - 1));
}

function trusting(client: ClientConfig, caBundle: string): ClientConfig {
  return { ...client, caBundle };
}
