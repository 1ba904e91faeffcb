/**
 * Strict ARP: whether the kernel keeps to itself the announced addresses that it holds. With
 * kube-proxy's IPVS every node has every Service address on `kube-ipvs0`, and by default Linux
 * answers ARP on any interface for an address that is on another, and sends requests with it as
 * their sender: each node would claim what one of them owns. Two settings per interface prevent
 * it, in effect the larger of that of `all` and its own (ip-sysctl.rst):
 *
 *   arp_ignore 1 or 2   answers only for addresses of the interface that was asked (8: for none)
 *   arp_announce 2      as sender always the interface's own address
 *
 * Not every larger value is stricter: 3 answers for the addresses of `kube-ipvs0`, 4 to 7 and
 * unknown ones mean 0. IPv6 answers on no other interface anyway.
 *
 * The data plane may drop and correct what gets past; this says that it has to.
 */
import type { ReportedTrouble } from '../owners/report.ts';
import { formatIp } from '../net/ip.ts';
import type { Ip } from '../net/ip.ts';
import { unusable } from './links.ts';
import type { Link } from './links.ts';

/** What is in effect on a link. */
export interface ArpSettings {
  readonly ignore: number;
  readonly announce: number;
}

export const STRICT_ARP_MISSING = 'StrictARPMissing';

const IGNORES: ReadonlySet<number> = new Set([1, 2, 8]);
const ANNOUNCES: ReadonlySet<number> = new Set([2]);

/** Announced addresses that the kernel holds on links where nothing is announced. */
export interface Held {
  /** One of them. */
  readonly ip: Ip;
  /** Name of the link that holds it. */
  readonly on: string;
}

/** `announced`: keys, canonical. Undefined: there is none. */
export function heldElsewhere(
  links: Iterable<Link>,
  announced: { has: (key: string) => boolean },
  excluded: readonly RegExp[],
): Held | undefined {
  for (const link of links) {
    if (unusable(link, excluded) === undefined) continue;
    for (const ip of link.addresses) {
      if (ip.family === 4 && announced.has(formatIp(ip))) return { ip, on: link.name };
    }
  }
  return undefined;
}

/** `settings` of the links that carry announcements, by name. */
export function strictArpTrouble(
  held: Held,
  settings: ReadonlyMap<string, ArpSettings>,
): ReportedTrouble | undefined {
  const answers: string[] = [];
  const leaks: string[] = [];
  for (const [name, { ignore, announce }] of settings) {
    if (!IGNORES.has(ignore)) answers.push(name);
    if (!ANNOUNCES.has(announce)) leaks.push(name);
  }
  const [what, cure]: [string[], string[]] = [[], []];
  if (answers.length > 0) {
    what.push(`answers ARP for it on ${some(answers)}`);
    cure.push('net.ipv4.conf.all.arp_ignore=1');
  }
  if (leaks.length > 0) {
    what.push(`names it as sender of requests on ${some(leaks)}`);
    cure.push('net.ipv4.conf.all.arp_announce=2');
  }
  if (what.length === 0) return undefined;
  const where = `${formatIp(held.ip)} is on ${held.on}, and the kernel ${what.join(' and ')}`;
  const set = `set ${cure.join(' and ')}, with kube-proxy by strictARP: true`;
  return { reason: STRICT_ARP_MISSING, sentence: `${where}, whoever owns it: ${set}` };
}

/** Three names are enough to find the others. */
function some(names: readonly string[]): string {
  const sorted = names.toSorted();
  const rest = sorted.length - 3;
  return `${sorted.slice(0, 3).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}
