/**
 * How long an address is away when its owner fails, for each way to fail: real processes on the
 * segment of the demo, a client that opens a new connection every 10 ms and whose neighbour entry
 * the kernel keeps, backends only on nodes that nothing happens to, and a host that asks the wire
 * every 10 ms who answers.
 *
 * `outage_ms`: from the fault to the end of the first connection that was begun after another node
 * had answered for the address. `failed_requests`: connections begun in the run that failed or
 * took more than a second. `stale_answers`: answers more than 200 ms after their question.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cluster } from '../demo/cluster.ts';
import { executeSync } from '../lab/execute.ts';
import { LabFailure } from '../lab/failure.ts';
import { Lab } from '../lab/namespace.ts';
import { OutageMeter } from '../lab/outage.ts';
import { urlOf, whoHas } from '../lab/probe.ts';
import { Program } from '../lab/process.ts';
import type { Host } from '../lab/segment.ts';
import { monotonic } from '../lib/io/clock.ts';
import type { Instant, Millis } from '../lib/time.ts';
import { readYaml, writeYaml } from '../kube/yaml.ts';
import { Askings, firstOther, staleAnswers, twoVoices } from './askings.ts';
import { quantile } from './median.ts';

const VIP = '192.168.100.240';
const EXCLUDE = 'node.kubernetes.io/exclude-from-external-load-balancers';
const INTERVAL: Millis = 10;
const PATIENCE: Millis = 200;
const SETTLE: Millis = 1500;
const WITHIN: Millis = 20_000;

export const KINDS = [
  'power-off',
  'kill-9',
  'sigstop',
  'cable-pull',
  'graceful-stop',
  'drain',
  'heartbeat-partition',
] as const;
export type Kind = (typeof KINDS)[number];

export interface Run {
  readonly outage: Millis;
  readonly two: Millis;
  readonly stale: number;
  readonly failed: number;
}

/** What breaks and what mends it; `hold`: how long it stays broken. */
interface Fault {
  readonly hold: Millis;
  /** Nobody has to take over. */
  readonly mayStay?: boolean;
  strike(stage: Stage, owner: Host): Promise<unknown> | void;
  mend(stage: Stage, owner: Host): Promise<unknown> | void;
}

const FAULTS: Readonly<Record<Kind, Fault>> = {
  'power-off': {
    hold: 1000,
    strike: ({ cluster }, owner) => void cluster.powerOff(owner),
    mend: ({ cluster }, owner) => {
      cluster.segment.plug(owner);
      return cluster.startSpeakers([owner]);
    },
  },
  'kill-9': {
    hold: 1000,
    strike: (stage, owner) => stage.speaker(owner, true).signal('SIGKILL'),
    mend: ({ cluster }, owner) => cluster.startSpeakers([owner]),
  },
  sigstop: {
    hold: 15_000,
    strike: (stage, owner) => stage.speaker(owner).signal('SIGSTOP'),
    mend: (stage, owner) => stage.speaker(owner).signal('SIGCONT'),
  },
  'cable-pull': {
    hold: 3000,
    strike: ({ cluster }, owner) => cluster.segment.unplug(owner),
    mend: ({ cluster }, owner) => cluster.segment.plug(owner),
  },
  'graceful-stop': {
    hold: 1000,
    strike: (stage, owner) => stage.speaker(owner, true).signal('SIGTERM'),
    mend: ({ cluster }, owner) => cluster.startSpeakers([owner]),
  },
  drain: {
    hold: 2000,
    strike: (stage, owner) => stage.exclude(owner, true),
    mend: (stage, owner) => stage.exclude(owner, false),
  },
  'heartbeat-partition': {
    hold: 5000,
    mayStay: true,
    strike: (_, owner) => {
      const chain = (hook: string): string =>
        `chain ${hook} { type filter hook ${hook} priority 0; udp dport 7946 drop; }`;
      nft(owner, `table inet deaf { ${chain('input')}\n${chain('output')}\n}`);
    },
    mend: (_, owner) => nft(owner, 'delete table inet deaf'),
  },
};

function nft({ namespace, name }: Host, rules: string): void {
  const done = namespace.execSync(['nft', rules]);
  if (done.code !== 0) throw new LabFailure(`nft on ${name}: ${done.stderr}`);
}

/** The cluster, its client and the host that asks, for any number of runs. */
class Stage {
  readonly cluster: Cluster;
  readonly #lab: Lab;
  readonly #directory: string;
  #meter: OutageMeter | undefined;
  #asker: Program | undefined;
  readonly #askings = new Askings();
  #read = 0;

  constructor(lab: Lab, directory: string) {
    this.#lab = lab;
    this.#directory = directory;
    this.cluster = new Cluster(lab, { directory, keep: false });
  }

  async open(): Promise<void> {
    const { cluster } = this;
    await Promise.all([cluster.startController(), cluster.startSpeakers()]);
    const owner = await this.owner();
    await cluster.startBackends(cluster.segment.nodes.filter((node) => node !== owner));
    this.#withoutBackend(owner);
    const { namespace } = cluster.segment.client;
    const directory = cluster.logs;
    this.#meter = await OutageMeter.start(this.#lab, { namespace, url: urlOf(VIP), directory });
    const asker = join(this.#directory, 'asker');
    const source = join(import.meta.dirname, 'native/asker.c');
    const built = executeSync(['cc', '-O2', '-Wall', '-Wextra', '-o', asker, source]);
    if (built.code !== 0) throw new LabFailure(`cannot build the asker:\n${built.stderr}`);
    const host = cluster.segment.connectControl();
    const argv = [asker, 'eth0', VIP, String(INTERVAL)];
    const place = { namespace: host.namespace, directory };
    this.#asker = Program.start(this.#lab, { name: 'asker', argv, ...place });
  }

  speaker({ name }: Host, isLeaving = false): Program {
    const program = this.cluster.program(`speaker-${name}`);
    if (isLeaving) this.cluster.forget(program.name);
    return program;
  }

  /** Asked on the wire. */
  owner(): Promise<Host> {
    const { client, nodes } = this.cluster.segment;
    const look = async (): Promise<Host | undefined> => {
      const mac = await whoHas(client, VIP, 300);
      return nodes.find((node) => node.mac === mac);
    };
    return this.cluster.until(look, WITHIN, `somebody answers for ${VIP}`);
  }

  /** Labels a node as one that must not announce, or takes that back. */
  exclude({ name }: Host, isOut: boolean): void {
    const labels = isOut ? { [EXCLUDE]: '' } : {};
    this.#edit('nodes.yaml', (object) =>
      object.metadata?.name === name
        ? { ...object, metadata: { ...object.metadata, labels } }
        : object,
    );
  }

