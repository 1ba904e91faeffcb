/**
 * Who this speaker is: its node's name and the secret that all speakers share, from flags or from
 * the environment that MetalLB's manifests give it.
 */
import { readSecret } from '../../lib/io/secret.ts';
import { err, ok } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';

export interface Identity {
  readonly node: string;
  readonly secret: Uint8Array;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The error is one sentence: what is missing and what to do. */
export function identify(
  flags: { readonly node: string; readonly 'secret-file': string },
  environment: Environment,
): Result<Identity, string> {
  const node = flags.node || environment['METALLB_NODE_NAME'] || environment['NODE_NAME'] || '';
  if (node === '') {
    return err('--node=NAME is missing: give the name of this node, or set METALLB_NODE_NAME');
  }
  const secret = readSecret(flags['secret-file'], environment);
  return secret.ok ? ok({ node, secret: secret.value }) : secret;
}
