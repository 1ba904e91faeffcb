/**
 * A client and a node for each variant, each pair in namespaces of its own and otherwise alike: so
 * all responders stand ready and turns can change without set-up. `nobody` is the pair where the
 * question is not answered.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { childEnv, executeSync } from '../lab/execute.ts';
import { LabFailure } from '../lab/failure.ts';
import { Lab } from '../lab/namespace.ts';
import type { Namespace } from '../lab/namespace.ts';
import type { PlaneChoice } from '../speaker/io/openplane.ts';
import type { ResponderAnswer, ResponderCall } from './responder.ts';
import { PROCESSES, VARIANTS, VIP4, VIP6 } from './variants.ts';
import type { Family, Variant } from './variants.ts';

export type Place = Variant | 'nobody';

/** What the pinger prints; which keys are there depends on the mode. */
export interface Pinged {
  readonly p50: number;
  readonly p99: number;
  readonly lost: number;
  readonly got: number;
  readonly per_s: number;
  readonly cpu_us: number;
}

export class Stage {
  readonly #lab = new Lab('bench');
  readonly #directory = mkdtempSync(join(tmpdir(), 'arpeggio-bench-'));
  readonly #clients = new Map<Place, Namespace>();
  readonly #responders = new Map<Place, Responder>();

  async open(): Promise<void> {
    this.#lab.adopt({ endSync: () => rmSync(this.#directory, { recursive: true, force: true }) });
    this.#buildPinger();
    for (const [n, place] of (['nobody', ...VARIANTS] as const).entries()) {
      const client = this.#lab.namespace(`c${n}`);
      const node = this.#lab.namespace(`n${n}`);
      this.#clients.set(place, client);
      // The client's own stack would only add noise: it has no addresses and no IPv6.
      client.sysctl({ 'ipv6/conf/all/disable_ipv6': 1, 'ipv6/conf/default/disable_ipv6': 1 });
      node.ip(`link add eth0 type veth peer name eth0 netns ${client.name}`);
      node.ip('link set eth0 up', 'addr add 192.0.2.1/24 dev eth0');
      node.ip('addr add 2001:db8::1/64 dev eth0 nodad');
      client.ip('link set eth0 up');
      if (place === 'kernel') {
        node.ip(`addr add ${VIP4}/24 dev eth0`, `addr add ${VIP6}/64 dev eth0 nodad`);
      }
      const behind = place === 'nobody' ? undefined : PROCESSES[place];
      if (behind === undefined) continue;
      const responder = new Responder(node, behind.plane, behind.addresses);
      this.#lab.adopt(responder);
      this.#responders.set(place, responder);
      await responder.ready();
    }
  }

  async ping(place: Place, family: Family, ...mode: readonly string[]): Promise<Pinged> {
    const argv = [join(this.#directory, 'pinger'), 'eth0', family, ...mode];
    const client = this.#clients.get(place);
    const done = await client?.exec(argv, { timeoutMs: 60_000 });
    if (done?.code !== 0) {
      const why = done?.code === 3 ? 'nobody answers' : (done?.stderr.trim() ?? '');
      throw new LabFailure(`pinger ${mode.join(' ')} for ${place} over ${family} failed: ${why}`);
    }
    return JSON.parse(done.stdout) as Pinged;
  }

  /** Processor time of the answering process, in microseconds; the kernel has none. */
  async cpu(place: Place): Promise<number> {
    return (await this.#responders.get(place)?.cpu()) ?? 0;
  }

  /** Keeps the main thread of a place's process busy half of the time, or no longer. */
  block(place: Place, on: boolean): void {
    this.#responders.get(place)?.tell(on ? 'block' : 'unblock');
  }

  close(): void {
    this.#lab.close();
  }

  #buildPinger(): void {
    const program = join(this.#directory, 'pinger');
    const source = join(import.meta.dirname, 'native/pinger.c');
    const built = executeSync(['cc', '-O2', '-Wall', '-Wextra', '-o', program, source]);
    if (built.code !== 0) throw new LabFailure(`cannot build the pinger:\n${built.stderr}`);
  }
}

class Responder {
  readonly #child: ChildProcess;
  #hear: (answer: ResponderAnswer) => void = () => {};
  readonly #lost: Promise<never>;

  constructor(node: Namespace, plane: PlaneChoice, addresses: number) {
    const shown = node.execSync(['ip', '-json', 'link', 'show', 'eth0']);
    const [link] = JSON.parse(shown.stdout) as { ifindex: number; address: string }[];
    const script = join(import.meta.dirname, 'responder.ts');
    const what = [String(link?.ifindex), link?.address ?? '', plane, String(addresses)];
    const [command, ...args] = node.wrap([process.execPath, script, ...what]);
    this.#child = spawn(command ?? '', args, {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: childEnv(),
    });
    this.#lost = new Promise((_, fail) => {
      this.#child.once('exit', () => fail(new LabFailure('a responder of the bench has ended')));
    });
    this.#lost.catch(() => {});
    this.#child.on('message', (answer) => this.#hear(answer as ResponderAnswer));
  }

  async ready(): Promise<void> {
    const answer = await this.#next();
    if ('ready' in answer && answer.ready !== '') throw new LabFailure(answer.ready);
  }

  async cpu(): Promise<number> {
    this.tell('cpu');
    const answer = await this.#next();
    return 'cpu' in answer ? answer.cpu : 0;
  }

  tell(call: ResponderCall): void {
    this.#child.send(call);
  }

  endSync(): void {
    this.#child.kill('SIGKILL');
  }

  #next(): Promise<ResponderAnswer> {
    const next = new Promise<ResponderAnswer>((done) => (this.#hear = done));
    return Promise.race([next, this.#lost]);
  }
}
