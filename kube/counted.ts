/**
 * A source of which the traffic is counted: MetalLB's `metallb_k8s_client_updates_total` is the
 * number of objects that it was shown, `_update_errors_total` that of what it could not carry out.
 */
import type { Result } from '../lib/result.ts';
import type { Kube, KubeFailure } from './kube.ts';

export interface Traffic {
  /** Objects that appeared, changed or went. */
  readonly shown: number;
  /** Writes that failed, for whatever reason. */
  readonly failed: number;
}

export interface Counted {
  readonly kube: Kube;
  readonly traffic: () => Traffic;
}

export function counted(kube: Kube): Counted {
  const traffic = { shown: 0, failed: 0 };
  const count = async <T>(
    written: Promise<Result<T, KubeFailure>>,
  ): Promise<Result<T, KubeFailure>> => {
    const result = await written;
    if (!result.ok) traffic.failed += 1;
    return result;
  };
  const counting: Kube = {
    watch(resource, sink, signal, need) {
      const noted: typeof sink = (event) => {
        if (event.type === 'put' || event.type === 'delete') traffic.shown += 1;
        sink(event);
      };
      kube.watch(resource, noted, signal, need);
    },
    updateStatus: (update) => count(kube.updateStatus(update)),
    create: (object) => count(kube.create(object)),
    read: (resource, key) => kube.read(resource, key),
    replace: (object) => count(kube.replace(object)),
    delete: (resource, key, version) => count(kube.delete(resource, key, version)),
    record: (event) => kube.record(event),
    notReady: () => kube.notReady(),
    place: (resource, key, path) => kube.place(resource, key, path),
  };
  return { kube: counting, traffic: () => traffic };
}
