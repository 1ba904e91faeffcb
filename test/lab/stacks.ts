/**
 * How neighbours keep the MAC of one address: what moves an entry to a new owner, what does not,
 * and how they make sure of it. Each habit is a row of a table, played by a small cache that is
 * fed with whole frames; nothing here knows our announcements. docs/neighbours.md shows the tables.
 *
 *   RFC 826     a frame's sender is merged into an entry before anything else is looked at
 *   RFC 4861    7.2.5 what an advertisement changes, 7.3 unreachability detection, 10 constants
 *   RFC 9131    6.1.2 a router makes an entry of an advertisement it did not ask for
 *   RFC 5227, 4862 5.4, 7527   who wants the address for itself asks first
 *
 * Time is handed in, so that minutes of a cache's life take milliseconds of a test.
 */
import type { Instant, Millis } from '../../lib/time.ts';
import { arpProbe, arpRequest, emitArp, parseArp } from '../../net/arp.ts';
import type { ArpFrame } from '../../net/arp.ts';
import { sameIp } from '../../net/ip.ts';
import type { Ip } from '../../net/ip.ts';
import { BROADCAST, multicastMac } from '../../net/mac.ts';
import type { Mac } from '../../net/mac.ts';
import {
  ALL_NODES,
  ALL_ROUTERS,
  UNSPECIFIED_V6,
  emitNdp,
  neighborSolicitation,
  parseNdp,
} from '../../net/ndp.ts';
import type { NeighborAdvertisement } from '../../net/ndp.ts';

/** The neighbour itself. */
export interface Self {
  readonly mac: Mac;
  readonly ip4: Ip;
  readonly ip6: Ip;
}

/** What an entry was last set by: the answer to a question of its own, or an announcement. */
export type Form = 'answer' | 'request' | 'reply' | 'advertisement' | 'advertisement to routers';

/** The cache of one neighbour, for one address. */
export interface Stack {
  readonly name: string;
  /** Where packets for the address go now. */
  readonly mac: Mac | undefined;
  readonly by: Form | undefined;
  /** Answers to its unicast probes, and entries that it gave up because none came. */
  readonly confirmed: number;
  readonly lost: number;
  /** It has a packet for the address: returns what it asks before, if anything. */
  use(now: Instant): Uint8Array[];
  receive(frame: Uint8Array, now: Instant): void;
}

const ASK_EVERY: Millis = 1000;

interface ArpEntry {
  mac: Mac;
  changedAt: Instant;
  /** Announcements in a row by one MAC that is not the entry's. */
  rival: { mac: Mac; times: number };
  probes: number;
  /** When to make sure of it. */
  checkAt: Instant;
}

export interface ArpHabit {
  readonly name: string;
  /** Where this is told of. */
  readonly source: string;
  /** Whether a frame that it did not ask for changes the entry it has. */
  readonly heeds: (frame: ArpFrame, entry: ArpEntry, now: Instant) => boolean;
  /** Whether such a frame makes an entry where there is none. */
  readonly creates?: (frame: ArpFrame) => boolean;
  /** Unicast requests to the MAC it has: when, how many, how far apart. */
  readonly probes?: { readonly after: Millis; readonly count: number; readonly every: Millis };
}

function isAnnouncement(frame: ArpFrame): boolean {
  return sameIp(frame.senderIp, frame.targetIp);
}

function isWellFormedReply(frame: ArpFrame): boolean {
  return frame.kind === 'reply' && isAnnouncement(frame) && frame.targetMac === frame.senderMac;
}

/** arp_is_garp of the kernel: of replies only those with target MAC = sender MAC. */
function isLinuxGratuitous(frame: ArpFrame): boolean {
  return isWellFormedReply(frame) || (frame.kind === 'request' && isAnnouncement(frame));
}

const LOCKTIME: Millis = 1000;

function heedsLinux(frame: ArpFrame, entry: ArpEntry, now: Instant): boolean {
  return isLinuxGratuitous(frame) || now - entry.changedAt > LOCKTIME;
}

/** RFC 4861 10: REACHABLE_TIME at its longest, 30 s by at most 1.5. */
const REACHABLE: Millis = 45_000;
const DELAY: Millis = 5000;
const PROBES = { count: 3, every: 1000 } as const;

