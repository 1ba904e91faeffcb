/**
 * The controller as a process: opens what the flags name, wires the Machine to source, log and
 * metrics, and ends on a signal. Every failure to start is one sentence. Stopping is leaving: all
 * that matters is in the statuses, and each is written as a whole or not at all.
 */
import { randomBytes } from 'node:crypto';
import type { FlagValues } from '../../config/flags.ts';
import { configured } from '../../config/io/configured.ts';
import { openServers } from '../../config/io/servers.ts';
import { validate } from '../../config/schema.ts';
import { ownPod } from '../../kube/io/ownpod.ts';
import { openSource } from '../../kube/io/source.ts';
import type { Source } from '../../kube/io/source.ts';
import { counted } from '../../kube/counted.ts';
import { IP_ADDRESS_POOL } from '../../kube/kube.ts';
import type { Kube, WatchEvent } from '../../kube/kube.ts';
import type { Driver } from '../../lib/drive.ts';
import { monotonic } from '../../lib/io/clock.ts';
import { leave } from '../../lib/io/leave.ts';
import { openLog } from '../../lib/io/log.ts';
import type { Log } from '../../lib/io/log.ts';
import { ok } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';
import { REPORT_PATH } from '../../owners/report.ts';
import type { SpeakerReport } from '../../owners/report.ts';
import { Controller, WATCHED, WATCHED_IF_THERE } from '../controller.ts';
import type { ControllerInput } from '../controller.ts';
import type { CONTROLLER_FLAGS } from '../flags.ts';
import { Reports } from '../reports.ts';
import { driveController, say } from './actor.ts';
import { HeartbeatKey, createHeartbeatKey } from './heartbeatkey.ts';
import { Leading } from './leading.ts';
import { controllerMetrics } from './metrics.ts';
import { onlyWebhooks } from './onlywebhooks.ts';
import { takeReports } from './reports.ts';
import { serveWebhooks } from './webhooks.ts';
import type { ServedWebhooks } from './webhooks.ts';
import { Telling } from './telling.ts';

/** Of MetalLB's objects, where the source does not say. */
const NAMESPACE = 'metallb-system';

export type Flags = FlagValues<typeof CONTROLLER_FLAGS>;

/** Resolves when it runs; it ends the process on SIGTERM and SIGINT. */
export async function runController(flags: Flags): Promise<Result<void, string>> {
  const log = openLog('controller', flags['log-level']);
  for (const { level, event, message } of flags.remarks) log(level, event, message);
  const opened = await openSource(flags, {
    validate,
    collect: true,
    reporter: { component: 'arpeggio-controller' },
    environment: process.env,
  });
  if (!opened.ok) return opened;
  const source = opened.value;
  if (flags['webhook-mode'] === 'onlywebhook') return onlyWebhooks(source, flags, log);
  const key = new HeartbeatKey(flags['secret-file'], source.namespace !== undefined);
  const usable = key.check();
  if (!usable.ok) return usable;
  const reports = key.isExpected ? new Reports(randomBytes(16).toString('hex')) : undefined;
  const { namespace } = source;
  const { kube, traffic } = counted(configured(source, flags));
  const { controller, driver, leading, telling } = assemble({ flags, source, kube, log, reports });
  const health = {
    notReady: () =>
      kube.notReady() ??
      (controller.report().synced ? undefined : 'not everything has been read yet') ??
      webhooks?.notReady(),
  };
  let webhooks: ServedWebhooks | undefined;
  const registry = controllerMetrics(
    () => controller.report(),
    () => reports?.nodes().length ?? 0,
    traffic,
  );
  const sink = (report: SpeakerReport): void => driver.put({ type: 'reported', report });
  const taking = reports && { reports, secret: () => key.secret(), sink };
  const routes = { [`POST ${REPORT_PATH}`]: takeReports(taking) };
  const probedFrom = 'anywhere';
  const { direct } = source;
  const served = await openServers({ flags, probedFrom, registry, health, routes, direct });
  if (!served.ok) {
    source.close();
    return served;
  }
  endOnSignal(leading, log);
  log('info', 'Started', `following ${source.name}`, { port: flags.port });
  if (key.secret() !== undefined) reports?.begin(monotonic());
  follow(driver, kube, telling);
  leading.begin();
  void ownPod(kube, namespace ?? NAMESPACE, flags['pod-name'], process.env).then((pod) =>
    telling.follow(new AbortController().signal, pod),
  );
  if (direct === undefined || namespace === undefined) return ok(undefined);
  const cluster = { direct, namespace, log };
  const serving = serveWebhooks({ ...cluster, flags, signal: new AbortController().signal });
  if (!serving.ok) return serving;
  webhooks = serving.value;
  const { 'ml-secret-name': name, deployment } = flags;
  key.made(await createHeartbeatKey({ ...cluster, name, deployment }));
  return ok(undefined);
}

interface Parts {
  readonly flags: Flags;
  readonly source: Source;
  readonly kube: Kube;
  readonly log: Log;
  readonly reports: Reports | undefined;
}

interface Assembly {
  readonly controller: Controller;
  readonly driver: Driver<ControllerInput>;
  readonly leading: Leading;
  readonly telling: Telling;
}

/** What decides and writes, as long as it leads. */
function assemble({ flags, source, kube, log, reports }: Parts): Assembly {
  const { namespace, direct } = source;
  const standsBy = namespace !== undefined;
  const lbClass = flags['lb-class'] || undefined;
  const overlaps = flags['pool-overlaps'];
  const awaitsObjections = overlaps === 'refuse';
  const controller = new Controller(wall, {
    lbClass,
    reports,
    namespace,
    standsBy,
    awaitsObjections,
  });
  const telling = new Telling({
    kube,
    direct,
    log,
    namespace: namespace ?? NAMESPACE,
    wall,
    usage: () => controller.report().usage,
    overlaps,
    objected: (problems) => driver.put({ type: 'objected', problems }),
    leads: () => leading.mayWrite(),
  });
  const leading = new Leading({
    kube,
    namespace,
    say: (note) => say(note, kube, log),
    leads: (is) => driver.put({ type: 'leads', is }),
  });
  const driver = driveController(controller, kube, log, {
    mayWrite: () => leading.mayWrite(),
    changed: (held) => telling.decided(held),
  });
  return { controller, driver, leading, telling };
}

function endOnSignal(leading: Leading, log: Log): void {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      log('info', 'Stopping', 'addresses stay as they are');
      void leading.end().then(() => leave(0));
    });
  }
}

function follow(driver: Driver<ControllerInput>, kube: Kube, telling: Telling): void {
  const watching = new AbortController();
  for (const resource of [...WATCHED, ...WATCHED_IF_THERE]) {
    const sink = (event: WatchEvent): void => {
      driver.put({ type: 'watched', resource, event });
      if (resource === IP_ADDRESS_POOL) telling.show(event);
    };
    const need = WATCHED.includes(resource) ? 'needed' : 'welcome';
    kube.watch(resource, sink, watching.signal, need);
  }
}

/** RFC 3339 in whole seconds, as Kubernetes writes times. */
function wall(): string {
  return `${new Date().toISOString().slice(0, 19)}Z`;
}
