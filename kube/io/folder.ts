/**
 * The files of one folder, and what changed among them since the last look. Watched with inotify
 * (fs.watch); a slow rescan covers what inotify misses: a folder that appears later, a file system
 * without it, a full queue of events.
 */
import { readFileSync, readdirSync, statSync, watch } from 'node:fs';
import type { FSWatcher } from 'node:fs';
import { join } from 'node:path';
import type { Millis } from '../../lib/time.ts';
import type { DirectoryInput } from '../directory.ts';

/** One save makes several events. */
const DEBOUNCE: Millis = 5;

export interface FolderKind {
  readonly path: string;
  /** How often everything is looked at again. */
  readonly rescan: Millis;
  /** Whether a folder that is not there counts as an empty one. */
  readonly optional: boolean;
  wanted(name: string): boolean;
  /** Name for problems; of the folder itself when empty. */
  label(name: string): string;
  input(name: string, text: string | undefined): DirectoryInput;
}

export class Folder {
  readonly #kind: FolderKind;
  readonly #changed: () => void;
  /** What was read last, by name; tells a file that did not change without reading it. */
  readonly #seen = new Map<string, string>();
  readonly #failed = new Set<string>();
  readonly #rescan: NodeJS.Timeout;
  #watcher: FSWatcher | undefined;
  #watched = '';
  #debounce: NodeJS.Timeout | undefined;
  #dirty = new Set<string>();
  #all = true;

  /** `changed` is called when `changes()` may have something. */
  constructor(kind: FolderKind, changed: () => void) {
    this.#kind = kind;
    this.#changed = changed;
    this.#rescan = setInterval(() => {
      this.#all = true;
      this.#changed();
    }, kind.rescan);
    this.#rescan.unref();
  }

  /** Everything that differs from the last call. */
  changes(): readonly DirectoryInput[] {
    const dirty = this.#dirty;
    this.#dirty = new Set();
    if (!this.#all) return [...dirty].flatMap((name) => this.look(name));
    this.#all = false;
    this.#attach();
    const listed = this.#list();
    if (typeof listed === 'string') return this.#failure('', listed);
    const names = new Set([...listed, ...this.#seen.keys()]);
    const inputs = [...names].flatMap((name) =>
      !dirty.has(name) && this.#seen.get(name) === this.#stamp(name) ? [] : this.look(name),
    );
    return [...this.#failure('', undefined), ...inputs];
  }

  /** Reads one file again, whatever its stamp. */
  look(name: string): readonly DirectoryInput[] {
    const stamp = this.#stamp(name);
    if (stamp === undefined) {
      if (!this.#seen.has(name)) return this.#failure(name, undefined);
      // Everything gone at once, folder and all, is a mount or a slip, not a wish.
      const listed = this.#list();
      if (typeof listed === 'string') return this.#failure('', listed);
      this.#seen.delete(name);
      return [...this.#failure(name, undefined), this.#kind.input(name, undefined)];
    }
    try {
      const text = readFileSync(join(this.#kind.path, name), 'utf8');
      this.#seen.set(name, stamp);
      return [...this.#failure(name, undefined), this.#kind.input(name, text)];
    } catch (error) {
      const { code = 'error' } = error as NodeJS.ErrnoException;
      // Gone between the two calls: the next look tells.
      if (code === 'ENOENT') return [];
      return this.#failure(name, `cannot be read (${code}): check its permissions`);
    }
  }

  close(): void {
    clearInterval(this.#rescan);
    clearTimeout(this.#debounce);
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  #list(): readonly string[] | string {
    try {
      return readdirSync(this.#kind.path).filter((name) => this.#kind.wanted(name));
    } catch (error) {
      const { code = 'error' } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' && this.#kind.optional) return [];
      return `cannot be read (${code}): what was read before stays in force; bring it back`;
    }
  }

  /** Says a failure once, and its end once. */
  #failure(name: string, message: string | undefined): readonly DirectoryInput[] {
    if (message === undefined && !this.#failed.delete(name)) return [];
    if (message !== undefined) this.#failed.add(name);
    return [{ type: 'unreadable', name: this.#kind.label(name), message }];
  }

  /** undefined: there is no such regular file. */
  #stamp(name: string): string | undefined {
    const stat = statSync(join(this.#kind.path, name), { bigint: true, throwIfNoEntry: false });
    if (stat === undefined || !stat.isFile()) return undefined;
    return `${stat.ino} ${stat.size} ${stat.ctimeNs}`;
  }

  /** Watches the folder that is there now; a new one under the old name is another inode. */
  #attach(): void {
    const stat = statSync(this.#kind.path, { bigint: true, throwIfNoEntry: false });
    const identity = stat === undefined ? '' : `${stat.dev} ${stat.ino}`;
    if (identity === this.#watched) return;
    this.#watcher?.close();
    this.#watcher = undefined;
    this.#watched = '';
    if (stat === undefined) return;
    try {
      this.#watcher = watch(this.#kind.path, { persistent: false }, (_, name) => this.#event(name));
      this.#watcher.on('error', () => {
        this.#watched = '';
      });
      this.#watched = identity;
    } catch {
      // Out of inotify watches: the rescan alone is slower, but right.
    }
  }

  #event(name: string | null): void {
    if (name === null) this.#all = true;
    else if (this.#kind.wanted(name)) this.#dirty.add(name);
    else return;
    if (this.#debounce !== undefined) return;
    this.#debounce = setTimeout(() => {
      this.#debounce = undefined;
      this.#changed();
    }, DEBOUNCE);
  }
}
