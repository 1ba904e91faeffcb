/**
 * The files of one folder, and what changed among them since the last look. Watched with inotify
 * (fs.watch); a slow rescan covers what inotify misses: a folder that appears later, a file system
 * without it, a full queue of events.
 */
import { readFileSync, readdirSync, statSync, watch } from 'node:fs';
import type { FSWatcher } from 'node:fs';
import { join } from 'node:path';
import { err, ok } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';
import type { Millis } from '../../lib/time.ts';
import type { DirectoryInput } from '../directory.ts';

/** One save makes several events. */
const DEBOUNCE: Millis = 5;

/** Some fifty thousand Services; more is no manifest, and reading it would stop everything else. */
const MOST_MIB = 16;

export interface FolderKind {
  readonly path: string;
  /** How often everything is looked at again. */
  readonly rescan: Millis;
  /** The folder it lies in. Given: to be missing there is to be empty. */
  readonly within?: Folder;
  wanted(name: string): boolean;
  /** Name for problems; of the folder itself when empty. */
  label(name: string): string;
  input(name: string, text: string | undefined): DirectoryInput;
}

const AS_BEFORE =
  'the directory that was read before, which stays in force: bring it back, or fill this one';

export class Folder {
  readonly #kind: FolderKind;
  readonly #changed: () => void;
  /** What was read last, by name; tells a file that did not change without reading it. */
  readonly #seen = new Map<string, string>();
  /** What is wrong with a file, by name; of the folder itself under the empty one. */
  readonly #failed = new Map<string, string>();
  readonly #rescan: NodeJS.Timeout;
  #watcher: FSWatcher | undefined;
  #watched = '';
  /** Of the folder whose listing was believed last. */
  #identity = '';
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
    // What lies in a folder that vanished has not vanished by itself; the folder says so.
    if (this.#kind.within?.trouble() !== undefined) return [];
    const dirty = this.#dirty;
    this.#dirty = new Set();
    if (!this.#all) return [...dirty].flatMap((name) => this.look(name));
    this.#all = false;
    this.#attach();
    const listed = this.#list();
    if (typeof listed === 'string') return this.#failure('', listed);
    const names = new Set([...listed, ...this.#seen.keys(), ...this.#failed.keys()]);
    names.delete('');
    const inputs = [...names].flatMap((name) =>
      dirty.has(name) || this.#differs(name) ? this.look(name) : [],
    );
    return [...this.#failure('', undefined), ...inputs];
  }

  #differs(name: string): boolean {
    if (this.#failed.has(name)) return true;
    const stamp = this.#stamp(name);
    return !stamp.ok || stamp.value !== this.#seen.get(name);
  }

  /** Reads one file again, whatever its stamp. */
  look(name: string): readonly DirectoryInput[] {
    const stamp = this.#stamp(name);
    if (!stamp.ok) return this.#failure(name, stamp.error);
    if (stamp.value === undefined) {
      if (!this.#seen.has(name) && !this.#failed.has(name)) return [];
      // Everything gone at once, folder and all, is a mount or a slip, not a wish.
      if (this.#kind.within?.trouble() !== undefined) return [];
      const trouble = this.trouble();
      if (trouble !== undefined) return this.#failure('', trouble);
      this.#seen.delete(name);
      return [...this.#failure(name, undefined), this.#kind.input(name, undefined)];
    }
    try {
      const text = readFileSync(join(this.#kind.path, name), 'utf8');
      this.#seen.set(name, stamp.value);
      return [...this.#failure(name, undefined), this.#kind.input(name, text)];
    } catch (error) {
      // Gone between the two calls: the next look tells.
      if (codeOf(error) === 'ENOENT') return [];
      return this.#failure(name, unreadable(error));
    }
  }

  close(): void {
    clearInterval(this.#rescan);
    clearTimeout(this.#debounce);
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  /** Why nothing may be taken for gone now; undefined: the folder is there. */
  trouble(): string | undefined {
    const identity = identityOf(this.#kind.path);
    if (identity !== '' && identity === this.#identity) return undefined;
    const listed = this.#list();
    return typeof listed === 'string' ? listed : undefined;
  }

  #list(): readonly string[] | string {
    const isOptional = this.#kind.within !== undefined;
    const identity = identityOf(this.#kind.path);
    try {
      const names = readdirSync(this.#kind.path).filter((name) => this.#kind.wanted(name));
      const isOther = identity !== this.#identity && this.#seen.size > 0;
      // Such as the place where a share was mounted.
      if (isOther && names.length === 0 && !isOptional) return `is empty and not ${AS_BEFORE}`;
      this.#identity = identity;
      return names;
    } catch (error) {
      const code = codeOf(error);
      if (code === 'ENOENT' && isOptional) return [];
      return `cannot be read (${code}): what was read before stays in force; bring it back`;
    }
  }

  /** Says a failure once, and its end once. */
  #failure(name: string, message: string | undefined): readonly DirectoryInput[] {
    if (this.#failed.get(name) === message) return [];
    if (message === undefined) this.#failed.delete(name);
    else this.#failed.set(name, message);
    return [{ type: 'unreadable', name: this.#kind.label(name), message }];
  }

  /** undefined: there is no such regular file. */
  #stamp(name: string): Result<string | undefined, string> {
    try {
      const path = join(this.#kind.path, name);
      const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
      if (stat === undefined || !stat.isFile()) return ok(undefined);
      if (stat.size > MOST_MIB << 20) return err(`is larger than ${MOST_MIB} MiB: divide it`);
      return ok(`${stat.ino} ${stat.size} ${stat.ctimeNs}`);
    } catch (error) {
      return err(unreadable(error));
    }
  }

  /** Watches the folder that is there now; a new one under the old name is another inode. */
  #attach(): void {
    const identity = identityOf(this.#kind.path);
    if (identity === this.#watched) return;
    this.#watcher?.close();
    this.#watcher = undefined;
    this.#watched = '';
    if (identity === '') return;
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

/** Of what is there under that path now; empty when nothing is, or it cannot be told. */
function identityOf(path: string): string {
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    return `${dev} ${ino}`;
  } catch {
    return '';
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'error';
}

function unreadable(error: unknown): string {
  const code = codeOf(error);
  const advice =
    code === 'EACCES' || code === 'EPERM' ? 'check its permissions' : 'mend or remove it';
  return `cannot be read (${code}): ${advice}`;
}
