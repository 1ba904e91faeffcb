/**
 * `npm run -s sim -- --nodes N --seed S --minutes M --faults all|LIST [--vips V] [--seeds K]
 * [--hunt]` or `-- --replay FILE`. K seeds from S on; `--hunt`: seeds until one fails.
 */
import { readFileSync } from 'node:fs';
import { monotonic } from '../../lib/io/clock.ts';
import { readArguments } from './arguments.ts';
import { leave } from './leave.ts';
import { newScenario } from './scenario.ts';
import type { Scenario } from './scenario.ts';
import { simulate } from './simulate.ts';

function play(scenario: Scenario, began: number): boolean {
  const { hash, breach, judge, seconds, capture } = simulate(scenario);
  const wall = ((monotonic() - began) / 1000).toFixed(1);
  const { seed, names } = scenario;
  if (breach === undefined) {
    const { longest, counts } = judge;
    console.log(JSON.stringify({ seed, ...counts, ...longest }));
    const figures = `seed=${seed} virtual_s=${Math.round(seconds)} wall_s=${wall}`;
    const result = `false_takeovers=${counts.falseTakeovers} hash=${hash}`;
    console.log(`sim: ok nodes=${names.length} ${figures} ${result}`);
    return true;
  }
  const files = leave(scenario, breach, capture);
  console.log(`sim: FAILED nodes=${names.length} seed=${seed} hash=${hash} ${breach.message}`);
  console.log(`sim: ${files.join(' ')}`);
  return false;
}

function main(): number {
  const read = readArguments(process.argv.slice(2));
  if (!read.ok) {
    console.error(read.error);
    return 2;
  }
  const { replay, seed, seeds, ...options } = read.value;
  if (replay !== undefined) {
    return play(JSON.parse(readFileSync(replay, 'utf8')) as Scenario, monotonic()) ? 0 : 1;
  }
  for (let each = seed; each < seed + seeds; each++) {
    if (!play(newScenario({ ...options, seed: each }), monotonic())) return 1;
  }
  return 0;
}

process.exitCode = main();
