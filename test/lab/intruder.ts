/**
 * Hangs a program that lets every frame pass before all others on one side of an interface of this
 * namespace, as another agent might, and stays: `intruder.ts INTERFACE ingress|egress`. What comes
 * behind it on the hook sees nothing any more. Says `hung` when it is done.
 */
import { readFileSync } from 'node:fs';
import type { Side } from '../../speaker/clsact.ts';
import { attachTcx, loadProgram } from '../../speaker/io/bpfcall.ts';
import { loadNative } from '../../speaker/io/native.ts';

/** r0 = TCX_PASS; exit */
const PASS = Uint8Array.of(0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0);

const [, , device = 'lo', side = 'ingress'] = process.argv;
const loaded = loadNative();
if (!loaded.ok) throw new Error(loaded.error);
const native = loaded.value;
const index = Number(readFileSync(`/sys/class/net/${device}/ifindex`, 'utf8'));
const code = Buffer.from(PASS).toString('base64');
const program = loadProgram(native, 'pass', { code, relocations: [] }, new Map(), 'GPL');
if (program < 0) throw new Error(`the program is refused: error ${-program}`);
const hung = attachTcx(native, program, index, side as Side);
if (hung < 0) throw new Error(`it cannot be hung on ${device}: error ${-hung}`);
console.log('hung');
setInterval(() => {}, 1 << 30);
