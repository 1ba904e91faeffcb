/**
 * One run of the demo around its story: what it makes is removed at the end, whatever the end is,
 * unless it is to be kept.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { Lab } from '../lab/namespace.ts';
import { leaveRunning } from './leave.ts';
import { Narrator } from './narrator.ts';
import { tell } from './story.ts';

export async function runDemo(directory: string, keep: boolean): Promise<void> {
  const say = new Narrator();
  say.title('Arpeggio: a Service gets an address, the network delivers it, a node dies');
  const lab = new Lab('demo');
  mkdirSync(directory);
  // Also on Ctrl-C; a failure keeps the logs, and what is kept keeps everything.
  process.once('exit', (code) => {
    if (code !== 1 && !(keep && code === 0)) rmSync(directory, { recursive: true, force: true });
  });
  try {
    const told = await tell(lab, say, { directory, keep });
    if (keep) {
      await leaveRunning(lab, say, told, directory);
    } else {
      say.step('cleaning up');
      await told.cluster.stop();
    }
    lab.close();
    const { address, owner, failoverMs } = told;
    say.last(`demo: ok ${address} owner=${owner} failover_ms=${failoverMs}`);
  } finally {
    lab.close();
  }
}
