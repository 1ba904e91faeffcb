/**
 * What `kubectl get services` would show, read through the product's own port to a directory of
 * manifests: the demo sees a Service exactly as the programs do.
 */
import { openFiles } from '../kube/io/files.ts';
import type { Files } from '../kube/io/files.ts';
import { SERVICE } from '../kube/kube.ts';
import type { Service } from '../kube/objects.ts';
import { LabFailure } from '../lab/failure.ts';

export interface ServiceRow {
  readonly name: string;
  readonly type: string;
  readonly address: string;
  readonly ports: string;
  readonly pool: string;
}

export const HEADINGS = ['NAME', 'TYPE', 'EXTERNAL-IP', 'PORT(S)', 'POOL'];
const POOL = 'metallb.io/ip-allocated-from-pool';

export class Services {
  readonly #files: Files;
  readonly #services = new Map<string, Service>();
  readonly #ended = new AbortController();

  constructor(manifests: string) {
    const opened = openFiles(manifests, { validate: () => [], collect: false });
    if (!opened.ok) throw new LabFailure(opened.error);
    this.#files = opened.value;
    this.#files.watch(
      SERVICE,
      (event) => {
        if (event.type !== 'put') return;
        const service = event.object as Service;
        this.#services.set(service.metadata.name, service);
      },
      this.#ended.signal,
    );
  }

  /** These Services in this order, once all of them have an address. */
  addressed(names: readonly string[]): ServiceRow[] | undefined {
    const rows = names.map((name) => this.#row(name)).filter((row) => row.address !== '');
    return rows.length === names.length ? rows : undefined;
  }

  /** The Service as it is now. */
  service(name: string): Service | undefined {
    return this.#services.get(name);
  }

  close(): void {
    this.#ended.abort();
    this.#files.close();
  }

  #row(name: string): ServiceRow {
    const service = this.#services.get(name);
    const ingress = service?.status?.loadBalancer?.ingress ?? [];
    const ports = (service?.spec.ports ?? []).map(
      ({ port, nodePort, protocol = 'TCP' }) => `${port}:${nodePort ?? ''}/${protocol}`,
    );
    return {
      name,
      type: service?.spec.type ?? '',
      address: ingress.map(({ ip }) => ip ?? '').join(','),
      ports: ports.join(','),
      pool: service?.metadata.annotations?.[POOL] ?? '',
    };
  }
}
