/**
 * Makes a failing scenario smaller: nothing after the failure, then without one fault after the
 * other, as long as the same checker complains. Bounded by wall time, since it is a convenience.
 */
import { monotonic } from '../../lib/io/clock.ts';
import type { Fault, Scenario } from './scenario.ts';
import { simulate } from './simulate.ts';
import type { Outcome } from './simulate.ts';

const PATIENCE_MS = 60_000;

export interface Shrunk {
  readonly scenario: Scenario;
  /** Of the smaller one. */
  readonly outcome: Outcome | undefined;
}

export function shrink(scenario: Scenario, checker: string): Shrunk {
  const end = monotonic() + PATIENCE_MS;
  let best: Shrunk = { scenario, outcome: undefined };
  const attempt = (smaller: Scenario): boolean => {
    if (monotonic() > end) return false;
    const outcome = simulate(smaller);
    if (outcome.breach?.checker !== checker) return false;
    const minutes = (outcome.breach.at + 10) / 60_000;
    const faults = smaller.faults.filter(({ at }) => at <= (outcome.breach?.at ?? Infinity));
    best = { scenario: { ...smaller, minutes, faults }, outcome };
    return true;
  };
  if (!attempt(scenario)) return best;
  for (let isSmaller = true; isSmaller && monotonic() < end;) {
    isSmaller = false;
    for (const fault of best.scenario.faults) {
      if (attempt({ ...best.scenario, minutes: scenario.minutes, faults: without(best, fault) })) {
        isSmaller = true;
      }
    }
  }
  const ip = best.outcome?.breach?.ip;
  const orders = Object.entries(best.scenario.orders).filter(([each]) => each === ip);
  const faults = best.scenario.faults.filter((fault) => !('ip' in fault) || fault.ip === ip);
  attempt({
    ...best.scenario,
    faults,
    minutes: scenario.minutes,
    orders: Object.fromEntries(orders),
  });
  return best;
}

function without({ scenario }: Shrunk, fault: Fault): readonly Fault[] {
  return scenario.faults.filter((each) => each !== fault);
}
