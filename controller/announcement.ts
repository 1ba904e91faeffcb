/**
 * What is said on a Service about who answers for it: node names for the annotation, and a status
 * with a reason and a sentence for the condition. Only what speakers reported is ever said.
 */
import type { ReportedInterface } from '../owners/report.ts';

/** A node that answers for an address. */
export interface Voice {
  readonly node: string;
  readonly interfaces: readonly ReportedInterface[];
}

export interface Announcement {
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
  /** Who answers, by name. */
  readonly nodes: readonly string[];
}

/** Why there is no voice for some address. */
export interface Lack {
  readonly status: 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
}

/** `voices`: of every address, by canonical text; `lack` when one of them has none. */
export function announcementOf(
  voices: ReadonlyMap<string, readonly Voice[]>,
  lack: Lack | undefined,
): Announcement {
  const spoken = sentences(voices);
  const nodes = [...new Set([...voices.values()].flat().map(({ node }) => node))].toSorted();
  if (lack === undefined) {
    return { status: 'True', reason: 'Announced', message: spoken.join('; '), nodes };
  }
  return { ...lack, message: [lack.message, ...spoken].join('; '), nodes };
}

/** One part for each node and set of interfaces, whatever the number of addresses. */
function sentences(voices: ReadonlyMap<string, readonly Voice[]>): readonly string[] {
  const parts = new Map<string, { readonly voice: Voice; readonly ips: string[] }>();
  for (const [ip, list] of voices) {
    for (const voice of list) {
      const id = JSON.stringify(voice);
      const part = parts.get(id) ?? { voice, ips: [] };
      part.ips.push(ip);
      parts.set(id, part);
    }
  }
  return [...parts.values()]
    .toSorted((a, b) => (a.voice.node < b.voice.node ? -1 : 1))
    .map(({ voice: { node, interfaces }, ips }) => {
      const where = interfaces.map(({ name, mac }) => `${name} (${mac})`).join(', ');
      const on = where === '' ? 'no interface that is up' : where;
      return `${node} answers for ${ips.join(' and ')} on ${on}`;
    });
}
