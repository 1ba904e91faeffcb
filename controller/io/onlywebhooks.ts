/**
 * `--webhook-mode=onlywebhook`: the webhooks of an installation whose addresses another controller
 * gives. Probes and metrics are as always; nothing is decided and no Service is written.
 */
import { openServers } from '../../config/io/servers.ts';
import type { Source } from '../../kube/io/source.ts';
import { leave } from '../../lib/io/leave.ts';
import type { Log } from '../../lib/io/log.ts';
import { newRegistry } from '../../lib/io/metrics.ts';
import { err, ok } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';
import { serveWebhooks } from './webhooks.ts';
import type { ServedWebhooks } from './webhooks.ts';
import type { WebhooksOptions } from './webhooks.ts';

export async function onlyWebhooks(
  { direct, namespace, name }: Source,
  flags: WebhooksOptions['flags'],
  log: Log,
): Promise<Result<void, string>> {
  if (direct === undefined || namespace === undefined) {
    return err('--webhook-mode=onlywebhook needs an API server');
  }
  let webhooks: ServedWebhooks | undefined;
  const served = await openServers({
    flags,
    probedFrom: 'anywhere',
    registry: newRegistry(),
    health: { notReady: () => webhooks?.notReady() },
    routes: {},
    direct,
  });
  if (!served.ok) return served;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => leave(0));
  log('info', 'Started', `judging changes at ${name}, giving no addresses`);
  const { signal } = new AbortController();
  const serving = serveWebhooks({ direct, namespace, log, flags, signal });
  if (!serving.ok) return serving;
  webhooks = serving.value;
  return ok(undefined);
}
