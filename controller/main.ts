/**
 * The controller: one per cluster, gives addresses from pools to Services of type LoadBalancer.
 */
import { flagHelp, parseFlags } from '../config/flags.ts';
import { CONTROLLER_FLAGS } from './flags.ts';
import { runController } from './io/program.ts';

function fail(sentence: string, code: number): never {
  process.stderr.write(`${sentence}\n`);
  process.exit(code);
}

const flags = parseFlags('controller', CONTROLLER_FLAGS, process.argv.slice(2));
if (!flags.ok) fail(flags.error, 2);
if (flags.value.help) {
  const about = 'gives addresses from pools to Services of type LoadBalancer';
  process.stdout.write(flagHelp('controller', about, CONTROLLER_FLAGS));
  process.exit(0);
}
const started = await runController(flags.value);
if (!started.ok) fail(`controller: ${started.error}`, 1);
