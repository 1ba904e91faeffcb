/**
 * Carries reports to the controllers: one POST each, with the tag in a header. When and what is
 * decided in `reporter.ts`.
 *
 * node:http and not fetch: a controller's name may lead to something else, whose answer must not
 * be read without a limit, and connections are kept between reports.
 */
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import type { ClientRequest, IncomingMessage, RequestListener } from 'node:http';
import { Agent as SecureAgent, request as secureRequest } from 'node:https';
import { REPORT_PATH, TAG_CONTEXT, TAG_HEADER, emitReport } from '../../owners/report.ts';
import type { SpeakerReport, SpeakerStatus } from '../../owners/report.ts';
import { drive } from '../../lib/drive.ts';
import type { Driver } from '../../lib/drive.ts';
import { Alarm, monotonic } from '../../lib/io/clock.ts';
import type { Log } from '../../lib/io/log.ts';
import { tagOf } from '../../lib/io/secret.ts';
import { err, ok } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';
import { Reporter } from '../reporter.ts';
import type { Answer, ReporterInput, ReporterOutput } from '../reporter.ts';

const ANSWER_LIMIT_MS = 2000;
/** No more than this is read of an answer. */
const MOST_CHARACTERS = 4096;

/** Where the controllers are, asked again and again; undefined: not known now. */
export type FindControllers = () => Promise<readonly string[] | undefined>;

const FIND_EVERY_MS = 10_000;

export interface ReportingOptions {
  readonly node: string;
  readonly boot: string;
  readonly secret: Uint8Array;
  readonly status: () => SpeakerStatus;
  readonly log: Log;
}

export class Reporting {
  readonly #options: ReportingOptions;
  readonly #reporter: Reporter;
  readonly #driver: Driver<ReporterInput>;
  readonly #agents: Agents = {
    plain: new Agent({ keepAlive: true }),
    // Nobody vouches for the certificate of a metrics port; the report proves itself by its tag.
    secure: new SecureAgent({ keepAlive: true, rejectUnauthorized: false }),
  };

  constructor(options: ReportingOptions) {
    this.#options = options;
    this.#reporter = new Reporter(options);
    const alarm = new Alarm(() => this.#driver.wake());
    this.#driver = drive(this.#reporter, {
      now: monotonic,
      wakeAt: (at) => alarm.set(at),
      act: (output) => this.#act(output),
    });
  }

  /** What there is to report may have changed. */
  changed(): void {
    this.#driver.put({ kind: 'changed' });
  }

  to(urls: readonly string[]): void {
    this.#driver.put({ kind: 'controllers', urls });
  }

  /** Goes on asking for the life of the process. */
  follow(find: FindControllers): void {
    const look = async (): Promise<void> => {
      const urls = await find();
      if (urls !== undefined) this.to(urls);
      setTimeout(() => void look(), FIND_EVERY_MS);
    };
    void look();
  }

  /** The same, for whoever asks this node: GET /report. */
  readonly serve: RequestListener = (_, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(`${emitReport(this.#reporter.present())}\n`);
  };

  #act(output: ReporterOutput): void {
    if (output.kind === 'note') {
      const { level, event, msg, fields } = output.note;
      return this.#options.log(level, event, msg, fields);
    }
    void this.#post(output.url, output.report);
    return undefined;
  }

  async #post(url: string, report: SpeakerReport): Promise<void> {
    const body = Buffer.from(emitReport(report));
    const tag = tagOf(this.#options.secret, TAG_CONTEXT, body);
    const answer = await post(url, body, tag, this.#agents);
    this.#driver.put({ kind: 'answered', url, answer });
  }
}

interface Agents {
  readonly plain: Agent;
  readonly secure: SecureAgent;
}

async function post(url: string, body: Buffer, tag: string, agents: Agents): Promise<Answer> {
  const headers = {
    'content-type': 'application/json',
    'content-length': body.length,
    [TAG_HEADER]: tag,
  };
  const signal = AbortSignal.timeout(ANSWER_LIMIT_MS);
  const asked = ask(`${url}${REPORT_PATH}`, { method: 'POST', headers, signal }, agents);
  try {
    asked.end(body);
    const [response] = (await once(asked, 'response')) as [IncomingMessage];
    return answerOf(response.statusCode ?? 0, await read(response));
  } catch (error) {
    return { kind: 'failed', why: clause(error as Error) };
  } finally {
    // What comes after the answer is nobody's business, and no reason to fail.
    asked.on('error', () => {});
  }
}

function ask(url: string, options: object, { plain, secure }: Agents): ClientRequest {
  if (!url.startsWith('https:')) return request(url, { ...options, agent: plain });
  return secureRequest(url, { ...options, agent: secure });
}

async function read(response: IncomingMessage): Promise<string> {
  let text = '';
  for await (const part of response.setEncoding('utf8')) {
    text += String(part);
    if (text.length > MOST_CHARACTERS) break;
  }
  return text.slice(0, MOST_CHARACTERS);
}

function answerOf(status: number, text: string): Answer {
  if (status === 204) return { kind: 'taken' };
  const [first = ''] = text.split('\n');
  if (status === 409 && /^[0-9a-f]{16,64}$/.test(first)) {
    return { kind: 'challenged', challenge: first };
  }
  return { kind: 'failed', why: first === '' ? `it answers ${status}` : first };
}

function clause(error: Error & { code?: string }): string {
  if (error.name === 'TimeoutError' || error.name === 'AbortError') return 'it does not answer';
  if (error.code === 'ECONNREFUSED') return 'nothing listens there';
  if (error.code === 'ECONNRESET') return 'it broke the connection';
  return error.code ?? error.message;
}

/** Of `--controller`: base addresses without a path. The error is one sentence. */
export function controllerUrls(given: readonly string[]): Result<readonly string[], string> {
  const urls: string[] = [];
  for (const text of given) {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    const isWeb = url?.protocol === 'http:' || url?.protocol === 'https:';
    if (url === undefined || !isWeb || url.pathname !== '/' || url.search !== '') {
      return err(
        `--controller "${text}" is not an address of a controller: write one such as ` +
          'http://192.0.2.10:7472',
      );
    }
    urls.push(url.origin);
  }
  return ok(urls);
}
