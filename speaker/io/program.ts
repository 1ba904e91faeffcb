/**
 * The speaker as a process: opens what the flags name, wires brain, reflex thread, forwarding and
 * metrics, and sees to an end that leaves nothing behind. Every failure to start is one sentence.
 *
 * Order of a stop: the reflex falls silent and says goodbye, the nftables table goes, the process
 * exits; all of it within a second, or it exits anyway, which is as silent.
 */
import { randomBytes } from 'node:crypto';
import type { FlagValues } from '../../config/flags.ts';
import { configured } from '../../config/io/configured.ts';
import { openServers } from '../../config/io/servers.ts';
import { validate } from '../../config/schema.ts';
import { counted } from '../../kube/counted.ts';
import { addClientMetrics } from '../../kube/io/clientmetrics.ts';
import type { Direct } from '../../kube/io/direct.ts';
import { ownPod } from '../../kube/io/ownpod.ts';
import { openSource } from '../../kube/io/source.ts';
import type { Kube, KubeEvent, WatchEvent } from '../../kube/kube.ts';
import { drive } from '../../lib/drive.ts';
import type { Driver } from '../../lib/drive.ts';
import { Alarm, monotonic } from '../../lib/io/clock.ts';
import { leave } from '../../lib/io/leave.ts';
import { openLog } from '../../lib/io/log.ts';
import type { Log } from '../../lib/io/log.ts';
import { err } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';
import { REPORT_PATH } from '../../owners/report.ts';
import type { ReportedTrouble, SpeakerStatus } from '../../owners/report.ts';
import { Brain, WATCHED } from '../brain.ts';
import type { BrainInput, BrainOutput } from '../brain.ts';
import { VERIFY_PATH } from '../finding.ts';
import type { SPEAKER_FLAGS } from '../flags.ts';
import type { Reach } from '../gateway.ts';
import { packOrders } from '../orderwire.ts';
import { readExcluded } from './excluded.ts';
import { watchGateways } from './gateways.ts';
import { identify } from './identity.ts';
import { speakerMetrics } from './metrics.ts';
import type { SpeakerMetrics } from './metrics.ts';
import { Nftables } from './nftables.ts';
import { ReflexThread } from './reflexthread.ts';
import type { FromReflex } from './reflexthread.ts';
import { SharedLease } from './sharedlease.ts';
import { Reporting, controllerUrls } from './report.ts';
import type { FindControllers } from './report.ts';
import { Telling } from './telling.ts';
import { verifyRoute } from './verifyroute.ts';

export type Flags = FlagValues<typeof SPEAKER_FLAGS>;

/** Of MetalLB's objects, where the source does not say. */
const NAMESPACE = 'metallb-system';

/** A stop that takes longer than this ends without the rest of its manners. */
const STOP_LIMIT = 800;

/** Runs until a signal; the promise resolves only with a failure to start. */
export async function runSpeaker(given: Flags): Promise<Result<never, string>> {
  const log = openLog('speaker', given['log-level']);
  for (const { level, event, message } of given.remarks) log(level, event, message);
  const identity = identify(given, process.env);
  if (!identity.ok) return identity;
  const { node, secret } = identity.value;
  const urls = controllerUrls(given.controller);
  if (!urls.ok) return urls;
  const isWide = given['ml-wan-config'] && !given.given.has('profile');
  const flags: Flags = { ...given, node, ...(isWide ? { profile: 'vm' } : {}) };
  const excluded = readExcluded(flags['exclude-interfaces']);
  if (!excluded.ok) return excluded;
  const source = await openSource(flags, {
    validate,
    collect: false,
    reporter: { component: 'arpeggio-speaker', host: node },
    environment: process.env,
  });
  if (!source.ok) return source;
  let forwarding: Nftables | undefined;
  if (flags.forward === 'nftables') {
    const opened = Nftables.open(log);
    if (!opened.ok) return opened;
    forwarding = opened.value;
  }
  const namespace = source.value.namespace ?? NAMESPACE;
  const settings = { ...flags, namespace, excluded: excluded.value };
  const kube = configured(source.value, flags);
  const { direct } = source.value;
  const program = new Program(settings, kube, direct, log, forwarding);
  const find: FindControllers = () =>
    urls.value.length > 0 ? Promise.resolve(urls.value) : source.value.controllers();
  return program.run(secret, find);
}

