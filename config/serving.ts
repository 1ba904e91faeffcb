/**
 * What is served where, decided from the flags: MetalLB moved metrics and probes between its
 * generations, and the manifests of each must find them (docs/decisions/0009).
 */
import type { FlagValues } from './flags.ts';
import type { SERVER_FLAGS } from './serverflags.ts';
import type { SOURCE_FLAGS } from './source.ts';

export type ServingFlags = Pick<
  FlagValues<typeof SERVER_FLAGS & typeof SOURCE_FLAGS>,
  'host' | 'port' | 'health-probe-port' | 'metrics-secure' | 'manifests' | 'kubeconfig' | 'given'
>;

export interface Place {
  /** undefined: every address of the machine. */
  readonly host: string | undefined;
  readonly port: number;
  /** By which a user would change it, for messages. */
  readonly flag: string;
}

export interface Serving {
  /** undefined: not at all. */
  readonly metrics: Place | undefined;
  /** HTTPS, and only for those whom the API server lets; else plain HTTP with the probes. */
  readonly secure: boolean;
  /** A port for the probes alone; undefined: they are beside the metrics. */
  readonly probes: Place | undefined;
}

/** Metrics of MetalLB from 0.16 on. */
const SECURE_PORT = 9120;
const LOOPBACK = '127.0.0.1';

/** Flags that only manifests for MetalLB from 0.16 on give. */
const SIGNS = [
  'tls-min-version',
  'tls-cipher-suites',
  'tls-curve-preferences',
  'metrics-cert-dir',
  'health-probe-port',
];

/** `probedFrom`: whether probes come from the pod's own host (a speaker) or from anywhere. */
export function servingOf(flags: ServingFlags, probedFrom: 'loopback' | 'anywhere'): Serving {
  const { given } = flags;
  // A kubelet probes a pod at its address; on a machine of one's own nobody else is invited.
  const isPod = flags.manifests === '' && flags.kubeconfig === '';
  const fallback = isPod ? undefined : LOOPBACK;
  const secure = isSecure(flags);
  const port = secure && !given.has('port') ? SECURE_PORT : flags.port;
  const host = flags.host === '' ? fallback : flags.host;
  const probePort = flags['health-probe-port'];
  const hasProbes = (secure || given.has('health-probe-port')) && probePort !== 0;
  const probeHost = probedFrom === 'loopback' ? LOOPBACK : fallback;
  return {
    metrics: port === 0 ? undefined : { host, port, flag: '--port' },
    secure,
    probes: hasProbes
      ? { host: probeHost, port: probePort, flag: '--health-probe-port' }
      : undefined,
  };
}

function isSecure(flags: ServingFlags): boolean {
  const { given, port, 'metrics-secure': wish } = flags;
  if (wish !== 'auto') return wish === 'true';
  // Nobody could be asked who may read.
  if (flags.manifests !== '') return false;
  return port === SECURE_PORT || SIGNS.some((name) => given.has(name));
}
