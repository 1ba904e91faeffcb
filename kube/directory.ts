/**
 * A directory of manifests as a Machine: contents of files go in, watch events come out. It
 * decides what is believed. Nothing here touches a disk; `io/files` feeds it.
 *
 * A changed file is believed at once when it reads well, loses nothing and ends its last line;
 * otherwise only when it has not changed for SETTLE: an editor empties, renames or writes a file
 * in pieces, and nobody's address may flap for that. A file that stays malformed is reported, and
 * the objects it gave before stay, until it is mended. A rename may show as a loss here and a new
 * file there; the new one simply takes over. Inputs come in batches, so that the two halves of such
 * a change are seen together.
 */
import { sha256Hex } from '../lib/sha256.ts';
import { earlier } from '../lib/time.ts';
import type { Instant, Millis } from '../lib/time.ts';
import type { Machine } from '../lib/machine.ts';
import type { Resource, WatchEvent } from './kube.ts';
import { readManifests } from './manifest.ts';
import type { Manifest, ManifestProblem, Validate } from './manifest.ts';
import { keyOf } from './objects.ts';
import type { KubeObject } from './objects.ts';
import { NO_OVERLAY, isOwnName, merged, overlayName, readOverlay, readOwn } from './overlay.ts';
import type { Overlay, StatusFile } from './overlay.ts';

/** Longer than an editor needs between emptying a file and its last byte. */
export const SETTLE: Millis = 250;

export type DirectoryInput =
  /** What a file contains now; undefined: it is not there. */
  | { readonly type: 'file'; readonly name: string; readonly text: string | undefined }
  /** The same of a file in `status/`. */
  | { readonly type: 'overlay'; readonly name: string; readonly text: string | undefined }
  /** A file or the directory cannot be read; what was read before stays. Undefined: it can. */
  | { readonly type: 'unreadable'; readonly name: string; readonly message: string | undefined }
  /** Everything that is there at the start has been put in: from now on changes must settle. */
  | { readonly type: 'begun' };

export type DirectoryOutput =
  /** For the watchers of `resource`, or for all. */
  | { readonly type: 'event'; readonly resource: Resource | undefined; readonly event: WatchEvent }
  /** An overlay whose object is gone. */
  | { readonly type: 'orphan'; readonly name: string };

interface File {
  readonly text: string;
  readonly manifests: readonly Manifest[];
  /** From an earlier, better content; in force unless another file defines the object. */
  readonly ghosts: readonly Manifest[];
  readonly problems: readonly ManifestProblem[];
}

interface Pending {
  readonly text: string | undefined;
  /** Objects that the new content still has. */
  readonly kept: ReadonlySet<string>;
  readonly due: Instant;
}

interface Present {
  readonly manifest: Manifest;
  readonly overlayText: string;
  readonly object: KubeObject;
}

interface OverlayFile extends StatusFile {
  readonly text: string;
}

type Remnant = Extract<WatchEvent, { type: 'remnant' }>;

export class Directory implements Machine<readonly DirectoryInput[], DirectoryOutput> {
  readonly #label: (name: string) => string;
  readonly #validate: Validate;
  readonly #files = new Map<string, File>();
  readonly #pending = new Map<string, Pending>();
  readonly #overlays = new Map<string, OverlayFile>();
  /** Objects that the programs created, by file name. */
  readonly #own = new Map<string, Manifest>();
  readonly #unreadable = new Map<string, string>();
  readonly #badOverlays = new Set<string>();
  #present = new Map<string, Present>();
  #problems = new Map<string, ManifestProblem>();
  /** Overlays whose objects may be in what cannot be read, by name. */
  #remnants = new Map<string, OverlayFile>();
  #begun = false;
  #dirty = false;
  /** Overlays that changed while nothing else did: the common case, and cheap. */
  #laid = new Set<string>();
  /** Whose overlay has that name. */
  #owners = new Map<string, string>();
  #queue: DirectoryOutput[] = [];

  /** `label` turns a file's name into what the user calls it. */
  constructor(label: (name: string) => string, validate: Validate) {
    this.#label = label;
    this.#validate = validate;
  }

  handle(inputs: readonly DirectoryInput[], now: Instant): void {
    for (const input of inputs) this.#take(input, now);
  }

