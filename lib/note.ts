/**
 * What a Machine has to say to people: it never logs, it emits notes, and the rim writes them.
 */
export interface Note {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  /** A stable name to search for. */
  readonly event: string;
  /** One sentence. */
  readonly msg: string;
  readonly fields: Readonly<Record<string, unknown>>;
}
