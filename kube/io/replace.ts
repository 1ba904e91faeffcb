/**
 * Replaces or creates a file as a whole: readers see the old content or the new one, never a part,
 * also when the power goes in between.
 */
import { closeSync, fsyncSync, linkSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** Throws what the file system says, and leaves no temporary file. */
export function writeAtomically(path: string, text: string): void {
  place(path, text, (temporary) => renameSync(temporary, path));
}

/** The same for a file that must not be there yet: throws EEXIST when it is. */
export function createAtomically(path: string, text: string): void {
  place(path, text, (temporary) => {
    linkSync(temporary, path);
    rmSync(temporary);
  });
}

function place(path: string, text: string, take: (temporary: string) => void): void {
  // Same directory: a rename is atomic only within one file system. The dot hides it from readers.
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}`);
  try {
    const file = openSync(temporary, 'w', 0o644);
    try {
      writeSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    take(temporary);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
