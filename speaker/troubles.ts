/**
 * What is wrong around this node: strangers that claim its addresses, and what keeps the node from
 * answering as it should, as whoever looks after that says it. Remembers it, so that a change of
 * it is said, and its repetition is not.
 */
import type { Note } from '../lib/note.ts';
import { cut } from '../lib/quote.ts';
import type { ReportedTrouble } from '../owners/report.ts';
import type { Conflict } from './reflexport.ts';

export class Troubles {
  readonly #bySource = new Map<string, readonly ReportedTrouble[]>();
  #conflicts: ReadonlyMap<string, Conflict> = new Map();
  #found = 0;

  /** All that there are now. */
  get all(): readonly ReportedTrouble[] {
    return [...this.#bySource.values()].flat();
  }

  /** Conflicts since the start of the process. */
  get conflictsFound(): number {
    return this.#found;
  }

  /** All that a source has to say now; what is new in it, and what is over. */
  tell(source: string, told: readonly ReportedTrouble[]): readonly Note[] {
    const troubles = told.map(({ reason, sentence }) => ({ reason, sentence: fit(sentence) }));
    const before = this.#bySource.get(source) ?? [];
    if (troubles.length === 0) this.#bySource.delete(source);
    else this.#bySource.set(source, troubles);
    const isSame = (a: ReportedTrouble) => (b: ReportedTrouble) =>
      a.reason === b.reason && a.sentence === b.sentence;
    const fresh = troubles.filter((each) => !before.some(isSame(each)));
    const over = before.filter(({ reason }) => !troubles.some((each) => each.reason === reason));
    return [
      ...fresh.map(({ reason, sentence }) => noteOf('warn', reason, sentence)),
      ...over.map(({ reason, sentence }) =>
        noteOf('info', 'TroubleOver', `over: ${sentence}`, { reason }),
      ),
    ];
  }

  /** All conflicts that the reflex knows now; which are new, and which are over. */
  follow(conflicts: readonly Conflict[]): readonly Note[] {
    const before = this.#conflicts;
    this.#conflicts = new Map(conflicts.map((each) => [idOf(each), each]));
    const notes: Note[] = [];
    for (const [id, conflict] of this.#conflicts) {
      if (before.has(id)) continue;
      this.#found += 1;
      const { ip, mac, link, withheld } = conflict;
      const what = withheld ? 'it is not answered from here' : 'it is defended';
      const msg = `${mac} on ${link} claims ${ip}, and is no node of the cluster; ${what}`;
      notes.push(noteOf('warn', 'AddressConflict', msg, { ip, mac, interface: link, withheld }));
    }
    for (const [id, { ip, mac, link }] of before) {
      if (this.#conflicts.has(id)) continue;
      const msg = `${mac} on ${link} is not heard to claim ${ip} any more`;
      notes.push(noteOf('info', 'AddressConflictOver', msg, { ip, mac, interface: link }));
    }
    return notes;
  }
}

/** For a report, which takes one line (owners/report.ts), whatever a kernel or agent said. */
function fit(sentence: string): string {
  return cut(sentence.replaceAll(/\p{Cc}+/gu, ' '), LONGEST);
}

const LONGEST = 1000;

function idOf({ ip, mac, link, withheld }: Conflict): string {
  return `${ip} ${mac} ${link} ${withheld}`;
}

function noteOf(
  level: Note['level'],
  event: string,
  msg: string,
  fields: Note['fields'] = {},
): Note {
  return { level, event, msg, fields };
}
