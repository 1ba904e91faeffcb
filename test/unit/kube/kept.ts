/**
 * A source in memory that a Keeper keeps objects in: carries out what it asks for as an API server
 * would, shows it, and can refuse.
 */
import { Keeper } from '../../../kube/keeper.ts';
import type { Duty, KeeperOutput } from '../../../kube/keeper.ts';
import type { KubeFailure, WatchEvent } from '../../../kube/kube.ts';
import { keyOf } from '../../../kube/objects.ts';
import type { KubeObject } from '../../../kube/objects.ts';
import { err, ok } from '../../../lib/result.ts';

export class Kept {
  readonly objects = new Map<string, KubeObject>();
  failure: KubeFailure | undefined;
  asked: string[] = [];
  said: string[] = [];
  now = 0;
  machine: Keeper;
  readonly #duty: () => Duty;
  #version = 0;
  #shown: WatchEvent[] = [];

  constructor(duty: () => Duty) {
    this.#duty = duty;
    this.machine = new Keeper(duty());
    this.show({ type: 'synced' });
  }

  /** A new life of the program that keeps them. */
  restart(): void {
    this.machine = new Keeper(this.#duty());
    for (const object of this.objects.values()) this.show({ type: 'put', object });
    this.show({ type: 'synced' });
  }

  show(event: WatchEvent): void {
    this.#shown.push(event);
  }

  put(object: KubeObject): KubeObject {
    this.#version += 1;
    const resourceVersion = String(this.#version);
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion } };
    this.objects.set(keyOf(stored), stored);
    this.show({ type: 'put', object: stored });
    return stored;
  }

  remove(key: string): void {
    this.objects.delete(key);
    this.show({ type: 'delete', key });
  }

  /** The duty wants something else; and everything that happens within two seconds. */
  change(): void {
    this.machine.handle({ kind: 'changed' }, this.now);
    this.pass(2000);
  }

  status(key: string): unknown {
    return (this.objects.get(key) as { status?: unknown } | undefined)?.status;
  }

  pass(ms: number): void {
    const end = this.now + ms;
    for (let steps = 0; steps < 5000; steps += 1) {
      for (const event of this.#shown.splice(0)) {
        this.machine.handle({ kind: 'watch', event }, this.now);
      }
      this.machine.tick(this.now);
      this.#carryOut();
      const at = this.machine.deadline();
      if (this.#shown.length > 0) continue;
      if (at === undefined || at > end) {
        this.now = end;
        return;
      }
      this.now = Math.max(this.now, at);
    }
    throw new Error('does not settle');
  }

  #carryOut(): void {
    for (let out = this.machine.poll(); out !== undefined; out = this.machine.poll()) {
      if (out.kind === 'note') this.said.push(out.note.msg);
      else this.#answer(out);
    }
  }

  #answer(out: Exclude<KeeperOutput, { kind: 'note' }>): void {
    const { key } = out;
    this.asked.push(`${out.kind} ${key}`);
    const done = (failure?: KubeFailure, value?: KubeObject): void => {
      const result = failure === undefined ? ok(value) : err(failure);
      this.machine.handle({ kind: 'done', key, result }, this.now);
    };
    const object = this.objects.get(key);
    if (this.failure !== undefined) return done(this.failure);
    if (out.kind === 'create') {
      if (object !== undefined) return done({ kind: 'exists', message: 'it is there' });
      return done(undefined, this.put(out.object));
    }
    if (object === undefined) return done({ kind: 'not-found', message: 'it is gone' });
    const version = out.kind === 'delete' ? out.version : out.update.resourceVersion;
    if (object.metadata.resourceVersion !== version) {
      return done({ kind: 'conflict', message: 'it was changed' });
    }
    if (out.kind === 'update') {
      return done(undefined, this.put({ ...object, status: out.update.status } as KubeObject));
    }
    this.remove(key);
    return done();
  }
}