  #take(input: DirectoryInput, now: Instant): void {
    switch (input.type) {
      case 'file':
        this.#file(input.name, input.text, now);
        break;
      case 'overlay':
        if (isOwnName(input.name)) this.#ownObject(input.name, input.text);
        else this.#overlay(input.name, input.text);
        break;
      case 'unreadable':
        if (input.message === undefined) this.#unreadable.delete(input.name);
        else this.#unreadable.set(input.name, input.message);
        // What was about to be believed was seen on the way to this.
        this.#pending.delete(input.name);
        this.#dirty = true;
        break;
      case 'begun':
        this.#begun = true;
        this.#dirty = true;
        break;
    }
  }

  tick(now: Instant): void {
    for (const [name, { text, due }] of this.#pending) {
      if (due <= now) this.#believe(name, text);
    }
  }

  poll(): DirectoryOutput | undefined {
    if (this.#dirty) this.#rebuild();
    else if (this.#laid.size > 0) this.#relay();
    return this.#queue.shift();
  }

  deadline(): Instant | undefined {
    let first: Instant | undefined;
    for (const { due } of this.#pending.values()) first = earlier(first, due);
    return first;
  }

  /** The present state, for a watcher that begins and for updates. */
  object(resource: Resource, key: string): KubeObject | undefined {
    return this.#present.get(idOf(resource, key))?.object;
  }

  manifest(resource: Resource, key: string): Manifest | undefined {
    return this.#present.get(idOf(resource, key))?.manifest;
  }

  objects(resource: Resource): readonly KubeObject[] {
    const all = [...this.#present.values()].filter(
      ({ manifest }) => manifest.resource.kind === resource.kind,
    );
    return all.map(({ object }) => object);
  }

  remnants(resource: Resource): readonly Remnant[] {
    return [...this.#remnants.values()]
      .filter((each) => each.resource.kind === resource.kind)
      .map(({ key, overlay: { status } }) => ({ type: 'remnant', key, status }));
  }

  problems(resource: Resource): readonly ManifestProblem[] {
    return [...this.#problems.values()].filter(
      (problem) => problem.resource === undefined || problem.resource.kind === resource.kind,
    );
  }

  overlay(resource: Resource, key: string): Overlay {
    return this.#overlays.get(overlayName(resource, key))?.overlay ?? NO_OVERLAY;
  }

  #file(name: string, text: string | undefined, now: Instant): void {
    const before = this.#files.get(name);
    if (text === before?.text) {
      this.#pending.delete(name);
      return;
    }
    if (text === this.#pending.get(name)?.text && this.#pending.has(name)) return;
    const reading = readManifests(this.#label(name), text ?? '', this.#validate);
    const kept = new Set(reading.manifests.map(idOfManifest));
    const losses = (before?.manifests ?? []).some((manifest) => !kept.has(idOfManifest(manifest)));
    const whole = text?.endsWith('\n') === true && reading.problems.length === 0 && !losses;
    if (whole || !this.#begun) this.#believe(name, text);
    else this.#pending.set(name, { text, kept, due: now + SETTLE });
  }

  #believe(name: string, text: string | undefined): void {
    this.#pending.delete(name);
    this.#dirty = true;
    if (text === undefined) {
      this.#files.delete(name);
      return;
    }
    const reading = readManifests(this.#label(name), text, this.#validate);
    const before = this.#files.get(name);
    const healthy = reading.problems.length === 0;
    const ghosts = healthy ? [] : [...(before?.manifests ?? []), ...(before?.ghosts ?? [])];
    this.#files.set(name, { text, ...reading, ghosts });
  }

  #ownObject(name: string, text: string | undefined): void {
    const object = text === undefined ? undefined : readOwn(text);
    const file = `status/${name}`;
    this.#dirty = true;
    if (object === undefined) {
      this.#own.delete(name);
      return;
    }
    const { apiVersion, kind } = object;
    const place = (): string => this.#label(file);
    this.#own.set(name, {
      file,
      resource: { apiVersion, kind },
      key: keyOf(object),
      object,
      place,
    });
  }

  #overlay(name: string, text: string | undefined): void {
    if (this.#overlays.get(name)?.text === text) return;
    const read = text === undefined ? undefined : readOverlay(text, this.#validate);
    const isItsName = read !== undefined && overlayName(read.resource, read.key) === name;
    if (text === undefined || !isItsName || !this.#owners.has(name)) this.#dirty = true;
    if (this.#badOverlays.delete(name)) this.#dirty = true;
    this.#laid.add(name);
    if (text === undefined) this.#overlays.delete(name);
    else if (!isItsName) this.#badOverlays.add(name);
    else this.#overlays.set(name, { text, ...read });
  }

  /** Merges what changed in `status/` alone. */
  #relay(): void {
    for (const name of this.#laid) {
      const id = this.#owners.get(name) ?? '';
      const before = this.#present.get(id);
      if (before === undefined) continue;
      const after = this.#merge(id, before.manifest);
      if (after === before) continue;
      this.#present.set(id, after);
      this.#emit(after.manifest.resource, { type: 'put', object: after.object });
    }
    this.#laid.clear();
  }

  #rebuild(): void {
    this.#dirty = false;
    this.#laid.clear();
    const { chosen, twice } = this.#choose();
    const present = new Map<string, Present>();
    for (const [id, manifest] of chosen) present.set(id, this.#merge(id, manifest));
    for (const [id, { manifest, object }] of present) {
      if (this.#present.get(id)?.object === object) continue;
      this.#emit(manifest.resource, { type: 'put', object });
    }
    this.#owners = new Map();
    for (const [id, { manifest }] of present) {
      this.#owners.set(overlayName(manifest.resource, manifest.key), id);
    }
    this.#reportRemnants();
    for (const [id, { manifest }] of this.#present) {
      if (present.has(id)) continue;
      this.#emit(manifest.resource, { type: 'delete', key: manifest.key });
    }
    this.#present = present;
    this.#reportProblems(twice);
    this.#reportOrphans();
  }

  /** Who defines each object: where it was before, else the first file by name, else a ghost. */
  #choose(): { chosen: ReadonlyMap<string, Manifest>; twice: readonly ManifestProblem[] } {
    const chosen = new Map<string, Manifest>();
    const twice: ManifestProblem[] = [];
    const files = [...this.#files].toSorted(([a], [b]) => (a < b ? -1 : 1));
    const offers: Manifest[] = [];
    const ghosts: Manifest[] = [];
    for (const [name, file] of files) {
      const kept = this.#pending.get(name)?.kept;
      for (const manifest of file.manifests) {
        const leaving = kept !== undefined && !kept.has(idOfManifest(manifest));
        (leaving ? ghosts : offers).push(manifest);
      }
      ghosts.push(...file.ghosts);
    }
    const incumbents = offers.filter(
      ({ file, resource, key }) => this.manifest(resource, key)?.file === file,
    );
    for (const manifest of [...incumbents, ...offers]) {
      const id = idOfManifest(manifest);
      const other = chosen.get(id);
      if (other === undefined) chosen.set(id, manifest);
      else if (other !== manifest) twice.push(duplicate(manifest, other));
    }
    for (const other of [...ghosts, ...this.#own.values()]) {
      const id = idOfManifest(other);
      if (!chosen.has(id)) chosen.set(id, other);
    }
    return { chosen, twice };
  }

  #merge(id: string, manifest: Manifest): Present {
    const overlay = this.#overlays.get(overlayName(manifest.resource, manifest.key));
    const overlayText = overlay?.text ?? '';
    const before = this.#present.get(id);
    const same = before?.overlayText === overlayText;
    if (same && before.manifest === manifest) return before;
    // The same content under another name, or with a comment more, is no change.
    const content = `${JSON.stringify(manifest.object)}\0${overlayText}`;
    const version = sha256Hex(content).slice(0, 16);
    if (before?.object.metadata.resourceVersion === version) {
      return { manifest, overlayText, object: before.object };
    }
    const object = merged(manifest.object, overlay?.overlay ?? NO_OVERLAY, version);
    return { manifest, overlayText, object };
  }

  #reportProblems(twice: readonly ManifestProblem[]): void {
    const problems = new Map<string, ManifestProblem>();
    const add = (problem: ManifestProblem): void => {
      problems.set(`${problem.place} ${problem.path} ${problem.message}`, problem);
    };
    for (const file of this.#files.values()) file.problems.forEach(add);
    twice.forEach(add);
    for (const [name, message] of this.#unreadable) {
      add({ resource: undefined, place: this.#label(name), path: '', message });
    }
    for (const name of this.#badOverlays) {
      const message = 'not a status file: remove it, and it is written anew';
      add({ resource: undefined, place: this.#label(`status/${name}`), path: '', message });
    }
    const places = new Set([...problems.values()].map(({ place }) => place));
    const solved = new Set<string>();
    for (const { place, resource } of this.#problems.values()) {
      if (places.has(place) || solved.has(place)) continue;
      solved.add(place);
      this.#emit(resource, { type: 'solved', place });
    }
    for (const [id, { resource, ...problem }] of problems) {
      if (!this.#problems.has(id)) this.#emit(resource, { type: 'problem', problem });
    }
    this.#problems = problems;
  }

  /** Whether an object may be there without being seen: in a broken file, or a changing one. */
  #mayHide(): boolean {
    const broken = [...this.#files.values()].some(({ problems }) => problems.length > 0);
    return broken || this.#unreadable.size > 0 || this.#pending.size > 0;
  }

  /** Their addresses may still be answered for: nobody else may get them. */
  #reportRemnants(): void {
    if (!this.#begun) return;
    const before = this.#remnants;
    const lone = [...this.#overlays].filter(([name]) => !this.#owners.has(name));
    this.#remnants = new Map(this.#mayHide() ? lone : []);
    for (const [name, file] of this.#remnants) {
      if (before.get(name)?.text === file.text) continue;
      const { key, resource, overlay } = file;
      this.#emit(resource, { type: 'remnant', key, status: overlay.status });
    }
    for (const [name, { resource, key }] of before) {
      if (this.#remnants.has(name)) continue;
      this.#emit(resource, { type: 'remnant', key, status: undefined });
    }
  }

  #reportOrphans(): void {
    if (!this.#begun || this.#mayHide()) return;
    for (const name of this.#overlays.keys()) {
      if (!this.#owners.has(name)) this.#queue.push({ type: 'orphan', name });
    }
  }

  #emit(resource: Resource | undefined, event: WatchEvent): void {
    this.#queue.push({ type: 'event', resource, event });
  }
}

function idOf(resource: Resource, key: string): string {
  return `${resource.kind} ${key}`;
}

function idOfManifest({ resource, key }: Manifest): string {
  return idOf(resource, key);
}

function duplicate(manifest: Manifest, other: Manifest): ManifestProblem {
  const { resource, key } = manifest;
  const message = `${resource.kind} ${key} is already defined at ${other.place('')}; remove one`;
  return { resource, place: manifest.place(''), path: '', message };
}
