/**
 * The one door to zod: what is used of it, by name, and of its types. Its own entry is one object
 * with everything, error messages in fifty languages among it, and no bundler can take that apart:
 * 450 KiB of source, and with them 2 MiB of every program's memory.
 *
 * To be imported as a whole: `import * as z from './checker.ts'`.
 */
export {
  array,
  boolean,
  enum,
  int,
  looseObject,
  number,
  object,
  preprocess,
  record,
  string,
  toJSONSchema,
  union,
} from 'zod';
export type { ZodError, ZodNumber, ZodObject, ZodType, input, output } from 'zod';
