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
import { counted } from '../../kube/counted.ts';
import { IP_ADDRESS_POOL } from '../../kube/kube.ts';
import type { Kube, KubeEvent, StatusUpdate, WatchEvent } from '../../kube/kube.ts';
import { drive } from '../../lib/drive.ts';
import type { Driver } from '../../lib/drive.ts';
import { Alarm, monotonic } from '../../lib/io/clock.ts';
import { openLog } from '../../lib/io/log.ts';
import type { Log } from '../../lib/io/log.ts';
import { ok } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';
import { REPORT_PATH } from '../../owners/report.ts';
import type { SpeakerReport } from '../../owners/report.ts';
import { Controller, WATCHED } from '../controller.ts';
import type { ControllerInput, ControllerOutput } from '../controller.ts';
import type { CONTROLLER_FLAGS } from '../flags.ts';
import type { Note } from '../note.ts';
import { Reports } from '../reports.ts';
import { HeartbeatKey, createHeartbeatKey } from './heartbeatkey.ts';
import { controllerMetrics } from './metrics.ts';
import { takeReports } from './reports.ts';
import { serveWebhooks } from './webhooks.ts';
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
  const key = new HeartbeatKey(flags['secret-file'], source.namespace !== undefined);
  const usable = key.check();
  if (!usable.ok) return usable;
  const reports = key.isExpected ? new Reports(randomBytes(16).toString('hex')) : undefined;
  const controller = new Controller(wall, flags['lb-class'] || undefined, reports);
  const { kube, traffic } = counted(configured(source, flags));
  const telling = new Telling({
    kube,
    direct: source.direct,
    log,
    namespace: source.namespace ?? NAMESPACE,
    wall,
    usage: () => controller.report().usage,
    leads: () => true,
  });
  const driver = driverOf(controller, kube, log, telling);
  const health = {
    notReady: () =>
      kube.notReady() ??
      (controller.report().synced ? undefined : 'not everything has been read yet'),
  };
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
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      log('info', 'Stopping', 'addresses stay as they are');
      process.exit(0);
    });
  }
  log('info', 'Started', `following ${source.name}`, { port: flags.port });
  if (key.secret() !== undefined) reports?.begin(monotonic());
  follow(driver, kube, telling);
  void ownPod(kube, source.namespace ?? NAMESPACE, flags['pod-name'], process.env).then((pod) =>
    telling.follow(new AbortController().signal, pod),
  );
  if (direct === undefined || source.namespace === undefined) return ok(undefined);
  const cluster = { direct, namespace: source.namespace, log };
  const webhooks = serveWebhooks({ ...cluster, flags });
  if (!webhooks.ok) return webhooks;
  const { 'ml-secret-name': name, deployment } = flags;
  key.made(await createHeartbeatKey({ ...cluster, name, deployment }));
  return ok(undefined);
}

function driverOf(
  controller: Controller,
  kube: Kube,
  log: Log,
  telling: Telling,
): Driver<ControllerInput> {
  const actor = new Actor(kube, log, telling);
  const alarm = new Alarm(() => driver.wake());
  const driver = drive(controller, {
    now: monotonic,
    wakeAt: (at) => alarm.set(at),
    act: (output) => actor.act(output, driver),
  });
  return driver;
}

function follow(driver: Driver<ControllerInput>, kube: Kube, telling: Telling): void {
  const watching = new AbortController();
  for (const resource of WATCHED) {
    const sink = (event: WatchEvent): void => {
      driver.put({ type: 'watched', resource, event });
      if (resource === IP_ADDRESS_POOL) telling.show(event);
    };
    kube.watch(resource, sink, watching.signal);
  }
}

/** RFC 3339 in whole seconds, as Kubernetes writes times. */
function wall(): string {
  return `${new Date().toISOString().slice(0, 19)}Z`;
}

/** Carries out what the Machine decided. */
class Actor {
  readonly #kube: Kube;
  readonly #log: Log;
  readonly #telling: Telling;

  constructor(kube: Kube, log: Log, telling: Telling) {
    this.#kube = kube;
    this.#log = log;
    this.#telling = telling;
  }

  act(output: ControllerOutput, driver: Driver<ControllerInput>): void {
    switch (output.type) {
      case 'write':
        void this.#write(output.update, driver);
        break;
      case 'record':
        void this.#record(output.event);
        break;
      case 'note':
        this.#say(output.note);
        break;
      case 'changed':
        this.#telling.decided(output.held);
        break;
    }
  }

  async #write(update: StatusUpdate, driver: Driver<ControllerInput>): Promise<void> {
    // After an await, so never from within the turn that asked for it.
    const result = await this.#kube.updateStatus(update);
    driver.put({ type: 'written', update, result });
  }

  async #record(event: KubeEvent): Promise<void> {
    const recorded = await this.#kube.record(event);
    if (!recorded.ok) this.#log('warn', 'EventLost', recorded.error.message);
  }

  #say({ level, event, message, problem, service, place }: Note): void {
    const at = place ?? (problem && this.#kube.place(problem.resource, problem.key, problem.path));
    const text = problem === undefined ? message : `${at}: ${message}`;
    this.#log(level, event, text, {
      ...(service === undefined ? {} : { service }),
      ...(at === undefined ? {} : { place: at }),
    });
  }
}
