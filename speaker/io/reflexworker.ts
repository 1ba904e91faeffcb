/**
 * The reflex thread: runs the Reflex machine with the real clock, sockets and data plane. It has
 * its own event loop and a small heap, parses no JSON and waits for nothing but the kernel, so a
 * brain that is busy for seconds costs no beat. It logs by message: a worker's standard output
 * goes through the main thread anyway.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '../../lib/assert.ts';
import { drive } from '../../lib/drive.ts';
import type { Driver } from '../../lib/drive.ts';
import { Alarm, monotonic } from '../../lib/io/clock.ts';
import type { Note } from '../../lib/note.ts';
import type { Result } from '../../lib/result.ts';
import { formatIp } from '../../net/ip.ts';
import type { DataPlane } from '../dataplane.ts';
import { Displaced, mendedText } from '../displaced.ts';
import type { LinkIndex } from '../links.ts';
import { unpackOrders } from '../orderwire.ts';
import { Reflex } from '../reflex.ts';
import type { ReflexInput, ReflexOutput } from '../reflexport.ts';
import { PROFILES } from '../timing.ts';
import { Groups } from './groups.ts';
import { MOST, readNeighbours } from './neighbours.ts';
import { watchLinks } from './netlink.ts';
import type { LinkEvent } from './netlink.ts';
import { openPlane } from './openplane.ts';
import { Peers } from './peers.ts';
import type { FromReflex, ReflexSettings, ToReflex } from './reflexthread.ts';
import { SharedLease } from './sharedlease.ts';
import { StrictArp } from './strictarp.ts';

const port = parentPort;
assert(port !== null, 'reflexworker runs as a worker thread');
const settings = workerData as ReflexSettings;
const excluded = settings.excluded.map((source) => new RegExp(source));

function post(message: FromReflex): void {
  port?.postMessage(message);
}

function note(level: Note['level'], event: string, msg: string, fields: Note['fields'] = {}): void {
  post({ kind: 'note', note: { level, event, msg, fields } });
}

const TOO_MANY = `more than ${MOST} neighbours in the kernel: the others are not looked at`;

/** How long what others took off a link may be missing. */
const MEND_EVERY = 1000;

