/** MetalLB's `metallb_k8s_client_*`, which its alerts look at, in both programs. */
import { Counter, Gauge } from '../../lib/io/metrics.ts';
import type { Registry } from '../../lib/io/metrics.ts';
import type { Traffic } from '../counted.ts';

export interface ClientState extends Traffic {
  /** A valid configuration has been seen. */
  readonly loaded: boolean;
  /** The one in force is older than the one that is written. */
  readonly stale: boolean;
}

export function addClientMetrics(registry: Registry, read: () => ClientState): void {
  const gauges = [
    ['config_loaded_bool', '1 when a valid configuration has been seen', 'loaded'],
    [
      'config_stale_bool',
      '1 when the configuration in force is older than the one that is written',
      'stale',
    ],
  ] as const;
  for (const [name, help, key] of gauges) {
    void new Gauge({
      name: `metallb_k8s_client_${name}`,
      help,
      registers: [registry],
      collect() {
        this.set(Number(read()[key]));
      },
    });
  }
  const counters = [
    ['updates_total', 'objects that the source has shown', 'shown'],
    ['update_errors_total', 'writes that the source did not take', 'failed'],
  ] as const;
  for (const [name, help, key] of counters) {
    void new Counter({
      name: `metallb_k8s_client_${name}`,
      help,
      registers: [registry],
      collect() {
        this.reset();
        this.inc(read()[key]);
      },
    });
  }
}
