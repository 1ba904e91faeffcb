/**
 * A host that uses the addresses: it asks for one now and then and keeps what it learns in an ARP
 * cache as Linux does, so far as that matters here. An announcement changes what it knows and never
 * makes an entry (arp_accept = 0). An entry that was not confirmed for a while is asked for in
 * unicast, and after three times without an answer it is forgotten, and asked for in broadcast.
 */
import type { Random } from '../../lib/random.ts';
import type { Instant, Millis } from '../../lib/time.ts';
import { arpRequest, emitArp, parseArp } from '../../net/arp.ts';
import { formatIp } from '../../net/ip.ts';
import type { Mac } from '../../net/mac.ts';
import type { Cluster } from './cluster.ts';
import { ipOf } from './hosts.ts';

interface Entry {
  mac: Mac;
  confirmedAt: Instant;
  /** Questions since, in vain. */
  tries: number;
}

const ASKS_EVERY: Millis = 100;
/** Linux: 15 to 45 s. */
const REACHABLE: Millis = 30_000;
const TRIES = 3;

export class Client {
  readonly name: string;
  readonly #mac: Mac;
  readonly #cluster: Cluster;
  readonly #random: Random;
  readonly #cache = new Map<string, Entry>();
  readonly #ips: string[];
  readonly #own;

  /** Begins to ask; `ips`: of IPv4. */
  constructor(number: number, ips: readonly string[], cluster: Cluster, random: Random) {
    this.name = `client${number}`;
    this.#mac = `02:63:00:00:00:0${number}`;
    this.#own = ipOf(`192.0.2.${250 + number}`);
    this.#ips = [...ips];
    this.#cluster = cluster;
    this.#random = random;
    cluster.stranger(this.name, (frame) => this.#hear(frame));
    this.#plan();
  }

  add(ip: string): void {
    if (!ip.includes(':')) this.#ips.push(ip);
  }

  /** What it takes for the address's MAC. */
  knows(ip: string): Mac | undefined {
    return this.#cache.get(ip)?.mac;
  }

  #plan(): void {
    const wait = ASKS_EVERY * (0.5 + this.#random());
    this.#cluster.at(this.#cluster.now + wait, () => {
      const ip = this.#ips[Math.floor(this.#random() * this.#ips.length)];
      if (ip !== undefined) this.#use(ip);
      this.#plan();
    });
  }

  #use(ip: string): void {
    const entry = this.#cache.get(ip);
    if (entry !== undefined) {
      if (this.#cluster.now - entry.confirmedAt < REACHABLE) return;
      if (entry.tries === TRIES) this.#cache.delete(ip);
      entry.tries += 1;
    }
    const request = arpRequest(ipOf(ip), this.#own, this.#mac);
    const isUnicast = entry !== undefined && entry.tries <= TRIES;
    const to = isUnicast ? { destination: entry.mac, targetMac: entry.mac } : {};
    this.#cluster.broadcast(this.name, emitArp({ ...request, ...to }));
  }

  #hear(frame: Uint8Array): readonly Uint8Array[] {
    const arp = parseArp(frame);
    if (!arp.ok) return [];
    const { kind, senderIp, senderMac, targetIp, destination } = arp.value;
    const isAnnouncement = senderIp.value === targetIp.value;
    const isAnswer = kind === 'reply' && destination === this.#mac;
    if (!isAnnouncement && !isAnswer) return [];
    const ip = formatIp(senderIp);
    const known = this.#cache.get(ip);
    if (known === undefined && !isAnswer) return [];
    const entry = { mac: senderMac, confirmedAt: this.#cluster.now, tries: 0 };
    // An announcement changes the MAC, and confirms nothing.
    if (!isAnswer && known !== undefined) entry.confirmedAt = known.confirmedAt;
    this.#cache.set(ip, entry);
    return [];
  }
}
