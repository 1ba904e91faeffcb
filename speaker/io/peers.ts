/**
 * The heartbeat socket: beats out to all peers, beats in from them, over UDP on IPv4 and, where
 * the host has it, IPv6. Datagrams without the shared secret's tag are counted and dropped; that
 * is also how two clusters on one segment stay apart.
 */
import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto';
import { createSocket } from 'node:dgram';
import type { Socket, SocketOptions } from 'node:dgram';
import { err, ok } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';
import { emitBeat, mostBytes, parseBeat } from '../heartbeat.ts';
import type { Beat, BeatFault, Seal } from '../heartbeat.ts';

const TAG_BYTES = 16;

/** HMAC-SHA-256 under the shared secret, cut to 16 bytes (RFC 2104 section 5). */
export function hmacSeal(secret: Uint8Array): Seal {
  // Made once: out of bytes, a key takes four times as long as the tag itself.
  const key = createSecretKey(secret);
  const tag = (body: Uint8Array): Uint8Array =>
    createHmac('sha256', key).update(body).digest().subarray(0, TAG_BYTES);
  return {
    tag,
    verify: (body, given) => given.length === TAG_BYTES && timingSafeEqual(tag(body), given),
  };
}

export type PeerFault = BeatFault | 'unsendable';

export class Peers {
  readonly #seal: Seal;
  readonly #port: number;
  readonly #sockets: ReadonlyMap<4 | 6, Socket>;
  /** As many as were ever sent to at a time. */
  #known = 0;
  /** Datagrams that were not taken or not sent, by reason. */
  readonly faults = new Map<PeerFault, number>();

  private constructor(seal: Seal, port: number, sockets: ReadonlyMap<4 | 6, Socket>) {
    this.#seal = seal;
    this.#port = port;
    this.#sockets = sockets;
  }

  /** `port` for this node and all peers. Errors say what to do. */
  static async open(
    secret: Uint8Array,
    port: number,
    sink: (beat: Beat) => void,
  ): Promise<Result<Peers, string>> {
    const seal = hmacSeal(secret);
    const sockets = new Map<4 | 6, Socket>();
    const peers = new Peers(seal, port, sockets);
    for (const family of [4, 6] as const) {
      const opened = await bind(family, port);
      if (opened.ok) {
        sockets.set(family, opened.value);
        opened.value.on('message', (bytes) => peers.#receive(bytes, sink));
        opened.value.on('error', () => peers.#count('unsendable'));
      } else if (family === 4 || opened.error.code === 'EADDRINUSE') {
        peers.close();
        return err(explain(opened.error, port));
      }
    }
    return ok(peers);
  }

  send(beat: Beat, addresses: readonly string[]): void {
    this.#known = Math.max(this.#known, addresses.length);
    const bytes = emitBeat(beat, this.#seal);
    for (const address of addresses) {
      const socket = this.#sockets.get(address.includes(':') ? 6 : 4);
      if (socket === undefined) this.#count('unsendable');
      else socket.send(bytes, this.#port, address, (error) => error && this.#count('unsendable'));
    }
  }

  /** Beats handed over before have been given to the kernel. */
  close(): void {
    for (const socket of this.#sockets.values()) socket.close();
  }

  #receive(bytes: Uint8Array, sink: (beat: Beat) => void): void {
    const beat = parseBeat(bytes, this.#seal, mostBytes(this.#known));
    if (beat.ok) sink(beat.value);
    else this.#count(beat.error);
  }

  #count(fault: PeerFault): void {
    this.faults.set(fault, (this.faults.get(fault) ?? 0) + 1);
  }
}

function bind(family: 4 | 6, port: number): Promise<Result<Socket, NodeJS.ErrnoException>> {
  const type = family === 4 ? 'udp4' : 'udp6';
  const socket = createSocket({ type, ipv6Only: family === 6, lookup: asGiven(family) });
  return new Promise((done) => {
    const failed = (error: NodeJS.ErrnoException): void => {
      socket.close();
      done(err(error));
    };
    socket.once('error', failed);
    socket.bind(port, () => {
      socket.off('error', failed);
      done(ok(socket));
    });
  });
}

/**
 * Peers are addresses, never names. Node's own look-up answers a turn later even then, and what
 * is sent last before a close, the goodbye, would be dropped.
 */
function asGiven(family: 4 | 6): NonNullable<SocketOptions['lookup']> {
  return (address, _options, callback) => callback(null, address, family);
}

function explain(error: NodeJS.ErrnoException, port: number): string {
  const what = `cannot receive heartbeats on UDP port ${port} (${error.code ?? error.message})`;
  if (error.code !== 'EADDRINUSE') return `${what}: check --peer-port and the host's network`;
  return `${what}: stop the other speaker on this host or choose another with --peer-port`;
}
