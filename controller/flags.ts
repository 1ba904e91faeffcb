/** The controller's command line. */
import type { FlagSpec } from '../config/flags.ts';
import { SERVER_FLAGS } from '../config/serverflags.ts';
import { SOURCE_FLAGS } from '../config/source.ts';

export const CONTROLLER_FLAGS = {
  ...SOURCE_FLAGS,
  ...SERVER_FLAGS,
} as const satisfies FlagSpec;
