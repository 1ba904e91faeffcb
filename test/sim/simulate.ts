/** Plays a scenario on a cluster, the checkers looking on: the same one twice, the same way. */
import { seeded } from '../../lib/random.ts';
import type { Random } from '../../lib/random.ts';
import type { Instant, Millis } from '../../lib/time.ts';
import type { Beat } from '../../speaker/heartbeat.ts';
import type { ReflexOutput } from '../../speaker/reflexport.ts';
import { Capture } from './capture.ts';
import { Client } from './clients.ts';
import { Cluster } from './cluster.ts';
import { claimOf, host } from './hosts.ts';
import { Breach, Judge } from './judge.ts';
import type { Fault, Scenario } from './scenario.ts';
import { Trace } from './trace.ts';

export interface Outcome {
  readonly hash: string;
  readonly breach: Breach | undefined;
  readonly judge: Judge;
  readonly capture: Capture;
  /** How far it came. */
  readonly seconds: number;
}

const STRANGER = '02:00:5e:10:00:01';
const CLIENTS = 2;
/** Within this a port forwards, after the cable is back. */
const PORT_OPENS: Millis = 2000;

export function simulate(scenario: Scenario): Outcome {
  const stage = new Stage(scenario);
  const breach = stage.play();
  const { judge, capture, trace, cluster } = stage;
  return { hash: trace.hash, breach, judge, capture, seconds: cluster.now / 1000 };
}

class Stage {
  readonly #scenario: Scenario;
  readonly cluster: Cluster;
  readonly judge: Judge;
  readonly capture = new Capture();
  readonly trace = new Trace();
  readonly #clients: readonly Client[];
  /** Addresses that the stranger has. */
  readonly #strange = new Set<string>();
  /** Addresses that nobody has announced. */
  readonly #fresh = new Set<string>();
  readonly #random: Random;

  constructor(scenario: Scenario) {
    this.#scenario = scenario;
    const { seed, names, isolation, orders, weather } = scenario;
    this.#random = seeded(seed ^ 0x5eed);
    const cluster = new Cluster(names, {
      seed,
      isolation,
      orders,
      ...weather,
      check: () => this.judge.look(),
    });
    this.cluster = cluster;
    cluster.watcher = {
      output: (name, output) => this.#output(name, output),
      frame: (from, frame, isAnswer) => {
        this.capture.frame(cluster.now, frame);
        if (isAnswer) this.judge.answered(from);
      },
    };
    cluster.stranger(
      'stranger',
      host(STRANGER, (ip) => this.#strange.has(ip)),
    );
    const ips = Object.keys(orders).filter((ip) => !ip.includes(':'));
    this.#clients = Array.from(
      { length: CLIENTS },
      (_, i) => new Client(i, ips, cluster, this.#random),
    );
    this.judge = new Judge(scenario, cluster, this.#clients);
    for (const fault of scenario.faults) cluster.at(fault.at, () => this.#begin(fault));
  }

  play(): Breach | undefined {
    try {
      this.cluster.run(this.#scenario.minutes * 60_000);
    } catch (error) {
      if (error instanceof Breach) return error;
      const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
      return new Breach('crash', this.cluster.now, '', [], what);
    }
    return undefined;
  }

  #output(name: string, output: ReflexOutput): void {
    const { now } = this.cluster;
    this.trace.add(name, output, now);
    this.judge.output(name, output);
    if (output.kind === 'beat') this.#capture(name, output.beat, output.to);
    if (output.kind !== 'apply') return;
    for (const [ip, { role }] of output.delta.put) {
      if (role === 'answer' && this.#fresh.delete(ip)) {
        this.cluster.orders.set(ip, this.judge.owners.get(ip) ?? [], false);
      }
    }
  }

  /** Of a beat to many the one to the first of them. */
  #capture(name: string, beat: Beat, [to = '']: readonly string[]): void {
    const { names } = this.#scenario;
    this.capture.beat(this.cluster.now, beat, names.indexOf(name), names.indexOf(to));
  }

  // --- faults -------------------------------------------------------------------------------

  #begin(fault: Fault): void {
    const { cluster } = this;
    const atEnd = (call: () => void): void => cluster.at(fault.until, call);
    switch (fault.kind) {
      case 'crash':
      case 'stop':
        this.#end(fault.kind, fault.who);
        return atEnd(() => cluster.isCrashed(fault.who) && cluster.restart(fault.who));
      case 'freeze':
        if (!cluster.isCrashed(fault.who)) cluster.freeze(fault.who);
        return atEnd(() => cluster.thaw(fault.who, fault.lost));
      case 'link':
        cluster.plug(fault.who, false);
        return atEnd(() => cluster.plug(fault.who, true));
      case 'cable':
        return this.#unplug(fault);
      case 'partition':
      case 'oneway':
      case 'heartbeat':
        return this.#part(fault);
      case 'stranger':
        return this.#intrude(fault.ip, fault.until);
      case 'order':
        return this.#reorder(fault);
    }
  }

  #end(kind: 'crash' | 'stop', who: string): void {
    if (this.cluster.isCrashed(who)) return;
    if (kind === 'stop' && !this.cluster.member(who).frozen) this.cluster.stop(who);
    else this.cluster.crash(who);
  }

