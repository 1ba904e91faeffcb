/**
 * A node and a client joined by two cables (veth pairs) in namespaces of their own, and a program
 * at the client's end that sends and captures whole frames (native/wire.c). The kernels' IPv6 is
 * off, so that nothing but the plane and the kernel's ARP speaks.
 *
 * "No answer" needs no waiting: each question is followed by an ICMP echo, which the node's kernel
 * answers; what has not come before that answer never comes. A plane that answers outside the
 * kernel is asked in between whether it is done.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { childEnv, executeSync } from '../../lab/execute.ts';
import { Lab } from '../../lab/namespace.ts';
import type { Namespace } from '../../lab/namespace.ts';
import { monotonic } from '../../lib/io/clock.ts';
import { formatIp, ipFromBytes, sameIp } from '../../net/ip.ts';
import type { Ip } from '../../net/ip.ts';
import type { PlaneLink } from '../../speaker/dataplane.ts';
import type { LinkIndex } from '../../speaker/links.ts';
import type { PlaneBench, RemotePlane } from '../contract/planebench.ts';
import { VIP4, VIP6 } from '../contract/questions.ts';
import { echoReply, echoRequest, echoSerial } from './echo.ts';
import type { PlaneAnswer, PlaneCall } from './planehost.ts';

/** Frames are handed over through a queue per processor: one queue keeps their order. */
const ON_ONE_PROCESSOR = ['taskset', '--cpu-list', '0'];

const CLIENT_MAC = '02:64:00:00:00:77';
const TIMEOUT_MS = 5000;

interface Captured {
  readonly link: number;
  readonly frame: Uint8Array;
}

export class Cable {
  readonly lab: Lab;
  readonly node: Namespace;
  readonly client: Namespace;
  readonly links: readonly [PlaneLink, PlaneLink];
  readonly #directory = mkdtempSync(join(tmpdir(), 'arpeggio-wire-'));
  readonly #program: string;
  readonly #wire: ChildProcess;
  readonly #ready: Promise<void>;
  /** The node's own end, for frames as its kernel might send them; started when first needed. */
  #nodeWire: ChildProcess | undefined;
  /** Waits until the node has answered what it got, if it does so outside its kernel. */
  settle: (() => Promise<void>) | undefined;
  #captured: Captured[] = [];
  #wake: () => void = () => {};
  #serial = 0;

