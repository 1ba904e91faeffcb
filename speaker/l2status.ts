/**
 * ServiceL2Status, MetalLB's object that says which node announces a Service: one for each Service
 * that this node announces, made, corrected and removed by its speaker alone.
 *
 * Names are made from node and Service instead of by the server (`generateName`): the same object
 * cannot be made twice, and nobody has to remember which one it was.
 *
 * Who takes over from a node that is gone removes that node's objects of the Service: the dead
 * cannot.
 */
import type { Duty, Wanted } from '../kube/keeper.ts';
import { SERVICE_L2_STATUS } from '../kube/kube.ts';
import type { KubeObject, OwnerReference } from '../kube/objects.ts';
import { sha256Hex } from '../lib/sha256.ts';
import type { SpeakerStatus } from '../owners/report.ts';

const NODE = 'metallb.io/node';
const NAME = 'metallb.io/service-name';
const NAMESPACE = 'metallb.io/service-namespace';

interface L2Status {
  readonly node: string;
  readonly serviceName: string;
  readonly serviceNamespace: string;
  readonly interfaces: readonly { readonly name: string }[];
}

export interface L2StatusOptions {
  readonly node: string;
  /** Where the objects are: MetalLB's. */
  readonly namespace: string;
  /** Asked for when it is needed. */
  readonly status: () => SpeakerStatus;
  /** The pod of this speaker, where it is known: Kubernetes removes with it what it owns. */
  readonly owner?: () => OwnerReference | undefined;
}

export class L2Statuses implements Duty {
  readonly resource = SERVICE_L2_STATUS;
  readonly failing = 'L2StatusFailed';
  /** Ten thousand objects change in ten thousand events. */
  readonly settle = 10;
  readonly #options: L2StatusOptions;
  /** By key of the Service: interfaces. */
  #announced: ReadonlyMap<string, readonly string[]> = new Map();
  #gone: ReadonlySet<string> = new Set();
  readonly #keys = new Map<string, string>();
  /** This node has announced, or could have: until then what is there may still be right. */
  #hasServed = false;

  constructor(options: L2StatusOptions) {
    this.#options = options;
  }

  wanted(): ReadonlyMap<string, Wanted> | undefined {
    const status = this.#options.status();
    this.#hasServed ||= status.phase === 'serving';
    this.#announced = announcedOf(status);
    this.#gone = new Set([...status.peers.dead, ...status.peers.absent]);
    if (!this.#hasServed) return undefined;
    const wanted = new Map<string, Wanted>();
    for (const service of this.#announced.keys()) {
      wanted.set(this.#keyOf(service), {
        make: () => this.#objectOf(service),
        status: (shown) => {
          const own = this.#statusOf(service);
          return sameStatus(shown, own) ? undefined : own;
        },
      });
    }
    return wanted;
  }

  /** Ours, and not wanted; or of a node that is gone, and this node announces in its place. */
  isStale({ metadata }: KubeObject): boolean {
    const { [NODE]: node, [NAME]: name, [NAMESPACE]: namespace } = metadata.labels ?? {};
    if (node === this.#options.node) return true;
    const isOurs = this.#announced.has(`${namespace ?? ''}/${name ?? ''}`);
    return node !== undefined && isOurs && this.#gone.has(node);
  }

  #keyOf(service: string): string {
    let key = this.#keys.get(service);
    if (key === undefined) {
      const { node, namespace } = this.#options;
      key = `${namespace}/l2-${sha256Hex(`${node} ${service}`).slice(0, 12)}`;
      this.#keys.set(service, key);
    }
    return key;
  }

  #objectOf(service: string): KubeObject {
    const { node, namespace, owner } = this.#options;
    const { serviceName, serviceNamespace } = this.#statusOf(service);
    const labels = { [NODE]: node, [NAME]: serviceName, [NAMESPACE]: serviceNamespace };
    const name = this.#keyOf(service).slice(namespace.length + 1);
    const pod = owner?.();
    const owned = pod === undefined ? {} : { ownerReferences: [pod] };
    return { ...SERVICE_L2_STATUS, metadata: { name, namespace, labels, ...owned } };
  }

  #statusOf(service: string): L2Status {
    const slash = service.indexOf('/');
    const interfaces = (this.#announced.get(service) ?? []).map((name) => ({ name }));
    return {
      node: this.#options.node,
      serviceName: service.slice(slash + 1),
      serviceNamespace: service.slice(0, slash),
      interfaces,
    };
  }
}

function announcedOf({ addresses }: SpeakerStatus): ReadonlyMap<string, readonly string[]> {
  const announced = new Map<string, readonly string[]>();
  for (const { services, interfaces } of addresses) {
    for (const service of services) {
      const names = interfaces.map(({ name }) => name);
      const all = new Set([...(announced.get(service) ?? []), ...names]);
      announced.set(service, [...all].toSorted());
    }
  }
  return announced;
}

/** Whatever the order of its fields. */
function sameStatus(shown: unknown, wanted: L2Status): boolean {
  const { node, serviceName, serviceNamespace, interfaces } = (shown ?? {}) as Partial<L2Status>;
  const names = (list: L2Status['interfaces'] = []): string => list.map(({ name }) => name).join();
  return (
    node === wanted.node &&
    serviceName === wanted.serviceName &&
    serviceNamespace === wanted.serviceNamespace &&
    names(interfaces) === names(wanted.interfaces)
  );
}
