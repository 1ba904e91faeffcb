/**
 * The controller: one per cluster, gives addresses from pools to Services of type LoadBalancer.
 */
import { command } from '../config/io/command.ts';
import { CONTROLLER_FLAGS } from './flags.ts';
import { runController } from './io/program.ts';

const about = 'gives addresses from pools to Services of type LoadBalancer';
await command('controller', about, CONTROLLER_FLAGS, runController);
