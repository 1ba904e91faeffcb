/** Reports of a few speakers, as short as a test wants to say them. */
import type { ReportedConflict, ReportedSilence, SpeakerReport } from '../../../owners/report.ts';

export const NODES = ['node1', 'node2', 'node3'];

export interface Said {
  readonly number?: number;
  readonly boot?: string;
  readonly phase?: SpeakerReport['phase'];
  /** Addresses that it answers for. */
  readonly holds?: readonly string[];
  readonly dead?: readonly string[];
  readonly absent?: readonly string[];
  readonly silent?: readonly ReportedSilence[];
  readonly conflicts?: readonly ReportedConflict[];
}

export function reportOf(node: string, said: Said): SpeakerReport {
  const { number = 1, boot = 'b'.repeat(16), phase = 'serving', holds = [] } = said;
  const { dead = [], absent = [], silent = [], conflicts = [] } = said;
  const mac = `02:64:00:00:00:0${node.slice(-1)}`;
  const gone = new Set([node, ...dead, ...absent]);
  const alive = NODES.filter((other) => !gone.has(other));
  return {
    version: 1,
    node,
    boot,
    number,
    challenge: '',
    phase,
    plane: 'bpf',
    addresses: holds.map((ip) => ({ ip, services: [], interfaces: [{ name: 'eth0', mac }] })),
    silent,
    conflicts,
    troubles: [],
    peers: { alive, joining: [], absent, dead },
  };
}
