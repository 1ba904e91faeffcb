/** How a program shows itself, metrics, probes and log: flags that both programs have. */
import type { FlagSpec } from './flags.ts';

/** Metrics of MetalLB before 0.16, and ours: plain HTTP, with the probes on the same port. */
export const PLAIN_PORT = 7472;

export const SERVER_FLAGS = {
  host: {
    kind: 'text',
    default: '',
    hint: 'ADDRESS',
    env: ['METALLB_HOST'],
    help: 'where to serve metrics (default in a pod: every address; else 127.0.0.1)',
  },
  port: {
    kind: 'number',
    default: PLAIN_PORT,
    min: 0,
    max: 65535,
    hint: 'PORT',
    help: 'port of /metrics and, in plain HTTP, /healthz and /readyz; 0: none',
  },
  'health-probe-port': {
    kind: 'number',
    default: 17472,
    min: 0,
    max: 65535,
    hint: 'PORT',
    help: 'port of /healthz and /readyz, if given or if metrics are secure; 0: none',
  },
  'metrics-secure': {
    kind: 'choice',
    default: 'auto',
    choices: ['auto', 'true', 'false'],
    help:
      'HTTPS, for whom the API server lets read /metrics; auto: as MetalLB from 0.16 on, ' +
      'on port 9120 or when a --tls flag, --metrics-cert-dir or --health-probe-port is given',
  },
  'metrics-cert-dir': {
    kind: 'text',
    default: '',
    hint: 'DIR',
    help: 'tls.crt and tls.key of secure metrics (default: a certificate made at the start)',
  },
  'tls-min-version': {
    kind: 'choice',
    default: 'VersionTLS13',
    choices: ['VersionTLS10', 'VersionTLS11', 'VersionTLS12', 'VersionTLS13'],
    help: 'oldest TLS that is spoken',
  },
  'tls-cipher-suites': { kind: 'list', hint: 'SUITE', help: 'for TLS 1.2, by their IANA names' },
  'tls-curve-preferences': { kind: 'list', hint: 'CURVE', help: 'such as X25519, CurveP256' },
  'log-level': {
    kind: 'choice',
    default: 'info',
    choices: ['all', 'debug', 'info', 'warn', 'error', 'none'],
    help: 'least important log lines to write',
  },
  'lb-class': {
    kind: 'text',
    default: '',
    hint: 'CLASS',
    help: 'serve only Services of this loadBalancerClass; otherwise those that have none',
  },
  'pod-name': {
    kind: 'text',
    default: '',
    hint: 'NAME',
    env: ['METALLB_POD_NAME'],
    help: 'the pod that this program runs in',
  },
  'pprof-bind-address': {
    kind: 'moot',
    takesValue: true,
    help: 'that profiler is for programs in Go',
  },
  'enable-pprof': { kind: 'moot', takesValue: false, help: 'that profiler is for programs in Go' },
} as const satisfies FlagSpec;
