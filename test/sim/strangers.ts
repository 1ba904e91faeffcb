/**
 * Hosts outside the cluster that have addresses of its pools, and the speakers as far as that goes:
 * whoever would announce such an address finds it out and reports it to every controller; again and
 * again, as long as it is so. Nothing is ever announced.
 */
import { SERVICE } from '../../kube/kube.ts';
import type { SpeakerReport } from '../../owners/report.ts';
import { shownBy } from './apisource.ts';
import type { Simulation } from './controllers.ts';

/** How long it takes to ask the wire and to report, and between two reports. */
const PROBE = 60;
const REPEAT = 10_000;

export class Strangers {
  readonly #simulation: Simulation;
  readonly #present = new Set<string>();
  readonly #ever = new Set<string>();
  #number = 0;
  #reported = '';

  constructor(simulation: Simulation) {
    this.#simulation = simulation;
    const repeat = (): void => {
      this.#report(true);
      simulation.after(REPEAT, repeat);
    };
    repeat();
  }

  come(ip: string): void {
    this.#ever.add(ip);
    this.#present.add(ip);
    this.follow();
  }

  go(ip: string): void {
    this.#present.delete(ip);
    this.follow();
  }

  has(ip: string): boolean {
    return this.#present.has(ip);
  }

  everHad(ip: string): boolean {
    return this.#ever.has(ip);
  }

  /** Something has changed. */
  follow(): void {
    this.#simulation.after(PROBE, () => this.#report(false));
  }

  #report(isRepeated: boolean): void {
    const services = [...this.#simulation.source.all(SERVICE.kind).values()];
    const ips = [...new Set(services.flatMap(shownBy))].filter((ip) => this.has(ip)).toSorted();
    if (ips.join() === this.#reported && !isRepeated) return;
    this.#reported = ips.join();
    this.#number += 1;
    const report = reportOf(ips, this.#number);
    for (const replica of this.#simulation.replicas) {
      if (replica.isRunning) replica.hear({ type: 'reported', report });
    }
  }
}

function reportOf(ips: readonly string[], number: number): SpeakerReport {
  const mac = '02:00:5e:00:53:01';
  return {
    version: 1,
    node: 'node1',
    boot: 'b'.repeat(16),
    number,
    challenge: '',
    phase: 'serving',
    plane: 'bpf',
    addresses: [],
    silent: [],
    conflicts: ips.map((ip) => ({ ip, mac, interface: 'eth0', services: [], withheld: true })),
    troubles: [],
    peers: { alive: [], joining: [], absent: [], dead: [] },
  };
}
