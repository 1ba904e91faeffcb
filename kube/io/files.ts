/**
 * The port `Kube` on a directory of manifests: reads and watches files, writes status files. What
 * is believed is decided in `directory.ts`; the layout is docs/decisions/0003.
 *
 * Reads are synchronous on purpose: between reading a file and deciding on it nothing else runs,
 * so a watcher never gets an older object after a newer one. Directories are small, and the thread
 * that answers the network is another one.
 *
 * Several processes may open the same directory; each object's status has one writer. Two writers
 * are told from each other by the version, up to the moment between its check and the rename.
 */
import {
  accessSync,
  appendFileSync,
  constants,
  existsSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { Alarm, monotonic } from '../../lib/io/clock.ts';
import { err, ok } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';
import type { Millis } from '../../lib/time.ts';
import type { AbortSignalLike } from '../../lib/signal.ts';
import { Directory } from '../directory.ts';
import type { DirectoryInput } from '../directory.ts';
import type { Kube, KubeEvent, KubeFailure, Resource, StatusUpdate, WatchEvent } from '../kube.ts';
import type { Validate } from '../manifest.ts';
import { keyOf } from '../objects.ts';
import type { KubeObject } from '../objects.ts';
import { overlayName, ownName, withChanges, writeOverlay } from '../overlay.ts';
import { writeYaml } from '../yaml.ts';
import { Folder } from './folder.ts';
import { createAtomically, writeAtomically } from './replace.ts';

export interface FilesOptions {
  readonly validate: Validate;
  /** Remove the status of objects that are gone: for the one program that writes statuses. */
  readonly collect: boolean;
  /** How often everything is looked at again, whether or not a change was heard of. */
  readonly rescan?: Millis;
}

interface Watcher {
  readonly resource: Resource;
  readonly sink: (event: WatchEvent) => void;
  readonly signal: AbortSignalLike;
}

const RESCAN: Millis = 2000;

/** The events' file is set aside (one generation) when it is larger. */
const EVENTS_LIMIT = 1 << 20;

/** The error is one sentence: what is wrong with the directory and what to do. */
export function openFiles(directory: string, options: FilesOptions): Result<Files, string> {
  try {
    if (!statSync(directory).isDirectory()) {
      return err(`"${directory}" is not a directory: give a directory of manifests`);
    }
    accessSync(directory, constants.R_OK | constants.X_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') {
      return err(`directory "${directory}" does not exist: create it or give another one`);
    }
    return err(`directory "${directory}" cannot be read (${code}): check its permissions`);
  }
  return ok(new Files(directory, options));
}

export class Files implements Kube {
  readonly #path: string;
  readonly #collect: boolean;
  readonly #directory: Directory;
  readonly #manifests: Folder;
  readonly #status: Folder;
  readonly #alarm: Alarm;
  #watchers: readonly Watcher[] = [];
  #deliveries: (() => void)[] = [];

  constructor(path: string, options: FilesOptions) {
    this.#path = path;
    this.#collect = options.collect;
    this.#directory = new Directory((name) => join(path, name), options.validate);
    this.#alarm = new Alarm(() => {
      this.#directory.tick(monotonic());
      this.#settle();
    });
    const rescan = options.rescan ?? RESCAN;
    const scan = (): void => this.#feed([...this.#manifests.changes(), ...this.#status.changes()]);
    this.#manifests = new Folder(
      {
        path,
        rescan,
        wanted: isManifest,
        label: (name) => name,
        input: (name, text) => ({ type: 'file', name, text }),
      },
      scan,
    );
    this.#status = new Folder(
      {
        path: join(path, 'status'),
        rescan,
        within: this.#manifests,
        wanted: (name) => name.endsWith('.yaml') && !name.startsWith('.'),
        label: (name) => join('status', name),
        input: (name, text) => ({ type: 'overlay', name, text }),
      },
      scan,
    );
    // Made now, so that it can be watched; where that is not allowed, the rescan finds it later.
    this.#inStatus(() => undefined);
    scan();
    this.#feed([{ type: 'begun' }]);
  }

  watch(resource: Resource, sink: (event: WatchEvent) => void, signal: AbortSignalLike): void {
    const watcher = { resource, sink, signal };
    this.#watchers = [...this.#watchers, watcher];
    signal.addEventListener('abort', () => {
      this.#watchers = this.#watchers.filter((other) => other !== watcher);
    });
    for (const object of this.#directory.objects(resource)) {
      this.#deliver(watcher, { type: 'put', object });
    }
    for (const remnant of this.#directory.remnants(resource)) this.#deliver(watcher, remnant);
    for (const { resource: _, ...problem } of this.#directory.problems(resource)) {
      this.#deliver(watcher, { type: 'problem', problem });
    }
    this.#deliver(watcher, { type: 'synced' });
  }

  updateStatus(update: StatusUpdate): Promise<Result<KubeObject, KubeFailure>> {
    return Promise.resolve(this.#update(update));
  }

  #update(update: StatusUpdate): Result<KubeObject, KubeFailure> {
    const { resource, key, status, annotations = {} } = update;
    const name = overlayName(resource, key);
    const what = `${resource.kind} ${key}`;
    // Another process may have written since the last look.
    this.#feed(this.#status.look(name));
    const current = this.#directory.object(resource, key);
    const manifest = this.#directory.manifest(resource, key);
    if (current === undefined || manifest === undefined) {
      return err({ kind: 'not-found', message: `${what} does not exist` });
    }
    if (current.metadata.resourceVersion !== update.resourceVersion) {
      return err({ kind: 'conflict', message: `${what} was changed since it was read` });
    }
    const before = this.#directory.overlay(resource, key);
    const overlay = withChanges(before, status, annotations, manifest.object);
    const text = writeOverlay(resource, key, overlay);
    const written = this.#inStatus((folder) => writeAtomically(join(folder, name), text));
    if (!written.ok) return written;
    this.#feed([{ type: 'overlay', name, text }]);
    return ok(this.#directory.object(resource, key) ?? current);
  }

  create(object: KubeObject): Promise<Result<KubeObject, KubeFailure>> {
    const { apiVersion, kind, metadata } = object;
    const [resource, key] = [{ apiVersion, kind }, keyOf(object)];
    const name = ownName(resource, key);
    const exists = { kind: 'exists', message: `${kind} ${key} already exists` } as const;
    this.#feed(this.#status.look(name));
    if (this.#directory.object(resource, key) !== undefined) return Promise.resolve(err(exists));
    const { status: _, ...rest } = object as KubeObject & { status?: unknown };
    const { resourceVersion: __, ...meta } = metadata;
    const text = writeYaml({ ...rest, metadata: { ...meta, uid: randomUUID() } });
    const written = this.#inStatus((folder) => createAtomically(join(folder, name), text));
    if (!written.ok) {
      const isThere = existsSync(join(this.#path, 'status', name));
      return Promise.resolve(isThere ? err(exists) : written);
    }
    // Read back, so that its end is noticed even if it comes before the news of its beginning.
    this.#feed(this.#status.look(name));
    return Promise.resolve(ok(this.#directory.object(resource, key) ?? object));
  }

  read(resource: Resource, key: string): Promise<Result<KubeObject, KubeFailure>> {
    this.#feed([...this.#status.look(ownName(resource, key)), ...this.#look(resource, key)]);
    const object = this.#directory.object(resource, key);
    const message = `${resource.kind} ${key} does not exist`;
    return Promise.resolve(object === undefined ? err({ kind: 'not-found', message }) : ok(object));
  }

  #look(resource: Resource, key: string): readonly DirectoryInput[] {
    return this.#status.look(overlayName(resource, key));
  }

  replace(object: KubeObject): Promise<Result<KubeObject, KubeFailure>> {
    return Promise.resolve(this.#replace(object));
  }

  #replace(object: KubeObject): Result<KubeObject, KubeFailure> {
    const { apiVersion, kind, metadata } = object;
    const [resource, key] = [{ apiVersion, kind }, keyOf(object)];
    const current = this.#owned(resource, key, metadata.resourceVersion ?? '');
    if (!current.ok) return current;
    const { status: _, ...rest } = object as KubeObject & { status?: unknown };
    const { resourceVersion: __, ...meta } = metadata;
    const { uid = randomUUID() } = current.value.metadata;
    const text = writeYaml({ ...rest, metadata: { ...meta, uid } });
    const name = ownName(resource, key);
    const written = this.#inStatus((folder) => writeAtomically(join(folder, name), text));
    if (!written.ok) return written;
    this.#feed([{ type: 'overlay', name, text }]);
    return ok(this.#directory.object(resource, key) ?? object);
  }

  delete(resource: Resource, key: string, version?: string): Promise<Result<void, KubeFailure>> {
    return Promise.resolve(this.#delete(resource, key, version));
  }

  #delete(resource: Resource, key: string, version?: string): Result<void, KubeFailure> {
    const current = this.#owned(resource, key, version);
    if (!current.ok) return current;
    const [name, laid] = [ownName(resource, key), overlayName(resource, key)];
    const removed = this.#inStatus((folder) => {
      for (const each of [name, laid]) rmSync(join(folder, each), { force: true });
    });
    if (!removed.ok) return removed;
    this.#feed([name, laid].map((each) => ({ type: 'overlay', name: each, text: undefined })));
    return ok(undefined);
  }

  /** An object that a program made, of that version if one is given. */
  #owned(resource: Resource, key: string, version?: string): Result<KubeObject, KubeFailure> {
    const name = ownName(resource, key);
    const what = `${resource.kind} ${key}`;
    this.#feed([...this.#status.look(name), ...this.#look(resource, key)]);
    const current = this.#directory.object(resource, key);
    if (current === undefined) {
      return err({ kind: 'not-found', message: `${what} does not exist` });
    }
    if (version !== undefined && current.metadata.resourceVersion !== version) {
      return err({ kind: 'conflict', message: `${what} was changed since it was read` });
    }
    if (!existsSync(join(this.#path, 'status', name))) {
      const place = this.place(resource, key, '');
      return err({ kind: 'forbidden', message: `${what} is the user's: change it at ${place}` });
    }
    return ok(current);
  }

  /** A directory is read at once; what cannot be read is a problem of its own. */
  notReady(): string | undefined {
    return undefined;
  }

  record(event: KubeEvent): Promise<Result<void, KubeFailure>> {
    const { resource, key, type, reason, message } = event;
    const time = new Date().toISOString();
    const line = JSON.stringify({ time, kind: resource.kind, object: key, type, reason, message });
    const written = this.#inStatus((folder) => {
      const file = join(folder, 'events.jsonl');
      if (existsSync(file) && statSync(file).size > EVENTS_LIMIT) renameSync(file, `${file}.1`);
      appendFileSync(file, `${line}\n`);
    });
    return Promise.resolve(written);
  }

  place(resource: Resource, key: string, path: string): string {
    const manifest = this.#directory.manifest(resource, key);
    return manifest?.place(path) ?? `${resource.kind} ${key}`;
  }

  /** Stops watching; nothing is delivered any more. */
  close(): void {
    this.#watchers = [];
    this.#alarm.set(undefined);
    this.#manifests.close();
    this.#status.close();
  }

  #feed(inputs: readonly DirectoryInput[]): void {
    if (inputs.length > 0) this.#directory.handle(inputs, monotonic());
    this.#settle();
  }

  #settle(): void {
    const directory = this.#directory;
    for (let out = directory.poll(); out !== undefined; out = directory.poll()) {
      if (out.type === 'orphan') {
        if (this.#collect) this.#removeOverlay(out.name);
        continue;
      }
      const { resource, event } = out;
      for (const watcher of this.#watchers) {
        if (resource === undefined || resource.kind === watcher.resource.kind) {
          this.#deliver(watcher, event);
        }
      }
    }
    this.#alarm.set(directory.deadline());
  }

  /** Never from within a caller's own turn: a sink may call back. */
  #deliver(watcher: Watcher, event: WatchEvent): void {
    if (this.#deliveries.length === 0) {
      queueMicrotask(() => {
        const deliveries = this.#deliveries;
        this.#deliveries = [];
        for (const each of deliveries) each();
      });
    }
    this.#deliveries.push(() => {
      if (this.#watchers.includes(watcher)) watcher.sink(event);
    });
  }

  #removeOverlay(name: string): void {
    const removed = this.#inStatus((folder) => rmSync(join(folder, name), { force: true }));
    if (removed.ok)
      this.#directory.handle([{ type: 'overlay', name, text: undefined }], monotonic());
  }

  #inStatus(act: (folder: string) => void): Result<void, KubeFailure> {
    const folder = join(this.#path, 'status');
    const trouble = this.#manifests.trouble();
    if (trouble !== undefined) {
      return err({ kind: 'unavailable', message: `"${this.#path}" ${trouble}` });
    }
    try {
      makeFolder(folder);
      act(folder);
      return ok(undefined);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      const denied = code === 'EACCES' || code === 'EROFS' || code === 'EPERM';
      return err({
        kind: denied ? 'forbidden' : 'unavailable',
        message: `cannot write in "${folder}" (${code ?? message}): check space and permissions`,
      });
    }
  }
}

/** Not what it lies in: a directory that vanished is not made anew, empty. */
function makeFolder(path: string): void {
  try {
    mkdirSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** Not hidden ones: editors and mounted ConfigMaps keep their own files there. */
function isManifest(name: string): boolean {
  return /^[^.].*\.(ya?ml|json)$/i.test(name);
}
