/**
 * Faults by the seed: `npm run -s sim -- --nodes N|N-M --seed S --minutes M --faults all|LIST
 * [--vips V] [--seeds K] [--hunt]`, or `-- --replay FILE` of a run that failed. K seeds from S on;
 * `--hunt`: seeds until one fails. The last line says it all; `ARPEGGIO_SIM_DIR` is where a
 * failure is left.
 */
import { readFileSync } from 'node:fs';
import { monotonic } from '../../lib/io/clock.ts';
import { readArguments } from './arguments.ts';
import { leave } from './leave.ts';
import { newScenario } from './scenario.ts';
import type { Scenario } from './scenario.ts';
import { simulate } from './simulate.ts';
import { Total } from './total.ts';

/** Whether all went well. */
function play(scenario: Scenario, total: Total): boolean {
  const began = monotonic();
  const outcome = simulate(scenario);
  total.add(scenario, outcome);
  const { breach, capture } = outcome;
  if (breach === undefined) return true;
  console.log(leave(scenario, breach, capture).join('\n'));
  const failed = new Total(began);
  failed.add(scenario, outcome);
  console.log(`sim: FAILED ${failed.words(monotonic())} ${breach.message}`);
  return false;
}

function main(): number {
  const read = readArguments(process.argv.slice(2));
  if (!read.ok) {
    console.error(read.error);
    return 2;
  }
  const { replay, seed, seeds, nodes, ...options } = read.value;
  const [least, most] = nodes;
  const total = new Total(monotonic());
  if (replay !== undefined) {
    if (!play(JSON.parse(readFileSync(replay, 'utf8')) as Scenario, total)) return 1;
  } else {
    for (let each = seed; each < seed + seeds; each++) {
      const count = least + (each % (most - least + 1));
      if (!play(newScenario({ ...options, nodes: count, seed: each }), total)) return 1;
    }
  }
  console.log(total.longest());
  console.log(`sim: ok ${total.words(monotonic())}`);
  return 0;
}

process.exitCode = main();
