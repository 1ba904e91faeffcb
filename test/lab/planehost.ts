/**
 * Holds a native plane inside a network namespace for a test outside: calls come in over Node's IPC
 * channel, results go back. The plane runs in a worker thread with `--worker`, as in the speaker.
 *
 *   ip netns exec NAMESPACE node test/lab/planehost.ts [--worker] [--guard] MODE
 *
 * MODE is tcx, clsact, auto, dry or packet.
 *
 * `dry` attaches nothing: `ask` runs the program on a frame (BPF_PROG_TEST_RUN) and returns the
 * verdict, the answer and what it told; `leave` runs the guard. `keepRenewing` renews for 300 ms
 * every 50 ms until the process stops.
 * `settle` returns when the packet plane has dealt with every frame that arrived before.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { Worker, isMainThread, parentPort } from 'node:worker_threads';
import { monotonic } from '../../lib/io/clock.ts';
import type { DataPlane, Sighting } from '../../speaker/dataplane.ts';
import { openBpfPlane } from '../../speaker/io/bpf.ts';
import { TestRunner } from '../../speaker/io/bpfcall.ts';
import type { AttachMode } from '../../speaker/io/hook.ts';
import { openPacketPlane } from '../../speaker/io/packet.ts';
import { openResponder } from '../../speaker/io/responder.ts';
import { VipTable } from '../../speaker/io/viptable.ts';
import { DEEDS, VERDICTS } from '../../speaker/respond.ts';
import type { Verdict } from '../../speaker/respond.ts';

/** A call of the plane's method `name`, or of one of the extras below. */
export interface PlaneCall {
  readonly id: number;
  readonly name: string;
  readonly args: readonly unknown[];
}

export interface PlaneAnswer {
  readonly id: number;
  readonly value: unknown;
}

/** What `ask` of a dry host returns; undefined if the kernel does not run the frame. */
export interface DryRun {
  readonly verdict: Verdict;
  readonly drops: boolean;
  readonly reply: Uint8Array | undefined;
  readonly sightings: readonly Sighting[];
}

/** What `leave` of a dry host returns. */
export interface DryLeave {
  readonly deed: string | undefined;
  readonly frame: Uint8Array | undefined;
}

type Callable = Readonly<Record<string, (...args: never[]) => unknown>>;

const mode = process.argv.at(-1) ?? '';
const guard = process.argv.includes('--guard');

const TC_ACT_SHOT = 2;
const TC_ACT_REDIRECT = 7;
const TC_ACT_UNSPEC = -1;
/** struct slot: the two limits of sightings. */
const SLOT_WORDS = 8;
const TOLD_AT = 6;
const MOST_BYTES = 2048;
/** The first deed is counted behind the verdicts. */
const SILENCED = VERDICTS.length;

function extras(plane: DataPlane): Callable {
  const renew = (): void => {
    plane.renew(monotonic() + 300);
  };
  return {
    keepRenewing() {
      renew();
      setInterval(renew, 50);
    },
    settle,
  };
}

/** The sockets are empty, and then the thread sleeps: it does so only when it is done. */
function settle(): void {
  const tasks = '/proc/self/task';
  const named = (id: string): boolean =>
    readFileSync(`${tasks}/${id}/comm`, 'utf8').trim() === 'arpeggio-packet';
  const thread = readdirSync(tasks).find(named);
  const isWaiting = (): boolean => {
    const [, ...sockets] = readFileSync('/proc/self/net/packet', 'utf8').trim().split('\n');
    if (sockets.some((line) => line.trim().split(/\s+/)[6] !== '0')) return false;
    return readFileSync(`${tasks}/${thread}/stat`, 'utf8').includes(') S ');
  };
  while (!isWaiting());
}

/** The program and its maps, without a link. */
function openDry(): Callable {
  const opened = openResponder();
  if (!opened.ok) throw new Error(opened.error);
  const responder = opened.value;
  const table = new VipTable(responder.tables, { guard });
  const runner = new TestRunner(responder.native);
  const out = new Uint8Array(MOST_BYTES);
  return {
    attach: (link: Parameters<DataPlane['attach']>[0]) => table.putLink(link),
    apply: (delta: Parameters<DataPlane['apply']>[0]) => table.apply(delta),
    renew: (until: number) => {
      responder.lease[0] = BigInt(Math.round(until * 1e6));
    },
    ask: (ifindex: number, frame: Uint8Array): DryRun | undefined => {
      const before = responder.verdicts.slice();
      // Every claim is to be told.
      const { slots } = responder.tables;
      for (let at = TOLD_AT; at < 16 * SLOT_WORDS; at += SLOT_WORDS) slots.fill(0n, at, at + 2);
      const { failed, returned, length } = runner.run(responder.program, frame, { ifindex, out });
      // The test run itself refuses frames that are too short for their EtherType.
      if (failed < 0) return undefined;
      const verdict = VERDICTS.find((_, n) => responder.verdicts[n] !== before[n]) ?? 'other';
      const drops = responder.verdicts[SILENCED] !== before[SILENCED];
      const expected = drops ? TC_ACT_SHOT : TC_ACT_UNSPEC;
      if (returned !== (verdict === 'answered' ? TC_ACT_REDIRECT : expected)) {
        throw new Error(`${verdict}, but the program returned ${returned}`);
      }
      const reply = verdict === 'answered' ? out.slice(0, length) : undefined;
      return { verdict, drops, reply, sightings: responder.ring.drain() };
    },
    leave: (ifindex: number, frame: Uint8Array): DryLeave | undefined => {
      const before = responder.verdicts.slice();
      const { failed, returned, length } = runner.run(responder.guard, frame, { ifindex, out });
      if (failed < 0) return undefined;
      const deed = DEEDS.find((_, n) => responder.verdicts[SILENCED + n] !== before[SILENCED + n]);
      if (returned !== (deed === 'suppressed' ? TC_ACT_SHOT : TC_ACT_UNSPEC)) {
        throw new Error(`${deed}, but the program returned ${returned}`);
      }
      return { deed, frame: deed === 'suppressed' ? undefined : out.slice(0, length) };
    },
  };
}

function open(): Callable {
  if (mode === 'dry') return openDry();
  const plane =
    mode === 'packet' ? openPacketPlane() : openBpfPlane({ attach: mode as AttachMode, guard });
  if (!plane.ok) throw new Error(plane.error);
  return { ...(plane.value as unknown as Callable), ...extras(plane.value) };
}

function serve(reply: (answer: PlaneAnswer) => void): (call: PlaneCall) => void {
  const plane = open();
  return ({ id, name, args }) => reply({ id, value: plane[name]?.(...(args as never[])) });
}

const toParent = (answer: PlaneAnswer): void => {
  process.send?.(answer);
};
if (isMainThread && process.argv.includes('--worker')) {
  const worker = new Worker(import.meta.filename, { argv: guard ? ['--guard', mode] : [mode] });
  process.on('message', (call) => worker.postMessage(call));
  worker.on('message', toParent);
} else if (isMainThread) {
  process.on('message', serve(toParent));
} else {
  parentPort?.on(
    'message',
    serve((answer) => parentPort?.postMessage(answer)),
  );
}
