/**
 * The checkers: what must hold in every run, whatever happens to the nodes. Each has a name that a
 * failing run is told by.
 *
 * - *one-voice*: at no instant would two kernels answer for one address, but for what cannot be
 *   helped: see `#apart`; while orders differ each of two may be the first of its own.
 * - *fenced*: a node whose process stands still answers for `fence` and no longer, and no lease is
 *   longer than that.
 * - *heals*: when the last fault is over, the first of each address's order answers for it, alone,
 *   within `HEALED`.
 * - *steady*: from then on nothing moves until the next fault: no false takeover.
 * - *silent*: and nothing is sent but beats, and announcements of what is held.
 * - *caches*: every neighbour has been told the right MAC, `TOLD` after the last fault.
 */
import type { Instant, Millis } from '../../lib/time.ts';
import { parseArp } from '../../net/arp.ts';
import type { Delta } from '../../lib/diff.ts';
import { formatIp } from '../../net/ip.ts';
import { parseNdp } from '../../net/ndp.ts';
import type { Announcement } from '../../speaker/dataplane.ts';
import type { ReflexOutput } from '../../speaker/reflexport.ts';
import { PROFILES, REFRESH_EVERY } from '../../speaker/timing.ts';
import type { Client } from './clients.ts';
import type { Cluster } from './cluster.ts';
import { localTime } from './member.ts';
import { START } from './scenario.ts';
import type { Scenario } from './scenario.ts';

export class Breach extends Error {
  readonly checker: string;
  readonly at: Instant;
  readonly ip: string;
  readonly nodes: readonly string[];

  constructor(checker: string, at: Instant, ip: string, nodes: readonly string[], what: string) {
    const where = [ip, nodes.join('+')].filter((text) => text !== '').join(' ');
    super(`${checker} at ${at.toFixed(1)} ms: ${where}: ${what}`);
    this.checker = checker;
    this.at = at;
    this.ip = ip;
    this.nodes = nodes;
  }
}

const { fence, beat } = PROFILES.default;

/** Two that answer for one address find out when they hear each other again (keep). */
const MET: Millis = 300;
/** Two that hear no beats find out by the segment. */
const ASKED: Millis = 1000;
/** Two that were apart and still hear no beats find out by the next announcement. */
const SEEN: Millis = 1.2 * REFRESH_EVERY;
/** Two with different orders for an address agree so long after both know the new one. */
const AGREED: Millis = 300;
/** Longer than a port needs that forwards late, listening, a claim, and all of it once more. */
const HEALED: Millis = 6000;
/** Announcements leave for ten seconds after a takeover. */
const TOLD: Millis = 13_000;
/** A withheld address is asked for again so late; and what a stranger wrote into caches stays. */
const STRANGE: Millis = 16_000;

export class Judge {
  readonly #scenario: Scenario;
  readonly #cluster: Cluster;
  readonly #clients: readonly Client[];
  /** By address: the order that all nodes know when it is calm. */
  readonly owners: Map<string, readonly string[]>;
  /** By address and pair: since when both answer. */
  readonly #doubles = new Map<string, Instant>();
  /** By address: when a stranger had it last. */
  readonly strangers = new Map<string, Instant>();
  /** By address: until when nodes had different orders for it. */
  readonly reordered = new Map<string, Instant>();
  /** Since when nothing may move. */
  #steadySince: Instant | undefined;
  readonly #beats = new Map<string, number>();
  readonly #until = new Map<string, Instant>();
  /** Takeovers, and leases that ran out, when nothing had happened. */
  readonly counts = { falseTakeovers: 0, gaps: 0, takeovers: 0, doubles: 0 };
  /** The longest of each, in ms. */
  readonly longest = { heal: 0, met: 0, asked: 0, ordered: 0 };

  constructor(scenario: Scenario, cluster: Cluster, clients: readonly Client[]) {
    this.#scenario = scenario;
    this.#cluster = cluster;
    this.#clients = clients;
    this.owners = new Map(Object.entries(scenario.orders));
    for (const calm of calmsOf(scenario)) this.#follow(calm);
  }

  // --- one-voice ----------------------------------------------------------------------------

