/**
 * Who answers for an address? Asks the segment as a client does, and as a probe does (RFC 5227
 * 2.1.1), and judges what comes back: nobody, one MAC address, several; a node's, or a stranger's.
 *
 * A machine that answers for everything (a router with proxy ARP, RFC 1027) is no holder. It is
 * told by decoys, asked of each answerer alone (in unicast, so that the segment is not bothered,
 * and because Linux makes a broadcast wait up to 0.8 s before its proxy answers): an address of a
 * documentation network and two random neighbours of the target, for proxies that know only their
 * own subnet. A node of the cluster is never taken for one, however many addresses it answers for.
 *
 * The sender is the link's own address, because that is how clients ask; every other question is a
 * probe without one. Nobody learns anything false from either. What this host itself answers for
 * is not heard: its own questions do not come back to it, in no data plane.
 */
import type { Machine } from '../lib/machine.ts';
import type { Random } from '../lib/random.ts';
import { earlier } from '../lib/time.ts';
import type { Instant, Millis } from '../lib/time.ts';
import { UNSPECIFIED_V4, arpRequest, emitArp, parseArp } from '../net/arp.ts';
import { formatIp, sameIp } from '../net/ip.ts';
import type { Ip } from '../net/ip.ts';
import type { Mac } from '../net/mac.ts';
import { UNSPECIFIED_V6, emitNdp, neighborSolicitation, parseNdp } from '../net/ndp.ts';
import { decoysFor, isProxy } from './decoy.ts';
import type { Link } from './links.ts';

export interface VerifyOptions {
  readonly ip: Ip;
  /** Where to ask, and as whom. */
  readonly link: Pick<Link, 'mac' | 'addresses' | 'prefixes'>;
  /** For answers; a Linux proxy takes up to 800 ms. */
  readonly timeout: Millis;
  readonly random: Random;
  /** Names of the nodes by MAC address. */
  readonly nodes?: ReadonlyMap<Mac, string>;
  /** Addresses, by `formatIp`, that somebody may hold rightly: no decoys. */
  readonly isTaken?: (key: string) => boolean;
}

/** A frame that was received. */
export type VerifyInput = Uint8Array;

export type VerifyOutput =
  | { readonly kind: 'send'; readonly frame: Uint8Array }
  | { readonly kind: 'done'; readonly found: readonly Answerer[] };

export interface Answerer {
  readonly mac: Mac;
  /** undefined: a stranger. */
  readonly node: string | undefined;
  /** It answers for whatever it is asked, so this answer says nothing. */
  readonly isProxy: boolean;
}

/** Questions per timeout. */
const ROUNDS = 3;
/** For answers to decoys. */
const DECOY_WAIT = 200;
/** More answerers than that are judged by the first. */
const MOST_ANSWERERS = 16;

export class Verify implements Machine<VerifyInput, VerifyOutput> {
  readonly #options: VerifyOptions;
  readonly #own: Ip;
  /** By `formatIp`. */
  readonly #decoys: ReadonlyMap<string, Ip>;
  readonly #out: VerifyOutput[] = [];
  readonly #answerers = new Set<Mac>();
  /** `address MAC` of every answer for a decoy. */
  readonly #fooled = new Set<string>();
  #round = 0;
  #roundAt: Instant | undefined = -Infinity;
  #endAt: Instant = Infinity;
  #isDone = false;

  constructor(options: VerifyOptions) {
    this.#options = options;
    this.#own = ownAddress(options);
    const isHeld = (key: string): boolean =>
      options.isTaken?.(key) === true || options.link.addresses.some((ip) => formatIp(ip) === key);
    this.#decoys = decoysFor(options.ip, options.random, isHeld);
  }

