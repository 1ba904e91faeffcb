/**
 * The secret that speakers and controller share: where it is found, from a flag or as MetalLB's
 * manifests give it (an environment and a mounted Secret `memberlist`), and the tag of a report
 * that is made with it. Heartbeats have their own, shorter seal (speaker/io/peers.ts); the context
 * that goes into every tag keeps the two apart.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { err, ok } from '../result.ts';
import type { Result } from '../result.ts';

type Environment = Readonly<Record<string, string | undefined>>;

const LEAST_BYTES = 16;

/** In a mounted Secret. */
const KEY = 'secretkey';

/** `flag`: of `--secret-file`, empty when it was not given. The error is one sentence. */
export function readSecret(flag: string, environment: Environment): Result<Uint8Array, string> {
  const path = flag || environment['METALLB_ML_SECRET_KEY_PATH'] || '';
  const inline = environment['METALLB_ML_SECRET_KEY'] ?? '';
  const name = flag === '' ? 'METALLB_ML_SECRET_KEY_PATH' : '--secret-file';
  if (path !== '') return readSecretFile(name, path);
  if (inline !== '') return checked('METALLB_ML_SECRET_KEY', inline);
  return err(
    '--secret-file=FILE is missing: give the secret that all speakers share, such as from ' +
      '"openssl rand -hex 32", or set METALLB_ML_SECRET_KEY_PATH',
  );
}

/** Whether somebody meant one to be there. */
export function namesSecret(flag: string, environment: Environment): boolean {
  const names = ['METALLB_ML_SECRET_KEY_PATH', 'METALLB_ML_SECRET_KEY'];
  return [flag, ...names.map((name) => environment[name] ?? '')].some((value) => value !== '');
}

function readSecretFile(name: string, path: string): Result<Uint8Array, string> {
  try {
    const isFolder = statSync(path).isDirectory();
    const file = isFolder ? join(path, KEY) : path;
    return checked(`${name} "${file}"`, readFileSync(file, 'utf8'));
  } catch (error) {
    const { code, path: at = path } = error as NodeJS.ErrnoException;
    return err(`cannot read ${name} "${at}" (${code}): give a file that exists`);
  }
}

function checked(name: string, text: string): Result<Uint8Array, string> {
  // A trailing newline is an editor's, not part of the secret.
  const secret = Buffer.from(text.trimEnd());
  if (secret.length >= LEAST_BYTES) return ok(new Uint8Array(secret));
  return err(
    `${name} holds ${secret.length} bytes: it needs at least ${LEAST_BYTES}, ` +
      'such as from "openssl rand -hex 32"',
  );
}

/** HMAC-SHA-256 over context and body, as 64 hexadecimal digits. */
export function tagOf(secret: Uint8Array, context: string, body: string | Uint8Array): string {
  return createHmac('sha256', secret).update(context).update(body).digest('hex');
}

/** Compares in constant time. */
export function tagFits(
  secret: Uint8Array,
  context: string,
  body: string | Uint8Array,
  given: string,
): boolean {
  const tag = Buffer.from(tagOf(secret, context, body));
  const other = Buffer.from(given);
  return tag.length === other.length && timingSafeEqual(tag, other);
}
