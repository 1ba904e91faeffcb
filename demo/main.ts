/**
 * `make demo`: a machine without a cluster to an address that answers and survives a killed node.
 *
 *     main.ts           the whole story, then everything is removed
 *     main.ts --keep    the same, but it stays running (make demo KEEP=1)
 *     main.ts --stop    removes what --keep left (make demo-stop), all or one by its name
 *
 * The last line of a good run is `demo: ok <address> owner=<node> failover_ms=<n>`, exit code 0.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { LabFailure } from '../lab/failure.ts';
import { Lab } from '../lab/namespace.ts';
import { directoryOfRun, stopKept } from './kept.ts';
import { leaveRunning } from './leave.ts';
import { Narrator } from './narrator.ts';
import { tell } from './story.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { keep: { type: 'boolean', default: false }, stop: { type: 'boolean', default: false } },
});

async function demo(keep: boolean): Promise<void> {
  const say = new Narrator();
  say.title('Arpeggio: a Service gets an address, the network delivers it, a node dies');
  const directory = directoryOfRun();
  const lab = new Lab('demo');
  mkdirSync(directory);
  // Also on Ctrl-C; a failure keeps the logs and says where they are.
  process.once('exit', (code) => {
    if (!(keep && code === 0) && code !== 1) rmSync(directory, { recursive: true, force: true });
  });
  try {
    const told = await tell(lab, say, { directory, keep });
    if (keep) {
      await leaveRunning(lab, say, told, directory);
    } else {
      say.step('cleaning up');
      await told.cluster.stop();
      lab.close();
    }
    const { address, owner, failoverMs } = told;
    say.last(`demo: ok ${address} owner=${owner} failover_ms=${failoverMs}`);
  } catch (error) {
    lab.close();
    const why = error instanceof LabFailure ? error.message : String(error);
    console.error(`demo: failed: ${why}\ndemo: read the logs in ${directory}/log, then try again`);
    process.exitCode = 1;
  }
}

if (values.stop) {
  const stopped = stopKept(positionals[0]);
  console.log(stopped.length === 0 ? 'demo: none is running' : `demo: stopped ${stopped.length}`);
} else {
  await demo(values.keep);
}
