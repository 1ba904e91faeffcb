/**
 * What a speaker reports to the controller: the one thing the two programs say to each other, so
 * its shape lives left of both. JSON, because a report comes every ten seconds and people read it
 * with curl; checked by hand here, because config/schema.ts knows only Kubernetes' objects.
 *
 * A report is taken when its tag fits (`TAG_HEADER`: HMAC-SHA-256 under the heartbeat secret, over
 * `TAG_CONTEXT` and the body, so that no datagram of a heartbeat is ever a report) and it is not a
 * replay: within a boot numbers grow, and a boot that the controller does not know must repeat the
 * challenge that the controller made for it.
 *
 * What is read is built anew, field by field: a field that is not known here goes no further.
 */
import { err, ok } from '../lib/result.ts';
import type { Result } from '../lib/result.ts';
import { formatIp, parseIp } from '../net/ip.ts';
import { parseMac } from '../net/mac.ts';
import type { Mac } from '../net/mac.ts';

export const REPORT_PATH = '/report';
export const TAG_HEADER = 'x-arpeggio-tag';
export const TAG_CONTEXT = 'arpeggio report 1\n';

/** In bytes. Ten thousand addresses take about 2 MiB. */
export const MOST_BYTES = 8 << 20;

export const PHASES = ['listening', 'claiming', 'serving', 'stopped'] as const;

export type Standing = 'alive' | 'joining' | 'absent' | 'dead';

export interface ReportedInterface {
  readonly name: string;
  readonly mac: Mac;
}

/** An address that the node answers for. */
export interface ReportedAddress {
  /** Canonical. */
  readonly ip: string;
  /** Keys of the Services that it is answered for. */
  readonly services: readonly string[];
  readonly interfaces: readonly ReportedInterface[];
}

/** A Service that no node may announce, as far as this speaker knows. */
export interface ReportedSilence {
  readonly service: string;
  /** One name, fit for a condition. */
  readonly reason: string;
  readonly sentence: string;
}

/** An address that somebody claims who is no node of the cluster (RFC 5227, RFC 4862). */
export interface ReportedConflict {
  readonly ip: string;
  /** The stranger's. */
  readonly mac: Mac;
  /** Where it was heard. */
  readonly interface: string;
  /** Keys of the Services that hold the address. */
  readonly services: readonly string[];
  /**
   * true: found before the first announcement, so nobody answers for the address here.
   * false: announced already, and defended.
   */
  readonly withheld: boolean;
}

/** Something about the node that keeps it from answering as it should. */
export interface ReportedTrouble {
  /** One name, fit for a condition. */
  readonly reason: string;
  readonly sentence: string;
}

/** What a speaker has to say; the same again is no news. */
export interface SpeakerStatus {
  readonly phase: (typeof PHASES)[number];
  /** The data plane that answers. */
  readonly plane: string;
  readonly addresses: readonly ReportedAddress[];
  readonly silent: readonly ReportedSilence[];
  readonly conflicts: readonly ReportedConflict[];
  readonly troubles: readonly ReportedTrouble[];
  /** Names of the other nodes, by how they stand. */
  readonly peers: Readonly<Record<Standing, readonly string[]>>;
}

export interface SpeakerReport extends SpeakerStatus {
  readonly version: 1;
  readonly node: string;
  /** Names one life of the speaker's process. */
  readonly boot: string;
  /** Grows with every report of that life. */
  readonly number: number;
  /** The controller's, repeated; empty while there is none. */
  readonly challenge: string;
}

export function emitReport(report: SpeakerReport): string {
  return JSON.stringify(report);
}

/** The error is one sentence about the first thing that is wrong. */
export function parseReport(body: string): Result<SpeakerReport, string> {
  if (body.length > MOST_BYTES) return err(`a report has at most ${MOST_BYTES} bytes`);
  let raw: unknown;
  try {
    raw = JSON.parse(body);
  } catch {
    return err('a report is JSON, and this is not');
  }
  const reader = new Reader();
  const report = reportOf(reader, raw);
  return reader.fault === undefined ? ok(report) : err(`not a report: ${reader.fault}`);
}

function reportOf(reader: Reader, raw: unknown): SpeakerReport {
  const fields = reader.fields(raw, 'the report');
  if (fields['version'] !== 1) reader.refuse('version', 'must be 1');
  const peers = reader.fields(fields['peers'], 'peers');
  const named = (standing: Standing): readonly string[] =>
    reader.list(peers[standing], `peers.${standing}`, (each, at) => reader.text(each, at, NAME));
  return {
    version: 1,
    node: reader.text(fields['node'], 'node', NAME),
    boot: reader.text(fields['boot'], 'boot', HEX),
    number: reader.number(fields['number'], 'number'),
    challenge: reader.text(fields['challenge'], 'challenge', HEX_OR_NONE),
    phase: reader.choice(fields['phase'], 'phase', PHASES),
    plane: reader.text(fields['plane'], 'plane', WORD),
    addresses: reader.list(fields['addresses'], 'addresses', (each, at) =>
      addressOf(reader, each, at),
    ),
    silent: reader.list(fields['silent'], 'silent', (each, at) => silenceOf(reader, each, at)),
    // Speakers of older versions do not say these.
    conflicts: reader.list(fields['conflicts'] ?? [], 'conflicts', (each, at) =>
      conflictOf(reader, each, at),
    ),
    troubles: reader.list(fields['troubles'] ?? [], 'troubles', (each, at) =>
      troubleOf(reader, each, at),
    ),
    peers: {
      alive: named('alive'),
      joining: named('joining'),
      absent: named('absent'),
      dead: named('dead'),
    },
  };
}