export const ARP_HABITS: readonly ArpHabit[] = [
  { name: 'the merge rule', source: 'RFC 826; BSD', heeds: () => true },
  {
    name: 'Linux',
    source: 'arp_accept=0, locktime 1 s (kernel, net/ipv4/arp.c)',
    heeds: heedsLinux,
  },
  {
    name: 'Linux that learns',
    source: 'arp_accept=1',
    heeds: heedsLinux,
    creates: isLinuxGratuitous,
  },
  {
    name: 'requests only',
    source: 'RFC 5227 3: the announcement is a request',
    heeds: (frame) => frame.kind === 'request' && isAnnouncement(frame),
  },
  {
    name: 'replies only',
    source: 'routers that learn from replies; MetalLB sends both forms for them',
    heeds: (frame) => frame.kind === 'reply' && isAnnouncement(frame),
  },
  {
    name: 'replies with target MAC = sender MAC only',
    source: 'RFC 5944 4.6, to the letter',
    heeds: isWellFormedReply,
  },
  {
    name: 'three alike',
    source: 'stacks that wait for several, against spoofing',
    heeds: (frame, entry) => isAnnouncement(frame) && entry.rival.times >= 3,
  },
  {
    name: 'Windows Vista to 7',
    source: 'no broadcast changes an entry; unreachability detection (KB 949589)',
    heeds: () => false,
    probes: { after: REACHABLE + DELAY, ...PROBES },
  },
  {
    name: 'macOS at its worst',
    source: 'deaf; after 120 s three unicast requests 7 s apart (xnu, in_arp.c)',
    heeds: () => false,
    probes: { after: 120_000, count: 3, every: 7000 },
  },
];

export class ArpStack implements Stack {
  readonly name: string;
  readonly self: Self;
  readonly #habit: ArpHabit;
  readonly #target: Ip;
  #entry: ArpEntry | undefined;
  #askAt: Instant = -Infinity;
  by: Form | undefined;
  confirmed = 0;
  lost = 0;

  constructor(habit: ArpHabit, self: Self, target: Ip) {
    this.name = habit.name;
    this.#habit = habit;
    this.self = self;
    this.#target = target;
  }

  get mac(): Mac | undefined {
    return this.#entry?.mac;
  }

