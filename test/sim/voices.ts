/**
 * Who would answer for an address: the nodes whose kernel has it in its table and a lease that
 * runs. Kept by address, so that nobody looks through a thousand nodes after each datagram.
 */
import type { Delta } from '../../lib/diff.ts';
import type { Instant } from '../../lib/time.ts';
import type { Announcement } from '../../speaker/dataplane.ts';
import { localTime } from './member.ts';
import type { Member } from './member.ts';

export class Voices {
  readonly #holders = new Map<string, Set<Member>>();
  /** Addresses in the tables of two or more; most of these leases have ended. */
  readonly contested = new Set<string>();

  apply(member: Member, { put, remove }: Delta<Announcement>): void {
    for (const ip of remove) this.#drop(member, ip);
    for (const [ip, { role }] of put) {
      if (role === 'answer') this.#add(member, ip);
      else this.#drop(member, ip);
    }
  }

  /** Its kernel has dropped everything. */
  remove(member: Member): void {
    for (const [ip, holders] of this.#holders) if (holders.has(member)) this.#drop(member, ip);
  }

  /** By name, in order. */
  answering(ip: string, now: Instant): string[] {
    const names: string[] = [];
    for (const member of this.#holders.get(ip) ?? []) {
      if (localTime(member, now) < member.until) names.push(member.name);
    }
    return names.length < 2 ? names : names.toSorted();
  }

  #add(member: Member, ip: string): void {
    member.table.add(ip);
    const holders = this.#holders.get(ip) ?? new Set();
    this.#holders.set(ip, holders.add(member));
    if (holders.size > 1) this.contested.add(ip);
  }

  #drop(member: Member, ip: string): void {
    member.table.delete(ip);
    const holders = this.#holders.get(ip);
    holders?.delete(member);
    if (holders === undefined || holders.size < 2) this.contested.delete(ip);
  }
}
