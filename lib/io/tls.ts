/**
 * Certificates of servers of ours: made here and kept in memory, or read from a folder that
 * somebody else fills (a Secret that is mounted, cert-manager) and read again when it changes.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import type { SecureContextOptions, SecureVersion } from 'node:tls';
import { err, ok } from '../result.ts';
import type { Result } from '../result.ts';
import type { Millis } from '../time.ts';

/** PEM. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateSource {
  options(): SecureContextOptions;
  /** Told whenever there is another one. */
  follow(changed: (options: SecureContextOptions) => void): void;
}

export interface TlsFlags {
  readonly 'tls-min-version': string;
  readonly 'tls-cipher-suites': readonly string[];
  readonly 'tls-curve-preferences': readonly string[];
}

/** Go's name, as MetalLB's manifests have it, or TLS's own. */
const VERSIONS: Readonly<Record<string, SecureVersion>> = {
  VersionTLS10: 'TLSv1',
  VersionTLS11: 'TLSv1.1',
  VersionTLS12: 'TLSv1.2',
  VersionTLS13: 'TLSv1.3',
};

/** The error is one sentence. */
export function tlsOptions(flags: TlsFlags): Result<SecureContextOptions, string> {
  const ciphers = flags['tls-cipher-suites'].map(cipherOf).join(':');
  const curves = flags['tls-curve-preferences'].map(curveOf).join(':');
  const suites = ciphers === '' ? {} : { ciphers };
  const groups = curves === '' ? {} : { ecdhCurve: curves };
  if (!isUsable(suites)) return err(`--tls-cipher-suites names none that is known: ${ciphers}`);
  if (!isUsable(groups)) return err(`--tls-curve-preferences has an unknown one: ${curves}`);
  const minVersion = VERSIONS[flags['tls-min-version']] ?? 'TLSv1.3';
  return ok({ minVersion, ...suites, ...groups });
}

/** Go has two that its documentation names without their hash. */
function cipherOf(name: string): string {
  return name.endsWith('_POLY1305') ? `${name}_SHA256` : name;
}

function curveOf(name: string): string {
  return name.replace(/^CurveP/, 'P-');
}

function isUsable(options: SecureContextOptions): boolean {
  try {
    createSecureContext(options);
    return true;
  } catch {
    return false;
  }
}

/** One that its owner replaces. */
export class HeldCertificate implements CertificateSource {
  readonly #base: SecureContextOptions;
  readonly #followers: ((options: SecureContextOptions) => void)[] = [];
  #pair: KeyPair | undefined;

  constructor(base: SecureContextOptions) {
    this.#base = base;
  }

  get pair(): KeyPair | undefined {
    return this.#pair;
  }

  set(pair: KeyPair): void {
    if (this.#pair?.cert === pair.cert && this.#pair.key === pair.key) return;
    this.#pair = pair;
    for (const follower of this.#followers) follower(this.options());
  }

  options(): SecureContextOptions {
    return { ...this.#base, ...this.#pair };
  }

  follow(changed: (options: SecureContextOptions) => void): void {
    this.#followers.push(changed);
  }
}

const LOOK_EVERY: Millis = 10_000;

/**
 * Fills `held` from the folder now and whenever it has another pair. Not fs.watch: a mounted Secret
 * changes by renaming a link outside of what would be watched.
 */
export function followFolder(held: HeldCertificate, folder: string): Result<void, string> {
  const first = readPair(folder);
  if (!first.ok) return first;
  held.set(first.value);
  const look = (): void => {
    const pair = readPair(folder);
    // Half of it may be new: then the other half comes, and until then the old pair is good.
    if (pair.ok) held.set(pair.value);
  };
  setInterval(look, LOOK_EVERY).unref();
  return ok(undefined);
}

/** The error is one sentence. */
export function readPair(folder: string): Result<KeyPair, string> {
  try {
    const cert = readFileSync(join(folder, 'tls.crt'), 'utf8');
    const key = readFileSync(join(folder, 'tls.key'), 'utf8');
    createSecureContext({ cert, key });
    return ok({ cert, key });
  } catch (error) {
    const { code = 'error' } = error as NodeJS.ErrnoException;
    return err(`"${folder}" has no tls.crt and tls.key that belong together (${code})`);
  }
}