  askings(): Askings {
    const text = this.#asker?.logFrom(this.#read);
    const end = (text?.lastIndexOf('\n') ?? -1) + 1;
    this.#read += end;
    this.#askings.take(text?.toString('utf8', 0, end) ?? '');
    return this.#askings;
  }

  get meter(): OutageMeter {
    if (this.#meter === undefined) throw new Error('the stage is not open');
    return this.#meter;
  }

  #withoutBackend({ name }: Host): void {
    for (const file of ['myweb-svc-lb.yaml', 'myweb-svc-lb6.yaml']) {
      this.#edit(file, (object) => {
        const endpoints = object.endpoints?.filter(({ nodeName }) => nodeName !== name);
        return endpoints === undefined ? object : { ...object, endpoints };
      });
    }
  }

  #edit(file: string, change: (object: Manifest) => Manifest): void {
    const path = join(this.cluster.manifests, file);
    const { documents } = readYaml(readFileSync(path, 'utf8'));
    const texts = documents.map(({ value }) => writeYaml(change(value as Manifest)));
    writeFileSync(path, texts.join('---\n'));
  }
}

interface Manifest {
  readonly metadata?: { readonly name: string };
  readonly endpoints?: readonly { readonly nodeName?: string }[];
}

/** One fault, from a quiet cluster to a quiet cluster. */
async function run(stage: Stage, fault: Fault): Promise<Run> {
  const { meter } = stage;
  const owner = await stage.owner();
  await meter.goodAnswersSince(monotonic(), 50, WITHIN);
  const struck = monotonic();
  await fault.strike(stage, owner);
  const taken = await takeover(stage, fault, owner, struck);
  await rest(Math.max(0, struck + fault.hold - monotonic()));
  await fault.mend(stage, owner);
  await rest(SETTLE);
  await meter.goodAnswersSince(monotonic(), 50, WITHIN);
  const askings = stage.askings();
  const beats = meter.beats().filter(({ sent }) => sent >= struck);
  return {
    outage: taken === undefined ? 0 : taken - struck,
    two: twoVoices(askings, struck, INTERVAL),
    stale: staleAnswers(askings, struck, PATIENCE),
    failed: beats.filter(({ ok, sent, at }) => !ok || at - sent > 1000).length,
  };
}

/** When the first connection through the new owner was done; undefined: none was needed. */
async function takeover(
  stage: Stage,
  { hold, mayStay = false }: Fault,
  owner: Host,
  struck: Instant,
): Promise<Instant | undefined> {
  const look = (): Instant | 'none' | undefined => {
    const since = firstOther(stage.askings(), struck, owner.mac);
    if (since === undefined) return mayStay && monotonic() > struck + hold ? 'none' : undefined;
    return stage.meter.beats().find(({ ok, sent }) => ok && sent >= since)?.at;
  };
  const found = await stage.cluster.until(look, WITHIN, 'another node serves');
  return found === 'none' ? undefined : found;
}

function rest(ms: Millis): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}

export type Measured = ReadonlyMap<Kind, readonly Run[]>;

export async function failover(
  kinds: readonly Kind[],
  runs: number,
  say: (text: string) => void,
): Promise<Measured> {
  const directory = mkdtempSync(join(tmpdir(), 'arpeggio-failover-'));
  const lab = new Lab('failover');
  lab.adopt({ endSync: () => rmSync(directory, { recursive: true, force: true }) });
  try {
    say('three nodes, a client, and a host that asks the wire');
    const stage = new Stage(lab, directory);
    await stage.open();
    const measured = new Map<Kind, Run[]>(kinds.map((kind) => [kind, []]));
    // Interleaved, so that a busy minute of the machine hits all of them.
    for (let round = 1; round <= runs; round += 1) {
      for (const kind of kinds) {
        const one = await run(stage, FAULTS[kind]);
        measured.get(kind)?.push(one);
        say(`${kind} ${round}/${runs}: ${Math.round(one.outage)} ms, two voices ${one.two} ms`);
      }
    }
    return measured;
  } finally {
    lab.close();
  }
}

export function failoverJson(measured: Measured): unknown {
  const kinds = [...measured].map(([kind, runs]) => {
    const outages = runs.map(({ outage }) => outage);
    const at = (share: number): number => Math.round(quantile(outages, share));
    const total = (key: 'stale' | 'failed'): number => runs.reduce((sum, one) => sum + one[key], 0);
    const figures = {
      runs: runs.length,
      outage_ms: { p50: at(0.5), p99: at(0.99), max: at(1) },
      two_answerers_ms: Math.max(...runs.map(({ two }) => two)),
      stale_answers: total('stale'),
      failed_requests: total('failed'),
    };
    return [kind, figures] as const;
  });
  return { kinds: Object.fromEntries(kinds) };
}
