/**
 * The controller's metrics, collected when somebody looks. Names of MetalLB where it has one, so
 * that dashboards go on; ours begin with `arpeggio_`.
 */
import type { Traffic } from '../../kube/counted.ts';
import { addClientMetrics } from '../../kube/io/clientmetrics.ts';
import { Counter, Gauge, newRegistry } from '../../lib/io/metrics.ts';
import type { Registry } from '../../lib/io/metrics.ts';
import type { Family } from '../../net/ip.ts';
import type { Report } from '../controller.ts';
import type { Usage } from '../usage.ts';

/** `reporting`: how many speakers have reported lately. */
export function controllerMetrics(
  report: () => Report,
  reporting: () => number,
  traffic: () => Traffic,
): Registry {
  const registry = newRegistry();
  const registers = [registry];
  const single = (name: string, help: string, read: (now: Report) => number): Gauge => {
    const collect = function collect(this: Gauge): void {
      this.set(read(report()));
    };
    return new Gauge({ name, help, registers, collect });
  };
  addPools(registry, report);
  addAllocated(registry, report);
  single(
    'arpeggio_config_problems',
    'problems in manifests and pools that wait to be mended',
    ({ problems }) => problems,
  );
  single('arpeggio_controller_leads', '1 where addresses are decided on', ({ leads }) =>
    Number(leads),
  );
  single(
    'arpeggio_address_claims',
    'AddressClaims known; 0 where addresses are not taken by claims',
    ({ claims }) => claims ?? 0,
  );
  single(
    'arpeggio_address_conflicts',
    'addresses that strangers claim now, as speakers report',
    ({ conflicts }) => conflicts.present,
  );
  single(
    'arpeggio_addresses_quarantined',
    'addresses that are given to nobody because strangers claim them',
    ({ conflicts }) => conflicts.quarantined,
  );
  addReporting(registry, reporting);
  addServices(registry, report);
  addWrites(registry, report);
  addClientMetrics(registry, () => {
    const { configured, stale } = report();
    return { ...traffic(), loaded: configured, stale };
  });
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

/** MetalLB declares it and never counts. */
function addAllocated(registry: Registry, report: () => Report): void {
  void new Gauge({
    name: 'metallb_allocator_services_allocated_total',
    help: 'Services that have their addresses from the pool',
    labelNames: ['pool'],
    registers: [registry],
    collect() {
      this.reset();
      for (const { pool, services } of report().usage) this.set({ pool }, services);
    },
  });
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
  void new Counter({
    name: 'arpeggio_service_statuses_written_total',
    help: 'statuses of Services that were written',
    registers: [registry],
    collect() {
      this.reset();
      this.inc(report().writes.done);
    },
  });
}
