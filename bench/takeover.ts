/**
 * Ten thousand addresses that lose their node at once: two speakers as they are in the image, all
 * addresses on the one, and its power goes. A third host listens, and asks everybody for all
 * addresses as soon as the first announcement is there; before, it asks for some of them often.
 *
 * Announcing goes by a pace, so that no switch takes it for an attack: what is measured is the time
 * from the first to the last first announcement, whether one is missing, and whether those come
 * first that somebody asks for. Then the node comes back, and takes its addresses again.
 */
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { executeSync } from '../lab/execute.ts';
import { LabFailure } from '../lab/failure.ts';
import { Program } from '../lab/process.ts';
import type { Host } from '../lab/segment.ts';
import { until } from '../lab/until.ts';
import type { Millis } from '../lib/time.ts';
import { elect } from '../owners/elect.ts';
import type { ProfileName } from '../speaker/timing.ts';
import { densest, firstClaims, place, span } from './claims.ts';
import type { Claim } from './claims.ts';
import { Crowd, announced } from './crowd.ts';
import { median } from './median.ts';

const ADDRESSES = 10_000;
const CHOSEN = 200;
const TIMES = 20;
const CHOSEN_RATE = 4000;
const SWEEP_RATE = 10_000;
const WITHIN: Millis = 240_000;
/** The last of the rounds of announcements is 10 s after the first, and paced too. */
const QUIET: Millis = 14_000;
const LIMIT: Millis = 2000;
/** Two speakers and all that asks share one machine, where each would have its own. */
const NICENESS = -10;

export interface Takeover {
  /** From the power-off to the first announcement. */
  readonly first_ms: Millis;
  readonly span_ms: Millis;
  readonly lost: number;
  readonly most_in_10_ms: number;
  /** Of those that were asked for often: 0 before all others, 0.5 as if nobody looked. */
  readonly asked_place: number;
  readonly answers: Answers;
}

interface Answers {
  readonly asked: number;
  readonly answered: number;
  /** Addresses for which more than one MAC answered. */
  readonly two: number;
  readonly p50_ms: Millis;
  readonly max_ms: Millis;
  readonly voices: Readonly<Record<string, number>>;
}

export interface Takeovers {
  readonly profile: ProfileName;
  readonly addresses: number;
  readonly runs: readonly Takeover[];
  /** When the node came back. */
  readonly returns: readonly Pick<Takeover, 'span_ms' | 'lost' | 'most_in_10_ms'>[];
  readonly missed: readonly string[];
}

export async function takeover(
  profile: ProfileName,
  runs: number,
  say: (text: string) => void,
): Promise<Takeovers> {
  const stage = new Stage(profile, say);
  try {
    await stage.open();
    const found: Takeover[] = [];
    const returns: Takeovers['returns'][number][] = [];
    for (let run = 1; run <= runs; run += 1) {
      const one = await stage.powerOff();
      found.push(one);
      say(`run ${run} of ${runs}: ${JSON.stringify(one)}`);
      const back = await stage.powerOn();
      returns.push(back);
      say(`and back: ${JSON.stringify(back)}`);
    }
    return {
      profile,
      addresses: ADDRESSES,
      runs: found,
      returns,
      missed: missed(found, stage.heir.mac),
    };
  } finally {
    stage.close();
  }
}

function missed(runs: readonly Takeover[], heir: string): readonly string[] {
  const spans = median(runs.map((run) => run.span_ms));
  const lost = runs.reduce((sum, run) => sum + run.lost, 0);
  const wrong = runs.filter(({ answers: { answered, voices } }) => {
    return answered < ADDRESSES || Object.keys(voices).some((mac) => mac !== heir);
  });
  return [
    ...(spans > LIMIT ? [`the announcements take ${Math.round(spans)} ms (limit ${LIMIT})`] : []),
    ...(lost > 0 ? [`${lost} first announcements are missing`] : []),
    ...(wrong.length > 0 ? [`wrong or missing answers in ${wrong.length} runs`] : []),
  ];
}

class Stage {
  readonly heir: Host;
  readonly #say: (text: string) => void;
  readonly #crowd: Crowd;
  readonly #owner: Host;
  readonly #addresses: readonly string[];
  readonly #chosen: readonly string[];
  #speaker: Program | undefined;
  #listener: Program | undefined;
  #mark = 0;

