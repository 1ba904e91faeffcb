/**
 * The body of a request, in bytes that are bounded before they are kept: whoever reaches a port may
 * send. So are those of all requests together, and the time that one may take. What a client says
 * of the length is only a reason to stop early.
 */
import type { IncomingMessage } from 'node:http';
import type { Millis } from '../time.ts';

/** Of all that are being read; far more than comes at once from whoever has business here. */
const MOST_TOGETHER = 32 << 20;
const LIMIT: Millis = 10_000;

let together = 0;

/** undefined: it is too large, or too slow, or was broken off. */
export async function readBody(
  request: IncomingMessage,
  most: number,
  limit = LIMIT,
): Promise<Buffer | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > most) return undefined;
  const parts: Buffer[] = [];
  let length = 0;
  const late = setTimeout(() => request.destroy(), limit);
  try {
    for await (const part of request) {
      const bytes = part as Buffer;
      if (length + bytes.length > most || together + bytes.length > MOST_TOGETHER) return undefined;
      length += bytes.length;
      together += bytes.length;
      parts.push(bytes);
    }
  } catch {
    return undefined;
  } finally {
    together -= length;
    clearTimeout(late);
  }
  return Buffer.concat(parts);
}
