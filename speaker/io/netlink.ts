/**
 * rtnetlink sockets: a watch that tells every link of this network namespace and then every
 * change, and requests that wait for their acknowledgement (the kernel answers within the send).
 *
 * Alternative not taken: polling os.networkInterfaces(), which knows no MAC of a link without
 * addresses, no carrier and no master, and is late by the polling interval.
 */
import { getSystemErrorName } from 'node:util';
import { drive } from '../../lib/drive.ts';
import type { Driver } from '../../lib/drive.ts';
import { Alarm, monotonic } from '../../lib/io/clock.ts';
import { err, ok } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';
import type { AbortSignalLike } from '../../lib/signal.ts';
import { LinkWatch } from '../linkwatch.ts';
import type { LinkEvent, LinkWatchInput } from '../linkwatch.ts';
import { explainPlane } from '../planeerror.ts';
import { NETLINK_ROUTE, WATCHED_GROUPS, parseRoute } from '../rtnetlink.ts';
import { loadNative } from './native.ts';
import type { Native } from './native.ts';

export type { LinkEvent } from '../linkwatch.ts';

/** The kernel cuts dumps at 32 KiB. */
const DATAGRAM_BYTES = 65536;

/** Tells all links, then changes, until the signal; works on the calling thread's event loop. */
export function watchLinks(
  sink: (event: LinkEvent) => void,
  signal: AbortSignalLike,
): Result<void, string> {
  const loaded = loadNative();
  if (!loaded.ok) return loaded;
  const native = loaded.value;
  const fd = native.netlink(NETLINK_ROUTE, WATCHED_GROUPS);
  if (fd < 0) return err(explainPlane('netlink', getSystemErrorName(fd)));
  const buffer = new Uint8Array(DATAGRAM_BYTES);
  let stopped = false;
  const alarm = new Alarm(() => driver.wake());
  const driver: Driver<LinkWatchInput> = drive(new LinkWatch(), {
    now: monotonic,
    wakeAt: (at) => alarm.set(stopped ? undefined : at),
    act: (output) => {
      if (output.kind !== 'request') return sink(output);
      if (native.send(fd, output.message) >= 0) return undefined;
      // Not from within the driver: the machine must not be entered twice.
      return queueMicrotask(() => stopped || driver.put({ kind: 'unsent' }));
    },
  });
  const readable = (): void => {
    const length = native.receive(fd, buffer);
    if (length >= 0 && length <= buffer.length) {
      driver.put({ kind: 'datagram', bytes: buffer.subarray(0, length) });
    } else if (length >= 0 || getSystemErrorName(length) === 'ENOBUFS') {
      driver.put({ kind: 'lost' });
    }
  };
  const watcher = native.watch(fd, readable);
  if (typeof watcher === 'number') {
    native.close(fd);
    return err(explainPlane('netlink', getSystemErrorName(watcher)));
  }
  const stop = (): void => {
    stopped = true;
    alarm.set(undefined);
    native.unwatch(watcher);
    native.close(fd);
  };
  if (signal.aborted) {
    stop();
    return ok(undefined);
  }
  signal.addEventListener('abort', once(stop));
  driver.wake();
  return ok(undefined);
}

function once(run: () => void): () => void {
  let done = false;
  return () => {
    if (!done) run();
    done = true;
  };
}

/** The kernel's refusal of a request. */
export interface RouteRefusal {
  /** The errno's name. */
  readonly code: string;
  /** The kernel's own sentence, or nothing. */
  readonly text: string;
}

/** Sends requests one at a time, each with its acknowledgement. */
export class RouteRequests {
  readonly #native: Native;
  readonly #fd: number;
  readonly #buffer = new Uint8Array(DATAGRAM_BYTES);
  #sequence = 0;

  private constructor(native: Native, fd: number) {
    this.#native = native;
    this.#fd = fd;
  }

  static open(native: Native): Result<RouteRequests, string> {
    const fd = native.netlink(NETLINK_ROUTE, []);
    if (fd < 0) return err(explainPlane('netlink', getSystemErrorName(fd)));
    return ok(new RouteRequests(native, fd));
  }

  request(build: (sequence: number) => Uint8Array): Result<void, RouteRefusal> {
    const sequence = ++this.#sequence;
    const sent = this.#native.send(this.#fd, build(sequence));
    if (sent < 0) return err({ code: getSystemErrorName(sent), text: 'on send' });
    for (;;) {
      const length = this.#native.receive(this.#fd, this.#buffer);
      if (length < 0) return err({ code: getSystemErrorName(length), text: 'on receive' });
      for (const event of parseRoute(this.#buffer.subarray(0, length))) {
        // An older sequence is an answer that came after its request had given up.
        if (event.kind !== 'acknowledged' || event.sequence !== sequence) continue;
        if (event.errno === 0) return ok(undefined);
        return err({ code: getSystemErrorName(-event.errno), text: event.text });
      }
    }
  }

  /** The whole answer to a dump, as it came. */
  dump(build: (sequence: number) => Uint8Array): Result<readonly Uint8Array[], RouteRefusal> {
    const sequence = ++this.#sequence;
    const sent = this.#native.send(this.#fd, build(sequence));
    if (sent < 0) return err({ code: getSystemErrorName(sent), text: 'on send' });
    const datagrams: Uint8Array[] = [];
    for (;;) {
      const length = this.#native.receive(this.#fd, this.#buffer);
      if (length < 0) return err({ code: getSystemErrorName(length), text: 'on receive' });
      datagrams.push(this.#buffer.slice(0, length));
      for (const event of parseRoute(this.#buffer.subarray(0, length))) {
        if (event.kind === 'done' && event.sequence === sequence) return ok(datagrams);
        if (event.kind !== 'acknowledged' || event.sequence !== sequence) continue;
        if (event.errno === 0) return ok(datagrams);
        return err({ code: getSystemErrorName(-event.errno), text: event.text });
      }
    }
  }

  close(): void {
    this.#native.close(this.#fd);
  }
}