  handle(frame: VerifyInput, now: Instant): void {
    const answer = answerOf(frame);
    if (this.#isDone || answer === undefined) return;
    const { mac, ip } = answer;
    if (!sameIp(ip, this.#options.ip)) {
      const key = formatIp(ip);
      if (this.#decoys.has(key)) this.#fooled.add(`${key} ${mac}`);
      return;
    }
    if (this.#answerers.has(mac) || this.#answerers.size >= MOST_ANSWERERS) return;
    this.#answerers.add(mac);
    if (this.#nodeOf(mac) !== undefined) return;
    for (const decoy of this.#decoys.values()) this.#ask(decoy, this.#own, mac);
    this.#endAt = Math.max(this.#endAt, now + DECOY_WAIT);
  }

  tick(now: Instant): void {
    if (this.#isDone) return;
    if (this.#roundAt !== undefined && now >= this.#roundAt) this.#beginRound(now);
    if (now < this.#endAt) return;
    this.#isDone = true;
    this.#out.push({ kind: 'done', found: this.#found() });
  }

  poll(): VerifyOutput | undefined {
    return this.#out.shift();
  }

  deadline(): Instant | undefined {
    return this.#isDone ? undefined : earlier(this.#roundAt, this.#endAt);
  }

  #beginRound(now: Instant): void {
    const { ip, timeout } = this.#options;
    if (this.#round === 0) this.#endAt = now + timeout;
    this.#ask(ip, this.#round % 2 === 0 ? this.#own : unspecified(ip));
    this.#round += 1;
    this.#roundAt = this.#round < ROUNDS ? now + timeout / ROUNDS : undefined;
  }

  #ask(target: Ip, from: Ip, only?: Mac): void {
    const { mac } = this.#options.link;
    const to = only === undefined ? {} : { destination: only };
    const frame =
      target.family === 4
        ? emitArp({ ...arpRequest(target, from, mac), ...to })
        : emitNdp({ ...neighborSolicitation(target, from, mac), ...to });
    this.#out.push({ kind: 'send', frame });
  }

  #found(): Answerer[] {
    const evidence = { ips: this.#decoys, answered: this.#fooled };
    return [...this.#answerers].map((mac) => {
      const node = this.#nodeOf(mac);
      return { mac, node, isProxy: node === undefined && isProxy(evidence, mac) };
    });
  }

  #nodeOf(mac: Mac): string | undefined {
    return this.#options.nodes?.get(mac);
  }
}

interface Claim {
  readonly mac: Mac;
  readonly ip: Ip;
}

/** What an answer says, to whomever it was given: an ARP reply, or a Neighbor Advertisement. */
function answerOf(frame: Uint8Array): Claim | undefined {
  const arp = parseArp(frame);
  if (arp.ok) {
    const { kind, senderMac: mac, senderIp: ip } = arp.value;
    return kind === 'reply' ? { mac, ip } : undefined;
  }
  const ndp = parseNdp(frame);
  if (!ndp.ok || ndp.value.kind !== 'advertisement') return undefined;
  return { mac: ndp.value.targetMac ?? ndp.value.source, ip: ndp.value.target };
}

/**
 * IPv4: the first address of the link, one in the target's own network before others. IPv6: the
 * link-local one. None of them: the question is a probe.
 */
function ownAddress({ ip, link }: VerifyOptions): Ip {
  const mine = link.addresses.filter(({ family }) => family === ip.family);
  if (ip.family === 6) {
    return mine.find(({ value }) => value >> 118n === LINK_LOCAL) ?? UNSPECIFIED_V6;
  }
  const near = (link.prefixes ?? []).find(({ ip: own, length }) => {
    const beyond = BigInt(32 - length);
    return own.family === 4 && own.value >> beyond === ip.value >> beyond;
  });
  return near?.ip ?? mine[0] ?? UNSPECIFIED_V4;
}

/** The first ten bits of fe80::/10. */
const LINK_LOCAL = 0x3fan;

function unspecified({ family }: Ip): Ip {
  return family === 4 ? UNSPECIFIED_V4 : UNSPECIFIED_V6;
}