  constructor(purpose: string) {
    this.lab = new Lab(purpose);
    this.node = this.lab.namespace('node');
    this.client = this.lab.namespace('client');
    for (const namespace of [this.node, this.client]) {
      namespace.sysctl({ 'ipv6/conf/all/disable_ipv6': 1, 'ipv6/conf/default/disable_ipv6': 1 });
    }
    for (const n of [0, 1]) {
      const peer = `peer name eth${n} netns ${this.client.name}`;
      this.node.ip(`link add eth${n} type veth ${peer}`, `link set eth${n} up`);
      this.client.ip(`link set eth${n} up`);
    }
    for (const n of [0, 1]) this.node.ip(`addr add ${formatIp(hostOf(n, 1))}/25 dev eth${n}`);
    this.links = [this.#link('eth0'), this.#link('eth1')];
    for (const { index } of this.links) this.introduce(index);
    this.#program = buildWire(this.#directory);
    this.#wire = this.#startWire(this.client, 'pipe');
    createInterface({ input: this.#wire.stdout as Readable }).on('line', (line) => {
      const [link, , hex] = line.split(' ');
      if (hex !== undefined) {
        this.#captured.push({ link: Number(link), frame: new Uint8Array(Buffer.from(hex, 'hex')) });
      }
      this.#wake();
    });
    this.#ready = new Promise((done) => (this.#wake = done));
  }

  now(): number {
    return monotonic();
  }

  /** Tells the node's kernel the client's MAC, which it forgets when the link goes down. */
  introduce(link: LinkIndex): void {
    const n = this.#numberOf(link);
    const neighbour = `${formatIp(hostOf(n, 2))} lladdr ${CLIENT_MAC} dev eth${n}`;
    this.node.ip(`neigh replace ${neighbour} nud permanent`);
  }

  /** Takes away what makes the node's end answer, as another agent on the node might. */
  strip(link: LinkIndex, hook: 'tcx' | 'clsact'): void {
    const device = `eth${this.#numberOf(link)}`;
    const argv =
      hook === 'clsact'
        ? ['tc', 'qdisc', 'del', 'dev', device, 'clsact']
        : [process.execPath, join(import.meta.dirname, 'detach.ts'), device];
    const done = this.node.execSync(argv);
    if (done.code !== 0) throw new Error(done.stderr);
  }

  /** Sends on the client's side of a link; returns what came back on it. */
  async ask(link: LinkIndex, frame: Uint8Array): Promise<readonly Uint8Array[]> {
    const before = await this.heard(link);
    const n = this.#numberOf(link);
    write(this.#wire, n, frame);
    const answers = await this.heard(link);
    if (this.settle === undefined) return [...before, ...answers];
    await this.settle();
    return [...before, ...answers, ...(await this.heard(link))];
  }

  /** Everything captured on a link up to now. */
  async heard(link: LinkIndex): Promise<readonly Uint8Array[]> {
    await this.#ready;
    const n = this.#numberOf(link);
    const serial = this.#nextSerial();
    const destination = this.links[n]?.mac ?? '';
    const path = { source: CLIENT_MAC, destination, from: hostOf(n, 2), to: hostOf(n, 1) };
    write(this.#wire, n, echoRequest(path, serial));
    return this.#heardBefore(n, serial);
  }

  /** Sends a frame from the node, behind the back of the plane; returns what gets to the client. */
  async leave(link: LinkIndex, frame: Uint8Array): Promise<readonly Uint8Array[]> {
    await this.heard(link);
    const n = this.#numberOf(link);
    this.#nodeWire ??= this.#startWire(this.node, 'ignore');
    const serial = this.#nextSerial();
    const source = this.links[n]?.mac ?? '';
    const path = { source, destination: CLIENT_MAC, from: hostOf(n, 1), to: hostOf(n, 2) };
    write(this.#nodeWire, n, frame);
    write(this.#nodeWire, n, echoReply(path, serial));
    return this.#heardBefore(n, serial);
  }

  #nextSerial(): number {
    return (this.#serial = (this.#serial + 1) & 0xffff);
  }

  /** Takes what was captured on the nth link before the echo with this serial. */
  async #heardBefore(n: number, serial: number): Promise<readonly Uint8Array[]> {
    const end = monotonic() + TIMEOUT_MS;
    for (;;) {
      const at = this.#captured.findIndex(
        (one) => one.link === n && echoSerial(one.frame) === serial,
      );
      if (at >= 0) {
        const heard = this.#captured.slice(0, at).filter((one) => one.link === n);
        this.#captured = this.#captured.filter((one, i) => one.link !== n || i > at);
        return heard.map(({ frame }) => frame);
      }
      if (monotonic() > end) throw new Error(`no answer from the node's kernel on eth${n}`);
      await this.#next();
    }
  }

  close(): void {
    this.#wire.kill('SIGKILL');
    this.#nodeWire?.kill('SIGKILL');
    this.lab.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #link(name: string): PlaneLink {
    const shown = this.node.execSync(['ip', '-json', 'link', 'show', name]);
    const [link] = JSON.parse(shown.stdout) as { ifindex: number; address: string }[];
    if (link === undefined) throw new Error(`no ${name}`);
    return { index: link.ifindex, mac: link.address };
  }

  #numberOf(link: LinkIndex): number {
    const n = this.links.findIndex(({ index }) => index === link);
    if (n < 0) throw new Error(`no link ${link}`);
    return n;
  }

  /** Resolves with the next captured frame, or when patience ends. */
  #next(): Promise<void> {
    return new Promise((done) => {
      const timer = setTimeout(done, TIMEOUT_MS);
      this.#wake = () => {
        clearTimeout(timer);
        done();
      };
    });
  }

  #startWire(end: Namespace, output: 'pipe' | 'ignore'): ChildProcess {
    const argv = [...ON_ONE_PROCESSOR, this.#program, 'eth0', 'eth1'];
    const [command, ...args] = end.wrap(argv);
    return spawn(command ?? '', args, { stdio: ['pipe', output, 'inherit'] });
  }
}

function buildWire(directory: string): string {
  const program = join(directory, 'wire');
  const source = join(import.meta.dirname, 'native/wire.c');
  const built = executeSync(['cc', '-O2', '-Wall', '-Wextra', '-Werror', '-o', program, source]);
  if (built.code !== 0) throw new Error(built.stderr);
  return program;
}

