/**
 * A source of truth in memory for tests of the Machine: keeps objects with versions, tells the
 * Machine of them when asked to, and carries out its writes as `services/status: update` would.
 */
import { Controller, WATCHED, WATCHED_IF_THERE } from '../../../controller/controller.ts';
import type { ControllerInput, ControllerOutput } from '../../../controller/controller.ts';
import { ANNOUNCED_BY } from '../../../config/claim.ts';
import { Reports } from '../../../controller/reports.ts';
import { IP_ADDRESS_POOL, SERVICE } from '../../../kube/kube.ts';
import type { KubeFailure, Resource, StatusUpdate } from '../../../kube/kube.ts';
import { keyOf } from '../../../kube/objects.ts';
import type { KubeObject, Service, ServiceStatus } from '../../../kube/objects.ts';
import { err, ok } from '../../../lib/result.ts';
import { reportOf } from './speakers.ts';
import type { Said } from './speakers.ts';

export class Source {
  readonly services = new Map<string, Service>();
  readonly pools = new Map<string, KubeObject>();
  /** Writes asked for and not carried out yet, and inputs not handed in yet. */
  writes: StatusUpdate[] = [];
  inbox: ControllerInput[] = [];
  heard: string[] = [];
  now = 0;
  machine: Controller;
  reports: Reports | undefined;
  readonly #hasReports: boolean;
  readonly #numbers = new Map<string, number>();
  #version = 0;

  /** `hasReports`: speakers report here. */
  constructor(hasReports = false) {
    this.#hasReports = hasReports;
    this.machine = this.#started();
  }

  /** The next report of a speaker, its challenge repeated. */
  report(node: string, said: Said): void {
    const number = (this.#numbers.get(node) ?? 0) + 1;
    this.#numbers.set(node, number);
    const report = reportOf(node, { ...said, number });
    const admission = this.reports?.admit(report);
    const challenge = admission?.kind === 'challenged' ? admission.challenge : '';
    this.tell({ type: 'reported', report: { ...report, challenge } });
  }

  /** Lets time pass, and everything happen that happens by then. */
  pass(ms: number): void {
    const end = this.now + ms;
    this.settle();
    for (;;) {
      const at = this.machine.deadline();
      if (at === undefined || at > end) break;
      this.now = Math.max(this.now, at);
      this.settle();
    }
    this.now = end;
  }

  announcedBy(name: string): string | undefined {
    return this.services.get(`d/${name}`)?.metadata.annotations?.[ANNOUNCED_BY];
  }

  put(resource: Resource, object: KubeObject): void {
    this.#version += 1;
    const resourceVersion = String(this.#version);
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion } };
    if (resource === SERVICE) this.services.set(keyOf(object), stored as Service);
    else this.pools.set(keyOf(object), stored);
    this.#tell(resource, { type: 'put', object: stored });
  }

  remove(resource: Resource, key: string): void {
    const map = resource === SERVICE ? this.services : this.pools;
    if (map.delete(key)) this.#tell(resource, { type: 'delete', key });
  }

  pool(name: string, addresses: readonly string[], more: object = {}): void {
    this.put(IP_ADDRESS_POOL, {
      ...IP_ADDRESS_POOL,
      metadata: { name, namespace: 'metallb-system' },
      spec: { addresses, ...more },
    } as KubeObject);
  }

  service(name: string, spec: object = {}, annotations: Record<string, string> = {}): void {
    const before = this.services.get(`d/${name}`);
    this.put(SERVICE, {
      ...SERVICE,
      metadata: {
        name,
        namespace: 'd',
        annotations: { ...before?.metadata.annotations, ...annotations },
      },
      spec: { type: 'LoadBalancer', ports: [{ port: 80 }], ...spec },
      ...(before?.status === undefined ? {} : { status: before.status }),
    } as KubeObject);
  }

  synced(): void {
    const kinds = [...WATCHED, ...WATCHED_IF_THERE];
    for (const resource of kinds) this.#tell(resource, { type: 'synced' });
  }

