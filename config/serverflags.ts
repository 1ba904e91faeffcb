/** How a program shows itself, metrics and log: flags that both programs have. */
import type { FlagSpec } from './flags.ts';

export const SERVER_FLAGS = {
  host: { kind: 'text', default: '127.0.0.1', hint: 'ADDRESS', help: 'where to serve metrics' },
  port: {
    kind: 'number',
    default: 7472,
    min: 1,
    max: 65535,
    hint: 'PORT',
    help: 'port of /metrics, /healthz and /readyz',
  },
  'log-level': {
    kind: 'choice',
    default: 'info',
    choices: ['debug', 'info', 'warn', 'error'],
    help: 'least important log lines to write',
  },
} as const satisfies FlagSpec;
