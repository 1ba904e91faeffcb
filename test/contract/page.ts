/** What a server answered, read to its end. */
import { once } from 'node:events';
import type { ClientRequest, IncomingMessage } from 'node:http';

export interface Page {
  readonly status: number | undefined;
  readonly text: string;
}

/** Throws when there is no answer. */
export async function pageOf(asked: ClientRequest): Promise<Page> {
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  let text = '';
  for await (const part of response.setEncoding('utf8')) text += String(part);
  return { status: response.statusCode, text };
}
