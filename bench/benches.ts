/** The measurements by name. Each is loaded when it runs: none carries another's modules. */
import { LabFailure } from '../lab/failure.ts';
import type { Wishes } from './wishes.ts';

export interface Result {
  readonly json: unknown;
  /** For people; without it the JSON is shown to them too. */
  readonly table?: string;
  /** What was missed; the command fails with it. */
  readonly missed?: readonly string[];
}

/** `say` takes progress. Throws LabFailure with one sentence. */
export type Bench = (wishes: Wishes, say: (text: string) => void) => Promise<Result>;

export const BENCHES: Readonly<Record<string, Bench>> = {
  async allocate({ rounds }, say) {
    const { allocations, allocationsTable } = await import('./allocate.ts');
    const measured = allocations(rounds, say);
    return { json: measured, table: allocationsTable(measured) };
  },
  async answer({ rounds }, say) {
    const [{ answer }, { asJson, asTable }] = await Promise.all([
      import('./answer.ts'),
      import('./report.ts'),
    ]);
    const answers = await answer(rounds, say);
    return { json: asJson(answers), table: asTable(answers) };
  },
  async burst({ rounds }, say) {
    const { burst } = await import('./burst.ts');
    return { json: await burst(rounds, say) };
  },
  async failover({ runs, kind }, say) {
    const { KINDS, failover, failoverJson } = await import('./failover.ts');
    const kinds = KINDS.filter((each) => kind === '' || each === kind);
    if (kinds.length === 0) {
      throw new LabFailure(`no kind "${kind}": choose from ${KINDS.join(' ')}`);
    }
    return { json: failoverJson(await failover(kinds, runs, say)) };
  },
  async flood({ rounds }, say) {
    const { flood, floodTable } = await import('./flood.ts');
    const found = await flood(rounds, say);
    return { json: found, table: floodTable(found), missed: found.missed };
  },
  async footprint(_, say) {
    const { footprint, footprintTable } = await import('./footprint.ts');
    const found = await footprint(say);
    return { json: found, table: footprintTable(found), missed: found.missed };
  },
  async links({ rounds }, say) {
    const { links, linksTable } = await import('./links.ts');
    const followed = await links(rounds, say);
    return { json: followed, table: linksTable(followed) };
  },
  async memory(_, say) {
    const { memory, memoryTable } = await import('./memory.ts');
    const measured = await memory(say);
    return { json: measured, table: memoryTable(measured) };
  },
  async soak({ minutes, kind }, say) {
    const { PLANES, soak, soakTable } = await import('./soak.ts');
    const plane = PLANES.find((each) => each === (kind === '' ? 'bpf' : kind));
    if (plane === undefined) throw new LabFailure(`no plane "${kind}": ${PLANES.join(' or ')}`);
    const found = await soak(plane, minutes, say);
    return { json: found, table: soakTable(found), missed: found.over };
  },
  async takeover({ runs, kind }, say) {
    const { takeover, takeoverTable } = await import('./takeover.ts');
    const { PROFILES } = await import('../speaker/timing.ts');
    const profile = kind === '' ? 'default' : kind;
    if (!isKey(PROFILES, profile))
      throw new LabFailure(`no profile "${kind}": fast, default or vm`);
    const found = await takeover(profile, runs, say);
    return { json: found, table: takeoverTable(found), missed: found.missed };
  },
};

function isKey<T extends object>(object: T, key: PropertyKey): key is keyof T {
  return Object.hasOwn(object, key);
}
