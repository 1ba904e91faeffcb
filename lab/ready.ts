/**
 * Waits until a program of ours says that it is ready: GET /readyz as a kubelet asks it, which
 * answers with one sentence as long as something is missing. A failure repeats the last one.
 */
import { LabFailure } from './failure.ts';
import type { Namespace } from './namespace.ts';
import { httpGet } from './probe.ts';
import type { Program } from './process.ts';

export interface Readiness {
  readonly port: number;
  /** As it is reached from the namespace; the loopback address unless told. */
  readonly host?: string;
  readonly withinMs?: number;
}

export async function ready(
  program: Program,
  namespace: Namespace,
  { port, host = '127.0.0.1', withinMs = 30_000 }: Readiness,
): Promise<void> {
  const url = `http://${host}:${port}/readyz`;
  let last = 'no answer';
  const look = async (): Promise<boolean> => {
    const answer = await httpGet(namespace, url);
    last = answer?.body.trim() ?? 'no answer';
    return answer?.status === 200;
  };
  try {
    await program.until(look, withinMs, 'it is ready', 50);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new LabFailure(`${why}\n  ${url} said: ${last}`);
  }
}