  constructor(profile: ProfileName, say: (text: string) => void) {
    this.#say = say;
    this.#addresses = ownedBy('node1');
    // Evenly spread over the others, whatever order those are in.
    this.#chosen = this.#addresses.filter((_, at) => at % (ADDRESSES / CHOSEN) === 7);
    const of = { nodes: 2, addresses: this.#addresses, churn: 0, niceness: NICENESS };
    this.#crowd = new Crowd({ purpose: 'takeover', flags: [`--profile=${profile}`], ...of });
    this.#owner = this.#crowd.segment.node('node1');
    this.heir = this.#crowd.segment.node('node2');
  }

  async open(): Promise<void> {
    const crowd = this.#crowd;
    const sweeper = this.#file('sweeper');
    const source = join(import.meta.dirname, 'native/sweeper.c');
    const built = executeSync(['cc', '-O2', '-o', sweeper, source]);
    if (built.code !== 0) throw new LabFailure(`cannot build the sweeper:\n${built.stderr}`);
    writeFileSync(this.#file('chosen'), this.#chosen.join('\n'));
    this.#say(`${ADDRESSES} Services at an API server`);
    await crowd.open();
    const heir = crowd.start(this.heir);
    this.#speaker = crowd.start(this.#owner);
    await crowd.ready(this.heir, heir);
    await this.#holds();
    const { namespace } = crowd.segment.client;
    const argv = [sweeper, 'eth0', 'listen'];
    const options = { name: 'listener', argv, namespace, directory: crowd.directory };
    this.#listener = Program.start(crowd.lab, options);
    await this.#listener.line((line) => line === 'listening', WITHIN, 'it listens');
    await rest(QUIET);
  }

  async powerOff(): Promise<Takeover> {
    await this.#ask('chosen', CHOSEN_RATE, TIMES);
    await rest(1000);
    const struck = this.#marked();
    this.#speaker?.signal('SIGKILL');
    this.#crowd.segment.unplug(this.#owner);
    const claims = (): readonly Claim[] => firstClaims(this.#record(), this.heir.mac, struck);
    const isBegun = (): boolean => claims().length > 0;
    await until(isBegun, { withinMs: WITHIN, what: 'a first announcement', everyMs: 5 });
    const all = await this.#all(claims);
    const answers = await this.#ask('addresses', SWEEP_RATE, 1);
    return {
      first_ms: Math.round((all[0]?.at ?? Number.NaN) - struck),
      ...figures(all),
      asked_place: Math.round(place(all, new Set(this.#chosen)) * 1000) / 1000,
      answers,
    };
  }

  async powerOn(): Promise<Takeovers['returns'][number]> {
    const crowd = this.#crowd;
    const since = this.#marked();
    crowd.segment.plug(this.#owner);
    this.#speaker = crowd.start(this.#owner);
    await this.#holds();
    const all = await this.#all(() => firstClaims(this.#record(), this.#owner.mac, since));
    await rest(QUIET);
    return figures(all);
  }

  close(): void {
    this.#crowd.close();
  }

  async #holds(): Promise<void> {
    const speaker = this.#speaker;
    if (speaker === undefined) return;
    await this.#crowd.ready(this.#owner, speaker);
    const hasAll = async (): Promise<boolean> => {
      const metrics = await this.#crowd.metrics(this.#owner);
      return metrics !== undefined && announced(metrics) === ADDRESSES;
    };
    await speaker.until(hasAll, WITHIN, 'it announces all', 500);
  }

  /** All that are announced, or as many as there are when no more come. */
  async #all(claims: () => readonly Claim[]): Promise<readonly Claim[]> {
    let before = -1;
    const look = (): readonly Claim[] | undefined => {
      const now = claims();
      const isOver = now.length === before || now.length >= ADDRESSES;
      before = now.length;
      return isOver ? now : undefined;
    };
    return until(look, { withinMs: WITHIN, what: 'the end of announcements', everyMs: 3000 });
  }

  async #ask(list: string, rate: number, times: number): Promise<Answers> {
    const argv = [this.#file('sweeper'), 'eth0', 'ask', this.#file(list)];
    const { namespace } = this.#crowd.segment.client;
    const asked = [...argv, String(rate), String(times)];
    const done = await namespace.exec(asked, { timeoutMs: WITHIN });
    if (done.code !== 0) throw new LabFailure(`the sweeper failed: ${done.stderr}`);
    return JSON.parse(done.stdout) as Answers;
  }

  /** Of what the listener heard since `mark`. */
  #record(): string {
    return this.#listener?.logFrom(this.#mark).toString('latin1') ?? '';
  }

  #marked(): number {
    this.#mark = this.#listener === undefined ? 0 : statSync(this.#listener.logFile).size;
    return Date.now();
  }

  #file(name: string): string {
    return join(this.#crowd.directory, name);
  }
}

function figures(claims: readonly Claim[]): Takeovers['returns'][number] {
  return {
    span_ms: Math.round(span(claims)),
    lost: ADDRESSES - claims.length,
    most_in_10_ms: densest(claims, 10),
  };
}

/** Addresses that belong to that one of the two nodes as long as it lives. */
function ownedBy(node: string): readonly string[] {
  const addresses: string[] = [];
  for (let n = 0; addresses.length < ADDRESSES; n += 1) {
    const ip = `198.18.${n >> 8}.${n & 255}`;
    if (elect(['node1', 'node2'], ip)[0] === node) addresses.push(ip);
  }
  return addresses;
}

export function takeoverTable({
  profile,
  addresses,
  runs,
  returns,
  missed: notes,
}: Takeovers): string {
  const lines = runs.map((run, at) => {
    const { answered, asked, p50_ms: p50, max_ms: most } = run.answers;
    const cells = [run.first_ms, run.span_ms, run.lost, run.most_in_10_ms, run.asked_place];
    const answers = [`${answered} of ${asked}`, p50.toFixed(2), most.toFixed(1)];
    return `| ${[...cells, ...answers, returns[at]?.span_ms].join(' | ')} |`;
  });
  const head =
    '| first ms | span ms | missing | most in 10 ms | place of the asked | answered | ' +
    'p50 ms | max ms | span at return ms |';
  const rule = `|${'---|'.repeat(9)}`;
  const note = 'place: 0 before all others, 0.5 anywhere';
  const foot = `${addresses} addresses, --profile=${profile}; ${note}.`;
  return `${[head, rule, ...lines, '', foot, ...notes].join('\n')}\n`;
}

function rest(ms: Millis): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}
