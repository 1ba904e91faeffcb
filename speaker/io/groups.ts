/**
 * Memberships in solicited-node groups: an ordinary UDP socket joins, so the kernel sets the
 * card's multicast filter and sends the MLD reports that snooping switches need, and everything
 * ends with the process. PACKET_ADD_MEMBERSHIP was not taken: it sends no MLD.
 *
 * Ten thousand joins take the kernel seconds (it looks through the lists of the socket and of the
 * interface each time), and this is the thread of the beats. So wishes are only noted, and worked
 * off a few milliseconds at a time; the newest wish for a key counts. What fails is tried again:
 * IPv6 may be turned on later, or the name of a new link be told.
 *
 * Every socket belongs to one link. Node names interfaces by name, and a name it cannot resolve
 * means "any" to the kernel; on such a socket a leave without a name always finds the right
 * membership, also after the link was renamed or is gone.
 */
import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import type { Delta } from '../../lib/diff.ts';
import { monotonic } from '../../lib/io/clock.ts';
import { formatIp } from '../../net/ip.ts';
import type { LinkIndex } from '../links.ts';
import type { Group } from '../table.ts';

/** A turn of the event loop ends after the first of these; beats are handled in between. */
const TURN_GROUPS = 50;
const TURN_MS = 5;

/** A long list is slow, and `net.core.optmem_max` may allow no more than some hundred. */
const SOCKET_GROUPS = 256;

const RETRY_MS = 1000;

/** Nothing is wrong, only early: the link has not been told yet. */
const UNNAMED = 'unnamed';

interface Holder {
  readonly socket: Socket;
  groups: number;
}

interface Joined {
  readonly holder: Holder;
  readonly group: string;
  readonly link: LinkIndex;
}

export class Groups {
  readonly #report: (failure: string) => void;
  readonly #wanted = new Map<string, Group>();
  readonly #joined = new Map<string, Joined>();
  /** Keys whose wish and deed may differ, oldest wish first. */
  readonly #queue = new Set<string>();
  /** Keys to be tried again, the one tried last at the end. */
  readonly #failed = new Map<string, LinkIndex>();
  /** The failure of a link that was reported; its other groups fail for the same reason. */
  readonly #said = new Map<LinkIndex, string>();
  readonly #holders = new Map<LinkIndex, Holder[]>();
  #nameOf: (link: LinkIndex) => string | undefined = () => undefined;
  #turn: NodeJS.Immediate | undefined;
  #retry: NodeJS.Timeout | undefined;

  /** `report` hears a failure when it begins, once for all groups of a link. */
  constructor(report: (failure: string) => void) {
    this.#report = report;
  }

  /**
   * Notes the wishes. `nameOf`: the interface name, which Node's scope wants.
   */
  apply(delta: Delta<Group>, nameOf: (link: LinkIndex) => string | undefined): void {
    this.#nameOf = nameOf;
    for (const key of delta.remove) this.#wanted.delete(key);
    for (const [key, group] of delta.put) this.#wanted.set(key, group);
    for (const key of [...delta.remove, ...delta.put.keys()]) {
      this.#failed.delete(key);
      this.#queue.add(key);
    }
    this.#wake();
  }

  /** Leaves everything, at once. */
  close(): void {
    clearImmediate(this.#turn);
    clearTimeout(this.#retry);
    for (const { socket } of [...this.#holders.values()].flat()) socket.close();
    this.#holders.clear();
    for (const keys of [this.#wanted, this.#joined, this.#queue, this.#failed]) keys.clear();
  }

  #wake(): void {
    if (this.#queue.size > 0) this.#turn ??= setImmediate(() => this.#work());
  }

  #work(): void {
    this.#turn = undefined;
    const end = monotonic() + TURN_MS;
    let groups = 0;
    for (const key of this.#queue) {
      if (groups === TURN_GROUPS || monotonic() >= end) break;
      groups += 1;
      this.#queue.delete(key);
      this.#settle(key);
    }
    this.#wake();
  }

  #settle(key: string): void {
    const wanted = this.#wanted.get(key);
    const joined = this.#joined.get(key);
    if (wanted === undefined && joined !== undefined) this.#leave(key, joined);
    if (wanted === undefined || joined !== undefined) return;
    const code = this.#join(key, wanted);
    if (code === undefined) this.#succeeded(key, wanted.link);
    else this.#hasFailed(key, wanted, code);
  }

  #hasFailed(key: string, { group, link }: Group, code: string): void {
    this.#failed.delete(key);
    this.#failed.set(key, link);
    this.#retry ??= setTimeout(() => this.#again(), RETRY_MS).unref();
    if (code === UNNAMED || this.#said.get(link) === code) return;
    this.#said.set(link, code);
    const what = `cannot join ${formatIp(group)} on ${this.#nameOf(link) ?? link} (${code})`;
    const failure = `${what}: a switch may not deliver to us; it is tried again`;
    this.#report(failure);
  }

  #succeeded(key: string, link: LinkIndex): void {
    if (!this.#failed.delete(key)) return;
    this.#said.delete(link);
    for (const [other, its] of this.#failed) if (its === link) this.#queue.add(other);
  }

  /** One group of each link: ten thousand would be refused for the same reason. */
  #again(): void {
    this.#retry = undefined;
    const links = new Set<LinkIndex>();
    for (const [key, link] of this.#failed) {
      if (!links.has(link)) this.#queue.add(key);
      links.add(link);
    }
    this.#wake();
  }

  /** The errno's name when it failed. */
  #join(key: string, { group: ip, link }: Group): string | undefined {
    const name = this.#nameOf(link);
    if (name === undefined) return UNNAMED;
    const group = formatIp(ip);
    const scope = `::%${name}`;
    let holder = this.#holders.get(link)?.at(-1);
    let code = holder === undefined ? 'ENOMEM' : add(holder, group, scope);
    // The socket is full: a new one starts empty. A second refusal is about the group itself.
    if (code === 'ENOMEM' || code === 'ENOBUFS') {
      holder = this.#open(link);
      code = add(holder, group, scope);
      if (code !== undefined) this.#shut(link, holder);
    }
    if (code === undefined && holder !== undefined) this.#joined.set(key, { holder, group, link });
    return code;
  }

  #leave(key: string, { holder, group, link }: Joined): void {
    this.#joined.delete(key);
    holder.groups -= 1;
    // The last one takes the socket along.
    if (holder.groups === 0) return this.#shut(link, holder);
    try {
      holder.socket.dropMembership(group);
    } catch {
      // The interface is gone, and the membership went with it.
    }
    return undefined;
  }

  #open(link: LinkIndex): Holder {
    const holder = { socket: createSocket('udp6'), groups: 0 };
    const holders = this.#holders.get(link);
    if (holders === undefined) this.#holders.set(link, [holder]);
    else holders.push(holder);
    return holder;
  }

  #shut(link: LinkIndex, holder: Holder): void {
    holder.socket.close();
    const rest = this.#holders.get(link)?.filter((other) => other !== holder) ?? [];
    if (rest.length === 0) this.#holders.delete(link);
    else this.#holders.set(link, rest);
  }
}

/** The errno's name when it failed. */
function add(holder: Holder, group: string, scope: string): string | undefined {
  if (holder.groups === SOCKET_GROUPS) return 'ENOBUFS';
  try {
    holder.socket.addMembership(group, scope);
    holder.groups += 1;
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}
