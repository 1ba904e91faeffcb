/**
 * The one door to pino: JSON lines on standard output with the keys
 * `ts level msg event service ip pool node interface`. `event` is a stable name to search for,
 * `msg` is for people. Nothing else in the product writes to standard output.
 */
import { pino } from 'pino';

export type Level = 'debug' | 'info' | 'warn' | 'error';

/** The least level that is written. `all` is as much as there is, `none` is nothing. */
export type Threshold = Level | 'all' | 'none';

/** Facts of a line; values that say nothing are left out. */
export interface Fields {
  readonly service?: string;
  readonly ip?: string;
  readonly pool?: string;
  readonly node?: string;
  readonly interface?: string;
  readonly [key: string]: unknown;
}

export type Log = (level: Level, event: string, msg: string, fields?: Fields) => void;

/** Writes synchronously, so the last line before an exit is never lost. */
export function openLog(program: string, least: Threshold): Log {
  const logger = pino(
    {
      level: least === 'all' ? 'debug' : least === 'none' ? 'silent' : least,
      base: { program },
      timestamp: () => `,"ts":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      messageKey: 'msg',
    },
    pino.destination({ fd: 1, sync: true }),
  );
  return (at, event, msg, fields) => {
    logger[at]({ event, ...fields }, msg);
  };
}
