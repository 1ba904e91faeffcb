/**
 * The controller as a process: opens what the flags name, wires the Machine to source, log and
 * metrics, and ends on a signal. Every failure to start is one sentence. Stopping is leaving: all
 * that matters is in the statuses, and each is written as a whole or not at all.
 */
import { randomBytes } from 'node:crypto';
import type { FlagValues } from '../../config/flags.ts';
import { openServers } from '../../config/io/servers.ts';
import { validate } from '../../config/schema.ts';
import { openSource } from '../../kube/io/source.ts';
import type { Kube, KubeEvent, StatusUpdate } from '../../kube/kube.ts';
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
  const driver = driverOf(controller, source.kube, log);
  const health = {
    notReady: () =>
      source.kube.notReady() ??
      (controller.report().synced ? undefined : 'not everything has been read yet'),
  };
  const registry = controllerMetrics(
    () => controller.report(),
    () => reports?.nodes().length ?? 0,
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
  follow(driver, source.kube);
  if (source.namespace !== undefined) {
    key.made(await createHeartbeatKey(source.kube, source.namespace, log));
  }
  return ok(undefined);
}

function driverOf(controller: Controller, kube: Kube, log: Log): Driver<ControllerInput> {
  const actor = new Actor(kube, log);
  const alarm = new Alarm(() => driver.wake());
  const driver = drive(controller, {
    now: monotonic,
    wakeAt: (at) => alarm.set(at),
    act: (output) => actor.act(output, driver),
  });
  return driver;
}

function follow(driver: Driver<ControllerInput>, kube: Kube): void {
  const watching = new AbortController();
  for (const resource of WATCHED) {
    kube.watch(
      resource,
      (event) => driver.put({ type: 'watched', resource, event }),
      watching.signal,
    );
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

  constructor(kube: Kube, log: Log) {
    this.#kube = kube;
    this.#log = log;
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
