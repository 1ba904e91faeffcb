/**
 * The door to speaker/native/addon.c: the system calls that Node does not have. Loaded on first
 * use, so that everything that needs no kernel (tests, the model plane) runs without a compiler.
 * Every function returns a negative errno when the call fails; see the head of addon.c.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { err, ok } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';
import type { Family } from '../../net/ip.ts';
import type { LinkIndex } from '../links.ts';
import { explainPlane } from '../planeerror.ts';

/** A running `watch`; opaque. Never used again after `unwatch`. */
export interface Watcher {
  readonly watcher: unique symbol;
}

/** A packet plane; opaque. Answers -EBADF after `packetClose`. */
export interface PacketHandle {
  readonly packet: unique symbol;
}

export interface Native {
  /** bpf(2). After `attr`: pairs of an offset in it and the buffer whose address goes there. */
  bpf(command: number, attr: Uint8Array, ...pointers: (number | Uint8Array)[]): number;
  /**
   * The memory of a BPF map, shared with the kernel, from a page on (0 unless told); an
   * ArrayBuffer cannot cross threads.
   */
  mmap(fd: number, length: number, writable: boolean, page?: number): ArrayBuffer | number;
  /** A netlink socket that joined these groups. */
  netlink(protocol: number, groups: readonly number[]): number;
  send(fd: number, bytes: Uint8Array): number;
  /**
   * One message; waits at most a second, or `instantly` not at all (-EAGAIN). The full length, even
   * if `bytes` was too short.
   */
  receive(fd: number, bytes: Uint8Array, instantly?: boolean): number;
  close(fd: number): number;
  /** Calls back on this thread's event loop whenever a `receive` would not wait. */
  watch(fd: number, readable: () => void): Watcher | number;
  unwatch(watcher: Watcher): number;
  /** A packet socket for `send`, `receive` and `watch`; the filter is classic BPF. */
  frames(link: LinkIndex, etherType: number, filter: Uint8Array): number;
  packetOpen(): PacketHandle | number;
  /** struct shared of userspace.h. */
  packetShared(plane: PacketHandle): ArrayBuffer | number;
  /** Classic BPF, as `packetFilter` writes it. */
  packetFilter(plane: PacketHandle, family: Family, program: Uint8Array): number;
  /** An address if the key has 16 bytes, a link if it has 4; no value removes it. */
  packetSet(plane: PacketHandle, key: Uint8Array, value?: Uint8Array): number;
  /** Fills `entries` with keys and values, 32 bytes each; how many there are. */
  packetVips(plane: PacketHandle, entries: Uint8Array): number;
  packetSend(plane: PacketHandle, link: LinkIndex, frame: Uint8Array): number;
  packetClose(plane: PacketHandle): number;
}

let loaded: Native | undefined;

export function loadNative(): Result<Native, string> {
  if (loaded !== undefined) return ok(loaded);
  const require = createRequire(import.meta.url);
  // Next to the sources, or next to the bundle in dist/.
  const found = ['../native/addon.node', './addon.node'].find((path) =>
    existsSync(new URL(path, import.meta.url)),
  );
  if (found === undefined) return err(explainPlane('native', 'ENOENT'));
  try {
    loaded = require(found) as Native;
    return ok(loaded);
  } catch (error) {
    return err(explainPlane('native', 'ENOEXEC', String(error)));
  }
}
