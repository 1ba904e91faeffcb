/** Reads which interfaces are excluded; see speaker/excluded.ts. */
import { readFileSync } from 'node:fs';
import { err, ok } from '../../lib/result.ts';
import type { Result } from '../../lib/result.ts';
import { EXCLUDED_FILE, parseExcluded } from '../excluded.ts';
import { EXCLUDED_LINKS } from '../links.ts';

/** `given` empty: where MetalLB's manifests mount it; there it may be missing. */
export function readExcluded(given: string): Result<readonly string[], string> {
  const file = given === '' ? EXCLUDED_FILE : given;
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (given === '' && code === 'ENOENT') return ok(EXCLUDED_LINKS.map(({ source }) => source));
    return err(`cannot read ${file} (${code}): check --exclude-interfaces`);
  }
  const parsed = parseExcluded(text);
  return parsed.ok ? parsed : err(`${file}: ${parsed.error}`);
}
