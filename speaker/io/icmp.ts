/**
 * ICMP and ICMPv6 echo (RFC 792, RFC 4443 4): the one door to the npm package raw-socket, which is
 * optional. Needs CAP_NET_RAW. Only on the main thread: the package knows no other event loop.
 *
 * Who sends the answer is told by its source address, which for ours counts as proof enough: it is
 * a router of this segment, and a forged answer from there could do worse.
 */
import { randomInt } from 'node:crypto';
import { createRequire } from 'node:module';
import { networkInterfaces } from 'node:os';
import { err, ok } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';
import { formatIp, parseIp } from '../../net/ip.ts';
import type { Family, Ip } from '../../net/ip.ts';
import type { LinkIndex } from '../links.ts';

/** What is used of the package. */
export interface RawSocket {
  send(
    packet: Buffer,
    offset: number,
    length: number,
    address: string,
    done: (error: Error | null) => void,
  ): void;
  on(event: 'message', hear: (packet: Buffer, source: string) => void): void;
  on(event: 'error', hear: (error: Error) => void): void;
  setOption(level: number, option: number, value: Buffer, length: number): void;
  close(): void;
}

export interface RawSocketPackage {
  createSocket(options: { protocol: number; addressFamily: number }): RawSocket;
  createChecksum(packet: Buffer): number;
  writeChecksum(packet: Buffer, offset: number, checksum: number): void;
}

interface Flavour {
  readonly protocol: number;
  /** The package's number for the family. */
  readonly addressFamily: number;
  readonly request: number;
  readonly reply: number;
  /** ICMP_FILTER and ICMP6_FILTER: a bit for each type that is not let through. */
  readonly filter: { readonly level: number; readonly bytes: number };
}

const FLAVOURS: Readonly<Record<Family, Flavour>> = {
  4: { protocol: 1, addressFamily: 1, request: 8, reply: 0, filter: { level: 255, bytes: 4 } },
  6: { protocol: 58, addressFamily: 2, request: 128, reply: 129, filter: { level: 58, bytes: 32 } },
};
const FILTER_OPTION = 1;
/** Type, code, checksum, identifier, number: 8 bytes; and 8 of data, as a short ping has. */
const PACKET_BYTES = 16;
/** An answer to a question before these last ones is of no use to anybody. */
const ASKED_KEPT = 16;

export class Echoes {
  readonly #package: RawSocketPackage;
  readonly #hear: (from: Ip, number: number) => void;
  /** Tells our questions from those of others on this host. */
  readonly #identifier = randomInt(0x10000);
  readonly #sockets = new Map<Family, RawSocket>();
  /** Numbers of the last questions; the oldest first. */
  readonly #asked = new Set<number>();

  private constructor(found: RawSocketPackage, hear: (from: Ip, number: number) => void) {
    this.#package = found;
    this.#hear = hear;
  }

  /** The error is a part of a sentence: why there is no ICMP. */
  static open(
    hear: (from: Ip, number: number) => void,
    load: () => RawSocketPackage = loadPackage,
  ): Result<Echoes, string> {
    try {
      const echoes = new Echoes(load(), hear);
      // A right that is missing shows now, not with the first question.
      echoes.#socket(4);
      return ok(echoes);
    } catch (error) {
      return err(explain(error as NodeJS.ErrnoException));
    }
  }

  /** What cannot be sent is not answered. `number` has 16 bits. */
  ask({ ip, link }: { readonly ip: Ip; readonly link: LinkIndex }, number: number): void {
    this.#remember(number);
    const { request } = FLAVOURS[ip.family];
    const packet = Buffer.alloc(PACKET_BYTES);
    packet.writeUInt8(request, 0);
    packet.writeUInt16BE(this.#identifier, 4);
    packet.writeUInt16BE(number, 6);
    // ICMPv6 sums over addresses that only the kernel knows.
    if (ip.family === 4) {
      this.#package.writeChecksum(packet, 2, this.#package.createChecksum(packet));
    }
    const address = `${formatIp(ip)}${zoneOf(ip, link)}`;
    try {
      this.#socket(ip.family).send(packet, 0, packet.length, address, () => {});
    } catch {
      // No socket of this family now: IPv6 may be switched off.
    }
  }

  close(): void {
    for (const socket of this.#sockets.values()) socket.close();
    this.#sockets.clear();
  }

  #socket(family: Family): RawSocket {
    const open = this.#sockets.get(family);
    if (open !== undefined) return open;
    const { protocol, addressFamily, reply, filter } = FLAVOURS[family];
    const socket = this.#package.createSocket({ protocol, addressFamily });
    socket.on('message', (packet, source) => this.#take(family, packet, source));
    socket.on('error', () => {
      // It has closed itself; the next question opens another one.
      if (this.#sockets.get(family) === socket) this.#sockets.delete(family);
    });
    const blocked = Buffer.alloc(filter.bytes, 0xff);
    blocked[reply >> 3] = 0xff & ~(1 << (reply & 7));
    try {
      socket.setOption(filter.level, FILTER_OPTION, blocked, blocked.length);
    } catch (error) {
      socket.close();
      throw error;
    }
    // Last: who finds it here may use it.
    this.#sockets.set(family, socket);
    return socket;
  }

  #remember(number: number): void {
    this.#asked.delete(number);
    this.#asked.add(number);
    for (const oldest of this.#asked) {
      if (this.#asked.size <= ASKED_KEPT) break;
      this.#asked.delete(oldest);
    }
  }

  /** Anybody may flood this host with answers, so what costs more than a look comes last. */
  #take(family: Family, packet: Buffer, source: string): void {
    // With IPv4 the header comes along (RFC 791 3.1: its length in words of 4 bytes).
    const at = family === 4 ? ((packet[0] ?? 0) & 15) * 4 : 0;
    if (packet.length < at + 8 || packet[at] !== FLAVOURS[family].reply) return;
    if (packet.readUInt16BE(at + 4) !== this.#identifier) return;
    const number = packet.readUInt16BE(at + 6);
    if (!this.#asked.has(number)) return;
    const from = parseIp(source.split('%')[0] ?? '');
    if (from.ok) this.#hear(from.value, number);
  }
}

/** Beside the sources and beside the bundle alike, in the next node_modules. */
function loadPackage(): RawSocketPackage {
  const require = createRequire(import.meta.url);
  return require('raw-socket') as RawSocketPackage;
}

/** An address of fe80::/10 means nothing without its link (RFC 4007 11). */
function zoneOf({ family, value }: Ip, link: LinkIndex): string {
  if (family === 4 || value >> 118n !== 0x3fan) return '';
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    const isIt = addresses?.some((each) => each.family === 'IPv6' && each.scopeid === link);
    if (isIt === true) return `%${name}`;
  }
  return '';
}

function explain(error: NodeJS.ErrnoException): string {
  const { code, message } = error;
  if (code === 'MODULE_NOT_FOUND') {
    return 'the optional package raw-socket is not built: npm run build:native with a C++ compiler';
  }
  if (code === 'ERR_DLOPEN_FAILED') return `raw-socket was built for another Node.js (${message})`;
  if (/not permitted/i.test(message)) return 'ICMP sockets need CAP_NET_RAW';
  return message;
}
