/**
 * What a process holds, as the kernel counts it (proc(5)): descriptors by kind, BPF maps and
 * programs among them by their ids, and memory. What a map takes counts to nobody's memory, so a
 * map that is forgotten shows only here.
 */
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';

export interface Footing {
  readonly descriptors: number;
  /** Distinct ids of maps, programs and links behind the descriptors. */
  readonly bpf: number;
  readonly anon_mib: number;
  readonly rss_mib: number;
  readonly threads: number;
  /** Seconds of processor time so far. */
  readonly cpu_s: number;
  /** How many of each kind: `socket`, `anon_inode:bpf-map`. */
  readonly kinds: Readonly<Record<string, number>>;
}

export function footing(pid: number): Footing {
  const kinds: Record<string, number> = {};
  const ids = new Set<string>();
  const descriptors = readdirSync(`/proc/${pid}/fd`);
  for (const fd of descriptors) {
    const kind = kindOf(pid, fd);
    kinds[kind] = (kinds[kind] ?? 0) + 1;
    if (kind.startsWith('anon_inode:bpf')) for (const id of idsOf(pid, fd)) ids.add(id);
  }
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const number = (key: string): number =>
    Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(status)?.[1]);
  const mib = (key: string): number => Math.round((number(key) / 1024) * 100) / 100;
  // After the name, which may hold spaces: field 14 and 15, in ticks of 10 ms.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
  return {
    descriptors: descriptors.length,
    bpf: ids.size,
    anon_mib: mib('RssAnon'),
    rss_mib: mib('VmRSS'),
    threads: number('Threads'),
    cpu_s: (Number(fields[11]) + Number(fields[12])) / 100,
    kinds,
  };
}

/** Without the number of a socket or pipe; `gone` if it was closed meanwhile. */
function kindOf(pid: number, fd: string): string {
  try {
    const target = readlinkSync(`/proc/${pid}/fd/${fd}`);
    return target.startsWith('/')
      ? 'file'
      : target.replace(/:\[\d+\]$/, '').replace(/\[(.*)\]/, '$1');
  } catch {
    return 'gone';
  }
}

function idsOf(pid: number, fd: string): readonly string[] {
  try {
    const info = readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8');
    return [...info.matchAll(/^(map_id|prog_id|link_id):\s+(\d+)/gm)].map(
      ([, kind, id]) => `${kind} ${id}`,
    );
  } catch {
    return [];
  }
}
