/** What a failing run leaves behind: the scenario, made smaller, and the last frames. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Capture } from './capture.ts';
import type { Breach } from './judge.ts';
import type { Scenario } from './scenario.ts';
import { shrink } from './shrink.ts';

export function leave(scenario: Scenario, breach: Breach, capture: Capture): readonly string[] {
  const folder = process.env['ARPEGGIO_SIM_DIR'] ?? join(tmpdir(), 'arpeggio-sim');
  mkdirSync(folder, { recursive: true });
  const name = join(folder, `n${scenario.names.length}-s${scenario.seed}`);
  const small = shrink(scenario, breach.checker);
  const files = [`${name}.json`, `${name}.pcap`];
  writeFileSync(`${name}.json`, `${JSON.stringify(small.scenario, undefined, 1)}\n`);
  writeFileSync(`${name}.pcap`, (small.outcome?.capture ?? capture).pcap());
  return [`replay=${files[0]}`, `pcap=${files[1]}`];
}