  tell(input: ControllerInput): void {
    this.inbox.push(input);
  }

  /** Hands in what waits, and lets the Machine decide. */
  deliver(count = this.inbox.length): void {
    for (const input of this.inbox.splice(0, count)) this.machine.handle(input, this.now);
    this.machine.tick(this.now);
    this.#listen();
  }

  /** Carries out one of the writes, the oldest by default, or lets it fail. */
  write(failure?: KubeFailure, index = 0): void {
    const [update] = this.writes.splice(Math.min(index, this.writes.length - 1), 1);
    if (update === undefined) return;
    const before = this.services.get(update.key);
    let result: Extract<ControllerInput, { type: 'written' }>['result'];
    if (failure !== undefined) result = err(failure);
    else if (before === undefined) result = err({ kind: 'not-found', message: 'it is gone' });
    else if (before.metadata.resourceVersion !== update.resourceVersion) {
      result = err({ kind: 'conflict', message: 'it was changed' });
    } else {
      const annotations = { ...before.metadata.annotations };
      for (const [key, value] of Object.entries(update.annotations ?? {})) {
        if (value === undefined) delete annotations[key];
        else annotations[key] = value;
      }
      const metadata = { ...before.metadata, annotations };
      this.put(SERVICE, { ...before, metadata, status: update.status as ServiceStatus } as Service);
      result = ok(undefined);
    }
    this.tell({ type: 'written', update, result });
  }

  /** Everything that can happen without time passing; the number of steps it took. */
  settle(): number {
    for (let steps = 0; ; steps += 1) {
      if (steps > 1000) throw new Error('does not settle');
      this.deliver();
      if (this.writes.length === 0 && this.inbox.length === 0) return steps;
      while (this.writes.length > 0) this.write();
    }
  }

  /** Lets time pass until the Machine has nothing left to do. */
  rest(): void {
    this.settle();
    for (let at = this.machine.deadline(); at !== undefined; at = this.machine.deadline()) {
      this.now = Math.max(this.now, at);
      this.settle();
    }
  }

  /** A new Machine on the same source. */
  restart(): void {
    this.writes = [];
    this.inbox = [];
    this.machine = this.#started();
    for (const object of this.services.values()) this.#tell(SERVICE, { type: 'put', object });
    for (const object of this.pools.values()) this.#tell(IP_ADDRESS_POOL, { type: 'put', object });
    this.synced();
  }

  ips(name: string): string {
    const ingress = this.services.get(`d/${name}`)?.status?.loadBalancer?.ingress ?? [];
    return ingress.map(({ ip }) => ip).join(' ');
  }

  reason(name: string): string | undefined {
    return this.services.get(`d/${name}`)?.status?.conditions?.[0]?.reason;
  }

  #started(): Controller {
    this.reports = this.#hasReports ? new Reports(`seed ${this.now}`) : undefined;
    this.reports?.begin(this.now);
    return new Controller((now) => `T${now}`, { reports: this.reports });
  }

  #tell(resource: Resource, event: Extract<ControllerInput, { type: 'watched' }>['event']): void {
    this.inbox.push({ type: 'watched', resource, event });
  }

  #listen(): void {
    for (let out = this.machine.poll(); out !== undefined; out = this.machine.poll()) {
      if (out.type === 'write') this.writes.push(out.update);
      // For whoever keeps counters, with every decision.
      if (out.type !== 'changed') this.heard.push(inWords(out));
    }
  }
}

function inWords(out: Exclude<ControllerOutput, { type: 'changed' }>): string {
  switch (out.type) {
    case 'write':
      return `write ${out.update.key}`;
    case 'record':
      return `record ${out.event.key} ${out.event.reason}`;
    case 'note':
      return `${out.note.level} ${out.note.event} ${out.note.message}`;
    case 'claim':
      return `claim ${out.act.kind} ${out.act.ip}`;
    default:
      throw new Error('unheard of');
  }
}
