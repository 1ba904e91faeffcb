/** The controller's command line. */
import type { FlagSpec } from '../config/flags.ts';
import { SERVER_FLAGS } from '../config/serverflags.ts';
import { SOURCE_FLAGS } from '../config/source.ts';

export const CONTROLLER_FLAGS = {
  ...SOURCE_FLAGS,
  ...SERVER_FLAGS,
  'secret-file': {
    kind: 'text',
    default: '',
    hint: 'FILE',
    help:
      'secret of the speakers, to take their reports ' +
      '(default METALLB_ML_SECRET_KEY_PATH/secretkey)',
  },
} as const satisfies FlagSpec;