function write(wire: ChildProcess, link: number, frame: Uint8Array): void {
  wire.stdin?.write(`${link} ${Buffer.from(frame).toString('hex')}\n`);
}

/** The nth cable has the nth half of 198.51.100.0/24; 1 is the node, 2 the client. */
function hostOf(n: number, host: number): Ip {
  return ipFromBytes(Uint8Array.of(198, 51, 100, 128 * n + host));
}

/** What the packet plane's filter lets through, told independently of it. */
export function namesVip(frame: Uint8Array, vips: readonly Ip[] = [VIP4, VIP6]): boolean {
  const names = (at: number, length: number): boolean => {
    const bytes = frame.slice(at, at + length);
    return bytes.length === length && vips.some((vip) => sameIp(vip, ipFromBytes(bytes)));
  };
  if (frame[12] === 8 && frame[13] === 6) {
    if (frame[20] !== 0) return false;
    if (frame[21] === 1) return frame.length >= 42 && (names(38, 4) || names(28, 4));
    return frame[21] === 2 && names(28, 4);
  }
  const isNeighbor = frame[20] === 58 && (frame[54] === 135 || frame[54] === 136);
  return isNeighbor && frame.length >= 78 && (names(62, 16) || names(22, 16));
}

/** Root with these capabilities and no other: it may read the sources, and little more. */
export function onlyWith(...capabilities: readonly string[]): string[] {
  const list = ['-all', ...capabilities.map((name) => `+${name}`)].join(',');
  return ['setpriv', '--inh-caps', list, '--bounding-set', list, '--'];
}

/** A planehost inside the node's namespace. */
export class PlaneProcess {
  readonly child: ChildProcess;
  readonly exited: Promise<void>;
  readonly #waiting = new Map<number, (value: unknown) => void>();
  readonly #lost: Promise<never>;
  #calls = 0;

  constructor(node: Namespace, ...args: readonly string[]) {
    const script = join(import.meta.dirname, 'planehost.ts');
    const terms = args.includes('packet') ? [...ON_ONE_PROCESSOR, ...onlyWith('net_raw')] : [];
    const [command, ...rest] = node.wrap([...terms, process.execPath, script, ...args]);
    this.child = spawn(command ?? '', rest, {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      serialization: 'advanced',
      env: childEnv(),
    });
    this.exited = new Promise((done) => {
      this.child.once('exit', () => done());
    });
    this.#lost = this.exited.then(() => {
      throw new Error("the plane's process has ended");
    });
    this.#lost.catch(() => {});
    this.child.on('message', (message) => {
      const { id, value } = message as PlaneAnswer;
      this.#waiting.get(id)?.(value);
      this.#waiting.delete(id);
    });
  }

  call<T>(name: string, ...args: readonly unknown[]): Promise<T> {
    const call: PlaneCall = { id: this.#calls++, name, args };
    const answered = new Promise<T>((done) => {
      this.#waiting.set(call.id, (value) => done(value as T));
      this.child.send(call);
    });
    return Promise.race([answered, this.#lost]);
  }

  get plane(): RemotePlane {
    return {
      attach: (link) => this.call('attach', link),
      detach: (index) => this.call('detach', index),
      apply: (delta) => this.call('apply', delta),
      renew: (until) => this.call('renew', until),
      send: (link, frame) => this.call('send', link, frame),
      read: () => this.call('read'),
      sightings: () => this.call('sightings'),
      asked: (key) => this.call('asked', key),
      mend: () => this.call('mend'),
      counters: () => this.call('counters'),
    };
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }
}

export async function openBench(
  hook: 'tcx' | 'clsact' | 'packet',
  ...args: readonly string[]
): Promise<PlaneBench> {
  const cable = new Cable(hook);
  const process = new PlaneProcess(cable.node, ...args);
  if (hook === 'packet') cable.settle = () => process.call('settle');
  const strip = (link: LinkIndex): void => {
    if (hook !== 'packet') cable.strip(link, hook);
  };
  return {
    plane: process.plane,
    links: cable.links,
    now: () => cable.now(),
    ask: (link, frame) => cable.ask(link, frame),
    heard: (link) => cable.heard(link),
    leave: (link, frame) => cable.leave(link, frame),
    guards: hook !== 'packet',
    ...(hook === 'packet' ? { sees: namesVip } : { strip }),
    close: async () => {
      process.signal('SIGKILL');
      await process.exited;
      cable.close();
    },
  };
}