  use(now: Instant): Uint8Array[] {
    const { mac, ip4 } = this.self;
    const question = arpRequest(this.#target, ip4, mac);
    const entry = this.#entry;
    if (entry === undefined) {
      if (now < this.#askAt) return [];
      this.#askAt = now + ASK_EVERY;
      return [emitArp(question)];
    }
    const { probes } = this.#habit;
    if (probes === undefined || now < entry.checkAt) return [];
    if (entry.probes === probes.count) {
      this.#entry = undefined;
      this.lost += 1;
      return this.use(now);
    }
    entry.probes += 1;
    entry.checkAt = now + probes.every;
    return [emitArp({ ...question, destination: entry.mac, targetMac: entry.mac })];
  }

  receive(bytes: Uint8Array, now: Instant): void {
    const parsed = parseArp(bytes);
    if (!parsed.ok || !sameIp(parsed.value.senderIp, this.#target)) return;
    const frame = parsed.value;
    if (frame.destination !== BROADCAST && frame.destination !== this.self.mac) return;
    if (frame.kind === 'reply' && frame.targetMac === this.self.mac) {
      if (this.#entry !== undefined && this.#entry.probes > 0) this.confirmed += 1;
      return this.#set(frame.senderMac, 'answer', now);
    }
    const heeded =
      this.#entry === undefined ? this.#habit.creates?.(frame) : this.#heeds(frame, now);
    if (heeded === true) this.#set(frame.senderMac, frame.kind, now);
    return undefined;
  }

  #heeds(frame: ArpFrame, now: Instant): boolean {
    const entry = this.#entry;
    if (entry === undefined || entry.mac === frame.senderMac) return false;
    const times = entry.rival.mac === frame.senderMac ? entry.rival.times + 1 : 1;
    entry.rival = { mac: frame.senderMac, times };
    return this.#habit.heeds(frame, entry, now);
  }

  #set(mac: Mac, by: Form, now: Instant): void {
    const changedAt = this.#entry?.mac === mac ? this.#entry.changedAt : now;
    const checkAt = now + (this.#habit.probes?.after ?? Infinity);
    this.#entry = { mac, changedAt, rival: { mac, times: 0 }, probes: 0, checkAt };
    this.by = by;
  }
}

/** RFC 4861 7.3.2. */
export type NdpState = 'incomplete' | 'reachable' | 'stale' | 'delay' | 'probe';

export interface NdpHabit {
  readonly name: string;
  readonly source: string;
  /** Heeds what it asked for only. */
  readonly deaf?: boolean;
  /** Listens to all routers, and makes an entry of what it did not ask for. */
  readonly learns?: boolean;
  /** What its multicast questions carry beside the target. */
  readonly options?: 'none' | 'nonce';
}

const NONCE = Uint8Array.of(1, 2, 3, 4, 5, 6);

export const NDP_HABITS: readonly NdpHabit[] = [
  { name: 'a host', source: 'RFC 4861 7.2.5' },
  { name: 'a router that learns', source: 'RFC 9131 6.1.2', learns: true },
  { name: 'a host that sends no options', source: 'RFC 4861 4.3', options: 'none' },
  { name: 'a host that sends a nonce', source: 'RFC 7527 4.1', options: 'nonce' },
  { name: 'a host that believes answers only', source: 'hardened stacks', deaf: true },
];

export class NdpStack implements Stack {
  readonly name: string;
  readonly self: Self;
  readonly #habit: NdpHabit;
  readonly #target: Ip;
  state: NdpState | undefined;
  mac: Mac | undefined;
  #until: Instant = -Infinity;
  #probes = 0;
  by: Form | undefined;
  confirmed = 0;
  lost = 0;

  constructor(habit: NdpHabit, self: Self, target: Ip) {
    this.name = habit.name;
    this.#habit = habit;
    this.self = self;
    this.#target = target;
  }

  /** Puts the entry into a state, as time and traffic would have. */
  put(state: NdpState, mac: Mac | undefined, now: Instant): void {
    this.#enter(state, now);
    this.mac = mac;
  }

  use(now: Instant): Uint8Array[] {
    if (this.state === undefined) this.#enter('incomplete', now);
    if (this.state === 'stale') this.#enter('delay', now);
    if (now < this.#until) return [];
    if (this.state === 'reachable') {
      this.#enter('stale', now);
      return this.use(now);
    }
    if (this.state === 'delay') this.#enter('probe', now);
    if (this.state === 'probe' && this.#probes === PROBES.count) {
      this.lost += 1;
      this.mac = undefined;
      this.#enter('incomplete', now);
    }
    this.#until = now + ASK_EVERY;
    const question = this.#question();
    const { mac } = this;
    if (this.state === 'incomplete' || mac === undefined) return [emitNdp(question)];
    this.#probes += 1;
    return [emitNdp({ ...question, destination: mac, to: this.#target })];
  }

  receive(bytes: Uint8Array, now: Instant): void {
    const parsed = parseNdp(bytes);
    if (!parsed.ok || parsed.value.kind !== 'advertisement') return;
    const frame = parsed.value;
    if (!sameIp(frame.target, this.#target) || !this.#listens(frame)) return;
    if (this.#habit.deaf === true && !frame.solicited) return;
    this.#heed(frame, now);
  }

  #listens({ destination }: NeighborAdvertisement): boolean {
    const groups = this.#habit.learns === true ? [ALL_NODES, ALL_ROUTERS] : [ALL_NODES];
    return destination === this.self.mac || groups.map(multicastMac).includes(destination);
  }

  /** RFC 4861 7.2.5, and RFC 9131 6.1.2 where there is no entry. */
  #heed(frame: NeighborAdvertisement, now: Instant): void {
    const { targetMac, solicited, override } = frame;
    if (this.state === undefined) {
      if (this.#habit.learns === true && targetMac !== undefined) this.#set(frame, 'stale', now);
      return;
    }
    if (this.state === 'incomplete') {
      if (targetMac !== undefined) this.#set(frame, solicited ? 'reachable' : 'stale', now);
      return;
    }
    const differs = targetMac !== undefined && targetMac !== this.mac;
    if (differs && !override) {
      if (this.state === 'reachable') this.#enter('stale', now);
      return;
    }
    if (solicited && this.#probes > 0) this.confirmed += 1;
    if (solicited) this.#set(frame, 'reachable', now);
    else if (differs) this.#set(frame, 'stale', now);
  }

  #set(frame: NeighborAdvertisement, state: NdpState, now: Instant): void {
    this.mac = frame.targetMac ?? this.mac;
    const toRouters = sameIp(frame.to, ALL_ROUTERS) ? ' to routers' : '';
    this.by = frame.solicited ? 'answer' : (`advertisement${toRouters}` as Form);
    this.#enter(state, now);
  }

  #enter(state: NdpState, now: Instant): void {
    this.state = state;
    this.#probes = 0;
    const lasts = { reachable: REACHABLE, delay: DELAY, incomplete: 0, stale: 0, probe: 0 };
    this.#until = now + lasts[state];
  }

  #question(): ReturnType<typeof neighborSolicitation> {
    const { mac, ip6 } = this.self;
    const { options } = this.#habit;
    const nonce = options === 'nonce' ? NONCE : undefined;
    const question = neighborSolicitation(this.#target, ip6, mac, nonce);
    return options === 'none' ? { ...question, sourceMac: undefined } : question;
  }
}

/** Wants the address for itself, and asks whether it is free. */
export class Claimant {
  readonly question: Uint8Array;
  readonly #ip: Ip;
  /** Who has it. */
  holder: Mac | undefined;

  /** `nonce`: RFC 7527. Optimistic detection (RFC 4429) asks with the same frame. */
  constructor(ip: Ip, mac: Mac, nonce?: Uint8Array) {
    this.#ip = ip;
    this.question =
      ip.family === 4
        ? emitArp(arpProbe(ip, mac))
        : emitNdp(neighborSolicitation(ip, UNSPECIFIED_V6, mac, nonce));
  }

  /** RFC 5227 2.1.1: any ARP frame from the address; RFC 4862 5.4.4: any advertisement of it. */
  receive(bytes: Uint8Array): void {
    const arp = parseArp(bytes);
    if (arp.ok && sameIp(arp.value.senderIp, this.#ip)) this.holder = arp.value.senderMac;
    const ndp = parseNdp(bytes);
    if (!ndp.ok || ndp.value.kind !== 'advertisement') return;
    if (sameIp(ndp.value.target, this.#ip)) this.holder = ndp.value.targetMac;
  }
}