  #unplug({ who, at, until, notice, forwards }: Extract<Fault, { kind: 'cable' }>): void {
    const { cluster } = this;
    const { segment } = cluster;
    const back = Math.max(at, until - PORT_OPENS);
    segment.isolate(who);
    cluster.at(at + notice, () => cluster.plug(who, false));
    cluster.at(back + notice, () => cluster.plug(who, true));
    cluster.at(back + forwards, () => segment.include(who, cluster.now));
  }

  #part({ kind, who, until }: Extract<Fault, { who: readonly string[] }>): void {
    const { segment } = this.cluster;
    const { names } = this.#scenario;
    const ones = new Set(who);
    // A client is where the node of its number is.
    const isOne = (port: string): boolean =>
      ones.has(port) || ones.has(names[this.#clients.findIndex(({ name }) => name === port)] ?? '');
    const ports = [...segment.ports].filter((port) => port !== 'stranger');
    const pairs = ports
      .filter(isOne)
      .flatMap((one) => ports.filter((port) => !isOne(port)).map((other) => [one, other] as const));
    for (const [one, other] of pairs) {
      if (kind === 'heartbeat') segment.deafen(one, other);
      else segment.cut(one, other);
      if (kind === 'heartbeat') segment.deafen(other, one);
      if (kind === 'partition') segment.cut(other, one);
    }
    this.cluster.at(until, () => {
      const { now } = this.cluster;
      for (const [one, other] of pairs) {
        for (const [from, to] of [[one, other] as const, [other, one] as const]) {
          if (kind === 'heartbeat') segment.undeafen(from, to, now);
          else if (kind === 'partition' || from === one) segment.join(from, to, now);
        }
      }
    });
  }

  #intrude(ip: string, until: Instant): void {
    const { cluster } = this;
    this.judge.strangers.set(ip, until);
    if (cluster.now >= until) {
      this.#strange.delete(ip);
      return;
    }
    this.#strange.add(ip);
    if (!ip.includes(':')) cluster.broadcast('stranger', claimOf(ip, STRANGER));
    cluster.at(Math.min(until, cluster.now + 1000), () => this.#intrude(ip, until));
  }

  /** Each node is told at its own time. */
  #reorder({ ip, owners, at, until, isNew }: Extract<Fault, { kind: 'order' }>): void {
    const { cluster, judge } = this;
    cluster.orders.set(ip, owners, isNew);
    judge.owners.set(ip, owners);
    judge.reordered.set(ip, Math.max(until, judge.reordered.get(ip) ?? 0));
    if (isNew) {
      this.#fresh.add(ip);
      for (const client of this.#clients) client.add(ip);
    }
    for (const name of this.#scenario.names) {
      cluster.at(at + this.#random() * (until - at), () => cluster.tell(name, ip));
    }
  }
}
