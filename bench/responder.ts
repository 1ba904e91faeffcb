/**
 * A speaker reduced to its data plane, in the speaker's shape: the plane and the lease live in a
 * worker thread (the reflex), and the main thread (the brain) can be kept busy on demand. Started
 * by the bench inside a namespace; spoken to over Node's IPC channel.
 *
 *   node bench/responder.ts INDEX MAC bpf|packet ADDRESSES
 */
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { monotonic } from '../lib/io/clock.ts';
import { formatIp, parseIp } from '../net/ip.ts';
import type { Ip } from '../net/ip.ts';
import type { Announcement } from '../speaker/dataplane.ts';
import { openPlane } from '../speaker/io/openplane.ts';
import type { PlaneChoice } from '../speaker/io/openplane.ts';
import { VIP4, VIP6 } from './variants.ts';

/** Renewed and granted as by a speaker with default timing. */
const BEAT_MS = 100;
const FENCE_MS = 250;

/** The brain's bad day: 200 ms of every 400. */
const BLOCKED_MS = 200;
const EVERY_MS = 400;

export interface ResponderStart {
  readonly index: number;
  readonly mac: string;
  readonly choice: PlaneChoice;
  readonly addresses: number;
}

export type ResponderCall = 'block' | 'unblock' | 'cpu';
/** `cpu`: microseconds of this process so far, without what the blocked main thread burnt. */
export type ResponderAnswer = { readonly ready: string } | { readonly cpu: number };

function announcements(count: number): ReadonlyMap<string, Announcement> {
  const ips: Ip[] = [VIP4, VIP6].map((text) => {
    const parsed = parseIp(text);
    if (!parsed.ok) throw new Error(parsed.error);
    return parsed.value;
  });
  for (let n = 0n; ips.length < count; n++) {
    ips.push(
      { family: 4, value: 0xc6120000n + n },
      { family: 6, value: (0x20010db8n << 96n) + (1n << 64n) + n },
    );
  }
  return new Map(
    ips.slice(0, count).map((ip) => [formatIp(ip), { ip, links: 'all', role: 'answer' }]),
  );
}

function reflex({ index, mac, choice, addresses }: ResponderStart): void {
  const tell = (answer: ResponderAnswer): void => parentPort?.postMessage(answer);
  const opened = openPlane(choice, { attach: 'auto', guard: true });
  if (!opened.ok) return tell({ ready: opened.error });
  const { plane } = opened.value;
  const attached = plane.attach({ index, mac });
  if (!attached.ok) return tell({ ready: attached.error });
  const applied = plane.apply({ put: announcements(addresses), remove: [] });
  if (!applied.ok) return tell({ ready: applied.error });
  const renew = (): void => {
    plane.renew(monotonic() + FENCE_MS);
  };
  renew();
  setInterval(renew, BEAT_MS);
  tell({ ready: '' });
}

function brain(start: ResponderStart): void {
  const tell = (answer: ResponderAnswer): void => {
    process.send?.(answer);
  };
  new Worker(import.meta.filename, { workerData: start }).on('message', tell);
  let blocking: NodeJS.Timeout | undefined;
  let burnt = 0;
  const spend = (): void => {
    const before = process.threadCpuUsage();
    const end = performance.now() + BLOCKED_MS;
    while (performance.now() < end);
    const { user, system } = process.threadCpuUsage(before);
    burnt += user + system;
  };
  process.on('message', (call: ResponderCall) => {
    if (call === 'block') blocking ??= setInterval(spend, EVERY_MS);
    if (call === 'unblock') {
      clearInterval(blocking);
      blocking = undefined;
    }
    const { user, system } = process.cpuUsage();
    if (call === 'cpu') tell({ cpu: user + system - burnt });
  });
  process.on('disconnect', () => process.exit());
}

if (isMainThread) {
  const [index, mac = '', choice, addresses] = process.argv.slice(2);
  brain({
    index: Number(index),
    mac,
    choice: choice as PlaneChoice,
    addresses: Number(addresses),
  });
} else {
  reflex(workerData as ResponderStart);
}
