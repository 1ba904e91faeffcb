/**
 * Two controllers, speakers that find strangers on the wire, and people who do as they please:
 * addresses that strangers have are left, claims are given back, and everything comes to rest.
 */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { seeded } from '../../../lib/random.ts';
import { Rules } from '../../sim/rules.ts';
import { NAMESPACE, Simulation } from '../../sim/controllers.ts';
import type { Circumstances } from '../../sim/controllers.ts';
import { apply, step } from '../../sim/steps.ts';
import { Strangers } from '../../sim/strangers.ts';

const TIMES = Number(process.env['FUZZ'] ?? 1);
/** The same sequences each time, so that a change is to blame for a failure. */
const SEED = process.env['FUZZ'] === undefined ? { seed: 20_261_123 } : {};

const stranger = fc.record({
  ip: fc.constantFrom('192.0.2.0', '192.0.2.1', '192.0.2.3', '2001:db8::'),
  comes: fc.constantFrom(true, true, false),
});
const happening = fc.record({ stranger: fc.option(stranger, { freq: 2 }), step });
type Happening = typeof happening extends fc.Arbitrary<infer H> ? H : never;

type Mode = Pick<Circumstances, 'claims' | 'leases'>;

function run(seed: number, happenings: readonly Happening[], mode: Mode): Rules {
  const circumstances = { ...mode, random: seeded(seed), faults: 3, speakers: true };
  const simulation = new Simulation(circumstances);
  const strangers = new Strangers(simulation);
  const rules = new Rules(simulation, strangers);
  simulation.check = () => {
    strangers.follow();
    rules.look();
  };
  const ranges = ['192.0.2.0-192.0.2.4', '2001:db8::/126'];
  simulation.act(() => apply({ do: 'pool', name: 'p', ranges }, simulation));
  for (const index of [0, 1]) simulation.replica(index).start();
  for (const { stranger: who, step: each } of happenings) {
    if (who?.comes === true) strangers.come(who.ip);
    if (who?.comes === false) strangers.go(who.ip);
    apply(each.what, simulation);
    simulation.pass(each.pause);
    rules.look();
  }
  for (const replica of simulation.replicas) {
    replica.resume();
    if (!replica.isRunning) replica.start();
  }
  circumstances.faults = 0;
  simulation.act(() => simulation.source.remove('IPAddressPool', `${NAMESPACE}/q`));
  simulation.pass(60_000);
  rules.rest();
  const before = simulation.writes;
  simulation.pass(15_000);
  if (simulation.writes > before) rules.say(`${simulation.writes - before} writes at rest`);
  return rules;
}

const modes: readonly (readonly [string, Mode])[] = [
  ['with claims and a lease', { claims: true, leases: true }],
  ['with claims, both deciding at once', { claims: true, leases: false }],
  ['with neither, both deciding at once', { claims: false, leases: false }],
];

test('of an address that is free again by now, two that disagree do not contend', () => {
  type Stranger = NonNullable<Happening['stranger']>;
  const come = (ip: Stranger['ip']): Stranger => ({ ip, comes: true });
  const service = (name: string): Happening['step']['what'] =>
    ({ do: 'service', name, spec: { clusterIPs: ['10.0.0.1'] }, share: '' }) as never;
  const start = { do: 'start', replica: 0 } as const;
  const happenings: readonly Happening[] = [
    { stranger: come('192.0.2.3'), step: { what: service('a'), pause: 0 } },
    { stranger: come('192.0.2.1'), step: { what: service('c'), pause: 0 } },
    { stranger: null, step: { what: service('e'), pause: 4 } },
    { stranger: come('192.0.2.0'), step: { what: { do: 'crash', replica: 0 }, pause: 60 } },
    { stranger: { ip: '192.0.2.0', comes: false }, step: { what: start, pause: 0 } },
  ];
  expect(run(0, happenings, { claims: false, leases: false }).complaints).toEqual([]);
});

test.each(modes)('%s', (_, mode) => {
  const count = 150;
  let given = 0;
  const list = fc.array(happening, { minLength: 5, maxLength: 20, size: 'max' });
  fc.assert(
    fc.property(fc.integer(), list, (seed, happenings) => {
      const rules = run(seed, happenings, mode);
      expect(rules.complaints).toEqual([]);
      given += rules.given;
    }),
    { ...SEED, numRuns: count * TIMES },
  );
  // There was something to be broken.
  expect(given).toBeGreaterThan(count);
});
