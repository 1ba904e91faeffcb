/**
 * The program in the kernel and its specification in respond.ts agree on any frame: same verdict,
 * same bytes. The program runs on the frames by BPF_PROG_TEST_RUN, on the real maps.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { respond } from '../../speaker/respond.ts';
import type { PlaneState } from '../../speaker/respond.ts';
import { Cable, PlaneProcess } from './cable.ts';
import { announced, deliver, delivered } from './frames.ts';
import type { DryRun } from './planehost.ts';

const FOREVER = 1e12;

describe('the program in the kernel and respond.ts', () => {
  let cable: Cable;
  let host: PlaneProcess;

  beforeAll(() => {
    cable = new Cable('differ');
    host = new PlaneProcess(cable.node, 'dry');
  });
  afterAll(async () => {
    host.signal('SIGKILL');
    await host.exited;
    cable.close();
  });

  test.each([
    ['while the lease runs', FOREVER],
    ['after the lease', 1],
  ])(
    'agree on every frame %s',
    async (_, until) => {
      const [near, far] = cable.links;
      const announcements = announced(far);
      await host.call('attach', near);
      await host.call('apply', { put: announcements, remove: [] });
      await host.call('renew', until);
      const links = new Map([[near.index, near]]);
      const state: PlaneState = { until, announcements, links, guard: false };
      const met = new Map<string, number>();

      await fc.assert(
        fc.asyncProperty(delivered, fc.boolean(), async ({ frame, to }, onFar) => {
          const link = onFar ? far : near;
          const sent = deliver(frame, to, link);
          const { verdict, reply } = respond(state, link, sent, cable.now());
          const kernel = await host.call<DryRun | undefined>('ask', link.index, sent);
          fc.pre(kernel !== undefined);
          met.set(verdict, (met.get(verdict) ?? 0) + 1);
          expect(kernel).toEqual({ verdict, reply });
        }),
        { numRuns: 4000 },
      );
      const ended = until === FOREVER ? 'answered' : 'lapsed';
      const every = ['other', 'otherhost', 'oversized', 'malformed', 'reply', 'gratuitous'];
      every.push('unknown', 'unattached', 'restricted', ended);
      expect([...met.keys()].toSorted()).toEqual(every.toSorted());
    },
    60_000,
  );
});
