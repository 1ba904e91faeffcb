/**
 * Replaces a file as a whole: readers see the old content or the new one, never a part, also when
 * the power goes in between.
 */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** Throws what the file system says, and leaves no temporary file. */
export function writeAtomically(path: string, text: string): void {
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
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
