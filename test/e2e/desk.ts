/**
 * Somebody who writes objects and looks at what comes of it, by the API alone: a suite of a
 * hundred steps has no time for a hundred runs of kubectl.
 */
import { collectionPath, objectPath } from '../../kube/location.ts';
import type { Resource } from '../../kube/kube.ts';
import { SYSTEM, condition } from './installation.ts';
import type { Installation, KubernetesObject } from './installation.ts';

const METALLB = 'metallb.io/v1beta1';
export const POOL: Resource = { apiVersion: METALLB, kind: 'IPAddressPool' };
export const ADVERTISEMENT: Resource = { apiVersion: METALLB, kind: 'L2Advertisement' };
export const STATE: Resource = { apiVersion: METALLB, kind: 'ConfigurationState' };
const SERVICE: Resource = { apiVersion: 'v1', kind: 'Service' };
const NAMESPACE: Resource = { apiVersion: 'v1', kind: 'Namespace' };
const EVENT: Resource = { apiVersion: 'v1', kind: 'Event' };

/** What a Service asks for. */
export interface Wish {
  readonly spec?: object;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface Told {
  readonly type: string;
  readonly reason: string;
  readonly message: string;
  readonly count: number;
}

interface Found extends KubernetesObject {
  readonly metadata: KubernetesObject['metadata'] & { readonly uid: string };
}

interface EventObject extends Told {
  readonly involvedObject: { readonly uid?: string };
}

export class Desk {
  readonly #cluster: Installation;

  constructor(cluster: Installation) {
    this.#cluster = cluster;
  }

  async pool(name: string, addresses: readonly string[], more: object = {}): Promise<void> {
    await this.create(POOL, SYSTEM, name, { spec: { addresses, ...more } });
  }

  /** Changes some fields of the spec. */
  async repool(name: string, spec: object): Promise<void> {
    await this.patch(POOL, `${SYSTEM}/${name}`, { spec });
  }

  /** `name`, or `namespace/name`. */
  async service(name: string, { spec, annotations, labels }: Wish = {}): Promise<void> {
    const [own, namespace = 'default'] = name.split('/').toReversed();
    await this.create(SERVICE, namespace, own ?? '', {
      metadata: { annotations, labels },
      spec: { type: 'LoadBalancer', ports: [{ port: 80 }], ...spec },
    });
  }

  async change(name: string, what: object): Promise<void> {
    await this.patch(SERVICE, keyOf(name), what);
  }

  async namespace(name: string, labels: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.#call('POST', collectionPath(NAMESPACE, undefined), {
      ...NAMESPACE,
      metadata: { name, labels },
    });
  }

  /** null takes a label away. */
  async label(namespace: string, labels: Readonly<Record<string, string | null>>): Promise<void> {
    await this.patch(NAMESPACE, namespace, { metadata: { labels } });
  }

  async annotate(
    namespace: string,
    annotations: Readonly<Record<string, string | null>>,
  ): Promise<void> {
    await this.patch(NAMESPACE, namespace, { metadata: { annotations } });
  }

  async create(
    resource: Resource,
    namespace: string,
    name: string,
    { metadata = {}, ...rest }: { readonly metadata?: object } & Readonly<Record<string, unknown>>,
  ): Promise<void> {
    const body = { ...resource, ...rest, metadata: { ...metadata, name, namespace } };
    await this.#call('POST', collectionPath(resource, namespace), body);
  }

  async patch(resource: Resource, key: string, body: object, part?: string): Promise<void> {
    await this.#call('PATCH', objectPath(resource, key, part), body);
  }

  async remove(resource: Resource, key: string): Promise<void> {
    await this.#call('DELETE', objectPath(resource, key));
  }

  async removePool(name: string): Promise<void> {
    await this.remove(POOL, `${SYSTEM}/${name}`);
  }

  async removeService(name: string): Promise<void> {
    await this.remove(SERVICE, keyOf(name));
  }

  /** undefined: there is none. */
  async find(resource: Resource, key: string): Promise<Found | undefined> {
    const { status, text } = await this.#cluster.kube.api.ask('GET', objectPath(resource, key));
    return status === 404 ? undefined : (JSON.parse(text) as Found);
  }

  async status(resource: Resource, key: string): Promise<Readonly<Record<string, unknown>>> {
    return (await this.find(resource, key))?.status ?? {};
  }

  /** Addresses in the status; `-` when there is none. */
  async ips(name: string): Promise<string> {
    const { loadBalancer } = await this.status(SERVICE, keyOf(name));
    const { ingress = [] } = (loadBalancer ?? {}) as { ingress?: readonly { ip: string }[] };
    return ingress.map(({ ip }) => ip).join(' ') || '-';
  }

  async allocated(name: string): Promise<{ readonly reason?: string; readonly message?: string }> {
    const object = await this.find(SERVICE, keyOf(name));
    return (object && condition(object, 'arpeggio.dev/Allocated')) ?? {};
  }

  /** What a Service shows once it shows that, or in the end: addresses, or why it has none. */
  async shown(name: string, wanted: string, withinMs = 5000): Promise<string> {
    let seen = '';
    const look = async (): Promise<boolean> => {
      const [ips, { reason = '' }] = [await this.ips(name), await this.allocated(name)];
      seen = ips === '-' ? reason : ips;
      return seen === wanted;
    };
    await this.#cluster.until(`${name} to show ${wanted}`, look, withinMs).catch(() => false);
    return seen;
  }

  async annotations(name: string): Promise<Readonly<Record<string, string>>> {
    return (await this.find(SERVICE, keyOf(name)))?.metadata.annotations ?? {};
  }

  /** Of one object as it is now, not of an earlier one of that name; in the order of time. */
  async events(resource: Resource, key: string): Promise<readonly Told[]> {
    const [object, list] = await Promise.all([
      this.find(resource, key),
      this.#call('GET', collectionPath(EVENT, key.split('/')[0])),
    ]);
    const { items } = list as { readonly items: readonly EventObject[] };
    return items.filter(({ involvedObject }) => involvedObject.uid === object?.metadata.uid);
  }

  /** `IPAllocated 1`: reasons of a Service's events, and how often. */
  async told(name: string): Promise<readonly string[]> {
    const events = await this.events(SERVICE, keyOf(name));
    return events.map(({ reason, count }) => `${reason} ${count}`);
  }

  /** Everything that users make; what was given is given back. */
  async clear(): Promise<void> {
    const list = await this.#call('GET', collectionPath(SERVICE, undefined));
    const { items } = list as { readonly items: readonly ServiceObject[] };
    const mine = items.filter(({ metadata }) => metadata.name !== 'kubernetes');
    for (const { metadata } of mine) {
      await this.remove(SERVICE, `${metadata.namespace}/${metadata.name}`);
    }
    for (const kind of [POOL, ADVERTISEMENT]) {
      await this.#call('DELETE', collectionPath(kind, SYSTEM));
    }
  }

  #call(
    method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
    path: string,
    body?: object,
  ): Promise<unknown> {
    return this.#cluster.kube.api.call(method, path, body);
  }
}

interface ServiceObject {
  readonly metadata: { readonly name: string; readonly namespace: string };
}

function keyOf(name: string): string {
  return name.includes('/') ? name : `default/${name}`;
}