interface Settings extends Flags {
  /** Names of interfaces left out, as sources of regular expressions. */
  readonly excluded: readonly string[];
}

class Program {
  readonly #flags: Settings;
  readonly #kube: Kube;
  readonly #direct: Direct | undefined;
  readonly #log: Log;
  readonly #forwarding: Nftables | undefined;
  readonly #brain: Brain;
  readonly #driver: Driver<BrainInput>;
  readonly #metrics: SpeakerMetrics;
  /** Names this life of the process, to the other speakers and to the controller. */
  readonly #boot = randomBytes(8).toString('hex');
  #plane = 'none';
  /** Names of the other nodes by address. */
  #peerNames: ReadonlyMap<string, string> = new Map();
  #reflex: ReflexThread | undefined;
  #reporting: Reporting | undefined;
  readonly #telling: Telling;
  #counting: ((counters: ReadonlyMap<string, bigint>) => void)[] = [];
  #fail: (sentence: string) => void = () => {};
  #started: () => void = () => {};
  readonly #lease = new SharedLease();
  #stopping = false;

  constructor(
    flags: Settings,
    given: Kube,
    direct: Direct | undefined,
    log: Log,
    forwarding: Nftables | undefined,
  ) {
    this.#flags = flags;
    const { kube, traffic } = counted(given);
    this.#kube = kube;
    this.#direct = direct;
    this.#log = log;
    this.#forwarding = forwarding;
    this.#brain = new Brain(flags.node, forwarding !== undefined, {
      lbClass: flags['lb-class'] || undefined,
      ignoreExclude: flags['ignore-exclude-lb'],
    });
    const alarm = new Alarm(() => this.#driver.wake());
    this.#driver = drive(this.#brain, {
      now: monotonic,
      wakeAt: (at) => alarm.set(at),
      act: (output) => this.#act(output),
    });
    const { node, namespace } = flags;
    const status = (): SpeakerStatus => this.#brain.status(this.#plane);
    const troubles = (): readonly ReportedTrouble[] => this.#brain.troubles.all;
    this.#telling = new Telling({ kube, direct, log, node, namespace, status, troubles });
    this.#metrics = speakerMetrics(node, this.#brain, () => this.#count());
    addClientMetrics(this.#metrics.registry, () => ({
      ...traffic(),
      ...this.#telling.configuration,
    }));
  }

  async run(secret: Uint8Array, find: FindControllers): Promise<Result<never, string>> {
    const failed = new Promise<Result<never, string>>((done) => {
      this.#fail = (sentence) => done(err(sentence));
    });
    const started = new Promise<void>((done) => (this.#started = done));
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => this.#stop());
    const health = { notReady: () => this.#notReady() };
    this.#reporting = new Reporting({
      node: this.#flags.node,
      boot: this.#boot,
      secret,
      status: () => this.#brain.status(this.#plane),
      log: this.#log,
    });
    const verifying = verifyRoute({
      node: this.#flags.node,
      secret,
      excluded: this.#flags.excluded.map((source) => new RegExp(source)),
      holds: (ip) => this.#brain.announced.some((each) => each.ip === ip),
      peers: () => this.#peerNames,
    });
    const routes = {
      [`GET ${REPORT_PATH}`]: this.#reporting.serve,
      [`GET ${VERIFY_PATH}`]: verifying,
    };
    const { registry } = this.#metrics;
    const how = { flags: this.#flags, probedFrom: 'loopback', direct: this.#direct } as const;
    const served = await openServers({ ...how, registry, health, routes });
    if (!served.ok) return this.#giveUp(served);
    this.#reflex = this.#startReflex(secret);
    const first = await Promise.race([failed, started]);
    if (first !== undefined) return this.#giveUp(first);
    this.#reporting.follow(find);
    const watching = new AbortController();
    this.#checkGateways(watching.signal);
    for (const resource of WATCHED) {
      const sink = (event: WatchEvent): void => {
        this.#telling.show(resource, event);
        this.#driver.put({ kind: 'watch', resource, event });
      };
      this.#kube.watch(resource, sink, watching.signal);
    }
    const { namespace, 'pod-name': name } = this.#flags;
    void ownPod(this.#kube, namespace, name, process.env).then((pod) =>
      this.#telling.follow(watching.signal, pod),
    );
    return this.#giveUp(await failed);
  }

  /** Others answer, where they can, while this node does not reach its gateway. */
  #checkGateways(signal: AbortSignal): void {
    if (this.#flags['gateway-check'] === 'off') return;
    const tell = ({ reach, sentence }: Reach): void => {
      this.#reflex?.post({ kind: 'gateway', reach });
      const troubles = sentence === undefined ? [] : [{ reason: 'GatewayUnreachable', sentence }];
      this.#driver.put({ kind: 'troubles', source: 'gateway', troubles });
    };
    const checking = watchGateways(tell, signal);
    if (checking.ok) return;
    this.#log('warn', 'GatewayCheckOff', `no gateway is checked: ${checking.error}`);
  }

  /** What the reflex said last is no proof that it still runs: its lease is. */
  #notReady(): string | undefined {
    return this.#kube.notReady() ?? this.#brain.notReady() ?? this.#lease.notReady(monotonic());
  }

  #startReflex(secret: Uint8Array): ReflexThread {
    const flags = this.#flags;
    return new ReflexThread(
      {
        node: flags.node,
        boot: this.#boot,
        secret,
        peerPort: flags['peer-port'],
        profile: flags.profile,
        isolation: flags.isolation,
        dataPlane: flags['data-plane'],
        attach: flags.attach,
        guard: flags['arp-guard'] === 'on',
        lease: this.#lease.buffer,
        excluded: flags.excluded,
        onePerSubnet: flags['one-link-per-subnet'],
        refresh: flags['gratuitous-arp-interval'] * 1000,
        probe: flags.probe,
      },
      (message) => this.#hear(message),
      (sentence) => this.#fail(sentence),
    );
  }

  #hear(message: FromReflex): void {
    switch (message.kind) {
      case 'started':
        this.#log('info', 'Started', `answering through ${message.plane}: ${message.why}`, {
          node: this.#flags.node,
          plane: message.plane,
        });
        this.#plane = message.plane;
        this.#metrics.answersThrough(message.plane);
        return this.#started();
      case 'state':
        this.#metrics.follow(message.state);
        return this.#driver.put({ kind: 'reflex', state: message.state });
      case 'troubles':
        return this.#driver.put(message);
      case 'note': {
        const { level, event, msg, fields } = message.note;
        return this.#log(level, event, msg, fields);
      }
      case 'counters':
        for (const done of this.#counting.splice(0)) done(message.counters);
        return undefined;
      case 'fatal':
        return this.#fail(message.message);
      case 'stopped':
        return this.#exit();
    }
  }

  #act(output: BrainOutput): void {
    switch (output.kind) {
      case 'peers':
        this.#peerNames = new Map(output.peers.map(({ name, address }) => [address, name]));
        return this.#reflex?.post(output);
      case 'orders':
        return this.#reflex?.post({ kind: 'orders', orders: packOrders(output.delta) });
      case 'forward':
        return this.#forwarding?.want(output.forwards);
      case 'event':
        void this.#record(output.event);
        return undefined;
      case 'changed':
        this.#reporting?.changed();
        return this.#telling.changed();
      case 'configured':
        return this.#telling.configured(output.held);
      case 'note':
        return this.#log(output.note.level, output.note.event, output.note.msg, output.note.fields);
    }
  }

  async #record(event: KubeEvent): Promise<void> {
    const recorded = await this.#kube.record(event);
    if (!recorded.ok) this.#log('warn', 'EventLost', recorded.error.message);
  }

  #count(): Promise<ReadonlyMap<string, bigint>> {
    return new Promise((done) => {
      this.#counting.push(done);
      if (this.#counting.length === 1) this.#reflex?.post({ kind: 'count' });
    });
  }

  #stop(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#log('info', 'Stopping', 'silent from now on', { node: this.#flags.node });
    setTimeout(() => this.#exit(), STOP_LIMIT);
    if (this.#reflex === undefined) this.#exit();
    else this.#reflex.post({ kind: 'stop' });
  }

  #exit(): never {
    this.#reflex?.release();
    const removed = this.#forwarding?.remove();
    if (removed?.ok === false) this.#log('error', 'ForwardingLeft', removed.error);
    leave(0);
  }

  #giveUp<T extends Result<never, string>>(failure: T): T {
    this.#reflex?.release();
    this.#forwarding?.remove();
    return failure;
  }
}