  /** After everything that happens. */
  look(): void {
    const { contested } = this.#cluster.voices;
    if (contested.size === 0 && this.#doubles.size === 0) return;
    const present = new Set<string>();
    for (const ip of contested) {
      const names = this.#cluster.answering(ip);
      names.forEach((a, i) => {
        for (const b of names.slice(i + 1)) present.add(this.#double(ip, a, b));
      });
    }
    for (const key of this.#doubles.keys()) if (!present.has(key)) this.#doubles.delete(key);
  }

  #double(ip: string, a: string, b: string): string {
    const { now, segment } = this.#cluster;
    const key = `${ip} ${a} ${b}`;
    const since = this.#doubles.get(key) ?? now;
    if (!this.#doubles.has(key)) this.counts.doubles += 1;
    this.#doubles.set(key, since);
    const together = segment.togetherSince(a, b);
    const begun = Math.max(since, together ?? now);
    const limit = this.#limit(ip, since, together);
    const took = now - begun;
    if (took >= limit) {
      throw new Breach('one-voice', now, ip, [a, b], `two voices for ${took.toFixed(1)} ms`);
    }
    if (since <= (this.reordered.get(ip) ?? -Infinity)) {
      this.longest.ordered = Math.max(this.longest.ordered, took);
    } else if (limit === MET) this.longest.met = Math.max(this.longest.met, took);
    if (limit === ASKED) this.longest.asked = Math.max(this.longest.asked, took);
    return key;
  }

  #limit(ip: string, since: Instant, together: Instant | undefined): Millis {
    const reordered = this.reordered.get(ip) ?? -Infinity;
    const differed = since <= reordered + AGREED ? Math.max(0, reordered - since) + AGREED : 0;
    return Math.max(differed, this.#apart(since, together));
  }

  /**
   * How long two may answer that reach each other since `together`. Not at all, but: under `keep`
   * each side of a partition goes on, and it takes a beat there and back until they know of each
   * other. Where only beats are lost, a question that two put at the same instant, or whose answer
   * is lost three times, is settled when their announcements meet. Nor has anybody a reason to ask
   * whose segment becomes whole while beats are still lost: the next announcement tells. Under
   * `stop` there are never two.
   */
  #apart(since: Instant, together: Instant | undefined): Millis {
    if (this.#scenario.isolation === 'stop') return 0;
    if (together === undefined) return Infinity;
    const heard = this.#cluster.segment.heardSince();
    const isMet = since <= together + MET;
    if (isMet && (heard === undefined || heard > together)) {
      return heard === undefined ? SEEN : heard - Math.max(since, together) + MET;
    }
    if (heard === undefined || since <= heard + ASKED) return ASKED;
    return isMet ? MET : 0;
  }

  // --- fenced -------------------------------------------------------------------------------

  answered(name: string): void {
    const { now } = this.#cluster;
    const member = this.#cluster.member(name);
    const stood = member.frozen ? (now - member.frozenAt) * member.rate : 0;
    if (stood <= fence && localTime(member, now) < member.until) return;
    throw new Breach('fenced', now, '', [name], `answers ${stood.toFixed(1)} ms after it stopped`);
  }

  output(name: string, output: ReflexOutput): void {
    if (output.kind === 'renew') this.#renewed(name, output.until);
    if (output.kind === 'apply') {
      const { put } = output.delta;
      for (const { role } of put.values()) if (role === 'answer') this.counts.takeovers += 1;
    }
    if (this.#steadySince !== undefined) this.#disturbs(name, output);
  }

  #renewed(name: string, until: Instant): void {
    const { now } = this.#cluster;
    const member = this.#cluster.member(name);
    const local = localTime(member, now);
    if (until > local + fence + 1e-3) {
      throw new Breach('fenced', now, '', [name], `a lease of ${(until - local).toFixed(1)} ms`);
    }
    const before = this.#until.get(name) ?? 0;
    if (this.#steadySince !== undefined && before < local && member.table.size > 0) {
      this.counts.gaps += 1;
    }
    this.#until.set(name, until);
  }

  // --- heals, steady, silent, caches --------------------------------------------------------

  #follow({ from, to }: Calm): void {
    const cluster = this.#cluster;
    const wait = (): void => {
      const wrong = this.#wrong();
      const took = cluster.now - from;
      if (wrong === undefined) this.longest.heal = Math.max(this.longest.heal, took);
      else if (took < HEALED) cluster.at(cluster.now + 20, wait);
      else this.#unhealed(wrong);
    };
    cluster.at(from, wait);
    cluster.at(from + HEALED, () => this.#calm());
    if (to > from + TOLD) cluster.at(from + TOLD, () => this.#told());
    cluster.at(to, () => this.#over(to - from - HEALED));
  }

  /** An address that not just its first node answers for. */
  #wrong(): string | undefined {
    for (const [ip, [first]] of this.owners) {
      if (!this.#isStrange(ip) && this.#cluster.answering(ip).join() !== first) return ip;
    }
    return undefined;
  }

  #isStrange(ip: string): boolean {
    return this.#cluster.now - (this.strangers.get(ip) ?? -Infinity) < STRANGE;
  }

  #unhealed(ip: string): void {
    const names = this.#cluster.answering(ip);
    const first = this.owners.get(ip)?.[0];
    const what = `answered by ${names.join() || 'nobody'} ${HEALED} ms after the last fault`;
    throw new Breach('heals', this.#cluster.now, ip, names, `${what}, not by ${first}`);
  }

  #calm(): void {
    this.#steadySince = this.#cluster.now;
    this.#beats.clear();
  }

  #disturbs(name: string, output: ReflexOutput): void {
    const { now } = this.#cluster;
    switch (output.kind) {
      case 'beat':
        this.#beats.set(name, (this.#beats.get(name) ?? 0) + 1);
        break;
      case 'send':
        this.#mayBeSent(name, output.frame);
        break;
      case 'apply':
        this.#moves(name, output.delta);
        break;
      case 'attach':
      case 'detach':
      case 'stopped':
        throw new Breach('silent', now, '', [name], `${output.kind} although nothing has happened`);
      case 'renew':
      case 'groups':
      case 'resolve':
      case 'state':
        break;
    }
  }

  /**
   * Nobody else takes an address. Its owner may lose it for a moment where beats are lost: a lease
   * that two beats in a row did not renew is gone, and earned again by the next.
   */
  #moves(name: string, { put, remove }: Delta<Announcement>): void {
    const { now } = this.#cluster;
    const moved = [...put.keys(), ...remove].filter((ip) => !this.#isStrange(ip));
    for (const ip of moved) {
      const first = this.owners.get(ip)?.[0];
      if (first === undefined || put.get(ip)?.role === 'watch') continue;
      if (first === name && this.#scenario.weather.loss > 0) continue;
      this.counts.falseTakeovers += 1;
      throw new Breach('steady', now, ip, [name], `moves from ${first} though nothing happened`);
    }
  }

  /** An announcement of what it holds. */
  #mayBeSent(name: string, frame: Uint8Array): void {
    const [arp, ndp] = [parseArp(frame), parseNdp(frame)];
    const ip = arp.ok ? arp.value.targetIp : ndp.ok ? ndp.value.target : undefined;
    const text = ip === undefined ? '' : formatIp(ip);
    if (this.#isStrange(text)) return;
    const asks = arp.ok ? arp.value.senderIp.value !== arp.value.targetIp.value : !isTold(frame);
    if (!asks && this.#cluster.member(name).table.has(text)) return;
    throw new Breach('silent', this.#cluster.now, text, [name], asks ? 'asks' : 'announces');
  }

  #told(): void {
    for (const [ip, [first = '']] of this.owners) {
      if (this.#isStrange(ip) || this.#cluster.now - (this.strangers.get(ip) ?? -1e9) < 60_000) {
        continue;
      }
      const { mac } = this.#cluster.member(first).link;
      for (const client of this.#clients) {
        const known = client.knows(ip);
        if (known === undefined || known === mac) continue;
        const what = `${client.name} still takes ${known} for it, not ${mac}`;
        throw new Breach('caches', this.#cluster.now, ip, [first], what);
      }
    }
  }

  #over(lasted: Millis): void {
    const { loss, drift } = this.#scenario.weather;
    // A beat that was lost three times is news for others, and news are sent at once.
    const most = (lasted / beat) * (loss > 0 ? 1.3 : 1 + 2 * drift) + 4;
    for (const [name, count] of this.#beats) {
      if (count <= most) continue;
      const what = `${count} beats in ${Math.round(lasted)} ms`;
      throw new Breach('silent', this.#cluster.now, '', [name], what);
    }
    this.#steadySince = undefined;
  }
}

function isTold(frame: Uint8Array): boolean {
  const ndp = parseNdp(frame);
  return ndp.ok && ndp.value.kind === 'advertisement';
}

interface Calm {
  readonly from: Instant;
  readonly to: Instant;
}

/** When nothing is wrong, for long enough to say something. */
export function calmsOf({ faults, minutes }: Scenario): readonly Calm[] {
  const calms: Calm[] = [];
  let from = START - HEALED;
  const end = minutes * 60_000;
  for (const { at, until } of [...faults, { at: end, until: end }]) {
    if (at - from > HEALED + 1000) calms.push({ from, to: at - 1 });
    from = Math.max(from, until);
  }
  return calms;
}
