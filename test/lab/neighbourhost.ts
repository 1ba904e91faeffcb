/**
 * A host made of packets: it sends and hears whole frames through native/wire.c on an interface of
 * its namespace, and lets any number of caches (stacks.ts) live on what it hears. Each cache has a
 * MAC and addresses of its own, as if it were a host of its own behind the same port. The kernel of
 * the namespace lives beside it and is not disturbed: a packet socket takes nothing away.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { childEnv, executeSync } from '../../lab/execute.ts';
import type { Guest, Lab, Namespace } from '../../lab/namespace.ts';
import { until } from '../../lab/until.ts';
import { monotonic } from '../../lib/io/clock.ts';
import type { Instant, Millis } from '../../lib/time.ts';
import type { Stack } from './stacks.ts';

/** How far the clock of the caches jumps at a time, and how long it waits for answers. */
const STEP_MS = 1000;
const PATIENCE_MS = 150;

export interface Heard {
  /** CLOCK_MONOTONIC, when the frame was read. */
  readonly at: Instant;
  readonly frame: Uint8Array;
}

export class NeighbourHost implements Guest {
  readonly heard: Heard[] = [];
  readonly #child: ChildProcess;
  #stacks: readonly Stack[] = [];
  #onHeard: (one: Heard) => void = () => {};
  #isReady = false;
  /** The clock of the caches runs ahead of the machine's by this. */
  #ahead: Millis = 0;

  private constructor(namespace: Namespace, program: string, device: string) {
    const argv = ['setpriv', '--pdeathsig', 'KILL', '--', program, device];
    const [command = '', ...args] = namespace.wrap(argv);
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'], env: childEnv() });
    createInterface({ input: this.#child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      const [, at, hex] = line.split(' ');
      if (hex === undefined) this.#isReady = true;
      else this.#hear({ at: Number(at) / 1e6, frame: new Uint8Array(Buffer.from(hex, 'hex')) });
    });
  }

  /** `directory`: where the program is built. */
  static async start(
    lab: Lab,
    namespace: Namespace,
    directory: string,
    device = 'eth0',
  ): Promise<NeighbourHost> {
    const program = join(directory, 'wire');
    const source = join(import.meta.dirname, 'native/wire.c');
    const built = executeSync(['cc', '-O2', '-Wall', '-Wextra', '-Werror', '-o', program, source]);
    if (built.code !== 0) throw new Error(built.stderr);
    const host = new NeighbourHost(namespace, program, device);
    lab.adopt(host);
    await until(() => host.#isReady, { withinMs: 5000, what: 'the packet host listens' });
    return host;
  }

  /** Makes these the caches that hear and ask from now on. */
  house(stacks: readonly Stack[]): void {
    this.#stacks = stacks;
  }

  /** Called with every frame after the caches have had it. */
  onHeard(call: (one: Heard) => void): void {
    this.#onHeard = call;
  }

  send(frame: Uint8Array): void {
    this.#child.stdin?.write(`0 ${Buffer.from(frame).toString('hex')}\n`);
  }

  /** Every cache has a packet for the address; says whether any asks something before. */
  use(): boolean {
    const asked = this.#stacks.flatMap((stack) => stack.use(this.#now()));
    for (const frame of asked) this.send(frame);
    return asked.length > 0;
  }

  /**
   * Uses the caches until `look` is true, while their clock runs ahead: minutes of their life pass
   * in seconds. It stands still for a moment after every question, or a cache that asks once a
   * second would take a slow machine for a silent owner.
   */
  async live(look: () => boolean, what: string, withinMs = 20_000): Promise<void> {
    let patient: Instant = -Infinity;
    const step = (): boolean => {
      if (look()) return true;
      if (monotonic() >= patient) this.#ahead += STEP_MS;
      if (this.use()) patient = monotonic() + PATIENCE_MS;
      return false;
    };
    const states = (): string =>
      this.#stacks.map(({ name, mac, by }) => `  ${name}: ${mac} by ${by}`).join('\n');
    await until(step, { withinMs, what, lastSeen: states });
  }

  /** Frames heard since an instant. */
  since(at: Instant): Uint8Array[] {
    return this.heard.filter((one) => one.at >= at).map(({ frame }) => frame);
  }

  endSync(): void {
    this.#child.kill('SIGKILL');
  }

  #now(): Instant {
    return monotonic() + this.#ahead;
  }

  #hear(one: Heard): void {
    this.heard.push(one);
    for (const stack of this.#stacks) stack.receive(one.frame, this.#now());
    this.#onHeard(one);
  }
}
