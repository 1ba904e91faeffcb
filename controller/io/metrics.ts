/**
 * The controller's metrics, collected when somebody looks. Names of MetalLB where it has one, so
 * that dashboards go on; ours begin with `arpeggio_`.
 */
import { Counter, Gauge, newRegistry } from '../../lib/io/metrics.ts';
import type { Registry } from '../../lib/io/metrics.ts';
import type { Family } from '../../net/ip.ts';
import type { Report } from '../controller.ts';
import type { Usage } from '../usage.ts';

/** `reporting`: how many speakers have reported lately. */
export function controllerMetrics(report: () => Report, reporting: () => number): Registry {
  const registry = newRegistry();
  const registers = [registry];
  const single = (name: string, help: string, read: (now: Report) => number): Gauge => {
    const collect = function collect(this: Gauge): void {
      this.set(read(report()));
    };
    return new Gauge({ name, help, registers, collect });
  };
  addPools(registry, report);
  single(
    'metallb_k8s_client_config_loaded_bool',
    '1 when a valid configuration has been seen',
    ({ configured }) => Number(configured),
  );
  single(
    'metallb_k8s_client_config_stale_bool',
    '1 when the configuration in force is older than the one that is written',
    ({ stale }) => Number(stale),
  );
  single(
    'arpeggio_config_problems',
    'problems in manifests and pools that wait to be mended',
    ({ problems }) => problems,
  );
  addReporting(registry, reporting);
  addServices(registry, report);
  addWrites(registry, report);
  return registry;
}

/** MetalLB has three series for each: of both families together, and of either. */
function addPools(registry: Registry, report: () => Report): void {
  const kinds: readonly (readonly [string, Family | undefined])[] = [
    ['', undefined],
    ['ipv4_', 4],
    ['ipv6_', 6],
  ];
  const read: readonly (readonly [string, string, (usage: Usage) => number])[] = [
    ['addresses_total', 'addresses that the pool can give', ({ total }) => Number(total)],
    ['addresses_in_use_total', 'addresses of the pool that are in use', ({ used }) => used],
  ];
  for (const [prefix, family] of kinds) {
    for (const [name, help, value] of read) {
      void new Gauge({
        name: `metallb_allocator_${prefix}${name}`,
        help,
        labelNames: ['pool'],
        registers: [registry],
        collect() {
          // Pools come and go; one that is gone must not leave its last number behind.
          this.reset();
          for (const usage of report().usage) {
            if (family === undefined || usage.family === family) {
              this.inc({ pool: usage.pool }, value(usage));
            }
          }
        },
      });
    }
  }
}

function addReporting(registry: Registry, reporting: () => number): void {
  void new Gauge({
    name: 'arpeggio_speakers_reporting',
    help: 'speakers that have reported within 30 s',
    registers: [registry],
    collect() {
      this.set(reporting());
    },
  });
}

function addServices(registry: Registry, report: () => Report): void {
  void new Gauge({
    name: 'arpeggio_services',
    help: 'Services of type LoadBalancer, by the reason of their condition Allocated',
    labelNames: ['reason'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [reason, count] of report().services) this.set({ reason }, count);
    },
  });
}

function addWrites(registry: Registry, report: () => Report): void {
  const counters = [
    ['metallb_k8s_client_updates_total', 'statuses written', 'done'],
    ['metallb_k8s_client_update_errors_total', 'statuses that could not be written', 'failed'],
  ] as const;
  for (const [name, help, key] of counters) {
    void new Counter({
      name,
      help,
      registers: [registry],
      collect() {
        this.reset();
        this.inc(report().writes[key]);
      },
    });
  }
}
