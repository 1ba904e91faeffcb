/**
 * Two controllers at one API server, against people who create, change and delete as they please,
 * crashes, restarts, a controller stopped between decision and write, connections that break and an
 * API server that is away. Checked at every moment, and when everything has come to rest.
 *
 * One sequence takes milliseconds. FUZZ=10 runs ten times as many, from a seed of chance: what that
 * finds becomes a test of its own.
 */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { seeded } from '../../../lib/random.ts';
import { Rules } from '../../sim/rules.ts';
import { NAMESPACE, Simulation } from '../../sim/controllers.ts';
import type { Circumstances } from '../../sim/controllers.ts';
import { apply, step } from '../../sim/steps.ts';
import type { Step } from '../../sim/steps.ts';

const TIMES = Number(process.env['FUZZ'] ?? 1);
/** The same sequences each time, so that a change is to blame for a failure. */
const SEED = process.env['FUZZ'] === undefined ? { seed: 20_261_122 } : {};

type Mode = Pick<Circumstances, 'claims' | 'leases'>;

function run(seed: number, steps: readonly Step[], mode: Mode): Rules {
  const circumstances = { ...mode, random: seeded(seed), faults: 3 };
  const simulation = new Simulation(circumstances);
  const rules = new Rules(simulation);
  simulation.check = () => rules.look();
  simulation.act(() =>
    apply({ do: 'pool', name: 'p', ranges: ['192.0.2.0-192.0.2.2'] }, simulation),
  );
  for (const index of [0, 1]) simulation.replica(index).start();
  for (const each of steps) {
    apply(each.what, simulation);
    simulation.pass(each.pause);
    rules.look();
  }
  for (const replica of simulation.replicas) {
    replica.resume();
    if (!replica.isRunning) replica.start();
  }
  circumstances.faults = 0;
  // Two pools may overlap, which holds everything as it is.
  simulation.act(() => simulation.source.remove('IPAddressPool', `${NAMESPACE}/q`));
  simulation.pass(40_000);
  rules.rest();
  const before = simulation.writes;
  simulation.pass(10_000);
  if (simulation.writes > before) rules.say(`${simulation.writes - before} writes at rest`);
  return rules;
}

const modes: readonly (readonly [string, number, Mode])[] = [
  ['with claims and a lease', 800, { claims: true, leases: true }],
  ['with claims, both deciding at once', 5600, { claims: true, leases: false }],
  ['with a lease only', 600, { claims: false, leases: true }],
  ['with neither, both deciding at once', 3000, { claims: false, leases: false }],
];

/** Of one family, and perhaps no LoadBalancer any more. */
function service(name: string, ip: string, type = 'LoadBalancer'): Step['what'] {
  const families = ip.includes(':') ? { ipFamilies: ['IPv6' as const] } : {};
  const spec = { clusterIPs: [ip], ...families, ...(type === 'ClusterIP' ? { type } : {}) };
  return { do: 'service', name, spec, share: '', reserve: false } as Step['what'];
}

describe('two controllers', () => {
  test('a claim made anew for a Service that has become another is given back', () => {
    const steps: readonly Step[] = [
      { what: { do: 'crash', replica: 0 }, pause: 0 },
      { what: service('b', '10.0.0.1'), pause: 0 },
      { what: service('d', '10.0.0.1'), pause: 17 },
      { what: { do: 'resume', replica: 0 }, pause: 25 },
      { what: { do: 'crash', replica: 0 }, pause: 38 },
      { what: { do: 'start', replica: 1 }, pause: 0 },
      { what: service('a', '10.0.0.1', 'ClusterIP'), pause: 0 },
      { what: service('e', 'fd00::1'), pause: 0 },
      { what: { do: 'start', replica: 0 }, pause: 1 },
      { what: { do: 'remove', name: 'a' }, pause: 41 },
      { what: service('b', '10.0.0.1', 'ClusterIP'), pause: 0 },
    ];
    expect(run(97_015_873, steps, { claims: true, leases: false }).complaints).toEqual([]);
  });

  test.each(modes)('%s', (_, count, mode) => {
    let given = 0;
    const steps = fc.array(step, { maxLength: 20, size: 'max' });
    fc.assert(
      fc.property(fc.integer(), steps, (seed, list) => {
        const rules = run(seed, list, mode);
        expect(rules.complaints).toEqual([]);
        given += rules.given;
      }),
      { ...SEED, numRuns: count * TIMES },
    );
    // There was something to be broken.
    expect(given).toBeGreaterThan(count);
  });
});
