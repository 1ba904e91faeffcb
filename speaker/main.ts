/**
 * The speaker: one per node, answers ARP and NDP for the addresses its node owns.
 */
import { flagHelp, parseFlags } from '../config/flags.ts';
import { SPEAKER_FLAGS } from './flags.ts';
import { runSpeaker } from './io/program.ts';

function fail(sentence: string, code: number): never {
  process.stderr.write(`${sentence}\n`);
  process.exit(code);
}

const flags = parseFlags('speaker', SPEAKER_FLAGS, process.argv.slice(2));
if (!flags.ok) fail(flags.error, 2);
if (flags.value.help) {
  const about = 'answers ARP and NDP for the addresses this node owns';
  process.stdout.write(flagHelp('speaker', about, SPEAKER_FLAGS));
  process.exit(0);
}
const failure = await runSpeaker(flags.value);
if (!failure.ok) fail(`speaker: ${failure.error}`, 1);
