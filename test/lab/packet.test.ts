/** The packet plane keeps the contract in network namespaces. */
import { dataPlaneContract } from '../contract/dataplane.ts';
import { openBench } from './cable.ts';

dataPlaneContract('packet, in a worker', () => openBench('packet', '--worker', 'packet'));
