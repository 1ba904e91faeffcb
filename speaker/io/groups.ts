/**
 * Memberships in solicited-node groups: an ordinary UDP socket joins, so the kernel sets the
 * card's multicast filter and sends the MLD reports that snooping switches need, and everything
 * ends with the process. PACKET_ADD_MEMBERSHIP was not taken: it sends no MLD.
 *
 * A socket holds as many groups as `net.core.optmem_max` allows (hundreds to thousands), so
 * further sockets are opened as needed.
 */
import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import type { Delta } from '../../lib/diff.ts';
import { formatIp } from '../../net/ip.ts';
import type { LinkIndex } from '../links.ts';
import type { Group } from '../table.ts';

interface Joined {
  readonly socket: Socket;
  readonly group: string;
  readonly scope: string;
}

export class Groups {
  #sockets: Socket[] = [];
  readonly #joined = new Map<string, Joined>();

  /** `nameOf`: the interface name, which Node's scope wants. Returns sentences of what failed. */
  apply(delta: Delta<Group>, nameOf: (link: LinkIndex) => string | undefined): string[] {
    for (const key of delta.remove) this.#leave(key);
    const failures: string[] = [];
    for (const [key, { group, link }] of delta.put) {
      const name = nameOf(link);
      if (name === undefined) continue;
      const failure = this.#join(key, formatIp(group), `::%${name}`);
      if (failure !== undefined) failures.push(failure);
    }
    return failures;
  }

  close(): void {
    for (const socket of this.#sockets) socket.close();
    this.#sockets = [];
    this.#joined.clear();
  }

  #join(key: string, group: string, scope: string): string | undefined {
    const last = this.#sockets.at(-1);
    const first = last === undefined ? 'ENOMEM' : add(last, group, scope);
    let code = first;
    // The socket is full: a new one starts empty. A second refusal is about the group itself.
    if (code === 'ENOMEM' || code === 'ENOBUFS') {
      const fresh = createSocket('udp6');
      this.#sockets.push(fresh);
      code = add(fresh, group, scope);
    }
    const socket = this.#sockets.at(-1);
    if (code === undefined && socket !== undefined) {
      this.#joined.set(key, { socket, group, scope });
      return undefined;
    }
    return `cannot join ${group} on ${scope.slice(3)} (${code}): a switch may not deliver to us`;
  }

  #leave(key: string): void {
    const joined = this.#joined.get(key);
    this.#joined.delete(key);
    try {
      joined?.socket.dropMembership(joined.group, joined.scope);
    } catch {
      // The interface is gone, and the membership went with it.
    }
  }
}

/** The errno's name when it failed. */
function add(socket: Socket, group: string, scope: string): string | undefined {
  try {
    socket.addMembership(group, scope);
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}
