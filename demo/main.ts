/**
 * `make demo`: a machine without a cluster to an address that answers and survives a killed node.
 *
 *     main.ts                  the whole story, then everything is removed
 *     main.ts --keep           the same, but it stays running (make demo KEEP=1)
 *     main.ts --stop [NAME]    removes what --keep left (make demo-stop)
 *
 * The last line of a good run is `demo: ok <address> owner=<node> failover_ms=<n>`, exit code 0.
 */
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { LabFailure } from '../lab/failure.ts';
import { directoryOfRun, stopKept } from './kept.ts';
import { runDemo } from './run.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { keep: { type: 'boolean', default: false }, stop: { type: 'boolean', default: false } },
});

const directory = directoryOfRun();

try {
  if (values.stop) {
    const stopped = stopKept(positionals[0]);
    console.log(stopped.length === 0 ? 'demo: none is running' : `demo: stopped ${stopped.length}`);
  } else {
    await runDemo(directory, values.keep);
  }
} catch (error) {
  const why = error instanceof LabFailure ? error.message : String(error);
  const logs = existsSync(directory) ? `\ndemo: read ${directory}/log, then try again` : '';
  console.error(`demo: failed: ${why}${logs}`);
  process.exitCode = 1;
}