function addressOf(reader: Reader, raw: unknown, path: string): ReportedAddress {
  const fields = reader.fields(raw, path);
  return {
    ip: reader.ip(fields['ip'], `${path}.ip`),
    services: reader.list(fields['services'], `${path}.services`, (each, at) =>
      reader.text(each, at, KEY),
    ),
    interfaces: reader.list(fields['interfaces'], `${path}.interfaces`, (each, at) => {
      const { name, mac } = reader.fields(each, at) as { name?: unknown; mac?: unknown };
      return { name: reader.text(name, `${at}.name`, LINK), mac: reader.mac(mac, `${at}.mac`) };
    }),
  };
}

function silenceOf(reader: Reader, raw: unknown, path: string): ReportedSilence {
  const fields = reader.fields(raw, path);
  return {
    service: reader.text(fields['service'], `${path}.service`, KEY),
    reason: reader.text(fields['reason'], `${path}.reason`, REASON),
    sentence: reader.text(fields['sentence'], `${path}.sentence`, SENTENCE),
  };
}

function conflictOf(reader: Reader, raw: unknown, path: string): ReportedConflict {
  const fields = reader.fields(raw, path);
  return {
    ip: reader.ip(fields['ip'], `${path}.ip`),
    mac: reader.mac(fields['mac'], `${path}.mac`),
    interface: reader.text(fields['interface'], `${path}.interface`, LINK),
    services: reader.list(fields['services'], `${path}.services`, (each, at) =>
      reader.text(each, at, KEY),
    ),
    withheld: reader.flag(fields['withheld'], `${path}.withheld`),
  };
}

function troubleOf(reader: Reader, raw: unknown, path: string): ReportedTrouble {
  const fields = reader.fields(raw, path);
  return {
    reason: reader.text(fields['reason'], `${path}.reason`, REASON),
    sentence: reader.text(fields['sentence'], `${path}.sentence`, SENTENCE),
  };
}

const NAME = /^[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?$/;
/** `namespace/name` */
const KEY = /^[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?\/[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?$/;
const HEX = /^[0-9a-f]{16,64}$/;
const HEX_OR_NONE = /^(?:[0-9a-f]{16,64})?$/;
const WORD = /^[a-z]{1,32}$/;
/** As metav1.Condition wants it. */
const REASON = /^[A-Z][A-Za-z0-9]{0,63}$/;
/** One line that a terminal may print. */
const SENTENCE = /^[^\p{Cc}]{1,1024}$/u;
/** IFNAMSIZ, and what `dev_valid_name` allows. */
const LINK = /^[^\s/:\p{Cc}]{1,15}$/u;

/** Reads untyped values and remembers the first fault; after one, what it gives is worthless. */
class Reader {
  fault: string | undefined;

  refuse(path: string, message: string): void {
    this.fault ??= `${path} ${message}`;
  }

  fields(value: unknown, path: string): Readonly<Record<string, unknown>> {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value as Readonly<Record<string, unknown>>;
    }
    this.refuse(path, 'must be a map of fields');
    return {};
  }

  list<T>(value: unknown, path: string, each: (item: unknown, path: string) => T): readonly T[] {
    if (Array.isArray(value)) return value.map((item, i) => each(item, `${path}[${i}]`));
    this.refuse(path, 'must be a list');
    return [];
  }

  text(value: unknown, path: string, pattern: RegExp): string {
    if (typeof value === 'string' && pattern.test(value)) return value;
    this.refuse(path, `must be text that matches ${String(pattern)}`);
    return '';
  }

  number(value: unknown, path: string): number {
    if (Number.isSafeInteger(value) && (value as number) > 0) return value as number;
    this.refuse(path, 'must be a whole number above 0');
    return 0;
  }

  flag(value: unknown, path: string): boolean {
    if (typeof value !== 'boolean') this.refuse(path, 'must be true or false');
    return value === true;
  }

  choice<T extends string>(value: unknown, path: string, choices: readonly [T, ...T[]]): T {
    const chosen = choices.find((choice) => choice === value);
    if (chosen === undefined) this.refuse(path, `must be one of ${choices.join(', ')}`);
    return chosen ?? choices[0];
  }

  ip(value: unknown, path: string): string {
    const parsed = typeof value === 'string' ? parseIp(value) : undefined;
    if (parsed?.ok === true && formatIp(parsed.value) === value) return value;
    this.refuse(path, 'must be an IP address in its shortest form');
    return '';
  }

  mac(value: unknown, path: string): Mac {
    const parsed = typeof value === 'string' ? parseMac(value) : undefined;
    if (parsed?.ok === true && parsed.value === value) return value;
    this.refuse(path, 'must be a MAC address in lower case with colons');
    return '';
  }
}
