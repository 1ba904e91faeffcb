/**
 * The body of a request, in bytes that are bounded before they are kept: whoever reaches a port may
 * send. What a client says of the length is only a reason to stop early.
 */
import type { IncomingMessage } from 'node:http';

/** undefined: it is too large, or was broken off. */
export async function readBody(
  request: IncomingMessage,
  most: number,
): Promise<Buffer | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > most) return undefined;
  const parts: Buffer[] = [];
  let length = 0;
  try {
    for await (const part of request) {
      const bytes = part as Buffer;
      length += bytes.length;
      if (length > most) return undefined;
      parts.push(bytes);
    }
  } catch {
    return undefined;
  }
  return Buffer.concat(parts);
}
