/**
 * The secret that speakers and controller share: read from its file, and what is made with it, the
 * tag of a report. Heartbeats have their own, shorter seal (speaker/io/peers.ts); the context that
 * goes into every tag keeps the two apart.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { err, ok } from '../result.ts';
import type { Result } from '../result.ts';

const LEAST_BYTES = 16;

/** The error is one sentence. */
export function readSecret(file: string): Result<Uint8Array, string> {
  try {
    // A trailing newline is an editor's, not part of the secret.
    const secret = Buffer.from(readFileSync(file, 'utf8').trimEnd());
    if (secret.length >= LEAST_BYTES) return ok(new Uint8Array(secret));
    return err(
      `--secret-file "${file}" holds ${secret.length} bytes: it needs at least ` +
        `${LEAST_BYTES}, such as from "openssl rand -hex 32"`,
    );
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return err(`cannot read --secret-file "${file}" (${code}): give a file that exists`);
  }
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
