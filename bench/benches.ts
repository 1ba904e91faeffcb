/** The measurements by name. Each is loaded when it runs: none carries another's modules. */
import { LabFailure } from '../lab/failure.ts';

export interface Wishes {
  readonly rounds: number;
  readonly runs: number;
  /** Empty: all. */
  readonly kind: string;
}

export interface Result {
  readonly json: unknown;
  /** For people; without it the JSON is shown to them too. */
  readonly table?: string;
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
  async memory(_, say) {
    const { memory, memoryTable } = await import('./memory.ts');
    const measured = await memory(say);
    return { json: measured, table: memoryTable(measured) };
  },
};
