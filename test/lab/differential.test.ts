/**
 * The programs in the kernel and their specifications in respond.ts and guard.ts agree on any
 * frame: same verdict, same bytes, same sightings. The programs run on the frames by
 * BPF_PROG_TEST_RUN, on the real maps.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { guard } from '../../speaker/guard.ts';
import { respond } from '../../speaker/respond.ts';
import type { PlaneState } from '../../speaker/respond.ts';
import { ip } from '../contract/questions.ts';
import { Cable, PlaneProcess } from './cable.ts';
import { announced, deliver, delivered, toldWith } from './frames.ts';
import type { DryLeave, DryRun } from './planehost.ts';

const FOREVER = 1e12;

describe('the program in the kernel and respond.ts', () => {
  let cable: Cable;
  let host: PlaneProcess;

  beforeAll(() => {
    cable = new Cable('differ');
    host = new PlaneProcess(cable.node, '--guard', 'dry');
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
      const used = { ...near, ip4: ip('192.0.2.7') };
      await host.call('attach', used);
      await host.call('apply', { put: announcements, remove: [] });
      await host.call('renew', until);
      const links = new Map([[near.index, used]]);
      const state: PlaneState = { until, announcements, links, guard: true };
      const met = new Map<string, number>();

      await fc.assert(
        fc.asyncProperty(delivered, fc.boolean(), async ({ frame, to }, onFar) => {
          const link = onFar ? far : near;
          const sent = deliver(frame, to, link);
          const expected = respond(state, link, sent, cable.now());
          const kernel = await host.call<DryRun | undefined>('ask', link.index, sent);
          fc.pre(kernel !== undefined);
          const { verdict, reply, drops = false, claim } = expected;
          const { form } = claim?.sighting ?? {};
          for (const one of [verdict, form, drops ? 'drops' : undefined]) {
            if (one !== undefined) met.set(one, (met.get(one) ?? 0) + 1);
          }
          expect(kernel).toEqual({ verdict, drops, reply, sightings: toldWith(expected) });

          const leaves = guard(state, link.index, sent, cable.now());
          const { deed, frame: left } = leaves;
          if (deed !== undefined) met.set(deed, (met.get(deed) ?? 0) + 1);
          expect(await host.call<DryLeave>('leave', link.index, sent)).toEqual({
            deed,
            frame: left,
          });
        }),
        { numRuns: 4000 },
      );
      const ended = until === FOREVER ? 'answered' : 'lapsed';
      const every = ['other', 'otherhost', 'oversized', 'malformed', 'reply', 'gratuitous'];
      every.push('unknown', 'unattached', 'restricted', 'watched', ended);
      every.push('drops', 'request', 'probe', 'rewritten', 'suppressed');
      expect([...met.keys()].toSorted()).toEqual(every.toSorted());
    },
    60_000,
  );
});
