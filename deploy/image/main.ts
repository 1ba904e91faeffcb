/**
 * Builds the image of both programs: `main.ts [ARCHIVE]`, dist/arpeggio.tar unless told. Then, on
 * every node: `ctr --namespace k8s.io images import arpeggio.tar`, or a push to a registry.
 */
import { statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { makeProgramImage } from './image.ts';

const DEFAULT = join(import.meta.dirname, '../../dist/arpeggio.tar');
const { archive, name } = makeProgramImage(resolve(process.argv[2] ?? DEFAULT));
console.log(`${name} ${Math.round(statSync(archive).size / 2 ** 20)} MiB in ${archive}`);
