/** Something that a Machine of the controller has to say: worth a line in the log. */
import type { Problem } from '../config/problem.ts';

export interface Note {
  readonly level: 'info' | 'warn' | 'error';
  /** Stable name to search for. */
  readonly event: string;
  readonly message: string;
  readonly service?: string;
  /** Where a person finds it; or the field, for the driver to find it. */
  readonly place?: string;
  readonly problem?: Problem;
}
