/**
 * Whom the kernel has resolved, of both families: its ARP and Neighbor Discovery caches, read over
 * rtnetlink when somebody wants to know whose a MAC is. Synchronous: the kernel writes each part of
 * the answer within the call that takes it, a thousand entries in about seven milliseconds, so no
 * more than MOST are read: on this thread are the beats, and it never waits.
 *
 * Alternative not taken: /proc/net/arp, which has no IPv6 and no sign of how good an entry is.
 */
import { getSystemErrorName } from 'node:util';
import { err, ok } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';
import { explainPlane } from '../planeerror.ts';
import { NETLINK_ROUTE, dumpNeighbours, parseRoute } from '../rtnetlink.ts';
import type { Neighbour } from '../rtnetlink.ts';
import { loadNative } from './native.ts';
import type { Native } from './native.ts';

/** The kernel cuts dumps at 32 KiB. */
const DATAGRAM_BYTES = 32_768;
/** Eight times what a kernel keeps unless it is told otherwise (gc_thresh3). */
export const MOST = 8192;

export function readNeighbours(): Result<readonly Neighbour[], string> {
  const loaded = loadNative();
  if (!loaded.ok) return loaded;
  const native = loaded.value;
  const fd = native.netlink(NETLINK_ROUTE, []);
  if (fd < 0) return err(explainPlane('netlink', getSystemErrorName(fd)));
  const read = dump(native, fd);
  native.close(fd);
  return read;
}

function dump(native: Native, fd: number): Result<readonly Neighbour[], string> {
  const refused = (errno: number): Result<never, string> =>
    err(`cannot read the kernel's neighbours (${getSystemErrorName(errno)})`);
  const sent = native.send(fd, dumpNeighbours(1));
  if (sent < 0) return refused(sent);
  const buffer = new Uint8Array(DATAGRAM_BYTES);
  const neighbours: Neighbour[] = [];
  for (;;) {
    const length = native.receive(fd, buffer, true);
    if (length < 0) return refused(length);
    for (const event of parseRoute(buffer.subarray(0, length))) {
      if (event.kind === 'done') return ok(neighbours);
      if (event.kind === 'acknowledged') return refused(-event.errno);
      if (event.kind !== 'neighbour') continue;
      neighbours.push({ ip: event.ip, mac: event.mac, link: event.link });
      // The rest goes with the socket.
      if (neighbours.length === MOST) return ok(neighbours);
    }
  }
}
