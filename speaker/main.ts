/**
 * The speaker: one per node, answers ARP and NDP for the addresses its node owns.
 */
import { command } from '../config/io/command.ts';
import { SPEAKER_FLAGS } from './flags.ts';
import { runSpeaker } from './io/program.ts';

const about = 'answers ARP and NDP for the addresses this node owns';
await command('speaker', about, SPEAKER_FLAGS, runSpeaker);