/** The worker's parts, once all of them are open. */
class ReflexWorker {
  readonly #plane: DataPlane;
  readonly #peers: Peers;
  /** It was said that not all neighbours are read. */
  #hasMany = false;
  readonly #lease = new SharedLease(settings.lease);
  readonly #groups = new Groups((msg) => note('warn', 'GroupFailed', msg));
  readonly #strictArp = new StrictArp(excluded, (troubles) =>
    post({ kind: 'troubles', source: 'strictarp', troubles }),
  );
  readonly #displaced = new Displaced();
  /** As told last. */
  #displacedText = '[]';
  readonly #linkNames = new Map<LinkIndex, string>();
  readonly #watching = new AbortController();
  readonly #machine: Reflex;
  readonly #driver: Driver<ReflexInput>;

  constructor(plane: DataPlane, peers: Peers) {
    this.#plane = plane;
    this.#peers = peers;
    this.#machine = new Reflex({
      node: settings.node,
      boot: settings.boot,
      timing: PROFILES[settings.profile],
      isolation: settings.isolation,
      random: Math.random,
      excluded,
      onePerSubnet: settings.onePerSubnet,
      refresh: settings.refresh,
      probe: settings.probe,
      asked: (key) => plane.asked(key),
    });
    const alarm = new Alarm(() => {
      this.#look();
      this.#driver.wake();
    });
    this.#driver = drive(this.#machine, {
      now: monotonic,
      wakeAt: (at) => alarm.set(at),
      act: (output) => this.#act(output),
    });
  }

  start(): Result<void, string> {
    setInterval(() => this.#mend(), MEND_EVERY);
    return watchLinks((event) => this.#link(event), this.#watching.signal);
  }

  put(input: ReflexInput): void {
    this.#look();
    this.#driver.put(input);
  }

  /** Before anything is decided: an answer to a question may have come. */
  #look(): void {
    for (const sighting of this.#plane.sightings()) {
      this.#driver.put({ kind: 'sighting', sighting });
    }
  }

  take(message: ToReflex): void {
    if (message.kind === 'count') post({ kind: 'counters', counters: this.#counters() });
    else if (message.kind === 'orders') {
      this.put({ kind: 'orders', delta: unpackOrders(message.orders) });
    } else this.put(message);
  }

  #link(event: LinkEvent): void {
    if (event.kind === 'synced') return;
    if (event.kind === 'delete') {
      this.#displaced.gone(this.#nameOf(event.index));
      this.#linkNames.delete(event.index);
      this.#strictArp.remove(event.index);
      this.put({ kind: 'unlink', index: event.index });
    } else {
      this.#linkNames.set(event.link.index, event.link.name);
      this.#strictArp.put(event.link);
      this.put({ kind: 'link', link: event.link });
    }
  }

  #act(output: ReflexOutput): void {
    switch (output.kind) {
      case 'beat':
        return this.#peers.send(output.beat, output.to);
      case 'apply':
        this.#strictArp.apply(output.delta);
        return this.#must(this.#plane.apply(output.delta));
      case 'renew':
        this.#lease.renew(output.until);
        return this.#must(this.#plane.renew(output.until));
      case 'attach':
        return this.#attach(output.link);
      case 'detach':
        this.#displaced.gone(this.#nameOf(output.index));
        return this.#may(this.#plane.detach(output.index), output.index);
      case 'send':
        return this.#may(this.#plane.send(output.link, output.frame), output.link);
      case 'groups':
        return this.#groups.apply(output.delta, (link) => this.#linkNames.get(link));
      case 'resolve':
        // Not from within the driver: the machine must not be entered twice.
        return queueMicrotask(() => this.#resolve());
      case 'state':
        return post({ kind: 'state', state: output.state });
      case 'stopped':
        return this.#close();
    }
  }

  #resolve(): void {
    const neighbours = readNeighbours();
    if (!neighbours.ok) note('warn', 'NeighboursUnread', neighbours.error);
    const entries = neighbours.ok ? neighbours.value : [];
    if (entries.length === MOST && !this.#hasMany) {
      this.#hasMany = true;
      note('warn', 'NeighboursCut', TOO_MANY);
    }
    const known = entries.map(({ ip, mac }) => ({ address: formatIp(ip), mac }));
    this.put({ kind: 'neighbours', entries: known });
  }

  #attach(link: { readonly index: LinkIndex; readonly mac: string }): void {
    const attached = this.#plane.attach(link);
    const name = this.#nameOf(link.index);
    if (attached.ok) {
      this.#displaced.attached(name);
      note('info', 'LinkAttached', `answering on ${name}`, { interface: name, mac: link.mac });
      return;
    }
    this.#attachFailed(link.index, attached.error);
  }

  #attachFailed(index: LinkIndex, message: string): void {
    const name = this.#nameOf(index);
    note('warn', 'LinkFailed', message, { interface: name });
    this.#displaced.failed(name, message);
    // Not from within the driver: the machine must not be entered twice.
    queueMicrotask(() => this.put({ kind: 'attach-failed', index, message }));
  }

  #mend(): void {
    for (const [index, result] of this.#plane.mend()) {
      if (!result.ok) this.#attachFailed(index, result.error);
      else {
        const name = this.#nameOf(index);
        note('warn', 'LinkMended', mendedText(name, result.value), { interface: name });
        this.#displaced.mended(name, result.value, monotonic());
      }
    }
    const troubles = this.#displaced.troubles(monotonic());
    const text = JSON.stringify(troubles);
    if (text === this.#displacedText) return;
    this.#displacedText = text;
    post({ kind: 'troubles', source: 'responder', troubles });
  }

  #nameOf(index: LinkIndex): string {
    return this.#linkNames.get(index) ?? `interface ${index}`;
  }

  /** A plane that refuses to be told the truth must not go on answering: the process ends. */
  #must(result: Result<void, string>): void {
    if (result.ok) return;
    this.#plane.renew(0); // at once: the end of the process may take a moment
    post({ kind: 'fatal', message: result.error });
  }

  /** A link that vanished under us is news of the next moment, not a failure. */
  #may(result: Result<void, string>, link: LinkIndex): void {
    if (result.ok) return;
    note('debug', 'LinkRefused', result.error, { interface: this.#linkNames.get(link) });
  }

  #counters(): ReadonlyMap<string, bigint> {
    const all = new Map(this.#plane.counters());
    for (const [what, count] of [...this.#peers.faults, ...this.#machine.beats]) {
      all.set(`beat ${what}`, BigInt(count));
    }
    for (const [what, count] of this.#machine.wire) all.set(`wire ${what}`, BigInt(count));
    return all;
  }

  #close(): void {
    this.#watching.abort();
    this.#plane.close();
    this.#groups.close();
    this.#strictArp.close();
    this.#peers.close();
    post({ kind: 'stopped' });
  }
}

async function main(): Promise<void> {
  const chosen = openPlane(settings.dataPlane, settings);
  if (!chosen.ok) return post({ kind: 'fatal', message: chosen.error });
  const { plane, why } = chosen.value;
  let worker: ReflexWorker | undefined;
  const peers = await Peers.open(settings.secret, settings.peerPort, (beat) =>
    worker?.put({ kind: 'beat', beat }),
  );
  if (!peers.ok) return post({ kind: 'fatal', message: peers.error });
  worker = new ReflexWorker(plane, peers.value);
  port?.on('message', (message: ToReflex) => worker?.take(message));
  const started = worker.start();
  if (!started.ok) return post({ kind: 'fatal', message: started.error });
  return post({ kind: 'started', plane: plane.name, why });
}

await main();
